//! Whom a fleet file named when it was applied: only those may be removed by it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wagglebus_nats::private_file;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;

/// Kept in `fleets/<name>.json` in the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The agents.
    pub(crate) agents: BTreeSet<AgentId>,
}

fn path(places: &Places, fleet: &str) -> PathBuf {
    places.state_dir().join("fleets").join(format!("{fleet}.json"))
}

impl Kept {
    /// What was kept; nobody before the first time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn load(places: &Places, fleet: &str) -> Result<Self, Failure> {
        let path = path(places, fleet);
        let text = private_file::read(&path).map_err(|error| Failure::caused(&error))?;
        let Some(text) = text else {
            return Ok(Self::default());
        };
        serde_json::from_str(&text).map_err(|error| {
            Failure::failed(format!("{} is not as wagglebus writes it", path.display()))
                .why(error.to_string())
                .fix("remove it: then --prune removes nobody who was named before")
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save(&self, places: &Places, fleet: &str) -> Result<(), Failure> {
        let path = path(places, fleet);
        let caused = |error: private_file::PrivateFileError| Failure::caused(&error);
        if let Some(folder) = path.parent() {
            private_file::create_dir(folder).map_err(caused)?;
        }
        let text = serde_json::to_string(self).unwrap_or_default();
        private_file::replace(&path, text.as_bytes()).map_err(caused)
    }
}
