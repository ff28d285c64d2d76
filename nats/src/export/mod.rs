//! A hive for the administrator of an account in which we may create nothing: files for the stock tools (ADR 0028).
//!
//! Pure: the same [`Export`] always gives the same files. Nothing secret is in them; keys stay with their owners.

mod permissions;
mod readme;
mod script;

use std::collections::BTreeMap;

use serde::Serialize;
use wagglebus_schemas::enrolment::{Enrolment, RoomMembership};
use wagglebus_schemas::{AgentId, Hive, RoomName, Timestamp};

use crate::conf::{BusKeys, ConfPath, Roster, ServerConf};
use crate::keys::PublicKey;
use crate::topology::{Sizing, agent_consumers, streams};

pub use permissions::Permissions;

/// How the user is called that looks at the streams: no agent can be called so.
pub const INSPECTOR: &str = "_inspector";
/// How the user is called that creates streams and enrols, where the servers are ours.
pub const ADMIN: &str = "_admin";
/// How the system account's user is called, there.
pub const SYSTEM: &str = "_system";

/// What is exported.
#[derive(Debug, Clone)]
pub struct Export {
    /// The hive.
    pub hive: Hive,
    /// How much it may store, on how many servers.
    pub sizing: Sizing,
    /// Beginning of the JetStream API as the users see it: `$JS.API`, or `$JS.<domain>.API`.
    pub api_prefix: String,
    /// The agents and their public keys.
    pub agents: BTreeMap<AgentId, PublicKey>,
    /// The coordinator's public key.
    pub coordinator: PublicKey,
    /// The public key of whoever looks at the streams.
    pub inspector: PublicKey,
    /// The public key of whoever creates streams and enrols, where the servers are ours.
    pub admin: PublicKey,
    /// The public key of the system account's user, there.
    pub system: PublicKey,
}

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Where, below the folder of the export.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Whether it is a program.
    pub executable: bool,
}

/// A consumer of an agent, as its file is called.
#[derive(Debug)]
struct ConsumerName {
    stream: String,
    name: String,
}

impl Export {
    /// Every file, in the order of their paths.
    pub fn files(&self) -> Vec<ExportFile> {
        let mut files = vec![
            file("README.md", readme::text(self)),
            program("apply.sh", script::apply(self)),
            program("permissions/nsc.sh", script::nsc(self)),
            file("permissions/users.conf", permissions::conf(self)),
        ];
        files.extend(self.accounts());
        for spec in streams(&self.hive, self.sizing) {
            files.push(json(format!("streams/{}.json", spec.name), &spec));
        }
        for agent in self.agents.keys() {
            // The room that everybody is in. Where the stream is not new, `apply.sh` puts in its last sequence.
            let rooms = [everybodys_room()];
            for spec in agent_consumers(&self.hive, agent, &rooms) {
                files.push(json(consumer_path(&spec.stream, &spec.durable_name), &spec));
            }
        }
        for (agent, key) in &self.agents {
            files.push(json(format!("enrolments/{agent}.json"), &enrolment(agent, key)));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// Accounts that keep agents apart, for servers on which we may define them: the same as those of an own `up`.
    fn accounts(&self) -> Vec<ExportFile> {
        let keys = BusKeys {
            system: self.system.clone(),
            coordinator: self.coordinator.clone(),
            admin: self.admin.clone(),
            inspector: self.inspector.clone(),
        };
        let conf = ServerConf::on_loopback(self.hive.clone(), ConfPath::root(), self.sizing, keys);
        let mut roster = Roster::new(conf.form);
        for (agent, key) in &self.agents {
            // Two agents with one key are one too many; the second stays out.
            roster.admit(agent, key).ok();
        }
        vec![
            file("isolated/accounts.conf", conf.render_accounts()),
            file("isolated/agents.conf", roster.render(&self.hive)),
        ]
    }

    /// Every user with what it may do, the agents first.
    fn users(&self) -> Vec<(String, &PublicKey, Permissions)> {
        let api = &self.api_prefix;
        let agents = self.agents.iter().map(|(agent, key)| {
            let permissions = Permissions::of_agent(&self.hive, agent, api);
            (agent.to_string(), key, permissions)
        });
        agents
            .chain([
                (
                    AgentId::coordinator().to_string(),
                    &self.coordinator,
                    Permissions::of_coordinator(&self.hive, api),
                ),
                (
                    INSPECTOR.to_owned(),
                    &self.inspector,
                    Permissions::of_inspector(&self.hive, api),
                ),
            ])
            .collect()
    }

    fn consumers(&self, agent: &AgentId) -> Vec<ConsumerName> {
        let specs = agent_consumers(&self.hive, agent, &[]);
        let named = specs.into_iter().map(|spec| ConsumerName {
            stream: spec.stream,
            name: spec.durable_name,
        });
        named.collect()
    }
}

fn everybodys_room() -> RoomMembership {
    RoomMembership {
        name: RoomName::all(),
        joined_seq: 0,
    }
}

/// The record of an agent. Its time is put in by `apply.sh`, so that the same export always gives the same file.
fn enrolment(agent: &AgentId, key: &PublicKey) -> Enrolment {
    Enrolment {
        agent: agent.clone(),
        nkey: key.to_string(),
        ephemeral: false,
        rooms: vec![everybodys_room()],
        role: None,
        at: Timestamp::EPOCH,
    }
}

fn consumer_path(stream: &str, name: &str) -> String {
    format!("consumers/{stream}.{name}.json")
}

fn file(path: impl Into<String>, text: String) -> ExportFile {
    ExportFile {
        path: path.into(),
        text,
        executable: false,
    }
}

fn program(path: &str, text: String) -> ExportFile {
    ExportFile {
        executable: true,
        ..file(path, text)
    }
}

/// Specifications are structs with text keys, which always become JSON.
fn json(path: String, value: &impl Serialize) -> ExportFile {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    file(path, text + "\n")
}

#[cfg(test)]
mod tests;
