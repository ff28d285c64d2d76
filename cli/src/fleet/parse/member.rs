//! One agent of a fleet file.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use wagglebus_schemas::heartbeat::{Capability, Proficiency};
use wagglebus_schemas::number::Amount;
use wagglebus_schemas::{AgentId, CapabilityName, Resources, RoomName};

use super::super::value::{at, boolean, integer, list, number, table, text};
use super::super::{Member, Run};
use super::{NAMES, Reader, shown};
use crate::near::closest;

const KEYS: [&str; 13] = [
    "role",
    "capabilities",
    "resources",
    "rooms",
    "slots",
    "command",
    "ack",
    "format",
    "pane",
    "inject",
    "profile",
    "tmux_socket",
    "http",
];
/// What only an agent with a command may say, with the words.
const OF_COMMAND: [(&str, &[&str]); 2] = [("ack", &["auto", "explicit"]), ("format", &["jsonl", "text"])];
/// What only an agent in a pane may say, with the words.
const OF_PANE: [(&str, &[&str]); 2] = [
    ("inject", &["auto", "nudge", "body"]),
    ("profile", &["claude", "codex", "aider", "shell", "plain"]),
];
/// Longest role, in characters: it is shown in a line, and travels with the enrolment.
const ROLE_CHARS_MAX: usize = 1_000;
/// Most messages and tasks at once.
const SLOTS_MAX: i64 = 256;
const CAPABILITIES: &str =
    "a table of proficiencies such as { rust = 8 }, or a list such as [\"rust:8\", \"review\"]";

