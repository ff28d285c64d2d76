//! Reads the text of a fleet file, and tells everything that is wrong in it: line, column, key, and what would be right.

mod member;

use std::path::Path;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wagglebus_schemas::RoomName;
use wagglebus_schemas::task::Strategy;

use super::value::{at, kind, list, table, text};
use super::{Fleet, Run};
use crate::near::closest;

/// Keys of the file itself.
const KEYS: [&str; 4] = ["name", "strategy", "rooms", "agents"];
/// Longest text that is repeated to the reader, in characters.
const SHOWN_CHARS: usize = 80;

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Fault {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// The key, as `agents.bob.capabilities`; empty where the text itself cannot be read.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) reason: String,
    /// What would be right.
    pub(crate) hint: String,
}

impl Fault {
    /// One line for people.
    pub(crate) fn told(&self, file: &Path) -> String {
        let key = if self.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.key)
        };
        let Self {
            line,
            column,
            reason,
            hint,
            ..
        } = self;
        format!("{}:{line}:{column}: {key}{reason}; {hint}", file.display())
    }
}

/// Reads a file's text. Relative paths in it begin at `folder`, which is absolute; without a name of its own the fleet is
/// called `stem`.
///
/// # Errors
/// Everything that is wrong, in the order of the text.
pub(crate) fn parse(text: &str, stem: &str, folder: &Path) -> Result<Fleet, Vec<Fault>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        folder,
        found: Vec::new(),
    };
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.fault(at, "", error.message(), "a fleet file is TOML: https://toml.io");
    }
    if !errors.is_empty() {
        // What follows from a mistake on the same line says nothing new.
        let mut faults = reader.sorted();
        faults.dedup_by_key(|fault| fault.line);
        return Err(faults);
    }
    let fleet = reader.fleet(root.get_ref(), stem);
    if reader.found.is_empty() {
        Ok(fleet)
    } else {
        Err(reader.sorted())
    }
}

/// Reads on after each mistake; what could not be read is left out of what is returned.
struct Reader<'t> {
    text: &'t str,
    folder: &'t Path,
    found: Vec<Fault>,
}

