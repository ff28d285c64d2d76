//! The other ways: an agent goes, or gets a new key (ADR 0030).
//!
//! Both may be repeated after a crash at any point, as enrolment may. Nothing here deletes a consumer or a message: the
//! lanes of an agent that went stay, without its rooms, and what lies in them stays until its age.

use std::path::PathBuf;

use async_nats::jetstream::Context;
use serde_json::{Value, json};
use wagglebus_schemas::stream::{Stream, lane_consumer};
use wagglebus_schemas::subject::filter;
use wagglebus_schemas::{AgentId, Hive, Priority};

use super::login::{self, Attempt, LoginError};
use super::register::{make_lanes, register};
use super::{Applicant, Candidate, EnrolError, Enrolled, Enroller, discard, lock, record};
use crate::conf::Roster;
use crate::keys::{KeyError, PublicKey, UserKey};
use crate::private_file::{self, io_error};
use crate::server::reload;

/// What becomes of mail that an agent has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Then it does not go.
    Keep,
    /// Each message becomes a dead letter, and its sender is told.
    Discard,
}

/// An agent that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Messages that became dead letters.
    pub discarded: u64,
}

impl Enroller<'_> {
    /// Takes an agent's way in, its rooms and its record. Its connections are cut, its key is good for nothing any more.
    ///
    /// # Errors
    /// [`EnrolError`]: when nobody is called so, when it has unread mail that shall be kept, or when something fails; the
    /// next run then finishes the work.
    pub async fn remove(&self, agent: &AgentId, unread: Unread) -> Result<Removed, EnrolError> {
        let _lock = lock::acquire(&self.files.enrol_lock()).await?;
        let hive = self.places.hive();
        let record = |source| EnrolError::Record {
            agent: agent.clone(),
            source,
        };
        let mut roster = self.roster()?;
        let known = roster.agents().contains_key(agent);
        if !known
            && record::find(self.admin, hive, agent)
                .await
                .map_err(record)?
                .is_none()
        {
            return Err(EnrolError::Stranger { agent: agent.clone() });
        }
        if unread == Unread::Keep {
            let lanes = self.unread(agent).await?;
            if !lanes.is_empty() {
                let agent = agent.clone();
                return Err(EnrolError::Unread { agent, lanes });
            }
        }
        if roster.expel(agent).is_some() {
            self.take_over(&roster).await?;
        }
        self.refused(agent).await?;
        make_lanes(self.admin, hive, agent, &[]).await?;
        let discarded = match unread {
            Unread::Keep => 0,
            Unread::Discard => {
                discard::all(self.admin, hive, agent)
                    .await
                    .map_err(|source| EnrolError::Discard {
                        agent: agent.clone(),
                        source,
                    })?
            }
        };
        record::remove(self.admin, hive, agent).await.map_err(record)?;
        let seed = self.places.agent_seed_file(agent);
        match std::fs::remove_file(&seed) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error(&seed, "removed")(error).into())
            }
            Ok(()) | Err(_) => Ok(Removed { discarded }),
        }
    }

    /// Gives an agent another key. The former one is refused as soon as the server knows the new one; a sidecar that runs
    /// reads the new one when it connects again.
    ///
    /// # Errors
    /// [`EnrolError`]: when nobody is called so, or something fails; the next run then finishes the work.
    pub async fn rotate(&self, applicant: &Applicant) -> Result<Enrolled, EnrolError> {
        let _lock = lock::acquire(&self.files.enrol_lock()).await?;
        let agent = applicant.agent();
        if !self.roster()?.agents().contains_key(agent) {
            return Err(EnrolError::Stranger { agent: agent.clone() });
        }
        let seed_file = self.places.agent_seed_file(agent);
        // Kept beside the former one until the server knows it: a crash in between loses neither.
        let next = next_file(&seed_file);
        let key = |path: &PathBuf, source| EnrolError::Key {
            agent: agent.clone(),
            path: path.clone(),
            source,
        };
        let former = match UserKey::load(&seed_file) {
            Ok(former) => Some(former),
            Err(KeyError::Absent { .. }) => None,
            Err(error) => return Err(key(&seed_file, error)),
        };
        let made = UserKey::load_or_create(&next).map_err(|error| key(&next, error))?;
        let public: PublicKey = made.public().clone();
        self.admit(&[Candidate { applicant, key: made }]).await?;
        private_file::rename(&next, &seed_file)?;
        if let Some(former) = former.filter(|former| *former.public() != public) {
            self.is_refused(agent, &former).await?;
        }
        let enrolment = register(self.admin, self.places.hive(), applicant, &public).await?;
        Ok(Enrolled { enrolment, seed_file })
    }

    /// The lanes in which mail waits or is in the agent's hands. What was posted to rooms is the rooms' affair.
    async fn unread(&self, agent: &AgentId) -> Result<Vec<Priority>, EnrolError> {
        let hive = self.places.hive();
        let mut lanes = Vec::new();
        for &priority in Priority::ALL {
            let unread = has_unread(self.admin, hive, agent, priority).await;
            let unread = unread.map_err(|reason| EnrolError::Look {
                agent: agent.clone(),
                reason,
            })?;
            if unread {
                lanes.push(priority);
            }
        }
        Ok(lanes)
    }

    /// Makes the server use this roster instead of the one in the file.
    async fn take_over(&self, roster: &Roster) -> Result<(), EnrolError> {
        let path = self.files.agents();
        let former = private_file::read(&path)?.ok_or_else(|| EnrolError::NoServer { path: path.clone() })?;
        private_file::replace(&path, roster.render(self.places.hive()).as_bytes())?;
        if let Err(refused) = reload(self.server.pid, self.server.monitor).await {
            private_file::replace(&path, former.as_bytes())?;
            return Err(refused.into());
        }
        Ok(())
    }

    /// Makes sure that the key that lies here opens nothing any more. A run before this one may have ended between writing
    /// the file and reloading it.
    async fn refused(&self, agent: &AgentId) -> Result<(), EnrolError> {
        let path = self.places.agent_seed_file(agent);
        let key = match UserKey::load(&path) {
            Ok(key) => key,
            Err(KeyError::Absent { .. }) => return Ok(()),
            Err(source) => {
                let agent = agent.clone();
                return Err(EnrolError::Key { agent, path, source });
            }
        };
        if self.is_refused(agent, &key).await.is_err() {
            reload(self.server.pid, self.server.monitor).await?;
            self.is_refused(agent, &key).await?;
        }
        Ok(())
    }

    async fn is_refused(&self, agent: &AgentId, key: &UserKey) -> Result<(), EnrolError> {
        let attempt = Attempt {
            url: &self.server.url,
            hive: self.places.hive(),
            agent,
            key,
        };
        match login::once(attempt).await {
            Err(LoginError::Refused) => Ok(()),
            Ok(()) | Err(LoginError::CutOff | LoginError::Silent(_)) => {
                Err(EnrolError::StillKnown { agent: agent.clone() })
            }
            Err(source @ (LoginError::Unreachable(_) | LoginError::Key(_))) => Err(EnrolError::Login {
                agent: agent.clone(),
                source,
            }),
        }
    }
}

/// Where a key waits for the server to know it.
fn next_file(seed_file: &std::path::Path) -> PathBuf {
    seed_file.with_extension("nk.next")
}

async fn has_unread(js: &Context, hive: &Hive, agent: &AgentId, priority: Priority) -> Result<bool, String> {
    let (stream, lane) = (Stream::Messages.name(hive), lane_consumer(agent, priority));
    let ask = async |subject: String, body: Value| -> Result<Value, String> {
        js.request(subject, &body)
            .await
            .map_err(|error: async_nats::jetstream::context::RequestError| error.to_string())
    };
    let info = ask(format!("CONSUMER.INFO.{stream}.{lane}"), json!({})).await?;
    let number = |pointer: &str| info.pointer(pointer).and_then(Value::as_u64);
    let Some(delivered) = number("/delivered/stream_seq") else {
        // There is no such lane, and so nothing in it.
        return Ok(false);
    };
    if number("/num_ack_pending").is_some_and(|held| held > 0) {
        return Ok(true);
    }
    let inbox = filter::lane(hive, agent, priority);
    let body = json!({ "seq": delivered + 1, "next_by_subj": inbox });
    let found = ask(format!("STREAM.MSG.GET.{stream}"), body).await?;
    Ok(found.get("message").is_some())
}
