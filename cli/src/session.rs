//! What a verb works with: where things are, and who speaks.

use wagglebus_client::{Client, uid};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::global::Global;
use crate::sender;

/// The surroundings of one run of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    places: Places,
    sender: Option<AgentId>,
}

impl Session {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let places = Places::from_env(global.hive.clone(), uid())
            .map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self {
            places,
            sender: global.sender.clone(),
        })
    }

    /// Where everything of this hive lies.
    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// Who speaks.
    pub(crate) fn sender(&self) -> Result<AgentId, Failure> {
        sender::resolve(
            self.sender.as_ref(),
            std::env::var_os(sender::VARIABLE).as_deref(),
        )
    }

    /// The sidecar of the sender.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::of_agent(&self.places, &self.sender()?)?)
    }
}
