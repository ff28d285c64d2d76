//! `wb.conf`: the server itself, the system account and the bus account.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use wagglebus_schemas::Hive;
use wagglebus_schemas::limits::CONSUMERS_MAX;
use wagglebus_schemas::permission::{Crossing, Grant, shared_grants};
use wagglebus_schemas::places::Durability;

use super::agents::{import, limits};
use super::files::AGENTS_CONF;
use super::inspector::{Rights, inspector_rights};
use super::path::ConfPath;
use super::{AGENTS, BUS, Form};
use crate::keys::PublicKey;
use crate::topology::Sizing;

/// Largest message that the server takes at all; agents' accounts take less.
const PAYLOAD_MAX: &str = "1MB";
const CONNECTIONS_MAX: u32 = 4000;
/// A pull's reply mapping is dropped after this. Above the longest `expires` and heartbeat in use (TOPOLOGY 4).
const PULL_THRESHOLD: &str = "35s";
const STREAMS_MAX: u32 = 64;

/// Everything that decides `wb.conf`.
#[derive(Debug, Clone)]
pub struct ServerConf {
    /// The hive that the server is for.
    pub hive: Hive,
    /// How agents are kept apart.
    pub form: Form,
    /// The address of both ports.
    pub host: IpAddr,
    /// Where clients connect.
    pub client: Port,
    /// Where health and statistics are asked for. Has no authentication: loopback only.
    pub monitor: Port,
    /// Where JetStream keeps its files.
    pub store: ConfPath,
    /// What an ack promises.
    pub durability: Durability,
    /// How much it may store.
    pub sizing: Sizing,
    /// Who may connect to the bus itself.
    pub keys: BusKeys,
}

/// A port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one.
    Fixed(u16),
    /// A free one, chosen by the server.
    Free,
}

/// Public keys of the users of the bus itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusKeys {
    /// The system account's user.
    pub system: PublicKey,
    /// Coordinators.
    pub coordinator: PublicKey,
    /// Provisioning and enrolment.
    pub admin: PublicKey,
    /// People who look.
    pub inspector: PublicKey,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(port) => port.fmt(f),
            Self::Free => f.write_str("-1"),
        }
    }
}

impl ServerConf {
    /// A server on 127.0.0.1 with free ports.
    pub fn on_loopback(hive: Hive, store: ConfPath, sizing: Sizing, keys: BusKeys) -> Self {
        Self {
            hive,
            form: Form::AccountPerAgent,
            host: Ipv4Addr::LOCALHOST.into(),
            client: Port::Free,
            monitor: Port::Free,
            store,
            durability: Durability::Always,
            sizing,
            keys,
        }
    }

    /// The text of `wb.conf`.
    pub fn render(&self) -> String {
        let sections = [self.general(), self.jetstream(), self.accounts()];
        sections.concat().join("\n") + "\n"
    }

    /// The accounts alone, for a server whose other settings are somebody else's affair.
    pub fn render_accounts(&self) -> String {
        self.accounts().join("\n") + "\n"
    }

    fn general(&self) -> Vec<String> {
        let Self {
            hive,
            host,
            client,
            monitor,
            ..
        } = self;
        let text = format!(
            "\
# Written by `wagglebus up`, and again at each start: changes here are lost.
server_name: \"wagglebus-{hive}\"
listen: \"{host}:{client}\"
http: \"{host}:{monitor}\"   # health and statistics, without authentication: loopback only
max_payload: {PAYLOAD_MAX}
max_connections: {CONNECTIONS_MAX}
ping_interval: \"5s\"   # a silent client is gone after 15 s
ping_max: 2
write_deadline: \"5s\"
"
        );
        vec![text]
    }

