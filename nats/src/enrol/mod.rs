//! Enrolment: from a name to an agent that can log in and has its mail kept.
//!
//! [`Enroller::enrol`] runs in whatever process of the same user holds the administrator's key, needs no coordinator,
//! and may be repeated: after a crash at any point the next run finishes the work. The order is key, `agents.conf`,
//! reload, consumers, record; so who has a record can log in and misses nothing.

mod applicant;
mod discard;
mod leave;
mod lock;
mod login;
mod record;
mod register;
pub mod role;
pub mod rooms;

use futures::{StreamExt, TryStreamExt, stream};
use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Priority};

use async_nats::jetstream::Context;
use std::path::PathBuf;

use crate::conf::{Roster, RosterError, ServerFiles};
use crate::keys::{KeyError, PublicKey, UserKey};
use crate::private_file::{self, PrivateFileError};
use crate::provision::ProvisionError;
use crate::server::{Monitor, ReloadError, reload};

pub use applicant::{Applicant, Reserved};
pub use leave::{Removed, Unread};
use login::Attempt;
pub use login::LoginError;
pub use record::RecordError;
pub use register::register;

/// Logins and records under way at one time.
const CONCURRENCY: usize = 8;
/// Most further reloads for accounts that came without their imports.
const RELOADS: usize = 3;

/// Our own running nats-server, as `bus.json` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningServer {
    /// Where clients connect.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// Where it says which configuration it uses.
    pub monitor: Monitor,
}

/// Enrols agents at our own server.
#[derive(Debug)]
pub struct Enroller<'a> {
    /// Where keys lie.
    pub places: &'a Places,
    /// Where the server's configuration lies.
    pub files: &'a ServerFiles,
    /// The server.
    pub server: RunningServer,
    /// The administrator's connection.
    pub admin: &'a Context,
}

/// An agent that is enrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolled {
    /// What is written about it in `WB_enrolments`.
    pub enrolment: Enrolment,
    /// Where the seed of its key lies.
    pub seed_file: PathBuf,
}

