//! A whole hive for one test: server with accounts, keys, streams, and agents that are enrolled as in real life.
//!
//! ```no_run
//! # use wagglebus_harness::bus::TestBus;
//! # async fn example() -> anyhow::Result<()> {
//! let bus = TestBus::open().await?;
//! let alice = bus.enrol("alice").await?;
//! // … connect to bus.url() with the seed in alice.seed_file …
//! # Ok(())
//! # }
//! ```

use std::path::Path;

use anyhow::{Context as _, Result};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};
use tempfile::TempDir;
use wagglebus_nats::conf::{BusKeys, ConfPath, Form, Roster, ServerConf, ServerFiles};
use wagglebus_nats::enrol::{Applicant, Enrolled, Enroller, RunningServer};
use wagglebus_nats::keys::{BusUser, PublicKey, UserKey};
use wagglebus_nats::plan::Wanted;
use wagglebus_nats::private_file;
use wagglebus_nats::provision::provision;
use wagglebus_nats::topology::{Sizing, streams};
use wagglebus_schemas::places::{Durability, Places, PlacesSource};
use wagglebus_schemas::{AgentId, Hive};

use crate::server::TestServer;

/// Small enough for any machine that runs tests, large enough for the largest of them.
const STORAGE_BYTES: u64 = 1 << 30;

/// A hive of its own. Dropped, the server and all files are gone.
#[derive(Debug)]
pub struct TestBus {
    server: TestServer,
    files: ServerFiles,
    places: Places,
    sizing: Sizing,
    admin: Context,
    home: TempDir,
}

impl TestBus {
    /// A hive with an account per agent, fsync every two minutes, and no agent.
    ///
    /// # Errors
    /// When there is no nats-server, or anything of the set-up fails.
    pub async fn open() -> Result<Self> {
        Self::with(|_| {}).await
    }

    /// A hive that keeps agents apart in this way.
    ///
    /// # Errors
    /// See [`TestBus::open`].
    pub async fn with_form(form: Form) -> Result<Self> {
        Self::with(|conf| conf.form = form).await
    }

    /// A hive whose server is configured differently.
    ///
    /// # Errors
    /// See [`TestBus::open`].
    pub async fn with(change: impl FnOnce(&mut ServerConf)) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("wagglebus-home-").tempdir()?;
        let places = places(home.path())?;
        let keys = BusKeys {
            system: public(&places, BusUser::System)?,
            coordinator: public(&places, BusUser::Coordinator)?,
            admin: public(&places, BusUser::Admin)?,
            inspector: public(&places, BusUser::Inspector)?,
        };
        let sizing = Sizing::new(STORAGE_BYTES, 1)?;
        // The fixture makes the folder; where it is, and so the rest of the configuration, is known only inside.
        let mut made = Err(anyhow::anyhow!("the configuration was not asked for"));
        let server = TestServer::with_config(|paths| {
            let files = ServerFiles::in_dir(&paths.dir);
            match write_config(&files, &paths.store, sizing, keys, change) {
                Ok(text) => {
                    made = Ok(files);
                    text
                }
                Err(error) => {
                    made = Err(error);
                    String::new()
                }
            }
        })
        .await?;
        let files = made?;
        let key = UserKey::load(&BusUser::Admin.seed_file(&places))?;
        let admin = jetstream::new(dial(server.url(), &key).await?);
        let bus = Self {
            server,
            files,
            places,
            sizing,
            admin,
            home,
        };
        provision(&bus.admin, &bus.streams()).await?;
        Ok(bus)
    }

    /// Where clients connect. The same after each restart.
    #[must_use]
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The server's process.
    #[must_use]
    pub fn server(&self) -> &TestServer {
        &self.server
    }

    /// The server's process, to kill or stop it.
    pub fn server_mut(&mut self) -> &mut TestServer {
        &mut self.server
    }

    /// The server's files.
    #[must_use]
    pub fn files(&self) -> &ServerFiles {
        &self.files
    }

    /// Where keys and all else of the user of this hive lies.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The folder that holds all files but the server's.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// JetStream as the administrator sees it.
    #[must_use]
    pub fn admin(&self) -> &Context {
        &self.admin
    }

    /// The streams that the hive has.
    #[must_use]
    pub fn streams(&self) -> Vec<Wanted> {
        streams(self.places.hive(), self.sizing)
            .iter()
            .map(Wanted::from)
            .collect()
    }

    /// Enrols an agent.
    ///
    /// # Errors
    /// When the name is none, or enrolment fails.
    pub async fn enrol(&self, name: &str) -> Result<Enrolled> {
        self.enrol_all(&[name])
            .await?
            .pop()
            .context("one agent was enrolled")
    }

    /// Enrols agents with one reload.
    ///
    /// # Errors
    /// See [`TestBus::enrol`].
    pub async fn enrol_all(&self, names: &[&str]) -> Result<Vec<Enrolled>> {
        let applicants: Result<Vec<_>> = names
            .iter()
            .map(|name| match name.parse::<AgentId>()? {
                operator if operator == AgentId::operator() => Ok(Applicant::operator()),
                agent => Ok(Applicant::new(agent, false)?),
            })
            .collect();
        Ok(self.enroller()?.enrol(&applicants?).await?)
    }

    /// Enrolment at this hive's server.
    ///
    /// # Errors
    /// When the server is stopped.
    pub fn enroller(&self) -> Result<Enroller<'_>> {
        let server = RunningServer {
            url: self.url().to_owned(),
            pid: self.server.pid()?,
            monitor: self.server.monitor()?,
        };
        Ok(Enroller {
            places: &self.places,
            files: &self.files,
            server,
            admin: &self.admin,
        })
    }

    /// A connection as a user of the bus itself.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn connect(&self, user: BusUser) -> Result<Client> {
        dial(self.url(), &UserKey::load(&user.seed_file(&self.places))?).await
    }

    /// The key of an agent.
    ///
    /// # Errors
    /// When it was not enrolled.
    pub fn agent_key(&self, name: &str) -> Result<UserKey> {
        Ok(UserKey::load(&self.places.agent_seed_file(&name.parse()?))?)
    }
}

async fn dial(url: &str, key: &UserKey) -> Result<Client> {
    Ok(ConnectOptions::with_nkey(key.seed()?).connect(url).await?)
}

fn public(places: &Places, user: BusUser) -> Result<PublicKey> {
    Ok(UserKey::load_or_create(&user.seed_file(places))?.public().clone())
}

/// The places of a user whose home is `home`.
pub(crate) fn places(home: &Path) -> Result<Places> {
    let source = PlacesSource {
        home: Some(home.to_owned()),
        xdg_runtime: Some(home.join("run")),
        temporary: home.to_owned(),
        ..PlacesSource::default()
    };
    Ok(Places::new(Hive::default(), &source)?)
}

fn write_config(
    files: &ServerFiles,
    store: &Path,
    sizing: Sizing,
    keys: BusKeys,
    change: impl FnOnce(&mut ServerConf),
) -> Result<String> {
    let mut conf = ServerConf::on_loopback(Hive::default(), ConfPath::try_from(store)?, sizing, keys);
    conf.durability = Durability::Relaxed;
    change(&mut conf);
    private_file::replace(
        &files.agents(),
        Roster::new(conf.form).render(&conf.hive).as_bytes(),
    )?;
    Ok(conf.render())
}
