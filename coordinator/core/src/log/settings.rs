//! What the operator set for the whole hive, as the log tells: how agents are chosen for tasks that name no strategy.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::task::Strategy;

use super::data::{Follow, FollowKind};
use super::letter::{self, Letter};

/// What an event about the strategy is about, among those of the configuration.
pub const STRATEGY: &str = "strategy";

/// What the `data` of an event of the configuration holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConfigData {
    /// Why the command was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
    /// What is published because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Follow>,
}

impl ConfigData {
    /// As it stands in the event.
    pub fn encode(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // Plain data with text keys always becomes an object.
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

/// The fold of the events of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    strategy: Option<Strategy>,
    /// Number of the latest event about the strategy.
    seq: u64,
}

impl Settings {
    /// How agents are chosen for tasks that name no strategy.
    pub fn strategy(&self) -> Strategy {
        self.strategy.unwrap_or_default()
    }

    /// Number of the latest event about the strategy, 0 before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Lets an event happen, and says what follows from it.
    ///
    /// # Errors
    /// Why it cannot be read; nothing has changed then.
    pub(super) fn apply(&mut self, event: &Event) -> Result<Vec<Letter>, String> {
        // Other versions may set other things.
        if event.entity_id != STRATEGY {
            return Ok(Vec::new());
        }
        let data = ConfigData::deserialize(Value::Object(event.data.clone()));
        let data = data.map_err(|error| error.to_string())?;
        let strategy: Strategy = event
            .to
            .parse()
            .map_err(|error: wagglebus_schemas::UnknownWord| error.to_string())?;
        self.seq = event.seq;
        if data.error.is_none() {
            self.strategy = Some(strategy);
        }
        let verdicts = data
            .follows
            .iter()
            .filter(|follow| follow.kind == FollowKind::Verdict);
        let letters = verdicts.filter_map(|follow| {
            let result = data.error.is_none().then(|| json!({ "strategy": strategy }));
            let about = (follow.to.clone(), event.cause.id?);
            letter::receipt(follow.id, about, event.at, result, data.error.clone())
        });
        Ok(letters.collect())
    }
}
