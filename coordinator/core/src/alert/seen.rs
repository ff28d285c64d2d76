//! What was seen of the rules at one moment: where they hold, and where that cannot be said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::failure::Severity;

use super::rule::Rule;

/// A rule, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The rule.
    pub rule: Rule,
    /// An agent's name, a task's id.
    pub about: String,
}

/// What there is to tell where a rule holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a line.
    pub summary: String,
    /// The command that shows more.
    pub hint: String,
    /// For programs.
    pub evidence: Map<String, Value>,
    /// Since when.
    pub since: Timestamp,
}

/// What was seen. Where a judged rule neither holds nor is unclear, it does not hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Rules that were looked at.
    pub judged: BTreeSet<Rule>,
    /// Where they hold.
    pub holds: BTreeMap<Key, Sighting>,
    /// Where nothing can be said.
    pub unclear: BTreeSet<Key>,
}

impl Seen {
    /// A rule holds.
    pub fn hold(&mut self, rule: Rule, about: impl ToString, sighting: Sighting) {
        let about = about.to_string();
        self.holds.insert(Key { rule, about }, sighting);
    }

    /// Whether a rule holds cannot be said.
    pub fn unclear(&mut self, rule: Rule, about: impl ToString) {
        let about = about.to_string();
        self.unclear.insert(Key { rule, about });
    }
}

/// An object of these values.
pub(super) fn evidence<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
