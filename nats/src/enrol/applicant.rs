//! Who may be enrolled.

use wagglebus_schemas::AgentId;

/// An agent that may be enrolled: no reserved name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    agent: AgentId,
    ephemeral: bool,
}

/// A name that no agent may take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is a reserved name: choose another for the agent")]
pub struct Reserved(AgentId);

impl Applicant {
    /// An agent, `ephemeral` when it and its mail go one hour after its last heartbeat.
    ///
    /// # Errors
    /// When the name is reserved.
    pub fn new(agent: AgentId, ephemeral: bool) -> Result<Self, Reserved> {
        if agent.is_reserved() {
            Err(Reserved(agent))
        } else {
            Ok(Self { agent, ephemeral })
        }
    }

    /// The person at the terminal. For `up` alone: nobody else may be the operator.
    pub fn operator() -> Self {
        Self {
            agent: AgentId::operator(),
            ephemeral: false,
        }
    }

    /// Its name.
    pub const fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Whether it goes one hour after its last heartbeat.
    pub const fn ephemeral(&self) -> bool {
        self.ephemeral
    }
}

#[cfg(test)]
mod tests {
    use wagglebus_schemas::id::RESERVED;

    use super::*;

    #[test]
    fn reserved_names_are_refused() {
        for name in RESERVED {
            assert!(Applicant::new(name.parse().unwrap(), false).is_err(), "{name}");
        }
        assert!(
            Applicant::new("operators".parse().unwrap(), true)
                .unwrap()
                .ephemeral()
        );
        assert_eq!(Applicant::operator().agent(), &AgentId::operator());
    }
}
