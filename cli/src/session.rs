//! What a verb works with: where things are, and who speaks.

use wagglebus_client::{Client, uid};
use wagglebus_nats::config::{Config, ConfigChoice};
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
    config_choice: Option<ConfigChoice>,
    sender: Option<AgentId>,
}

impl Session {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let places = |hive| Places::from_env(hive, uid()).map_err(|error| Failure::failed(error.to_string()));
        let user_file = places(Hive::default())?.user_config_file();
        let config = Config::load(global.config.as_ref(), user_file)?;
        let hive = global
            .hive
            .clone()
            .or_else(|| config.hive().map(|said| said.value));
        Ok(Self {
            places: places(hive.unwrap_or_default())?,
            hive_given: global.hive.is_some(),
            config,
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
