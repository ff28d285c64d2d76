//! What a sink is told.

use serde::Serialize;
use wagglebus_coordinator_core::alert::letter;
use wagglebus_schemas::alert::{Alert, AlertState};
use wagglebus_schemas::{Hive, Id, Timestamp};

/// A change of an alert, as a webhook and a command get it.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    /// The line of the log: who is told twice knows it by this.
    pub(super) id: Id,
    pub(super) hive: String,
    /// What the alert is now.
    pub(super) transition: AlertState,
    pub(super) at: Timestamp,
    /// The same for people; chat services show it.
    pub(super) text: String,
    pub(super) alert: Alert,
}

impl Notice {
    pub(super) fn of(hive: &Hive, alert: Alert) -> Self {
        Self {
            id: alert.event_id,
            hive: hive.to_string(),
            transition: alert.state,
            at: alert.updated_at,
            text: letter::text(&alert),
            alert,
        }
    }

    /// Its JSON.
    pub(super) fn json(&self) -> Vec<u8> {
        // Plain data with text keys is always encoded.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
