//! What a verb works with: where things are, and who speaks.

use wagglebus_client::{Client, uid};
use wagglebus_nats::config::{Config, ConfigChoice, ConfigError, ConfigPlaces};
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Hive};

use crate::failure::Failure;
use crate::global::Global;
use crate::pane::Here;
use crate::sender;

/// The surroundings of one run of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    places: Places,
    hive_given: bool,
    config: Config,
    config_failure: Option<ConfigError>,
    config_choice: Option<ConfigChoice>,
    sender: Option<AgentId>,
}

impl Session {
    /// With `tolerant` a configuration file that cannot be used counts as absent, and the reason is kept.
    pub(crate) fn new(global: &Global, tolerant: bool) -> Result<Self, Failure> {
        let places = |hive| Places::from_env(hive, uid()).map_err(|error| Failure::failed(error.to_string()));
        let lies = ConfigPlaces::of(&places(Hive::default())?);
        let (config, config_failure) = match Config::load(global.config.as_ref(), lies) {
            Ok(config) => (config, None),
            Err(error) if tolerant => (Config::default(), Some(error)),
            Err(error) => return Err(error.into()),
        };
        let hive = global
            .hive
            .clone()
            .or_else(|| config.hive().map(|said| said.value));
        Ok(Self {
            places: places(hive.unwrap_or_default())?,
            hive_given: global.hive.is_some(),
            config,
            config_failure,
            config_choice: global.config.clone(),
            sender: global.sender.clone(),
        })
    }

    /// Where everything of this hive lies.
    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// What the configuration files say.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Why the configuration files say nothing.
    pub(crate) const fn config_failure(&self) -> Option<&ConfigError> {
        self.config_failure.as_ref()
    }

    /// Which configuration file was asked for.
    pub(crate) const fn config_choice(&self) -> Option<&ConfigChoice> {
        self.config_choice.as_ref()
    }

    /// Whether the hive was named for this call, or by a variable.
    pub(crate) const fn hive_given(&self) -> bool {
        self.hive_given
    }

    /// Whether the sender was named for this call.
    pub(crate) const fn sender_given(&self) -> bool {
        self.sender.is_some()
    }

    /// Who speaks.
    pub(crate) fn sender(&self) -> Result<AgentId, Failure> {
        sender::resolve(
            self.sender.as_ref(),
            std::env::var_os(sender::VARIABLE).as_deref(),
            || Here::of_process()?.owner(&self.places),
        )
    }

    /// How commands for the sender begin: `wagglebus`, and who speaks where that is not understood anyway.
    ///
    /// # Errors
    /// When the sender's name is none.
    pub(crate) fn wagglebus(&self) -> Result<String, Failure> {
        let sender = self.sender()?;
        Ok(if sender == AgentId::operator() {
            "wagglebus".into()
        } else {
            format!("wagglebus --as {sender}")
        })
    }

    /// The sidecar of the sender.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::of_agent(&self.places, &self.sender()?)?)
    }
}