impl Reader<'_> {
    fn sorted(mut self) -> Vec<Fault> {
        self.found.sort();
        self.found.dedup();
        self.found
    }

    fn fault(&mut self, at: usize, key: &str, reason: impl AsRef<str>, hint: impl AsRef<str>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        // The file may be a stranger's, and this is shown on a terminal.
        let clean = |text: &str| {
            text.trim_end()
                .replace('\n', ", ")
                .replace(char::is_control, "\u{fffd}")
        };
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        self.found.push(Fault {
            line: before.matches('\n').count().saturating_add(1),
            column: column.saturating_add(1),
            key: clean(key),
            reason: clean(reason.as_ref()),
            hint: clean(hint.as_ref()),
        });
    }

    /// A value that is something else than it should be.
    fn mismatch(&mut self, value: &Spanned<DeValue<'_>>, key: &str, wanted: &str) {
        let reason = format!("is {}", kind(value.get_ref()));
        self.fault(at(value), key, reason, format!("it is {wanted}"));
    }

    /// Tells the keys of a table that mean nothing.
    fn only(&mut self, table: &DeTable<'_>, prefix: &str, known: &[&str]) {
        for (key, _) in table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let hint = match closest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known are {}", known.join(", ")),
            };
            self.fault(
                key.span().start,
                &format!("{prefix}{name}"),
                "is no key of a fleet file",
                hint,
            );
        }
    }

    /// The text of a key, if it is there and is one.
    fn text_of<'v>(&mut self, table: &'v DeTable<'_>, prefix: &str, name: &str) -> Option<(&'v str, usize)> {
        let value = table.get(name)?;
        let found = text(value.get_ref());
        if found.is_none() {
            self.mismatch(value, &format!("{prefix}{name}"), "a text");
        }
        Some((found?, at(value)))
    }

    /// The texts of a list, each with its place.
    fn texts_of<'v>(
        &mut self,
        table: &'v DeTable<'_>,
        prefix: &str,
        name: &str,
        wanted: &str,
    ) -> Option<Vec<(&'v str, usize)>> {
        let value = table.get(name)?;
        let key = format!("{prefix}{name}");
        let Some(items) = list(value.get_ref()) else {
            self.mismatch(value, &key, wanted);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match text(item.get_ref()) {
                Some(text) => texts.push((text, at(item))),
                None => self.mismatch(item, &key, "a text"),
            }
        }
        Some(texts)
    }

    fn fleet(&mut self, root: &DeTable<'_>, stem: &str) -> Fleet {
        self.only(root, "", &KEYS);
        let rooms = self.rooms(root, "");
        let mut agents = Vec::new();
        match root.get("agents") {
            Some(value) => match table(value.get_ref()) {
                Some(table) if table.is_empty() => {
                    self.fault(
                        at(value),
                        "agents",
                        "names nobody",
                        "write [agents.NAME] for each agent",
                    );
                }
                Some(table) => agents.extend(
                    table
                        .iter()
                        .filter_map(|(id, value)| self.member(id, value, &rooms)),
                ),
                None => self.mismatch(value, "agents", "a table: [agents.NAME] for each agent"),
            },
            None => self.fault(0, "agents", "is missing", "write [agents.NAME] for each agent"),
        }
        self.panes_of_their_own(root, &agents);
        let strategy = self.text_of(root, "", "strategy").and_then(|(text, at)| {
            let parsed = text.parse::<Strategy>();
            if parsed.is_err() {
                let known = Strategy::ALL.iter().map(|strategy| strategy.as_str());
                let hint = format!("it is one of {}", known.collect::<Vec<_>>().join(", "));
                self.fault(at, "strategy", format!("{} is none", shown(text)), hint);
            }
            parsed.ok()
        });
        let name = self.text_of(root, "", "name").map_or((stem, 0), |named| named);
        if name.0.parse::<RoomName>().is_err() {
            let hint = "a name is 1 to 63 of a-z, 0-9, - and _; `name = \"…\"` gives one";
            self.fault(name.1, "name", format!("{} is none", shown(name.0)), hint);
        }
        Fleet {
            name: name.0.to_owned(),
            strategy,
            agents,
        }
    }

    /// Rooms by a table's key `rooms`.
    fn rooms(&mut self, table: &DeTable<'_>, prefix: &str) -> Vec<RoomName> {
        let mut rooms = Vec::new();
        let key = format!("{prefix}rooms");
        for (text, at) in self
            .texts_of(table, prefix, "rooms", "a list of names")
            .unwrap_or_default()
        {
            match text.parse::<RoomName>() {
                // Everybody is in it from the beginning.
                Ok(room) if room == RoomName::all() || rooms.contains(&room) => {}
                Ok(room) => rooms.push(room),
                Err(_) => self.fault(at, &key, format!("{} is no room", shown(text)), NAMES),
            }
        }
        rooms
    }

    /// Two agents in one pane would read each other's messages.
    fn panes_of_their_own(&mut self, root: &DeTable<'_>, agents: &[super::Member]) {
        let panes: Vec<(&str, &Vec<String>)> = agents
            .iter()
            .filter_map(|member| match &member.run {
                Run::Pane { target, server, .. } => Some((target.as_str(), server)),
                Run::Command { .. } | Run::Http | Run::Elsewhere => None,
            })
            .collect();
        let twice = panes
            .iter()
            .enumerate()
            .find(|(n, pane)| panes.iter().take(*n).any(|other| other == *pane));
        if let Some((_, (target, _))) = twice {
            let place = root.get("agents").map_or(0, at);
            let reason = format!("two of them run in pane {}", shown(target));
            self.fault(place, "agents", reason, "give each a pane of its own");
        }
    }
}

/// What a name is.
const NAMES: &str = "a name is 1 to 63 of a-z, 0-9, - and _, in lower case";

/// A text of the file, for a message.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
