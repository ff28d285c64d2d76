//! From the command line to a connection: which bus, which key, which folders.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use wagglebus_nats::conf::ServerFiles;
use wagglebus_nats::config::{Config, ConfigPlaces};
use wagglebus_nats::connect::{Connection, Credentials, Events, Settings, connect};
use wagglebus_nats::enrol::{Applicant, Enroller, RunningServer};
use wagglebus_nats::keys::BusUser;
use wagglebus_nats::server::Monitor;
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::places::{BusFile, Places};
use wagglebus_schemas::subject::agent_api_prefix;
use wagglebus_schemas::{AgentId, Hive, Resources};

use crate::args::{Arguments, TmuxArguments};
use crate::bridge::tmux::{Attached, attach};
use crate::failure::Failure;
use crate::heartbeat::Declared;

/// How long an enrolment waits for the administrator's connection.
const ADMIN_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// What was asked for, by arguments, variables and configuration files together.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) arguments: Arguments,
    pub(crate) places: Places,
    config: Config,
}

impl Setup {
    /// Reads the configuration files and makes the run folder.
    ///
    /// # Errors
    /// When a file or a place is unusable.
    pub(crate) fn new(arguments: Arguments) -> Result<Self, Failure> {
        let places = |hive| Places::from_env(hive, rustix::process::getuid().as_raw());
        let lies = ConfigPlaces::of(&places(Hive::default())?);
        let config = Config::load(arguments.config.as_ref(), lies)?;
        for why in config.passed_over() {
            tracing::warn!("passed over: {why}");
        }
        let hive = arguments
            .hive
            .clone()
            .or_else(|| config.hive().map(|said| said.value));
        let places = places(hive.unwrap_or_default())?;
        private_folder(places.run_dir())?;
        Ok(Self {
            arguments,
            places,
            config,
        })
    }

    /// How many messages the agent works on at once.
    pub(crate) fn slots(&self) -> usize {
        let said = || self.config.sidecar_slots().map(|said| said.value);
        usize::from(self.arguments.slots.or_else(said).unwrap_or(1))
    }

    /// What the agent declares of itself.
    pub(crate) fn declared(&self) -> Declared {
        // Each was read once when the command line was.
        let resources = Resources::of_texts(self.arguments.resources.iter().map(String::as_str)).ok();
        let slots = u16::try_from(self.slots()).ok();
        Declared {
            capabilities: self.arguments.capabilities.clone(),
            resources: resources.filter(|resources| !resources.is_empty()),
            slots: slots.and_then(NonZeroU16::new),
        }
    }

    /// Where the local API listens beside its socket.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        let said = || self.config.sidecar_listen().map(|said| said.value);
        self.arguments.listen.or_else(said)
    }

    /// Where the sidecar keeps its state.
    pub(crate) fn state_dir(&self) -> PathBuf {
        let usual = || self.places.agent_state_dir(&self.arguments.agent);
        self.arguments.state_dir.clone().unwrap_or_else(usual)
    }

    /// Attaches to the pane that is named.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) async fn attach(&self, tmux: &TmuxArguments) -> Result<Attached, Failure> {
        // One writer per pane, also where the user has several hives.
        let run = self.places.run_dir();
        let locks = run.parent().unwrap_or(run);
        Ok(attach(tmux, &self.state_dir(), locks, &self.arguments.agent).await?)
    }

    /// Connects as the agent; enrols it first where the bus is our own.
    ///
    /// # Errors
    /// When no bus is named or running, or it refuses us. A bus that is only unreachable is waited for.
    pub(crate) async fn connect_as_agent(&self) -> Result<(Connection, Events), Failure> {
        let (arguments, places) = (&self.arguments, &self.places);
        let options = arguments.bus.options();
        let mut settings = match options.named_here(places.nats_context_dir(), &self.config)? {
            Some(named) => Settings {
                inbox_prefix: named
                    .inbox_prefix
                    .clone()
                    .unwrap_or_else(|| inbox_prefix(&arguments.agent)),
                ..named.connection(connection_name(&arguments.agent))
            },
            None => own_bus(arguments, places).await?,
        };
        settings.retry_first = true;
        settings.jitter_seed = uuid::Uuid::new_v4().as_u64_pair().0;
        Ok(connect(settings).await?)
    }
}

/// Makes a folder that only its owner may enter.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn private_folder(path: &Path) -> Result<(), Failure> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| Failure::Place {
        path: path.to_owned(),
        source,
    })
}

fn connection_name(agent: &AgentId) -> String {
    format!("wagglebus-sidecar {agent}")
}

/// Settings for the `wagglebus up` of this user, at which the agent is enrolled.
async fn own_bus(arguments: &Arguments, places: &Places) -> Result<Settings, Failure> {
    let path = places.bus_file();
    let text = std::fs::read(&path).map_err(|_| Failure::NoBus {
        what: format!("no --server was given and {} does not exist", path.display()),
    })?;
    let bus: BusFile = serde_json::from_slice(&text).map_err(|e| Failure::NoBus {
        what: format!("{} cannot be read: {e}", path.display()),
    })?;
    let seed_file = match enrol(arguments, places, &bus).await {
        // The server is away: an agent that is enrolled already starts all the same, and spools.
        Err(Failure::Connect(error))
            if error.heals() && places.agent_seed_file(&arguments.agent).exists() =>
        {
            places.agent_seed_file(&arguments.agent)
        }
        enrolled => enrolled?,
    };
    let mut settings = Settings::new(bus.url, connection_name(&arguments.agent));
    settings.bus_file = Some(path);
    settings.credentials = Credentials::NkeyFile(seed_file);
    settings.inbox_prefix = inbox_prefix(&arguments.agent);
    settings.api_prefix = agent_api_prefix(places.hive());
    Ok(settings)
}

async fn enrol(arguments: &Arguments, places: &Places, bus: &BusFile) -> Result<PathBuf, Failure> {
    let agent = arguments.agent.clone();
    let failed = |error: &dyn std::error::Error| Failure::Enrol(chain(error));
    let applicant = if agent == AgentId::operator() {
        // `up` enrolled it; its sidecar only needs the key.
        Applicant::operator()
    } else {
        Applicant::new(agent, arguments.ephemeral).map_err(|e| failed(&e))?
    };
    let mut admin = Settings::new(bus.url.clone(), "wagglebus-enrol");
    admin.credentials = Credentials::NkeyFile(BusUser::Admin.seed_file(places));
    let (connection, _events) = connect(admin).await?;
    let session = connection
        .session_within(ADMIN_WITHIN)
        .await
        .ok_or_else(|| Failure::Enrol("the administrator's connection broke at once".to_owned()))?;
    let monitor = Monitor::from_url(&bus.monitor).map_err(|e| failed(&e))?;
    let enroller = Enroller {
        places,
        files: &ServerFiles::of(places),
        server: RunningServer {
            url: bus.url.clone(),
            pid: bus.pid,
            monitor,
        },
        admin: session.jetstream(),
    };
    let enrolled = enroller.enrol(&[applicant]).await.map_err(|e| failed(&e))?;
    connection.close().await;
    let first = enrolled.into_iter().next();
    first
        .map(|agent| agent.seed_file)
        .ok_or_else(|| Failure::Enrol("nobody was enrolled".to_owned()))
}

/// An error with its causes, as one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