    fn jetstream(&self) -> Vec<String> {
        let bytes = self.sizing.server_bytes();
        let sync = match self.durability {
            Durability::Always => "always   # on disk before it is acknowledged",
            Durability::Relaxed => "\"2m\"   # a crash of the machine may lose what came since",
        };
        let text = format!(
            "\
jetstream {{
  store_dir: \"{}\"
  max_mem: 256M
  max_file: {bytes}   # above the sum of the streams' max_bytes: their limit comes first, not a full disk
  sync_interval: {sync}
}}
",
            self.store
        );
        vec![text]
    }

    fn accounts(&self) -> Vec<String> {
        let mut lines = vec!["accounts {".to_owned()];
        lines.extend(self.system_account());
        lines.extend(self.bus_account());
        match self.form {
            Form::AccountPerAgent => {
                lines.push("  # One account for each agent: what it imports is what it may do.".to_owned());
                lines.push(format!("  include \"{AGENTS_CONF}\""));
            }
            Form::SharedAccount => lines.extend(self.agents_account()),
        }
        lines.extend(["}", "system_account: SYS"].map(str::to_owned));
        lines
    }

    fn system_account(&self) -> Vec<String> {
        let mut lines = vec![
            "  SYS {".to_owned(),
            format!("    users: [ {{ nkey: {} }} ]", self.keys.system),
        ];
        lines.push("    exports: [   # who comes and goes, for the coordinator".to_owned());
        lines.extend(
            self.system_events()
                .map(|(subject, _)| format!("      {{ stream: \"{subject}\", accounts: [{BUS}] }}")),
        );
        lines.extend(["    ]", "  }"].map(str::to_owned));
        lines
    }

    fn bus_account(&self) -> Vec<String> {
        // The account pays for each replica, a server only for its own.
        let bytes = self.sizing.server_bytes() * u64::from(self.sizing.replicas());
        let mut lines = vec![
            format!("  {BUS} {{   # holds JetStream; no agent logs in here"),
            format!(
                "    jetstream {{ max_mem: 64M, max_file: {bytes}, max_streams: {STREAMS_MAX}, max_consumers: {CONSUMERS_MAX} }}"
            ),
        ];
        lines.extend(self.bus_users());
        lines.push("    exports: [   # all that crosses to agents, and nothing else".to_owned());
        lines.extend(
            shared_grants(&self.hive)
                .iter()
                .map(|grant| format!("      {}", self.export(grant))),
        );
        lines.extend(["    ]", "    imports: ["].map(str::to_owned));
        lines.extend(self.system_events().map(|(subject, to)| {
            format!("      {{ stream: {{ account: SYS, subject: \"{subject}\" }}, to: \"{to}\" }}")
        }));
        lines.extend(["    ]", "  }"].map(str::to_owned));
        lines
    }

    fn bus_users(&self) -> Vec<String> {
        let BusKeys {
            coordinator,
            admin,
            inspector,
            ..
        } = &self.keys;
        let (publish, subscribe) = inspector_rights(&self.hive, Rights::WithConsumers);
        let quoted = |subjects: &[String]| -> Vec<String> {
            subjects
                .iter()
                .map(|subject| format!("          \"{subject}\""))
                .collect()
        };
        let mut lines = vec![
            "    users: [".to_owned(),
            format!("      {{ nkey: {coordinator} }}   # coordinators"),
            format!("      {{ nkey: {admin} }}   # admin: provisioning and enrolment"),
            format!(
                "      {{ nkey: {inspector}, permissions: {{   # inspector: a guard against slips, no boundary"
            ),
            "        publish: { allow: [".to_owned(),
        ];
        lines.extend(quoted(&publish));
        lines.extend(["        ] }", "        subscribe: { allow: ["].map(str::to_owned));
        lines.extend(quoted(&subscribe));
        lines.extend(["        ] }", "      } }", "    ]"].map(str::to_owned));
        lines
    }

    fn agents_account(&self) -> Vec<String> {
        let mut lines = vec![
            format!("  {AGENTS} {{   # every agent; no JetStream"),
            "    # Only wildcard services: a literal one would let replies be redirected into the bus (rule T1).".to_owned(),
            "    imports: [".to_owned(),
        ];
        lines.extend(
            shared_grants(&self.hive)
                .iter()
                .map(|grant| format!("      {}", import(grant))),
        );
        lines.push("    ]".to_owned());
        lines.push(format!("    {}", limits(CONNECTIONS_MAX)));
        lines.push(format!("    include \"{AGENTS_CONF}\""));
        lines.push("  }".to_owned());
        lines
    }

    fn export(&self, grant: &Grant) -> String {
        let subject = &grant.subject;
        let accounts = match self.form {
            Form::AccountPerAgent => String::new(),
            Form::SharedAccount => format!(", accounts: [{AGENTS}]"),
        };
        match grant.crossing {
            Crossing::Service | Crossing::ServiceShared => format!("{{ service: \"{subject}\"{accounts} }}"),
            // A single response would lose all but the first message of a batch, and every heartbeat.
            Crossing::ServiceStream => {
                format!(
                    "{{ service: \"{subject}\", response: stream, threshold: \"{PULL_THRESHOLD}\"{accounts} }}"
                )
            }
            Crossing::Stream => format!("{{ stream: \"{subject}\"{accounts} }}"),
        }
    }

    /// Events of the system account and the subjects under which the bus account sees them.
    fn system_events(&self) -> impl Iterator<Item = (String, String)> {
        let hive = &self.hive;
        let (account, token) = match self.form {
            Form::AccountPerAgent => ("*", ".*"),
            Form::SharedAccount => (AGENTS, ""),
        };
        [
            (
                format!("$SYS.ACCOUNT.{account}.CONNECT"),
                format!("{hive}.sys.connect{token}"),
            ),
            (
                format!("$SYS.ACCOUNT.{account}.DISCONNECT"),
                format!("{hive}.sys.disconnect{token}"),
            ),
            (
                "$SYS.SERVER.*.CLIENT.AUTH.ERR".to_owned(),
                format!("{hive}.sys.autherr.*"),
            ),
        ]
        .into_iter()
    }
}
