//! Agents on a bus of others: their names and keys.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value, json};
use wagglebus_nats::enrol::Applicant;
use wagglebus_nats::keys::{PublicKey, UserKey, named_bus_seed_file};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;

/// `ID` or `ID=U…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentKey {
    pub(super) agent: AgentId,
    key: Option<PublicKey>,
}

/// Who may log in as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    name: String,
    pub(super) public: PublicKey,
    /// Where the seed lies; unknown when the key was given.
    seed_file: Option<PathBuf>,
}

impl FromStr for AgentKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (agent, key) = match text.split_once('=') {
            Some((agent, key)) => (agent, Some(key.parse().map_err(|error| format!("{error}"))?)),
            None => (text, None),
        };
        let agent = agent.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { agent, key })
    }
}

impl AgentKey {
    /// As somebody who can be enrolled.
    pub(super) fn applicant(&self) -> Result<Applicant, Failure> {
        Applicant::new(self.agent.clone(), false).map_err(|error| {
            Failure::invalid(error.to_string())
                .fix("people on a bus of others have names of their own: --agent jane, WAGGLEBUS_AGENT=jane")
        })
    }
}

impl Identity {
    /// Of an agent: the key that was given, else one of ours.
    pub(super) fn of(agent: &AgentKey, places: &Places) -> Result<Self, Failure> {
        Self::new(agent.agent.as_str(), agent.key.as_ref(), places)
    }

    /// Of anybody.
    pub(super) fn new(name: &str, given: Option<&PublicKey>, places: &Places) -> Result<Self, Failure> {
        let (public, seed_file) = match given {
            Some(key) => (key.clone(), None),
            None => {
                let path = named_bus_seed_file(places, name);
                let key = UserKey::load_or_create(&path).map_err(|error| Failure::caused(&error))?;
                (key.public().clone(), Some(path))
            }
        };
        Ok(Self {
            name: name.to_owned(),
            public,
            seed_file,
        })
    }

    /// For programs.
    pub(super) fn record(&self) -> Value {
        json!({ "name": self.name, "nkey": self.public.as_str(), "seed_file": self.seed_file })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.public)?;
        match &self.seed_file {
            Some(path) => write!(f, " --nkey {}", path.display()),
            None => f.write_str(" (your key)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_may_bring_its_key() {
        let key = "UD45DHCT3UOJ5GUBDO7RYT2NXT4RX7OPDZXIR4JKYNOPPYRIGPAY7UKF";
        assert_eq!("alice".parse::<AgentKey>().unwrap().key, None);
        let brought: AgentKey = format!("alice={key}").parse().unwrap();
        assert_eq!(
            (brought.agent.as_str(), brought.key.unwrap().as_str()),
            ("alice", key)
        );
        for bad in ["", "=", "alice=", "alice=UX", "Alice", &format!("={key}")] {
            assert!(bad.parse::<AgentKey>().is_err(), "{bad}");
        }
        assert!("operator".parse::<AgentKey>().unwrap().applicant().is_err());
    }
}
