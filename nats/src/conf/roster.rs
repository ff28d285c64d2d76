//! The agents that the server knows, and the file in which they stand.

use std::collections::BTreeMap;

use wagglebus_schemas::{AgentId, Hive};

use super::{Form, agents};
use crate::keys::PublicKey;

/// Who may connect as which agent: the contents of `agents.conf`.
///
/// The file says each agent once more in a comment of fixed shape, by which it is read back: so the file that the server
/// uses and the one that enrolment adds to are the same, and are replaced in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    form: Form,
    agents: BTreeMap<AgentId, PublicKey>,
}

/// Why a roster cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Not written by us, or by a release that we do not know.
    #[error(
        "line {line} of agents.conf is not as wagglebus writes it: restore the file, or run `wagglebus up` again"
    )]
    Unreadable {
        /// Counted from 1.
        line: usize,
    },
    /// One key would be two agents.
    #[error("the key of {agent} already belongs to {owner}: give each agent a key of its own")]
    KeyTaken {
        /// The agent that was to be added.
        agent: AgentId,
        /// Who has the key.
        owner: AgentId,
    },
}

const HEAD: &str = "# Written by wagglebus; changed by each enrolment. Form: ";
const AGENT: &str = "# agent ";

impl Roster {
    /// A roster without agents.
    pub const fn new(form: Form) -> Self {
        Self {
            form,
            agents: BTreeMap::new(),
        }
    }

    /// How agents are kept apart.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The same agents, kept apart in another way.
    #[must_use]
    pub fn with_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// Every agent with its key.
    pub const fn agents(&self) -> &BTreeMap<AgentId, PublicKey> {
        &self.agents
    }

    /// Lets `agent` connect with `key`, and with no other. Returns whether that is new.
    ///
    /// # Errors
    /// When the key belongs to another agent.
    pub fn admit(&mut self, agent: &AgentId, key: &PublicKey) -> Result<bool, RosterError> {
        if let Some(owner) = self
            .agents
            .iter()
            .find_map(|(name, other)| (other == key).then_some(name))
        {
            let (agent, owner) = (agent.clone(), owner.clone());
            return if agent == owner {
                Ok(false)
            } else {
                Err(RosterError::KeyTaken { agent, owner })
            };
        }
        self.agents.insert(agent.clone(), key.clone());
        Ok(true)
    }

    /// Lets an agent connect no more. Returns its key.
    pub fn expel(&mut self, agent: &AgentId) -> Option<PublicKey> {
        self.agents.remove(agent)
    }

    /// Reads `agents.conf`.
    ///
    /// # Errors
    /// When it is not as [`Roster::render`] writes it.
    pub fn parse(text: &str) -> Result<Self, RosterError> {
        let unreadable = |line: usize| RosterError::Unreadable { line: line + 1 };
        let form = text.lines().next().and_then(|line| line.strip_prefix(HEAD));
        let form = Form::ALL
            .into_iter()
            .find(|known| Some(known.as_str()) == form)
            .ok_or_else(|| unreadable(0))?;
        let mut roster = Self::new(form);
        for (number, line) in text.lines().enumerate() {
            let Some(entry) = line.trim_start().strip_prefix(AGENT) else {
                continue;
            };
            let (agent, key) = entry.split_once(' ').ok_or_else(|| unreadable(number))?;
            let agent = agent.parse().map_err(|_| unreadable(number))?;
            let key = key.parse().map_err(|_| unreadable(number))?;
            if !roster.admit(&agent, &key)? {
                return Err(unreadable(number));
            }
        }
        Ok(roster)
    }

    /// The text of `agents.conf`.
    pub fn render(&self, hive: &Hive) -> String {
        let mut lines = vec![format!("{HEAD}{}", self.form.as_str())];
        let entries = self.agents.iter().flat_map(|(agent, key)| {
            let entry = match self.form {
                Form::AccountPerAgent => agents::account(hive, agent, key),
                Form::SharedAccount => agents::user(hive, agent, key),
            };
            [format!("{AGENT}{agent} {key}")].into_iter().chain(entry)
        });
        match self.form {
            Form::AccountPerAgent => lines.extend(entries),
            Form::SharedAccount => {
                lines.push("users: [".to_owned());
                lines.extend(entries.map(|line| format!("  {line}")));
                lines.push("]".to_owned());
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }
}
