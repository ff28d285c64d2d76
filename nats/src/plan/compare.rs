//! The comparison of one object with what is wanted.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::rules::Rule;
use super::{Action, Change, Refusal, Step, Wanted};
use crate::topology::{OUR_KEYS, VERSION, VERSION_KEY};

impl Wanted {
    /// The step from the configuration found on the server to this one.
    #[must_use]
    pub fn plan(&self, found: Option<&Map<String, Value>>) -> Step {
        let step = |action, kept| Step {
            object: self.object.clone(),
            action,
            kept,
        };
        let Some(found) = found else {
            return step(Action::Create(self.config.clone()), Vec::new());
        };
        let mut difference = Difference {
            config: one_filter_list(found),
            ..Difference::default()
        };
        if let Err(refusal) = newer(found)
            .map_or(Ok(()), Err)
            .and_then(|()| difference.collect(self))
        {
            return step(Action::Refuse(refusal), Vec::new());
        }
        let Difference {
            changes,
            kept,
            config,
        } = difference;
        if changes.is_empty() {
            return step(Action::Ok, kept);
        }
        step(Action::Update { changes, config }, kept)
    }
}

/// What differs so far, and the configuration found with the changes made.
#[derive(Default)]
struct Difference {
    changes: Vec<Change>,
    kept: Vec<Change>,
    config: Map<String, Value>,
}

impl Difference {
    fn collect(&mut self, wanted: &Wanted) -> Result<(), Refusal> {
        wanted.rules.iter().try_for_each(|&(field, rule)| {
            let to = wanted.config.get(field).cloned().unwrap_or(Value::Null);
            let from = self.config.get(field).cloned().unwrap_or(Value::Null);
            self.apply(rule, Change { field, from, to })
        })
    }

    fn apply(&mut self, rule: Rule, change: Change) -> Result<(), Refusal> {
        let same = match rule {
            Rule::FixedSet | Rule::SetOf => as_set(&change.from) == as_set(&change.to),
            Rule::Merge => has_all(&change.from, &change.to),
            Rule::MergeOurs => has_all(&change.from, &change.to) && has_all(&change.to, &ours(&change.from)),
            Rule::Raise => limit(&change.from) == limit(&change.to),
            Rule::Fixed | Rule::Set | Rule::Keep | Rule::Unset | Rule::Never => {
                change.from == change.to || (is_unset(&change.from) && is_unset(&change.to))
            }
        };
        if same {
            return Ok(());
        }
        match rule {
            Rule::Fixed | Rule::FixedSet => return Err(Refusal::Differs(change)),
            Rule::Never => {
                return Err(Refusal::Unsafe {
                    field: change.field,
                    found: change.from,
                });
            }
            Rule::Keep => self.kept.push(change),
            Rule::Raise if limit(&change.from) > limit(&change.to) => self.kept.push(change),
            Rule::Merge => self.change(Change {
                to: merged(&change.from, &change.to),
                ..change
            }),
            Rule::MergeOurs => self.change(Change {
                to: merged(&theirs(&change.from), &change.to),
                ..change
            }),
            Rule::Raise | Rule::Set | Rule::SetOf | Rule::Unset => self.change(change),
        }
        Ok(())
    }

    fn change(&mut self, change: Change) {
        if change.to.is_null() {
            self.config.remove(change.field);
        } else {
            self.config.insert(change.field.to_owned(), change.to.clone());
        }
        self.changes.push(change);
    }
}

/// Whether a newer release made it. A version that is no number can only be from a later one, too.
fn newer(found: &Map<String, Value>) -> Option<Refusal> {
    let version = found.get("metadata")?.get(VERSION_KEY)?;
    let text = version.as_str().unwrap_or_default();
    let known = text.parse::<u32>().is_ok_and(|number| number <= VERSION);
    (!known).then(|| Refusal::Newer {
        found: text.to_owned(),
        known: VERSION,
    })
}

/// A consumer with one filter has it in a field of its own.
fn one_filter_list(found: &Map<String, Value>) -> Map<String, Value> {
    let mut config = found.clone();
    if let Some(filter) = config.remove("filter_subject") {
        config
            .entry("filter_subjects")
            .or_insert_with(|| Value::Array(vec![filter]));
    }
    config
}

/// The server leaves out most fields that have their zero value.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn as_set(value: &Value) -> BTreeSet<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// A limit as a number that can be compared: zero, -1 and nothing mean that there is none.
fn limit(value: &Value) -> i64 {
    value.as_i64().filter(|&number| number > 0).unwrap_or(i64::MAX)
}

fn has_all(found: &Value, wanted: &Value) -> bool {
    wanted
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| found.get(key) == Some(value))
}

fn merged(found: &Value, wanted: &Value) -> Value {
    let entries = [found, wanted].into_iter().filter_map(Value::as_object).flatten();
    Value::Object(entries.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn ours(map: &Value) -> Value {
    keys(map, |key| key.starts_with(OUR_KEYS))
}

fn theirs(map: &Value) -> Value {
    keys(map, |key| !key.starts_with(OUR_KEYS))
}

fn keys(map: &Value, wanted: impl Fn(&str) -> bool) -> Value {
    let entries = map.as_object().into_iter().flatten();
    let entries = entries.filter(|(key, _)| wanted(key));
    Value::Object(entries.map(|(key, value)| (key.clone(), value.clone())).collect())
}