impl Reader<'_> {
    /// An agent; `everybody` are the rooms of the whole fleet.
    pub(super) fn member(
        &mut self,
        id: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        everybody: &[RoomName],
    ) -> Option<Member> {
        let name: &str = id.get_ref();
        let prefix = format!("agents.{name}.");
        let agent = self.agent(name, id.span().start);
        let Some(fields) = table(value.get_ref()) else {
            self.mismatch(
                value,
                &format!("agents.{name}"),
                "a table: [agents.NAME], and its keys below",
            );
            return None;
        };
        self.only(fields, &prefix, &KEYS);
        let role = self.role(fields, &prefix);
        let capabilities = self.capabilities(fields, &prefix);
        let resources = self.resources(fields, &prefix);
        let own = self.rooms(fields, &prefix);
        let slots = self.slots(fields, &prefix);
        let run = self.run(fields, &prefix);
        let mut rooms = everybody.to_vec();
        rooms.extend(own.into_iter().filter(|room| !everybody.contains(room)));
        Some(Member {
            agent: agent?,
            role,
            capabilities,
            resources,
            rooms,
            slots,
            run,
        })
    }

    fn agent(&mut self, name: &str, at: usize) -> Option<AgentId> {
        let key = format!("agents.{name}");
        match name.parse::<AgentId>() {
            Ok(agent) if agent.is_reserved() => {
                self.fault(at, &key, "is a reserved name", "choose another for the agent");
                None
            }
            Ok(agent) => Some(agent),
            Err(_) => {
                let lower: String = name.to_lowercase().replace([' ', '.'], "-");
                let hint = match lower.parse::<AgentId>() {
                    Ok(meant) => format!("did you mean {meant}? {NAMES}"),
                    Err(_) => NAMES.to_owned(),
                };
                self.fault(at, &key, "is no name of an agent", hint);
                None
            }
        }
    }

    fn role(&mut self, fields: &DeTable<'_>, prefix: &str) -> Option<String> {
        let (role, at) = self.text_of(fields, prefix, "role")?;
        // A text of several lines is one paragraph: it is shown in a line.
        let role = role.split_whitespace().collect::<Vec<_>>().join(" ");
        if role.chars().count() > ROLE_CHARS_MAX || role.contains(char::is_control) {
            let key = format!("{prefix}role");
            let hint = format!("it has at most {ROLE_CHARS_MAX} characters, and no control characters");
            self.fault(at, &key, "is no role", hint);
            return None;
        }
        Some(role).filter(|role| !role.is_empty())
    }

    fn capabilities(&mut self, fields: &DeTable<'_>, prefix: &str) -> Vec<Capability> {
        let key = format!("{prefix}capabilities");
        let Some(value) = fields.get("capabilities") else {
            return Vec::new();
        };
        let mut capabilities: Vec<Capability> = Vec::new();
        if let Some(table) = table(value.get_ref()) {
            for (name, proficiency) in table {
                let one = format!("{key}.{}", name.get_ref());
                let number = integer(proficiency.get_ref());
                if number.is_none() {
                    self.mismatch(proficiency, &one, "a proficiency from 1 to 10");
                }
                let places = (name.span().start, at(proficiency));
                capabilities
                    .extend(number.and_then(|number| self.capability(&one, name.get_ref(), number, places)));
            }
        } else if list(value.get_ref()).is_some() {
            for (text, at) in self
                .texts_of(fields, prefix, "capabilities", CAPABILITIES)
                .unwrap_or_default()
            {
                let (name, number) = match text.split_once(':') {
                    Some((name, number)) => (name, number.parse().unwrap_or(0)),
                    None => (text, i64::from(Proficiency::DEFAULT.get())),
                };
                capabilities.extend(self.capability(&key, name, number, (at, at)));
            }
        } else {
            self.mismatch(value, &key, CAPABILITIES);
        }
        capabilities
    }

    fn capability(
        &mut self,
        key: &str,
        name: &str,
        number: i64,
        (name_at, number_at): (usize, usize),
    ) -> Option<Capability> {
        let parsed: Option<CapabilityName> = name.parse().ok();
        if parsed.is_none() {
            self.fault(name_at, key, format!("{} is no capability", shown(name)), NAMES);
        }
        let proficiency = u8::try_from(number)
            .ok()
            .and_then(|number| Proficiency::try_from(number).ok());
        if proficiency.is_none() {
            self.fault(
                number_at,
                key,
                "is no proficiency",
                "it goes from 1 (beginner) to 10 (master)",
            );
        }
        Some(Capability {
            name: parsed?,
            proficiency: proficiency?,
        })
    }

    fn resources(&mut self, fields: &DeTable<'_>, prefix: &str) -> Resources {
        let mut resources = Resources::default();
        let key = format!("{prefix}resources");
        let Some(value) = fields.get("resources") else {
            return resources;
        };
        let Some(amounts) = table(value.get_ref()) else {
            self.mismatch(value, &key, "a table of amounts such as { memory_mb = 2048 }");
            return resources;
        };
        for (name, amount) in amounts {
            let one = format!("{key}.{}", name.get_ref());
            let Ok(place) = resources.get_mut(name.get_ref()) else {
                let hint = match closest(name.get_ref(), Resources::NAMES) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => format!("known are {}", Resources::NAMES.join(", ")),
                };
                self.fault(name.span().start, &one, "is no resource", hint);
                continue;
            };
            match number(amount.get_ref()).and_then(|number| Amount::try_from(number).ok()) {
                Some(amount) => *place = amount,
                None => self.fault(at(amount), &one, "is no amount", "it is a number from 0 upwards"),
            }
        }
        resources
    }

    fn slots(&mut self, fields: &DeTable<'_>, prefix: &str) -> Option<u16> {
        let value = fields.get("slots")?;
        let slots = integer(value.get_ref()).filter(|slots| (1..=SLOTS_MAX).contains(slots));
        if slots.is_none() {
            let hint = format!("how many messages and tasks at once: 1 to {SLOTS_MAX}");
            self.fault(
                at(value),
                &format!("{prefix}slots"),
                "is no number of slots",
                hint,
            );
        }
        u16::try_from(slots?).ok()
    }

    fn run(&mut self, fields: &DeTable<'_>, prefix: &str) -> Run {
        let http = fields.get("http").is_some_and(|value| {
            let said = boolean(value.get_ref());
            if said.is_none() {
                self.mismatch(value, &format!("{prefix}http"), "true or false");
            }
            said.unwrap_or(true)
        });
        let named: Vec<&str> = ["command", "pane", "http"]
            .into_iter()
            .filter(|name| fields.get(*name).is_some())
            .collect();
        if let [_, second, ..] = named[..] {
            let place = fields.get(second).map_or(0, at);
            let reason = format!("stands beside {}", named.first().unwrap_or(&"another"));
            self.fault(
                place,
                &format!("{prefix}{second}"),
                reason,
                "an agent runs in one way: command, pane or http",
            );
        }
        let command = self.options(fields, prefix, ("command", &OF_COMMAND));
        let pane = self.options(fields, prefix, ("pane", &OF_PANE));
        let socket = self.text_of(fields, prefix, "tmux_socket");
        if let Some((_, at)) = socket
            && fields.get("pane").is_none()
        {
            self.fault(
                at,
                &format!("{prefix}tmux_socket"),
                "stands without pane",
                "name the pane, or leave it out",
            );
        }
        if fields.get("command").is_some() {
            return Run::Command {
                command: self.command(fields, prefix).unwrap_or_default(),
                options: command,
                directory: self.folder.to_owned(),
            };
        }
        match self.text_of(fields, prefix, "pane") {
            Some((target, _)) => Run::Pane {
                target: target.to_owned(),
                server: socket
                    .map(|(path, _)| vec!["-S".to_owned(), path.to_owned()])
                    .unwrap_or_default(),
                options: pane,
            },
            None if http => Run::Http,
            None => Run::Elsewhere,
        }
    }

    /// Options that belong to one way of running, as arguments.
    fn options(
        &mut self,
        fields: &DeTable<'_>,
        prefix: &str,
        (of, known): (&str, &[(&str, &[&str])]),
    ) -> Vec<String> {
        let mut options = Vec::new();
        for (name, words) in known {
            let Some((word, at)) = self.text_of(fields, prefix, name) else {
                continue;
            };
            let key = format!("{prefix}{name}");
            if fields.get(of).is_none() {
                self.fault(
                    at,
                    &key,
                    format!("stands without {of}"),
                    format!("it belongs to an agent with a {of}"),
                );
            } else if !words.contains(&word) {
                self.fault(
                    at,
                    &key,
                    format!("{} is unknown", shown(word)),
                    format!("it is one of {}", words.join(", ")),
                );
            } else {
                options.extend([format!("--{name}"), word.to_owned()]);
            }
        }
        options
    }

    fn command(&mut self, fields: &DeTable<'_>, prefix: &str) -> Option<Vec<String>> {
        const WANTED: &str = "a list of program and arguments such as [\"python3\", \"agent.py\"]";
        let key = format!("{prefix}command");
        let value = fields.get("command")?;
        if text(value.get_ref()).is_some() {
            self.mismatch(value, &key, WANTED);
            return None;
        }
        let texts = self.texts_of(fields, prefix, "command", WANTED)?;
        let Some((program, place)) = texts.first().copied() else {
            self.fault(at(value), &key, "is empty", format!("it is {WANTED}"));
            return None;
        };
        let mut command: Vec<String> = texts.iter().map(|(text, _)| (*text).to_owned()).collect();
        if program.contains('/') {
            let path = self.folder.join(program);
            if !path.is_file() {
                let hint = format!("paths begin at {}", self.folder.display());
                self.fault(place, &key, format!("{} is no file", shown(program)), hint);
            }
            if let Some(first) = command.first_mut() {
                *first = path.to_string_lossy().into_owned();
            }
        } else if program.is_empty() {
            self.fault(place, &key, "names no program", format!("it is {WANTED}"));
        }
        Some(command)
    }
}
