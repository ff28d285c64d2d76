//! What a running `up` was asked for, so that another one that is asked for something else can say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wagglebus_nats::private_file;
use wagglebus_schemas::places::{Durability, Places};

use crate::failure::Failure;
use crate::up::run::Options;

/// What was asked for, beside the port. Kept in `asked.json` in the state folder; an address in it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    durability: Durability,
    /// Variables of the coordinator.
    coordinator: BTreeMap<String, String>,
    /// Arguments of sidecars.
    sidecars: Vec<String>,
}

impl Asked {
    /// What these options ask for.
    pub(crate) fn of(options: &Options) -> Self {
        let text = |value: &std::ffi::OsString| value.to_string_lossy().into_owned();
        let variables = options.coordinator.iter();
        Self {
            durability: options.durability,
            coordinator: variables
                .map(|(name, value)| ((*name).to_owned(), text(value)))
                .collect(),
            sidecars: options.sidecars.clone(),
        }
    }

    /// Keeps it, for as long as this `up` runs.
    pub(crate) fn save(&self, places: &Places) -> Result<(), Failure> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let path = places.state_dir().join("asked.json");
        private_file::replace(&path, text.as_bytes()).map_err(|error| Failure::caused(&error))
    }

    /// What the running one was asked for; `None` when that cannot be read.
    pub(crate) fn load(places: &Places) -> Option<Self> {
        let text = private_file::read(&places.state_dir().join("asked.json")).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// What is asked for here and was not of `running`, by the options' names. What is not asked for may be as it is.
    pub(crate) fn beyond(&self, running: &Self) -> Vec<String> {
        let mut beyond = Vec::new();
        if self.durability == Durability::Relaxed && running.durability != Durability::Relaxed {
            beyond.push("--relaxed".to_owned());
        }
        for (name, value) in &self.coordinator {
            if running.coordinator.get(name) != Some(value) {
                let name = name.trim_start_matches("WAGGLEBUS_").to_ascii_lowercase();
                beyond.push(match name.strip_prefix("alert_") {
                    Some(_) => format!("--{}", name.replace('_', "-")),
                    None => name.replace('_', "."),
                });
            }
        }
        if !self.sidecars.is_empty() && self.sidecars != running.sidecars {
            beyond.push(format!("sidecars with {}", self.sidecars.join(" ")));
        }
        beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(relaxed: bool, alerts: &[(&'static str, &str)]) -> Asked {
        Asked::of(&Options {
            port: None,
            durability: if relaxed {
                Durability::Relaxed
            } else {
                Durability::Always
            },
            bound: false,
            coordinator: alerts
                .iter()
                .map(|(name, value)| (*name, (*value).into()))
                .collect(),
            sidecars: Vec::new(),
        })
    }

    #[test]
    fn what_the_running_one_does_not_do_is_named() {
        let pager = [("WAGGLEBUS_ALERT_COMMAND", "./page.sh")];
        let plain = asked(false, &[]);
        assert_eq!(plain.beyond(&asked(true, &pager)), Vec::<String>::new());
        assert_eq!(
            asked(true, &pager).beyond(&asked(true, &pager)),
            Vec::<String>::new()
        );
        assert_eq!(asked(true, &[]).beyond(&plain), ["--relaxed"]);
        assert_eq!(asked(false, &pager).beyond(&plain), ["--alert-command"]);
        let other = asked(false, &[("WAGGLEBUS_ALERT_COMMAND", "./other.sh")]);
        assert_eq!(asked(false, &pager).beyond(&other), ["--alert-command"]);
        let listen = asked(false, &[("WAGGLEBUS_COORDINATOR_LISTEN", "127.0.0.1:1")]);
        assert_eq!(listen.beyond(&plain), ["coordinator.listen"]);
    }
}
