//! Where the programs of one user meet: run folder, state folder, sockets and the small files beside them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hive::Hive;
use crate::id::AgentId;
use crate::vocabulary::vocabulary;

/// Longest socket path that is used as it is, in bytes; Linux takes 107, other systems fewer.
pub const SOCKET_PATH_BYTES_MAX: usize = 100;

/// What decides the places; filled from the environment by [`Places::from_env`], by hand in tests.
#[derive(Debug, Clone, Default)]
pub struct PlacesSource {
    /// `$WAGGLEBUS_RUN`.
    pub wagglebus_run: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    pub xdg_runtime: Option<PathBuf>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`.
    pub xdg_config: Option<PathBuf>,
    /// `$XDG_CACHE_HOME`.
    pub xdg_cache: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// The system's temporary folder.
    pub temporary: PathBuf,
    /// The user's id.
    pub uid: u32,
}

/// The folders of one user and hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    hive: Hive,
    run: PathBuf,
    state: PathBuf,
    config: PathBuf,
    cache: PathBuf,
    short: PathBuf,
}

/// The user has no home and said nowhere where state belongs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no place for {what}: set HOME or {variable}")]
pub struct NoPlace {
    what: &'static str,
    variable: &'static str,
}

impl Places {
    /// The places of a user with user id `uid`, from the process environment. Empty and relative values count as unset,
    /// as the XDG rules ask.
    ///
    /// # Errors
    /// When neither `HOME` nor the XDG variable of a needed folder is set.
    pub fn from_env(hive: Hive, uid: u32) -> Result<Self, NoPlace> {
        let path = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        Self::new(
            hive,
            &PlacesSource {
                wagglebus_run: path("WAGGLEBUS_RUN"),
                xdg_runtime: path("XDG_RUNTIME_DIR"),
                xdg_state: path("XDG_STATE_HOME"),
                xdg_config: path("XDG_CONFIG_HOME"),
                xdg_cache: path("XDG_CACHE_HOME"),
                home: path("HOME"),
                temporary: std::env::temp_dir(),
                uid,
            },
        )
    }

    /// The places that follow from `source`.
    ///
    /// # Errors
    /// See [`Places::from_env`].
    pub fn new(hive: Hive, source: &PlacesSource) -> Result<Self, NoPlace> {
        let short = source.temporary.join(format!("wagglebus-{}", source.uid));
        let below_home = |xdg: &Option<PathBuf>, default: &str, what, variable| {
            let home = || source.home.as_ref().map(|home| home.join(default));
            xdg.clone().or_else(home).ok_or(NoPlace { what, variable })
        };
        let run = source
            .wagglebus_run
            .clone()
            .or_else(|| source.xdg_runtime.as_ref().map(|dir| dir.join("wagglebus")))
            .unwrap_or_else(|| short.clone());
        let state = below_home(&source.xdg_state, ".local/state", "state", "XDG_STATE_HOME")?;
        let config = below_home(&source.xdg_config, ".config", "configuration", "XDG_CONFIG_HOME")?;
        let cache = below_home(&source.xdg_cache, ".cache", "the cache", "XDG_CACHE_HOME")?;
        Ok(Self {
            run: run.join(hive.as_str()),
            state: state.join("wagglebus").join(hive.as_str()),
            config,
            cache: cache.join("wagglebus"),
            short,
            hive,
        })
    }

    /// The hive.
    pub const fn hive(&self) -> &Hive {
        &self.hive
    }

    /// `<run>/<hive>`: sockets and the files that say who runs. To be created with mode 0700.
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// `<state>/wagglebus/<hive>`: keys, spools, stores. To be created with mode 0700.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// `<cache>/wagglebus`: what can be fetched again.
    pub fn cache_dir(&self) -> &Path {
        &self.cache
    }

    /// The folder of the stock NATS contexts, `<config>/nats/context`.
    pub fn nats_context_dir(&self) -> PathBuf {
        self.config.join("nats").join("context")
    }

    /// The user's own configuration of wagglebus, `<config>/wagglebus/config.toml`; the same for all hives.
    pub fn user_config_file(&self) -> PathBuf {
        self.config.join("wagglebus").join("config.toml")
    }

    /// Records of trust in project files, `<state>/wagglebus/trusted-config`; the same for all hives.
    pub fn trusted_config_dir(&self) -> PathBuf {
        self.state.with_file_name("trusted-config")
    }

    /// The state folder of an agent's sidecar: spool, lock, state id.
    pub fn agent_state_dir(&self, agent: &AgentId) -> PathBuf {
        self.state.join("agents").join(agent.as_str())
    }

    /// The seed of an agent's key, mode 0600.
    pub fn agent_seed_file(&self, agent: &AgentId) -> PathBuf {
        self.state.join("keys").join(format!("{agent}.nk"))
    }

    /// `<run>/<hive>/bus.json`.
    pub fn bus_file(&self) -> PathBuf {
        self.run.join("bus.json")
    }

    /// `<run>/<hive>/<agent>.json`.
    pub fn agent_file(&self, agent: &AgentId) -> PathBuf {
        self.run.join(format!("{agent}.json"))
    }

    /// The socket that a new sidecar of `agent` shall use. Clients read `socket` in the agent file instead.
    ///
    /// A path over [`SOCKET_PATH_BYTES_MAX`] becomes a short digest in the temporary folder.
    pub fn socket(&self, agent: &AgentId) -> PathBuf {
        let plain = self.run.join(format!("{agent}.sock"));
        if plain.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return plain;
        }
        let digest = Sha256::digest(format!("{}/{agent}", self.hive));
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.short.join(format!("{hex}.sock"))
    }
}

vocabulary! {
    /// What an ack of the server promises.
    Durability, "durability" {
        /// The server fsyncs each message before it acknowledges.
        Always = "always",
        /// The server fsyncs every two minutes: safe against crashes of programs, not of the machine.
        Relaxed = "relaxed",
    }
}

vocabulary! {
    /// How far a bus vouches for who sent what (DESIGN 7).
    Trust, "trust" {
        /// Agents log in outside the account that holds JetStream, and reach it through imports only.
        Isolated = "isolated",
        /// A given account of somebody else's NATS: the sender is claimed.
        Shared = "shared",
        /// No credentials: for development.
        Open = "open",
    }
}

/// `bus.json`: the running `up` of this user, mode 0600.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusFile {
    /// Client URL of nats-server; stays the same over its restarts.
    pub url: String,
    /// Monitoring URL of nats-server.
    pub monitor: String,
    /// Process id of nats-server itself; rewritten at each restart.
    pub pid: u32,
    /// Process id of `up`.
    pub supervisor_pid: u32,
    /// Seed of the administrator's key.
    pub credentials_file: PathBuf,
    /// What an ack promises.
    pub durability: Durability,
    /// The leading coordinator's HTTP, rewritten by each new leader; null while there is none.
    pub coordinator: Option<CoordinatorAddress>,
}

/// Where the leading coordinator listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorAddress {
    /// Its base URL.
    pub http: String,
    /// File that holds its bearer token.
    pub token_file: PathBuf,
}

/// `<agent>.json`: a ready sidecar, written atomically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFile {
    /// The agent.
    pub agent: AgentId,
    /// Process id of the sidecar.
    pub pid: u32,
    /// Its socket.
    pub socket: PathBuf,
    /// Its TCP base URL; null unless `--listen` was given.
    pub http: Option<String>,
    /// File that holds the bearer token of `http`; null without it.
    pub token_file: Option<PathBuf>,
    /// Its lease epoch when it became ready.
    pub epoch: u64,
    /// How far its bus vouches for who sent what; null from a release that did not say.
    #[serde(default)]
    pub trust: Option<Trust>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> PlacesSource {
        PlacesSource {
            home: Some("/home/u".into()),
            temporary: "/tmp".into(),
            uid: 7,
            ..PlacesSource::default()
        }
    }

    fn run_dir(source: &PlacesSource) -> PathBuf {
        Places::new(Hive::default(), source).unwrap().run_dir().to_owned()
    }

    #[test]
    fn the_run_folder_follows_the_stated_order() {
        let mut source = source();
        assert_eq!(run_dir(&source), Path::new("/tmp/wagglebus-7/wb"));
        source.xdg_runtime = Some("/run/user/7".into());
        assert_eq!(run_dir(&source), Path::new("/run/user/7/wagglebus/wb"));
        source.wagglebus_run = Some("/r".into());
        assert_eq!(run_dir(&source), Path::new("/r/wb"));
    }

    #[test]
    fn a_long_socket_path_becomes_a_digest() {
        let mut source = source();
        let agent: AgentId = "alice".parse().unwrap();
        source.wagglebus_run = Some(format!("/{}", "x".repeat(100)).into());
        let places = Places::new(Hive::default(), &source).unwrap();
        let socket = places.socket(&agent);
        assert_eq!(socket.parent().unwrap(), Path::new("/tmp/wagglebus-7"));
        assert_eq!(socket.file_name().unwrap().len(), 16 + ".sock".len());
    }

    #[test]
    fn without_a_home_the_error_names_the_variable() {
        let source = PlacesSource {
            home: None,
            ..source()
        };
        let error = Places::new(Hive::default(), &source).unwrap_err();
        assert!(error.to_string().contains("XDG_STATE_HOME"));
    }
}