/// Why agents are not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Another enrolment does not end.
    #[error("another enrolment holds {lock} for over {} s: end that process", lock::WAIT.as_secs())]
    Busy {
        /// The file that is locked.
        lock: PathBuf,
    },
    /// A file of ours cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// A key cannot be had.
    #[error("no key for {agent} in {path}")]
    Key {
        /// Whose.
        agent: AgentId,
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The server was never set up here.
    #[error("{path} does not exist: run `wagglebus up` on this machine first")]
    NoServer {
        /// The missing part of the server's configuration.
        path: PathBuf,
    },
    /// The server's configuration cannot be read or does not allow the agent.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The server does not take the new configuration. The former one is back in its place.
    #[error("the server did not take over the new agents")]
    Reload(#[from] ReloadError),
    /// The agent cannot log in.
    #[error("{agent} cannot log in with its key")]
    Login {
        /// The agent.
        agent: AgentId,
        /// Why.
        #[source]
        source: LoginError,
    },
    /// Its consumers cannot be made.
    #[error("the consumers of {agent} cannot be made")]
    Consumers {
        /// The agent.
        agent: AgentId,
        /// Why.
        #[source]
        source: ProvisionError,
    },
    /// Nobody is called so.
    #[error("{agent} is not enrolled")]
    Stranger {
        /// The name.
        agent: AgentId,
    },
    /// It has mail that nobody else will read.
    #[error("{agent} has unread mail in {}", words(.lanes))]
    Unread {
        /// The agent.
        agent: AgentId,
        /// The lanes.
        lanes: Vec<Priority>,
    },
    /// Its lanes cannot be looked at.
    #[error("the lanes of {agent} cannot be looked at: {reason}")]
    Look {
        /// The agent.
        agent: AgentId,
        /// Why.
        reason: String,
    },
    /// Its mail cannot be put away.
    #[error("the mail of {agent} cannot be put away")]
    Discard {
        /// The agent.
        agent: AgentId,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server took over the new configuration, and yet lets the old key in.
    #[error("the server still lets {agent} in with the old key: see its log, then run this again")]
    StillKnown {
        /// The agent.
        agent: AgentId,
    },
    /// It cannot be written down.
    #[error("the enrolment of {agent} cannot be recorded")]
    Record {
        /// The agent.
        agent: AgentId,
        /// Why.
        #[source]
        source: RecordError,
    },
}

fn words(lanes: &[Priority]) -> String {
    lanes
        .iter()
        .map(|lane| lane.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// An applicant with its key.
struct Candidate<'a> {
    applicant: &'a Applicant,
    key: UserKey,
}

impl Enroller<'_> {
    /// Enrols all of `applicants` together: one reload of the server, two where it needs them (ADR 0005). Whoever is enrolled stays so: the rooms and
    /// the time of an earlier enrolment are kept.
    ///
    /// # Errors
    /// [`EnrolError`]; some may then be enrolled already, and the next run finishes the rest.
    pub async fn enrol(&self, applicants: &[Applicant]) -> Result<Vec<Enrolled>, EnrolError> {
        let _lock = lock::acquire(&self.files.enrol_lock()).await?;
        let candidates = self.candidates(applicants)?;
        self.admit(&candidates).await?;
        stream::iter(&candidates)
            .map(|candidate| self.register(candidate))
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    fn candidates<'c>(&self, applicants: &'c [Applicant]) -> Result<Vec<Candidate<'c>>, EnrolError> {
        let candidate = |applicant: &'c Applicant| {
            let agent = applicant.agent();
            let path = self.places.agent_seed_file(agent);
            let key = UserKey::load_or_create(&path).map_err(|source| EnrolError::Key {
                agent: agent.clone(),
                path,
                source,
            })?;
            Ok(Candidate { applicant, key })
        };
        applicants.iter().map(candidate).collect()
    }

    /// Makes the server accept the keys.
    async fn admit(&self, candidates: &[Candidate<'_>]) -> Result<(), EnrolError> {
        let path = self.files.agents();
        let mut roster = self.roster()?;
        let text = roster.render(self.places.hive());
        let mut changed = false;
        for candidate in candidates {
            changed |= roster.admit(candidate.applicant.agent(), candidate.key.public())?;
        }
        if !changed && self.is_admitted(candidates).await? {
            return Ok(());
        }
        private_file::replace(&path, roster.render(self.places.hive()).as_bytes())?;
        if let Err(refused) = reload(self.server.pid, self.server.monitor).await {
            // A file that the server refuses would keep it from starting again.
            private_file::replace(&path, text.as_bytes())?;
            return Err(refused.into());
        }
        for _ in 0..RELOADS {
            match self.confirm(candidates, login::soon).await {
                Err(EnrolError::Login {
                    source: LoginError::CutOff,
                    ..
                }) => reload(self.server.pid, self.server.monitor).await?,
                result => return result,
            }
        }
        self.confirm(candidates, login::soon).await
    }

    /// Who may log in.
    ///
    /// # Errors
    /// When the server was never set up here, or its file cannot be read.
    pub fn roster(&self) -> Result<Roster, EnrolError> {
        let path = self.files.agents();
        let text = private_file::read(&path)?.ok_or_else(|| EnrolError::NoServer { path: path.clone() })?;
        Ok(Roster::parse(&text)?)
    }

    /// Everybody who may log in, with the record where there is one.
    ///
    /// # Errors
    /// When the roster or a record cannot be read.
    pub async fn list(&self) -> Result<Vec<(AgentId, PublicKey, Option<Enrolment>)>, EnrolError> {
        let hive = self.places.hive();
        let mut all = Vec::new();
        for (agent, key) in self.roster()?.agents() {
            let found = record::find(self.admin, hive, agent).await;
            let found = found.map_err(|source| EnrolError::Record {
                agent: agent.clone(),
                source,
            })?;
            all.push((agent.clone(), key.clone(), found.map(|found| found.enrolment)));
        }
        Ok(all)
    }

    /// Whether all can work already. A former run may have ended between writing the file and reloading it.
    async fn is_admitted(&self, candidates: &[Candidate<'_>]) -> Result<bool, EnrolError> {
        match self.confirm(candidates, login::once).await {
            Err(EnrolError::Login {
                source: LoginError::Refused | LoginError::CutOff,
                ..
            }) => Ok(false),
            result => result.map(|()| true),
        }
    }

    async fn confirm<F>(&self, candidates: &[Candidate<'_>], login: F) -> Result<(), EnrolError>
    where
        F: AsyncFn(Attempt<'_>) -> Result<(), LoginError>,
    {
        let (login, url, hive) = (&login, self.server.url.as_str(), self.places.hive());
        stream::iter(candidates)
            .map(|Candidate { applicant, key }| async move {
                let agent = applicant.agent();
                let result = login(Attempt {
                    url,
                    hive,
                    agent,
                    key,
                })
                .await;
                result.map_err(|source| EnrolError::Login {
                    agent: agent.clone(),
                    source,
                })
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Makes the consumers and the record.
    async fn register(&self, candidate: &Candidate<'_>) -> Result<Enrolled, EnrolError> {
        let Candidate { applicant, key } = candidate;
        let enrolment = register(self.admin, self.places.hive(), applicant, key.public()).await?;
        let seed_file = self.places.agent_seed_file(applicant.agent());
        Ok(Enrolled { enrolment, seed_file })
    }
}
