//! What must be done on a server so that it has what is wanted: a pure comparison that can be shown before it is done.
//!
//! [`Wanted`] is compared with the configuration found, field by field, on the JetStream API's own JSON. Fields that are
//! not in the rules are the operator's affair and are carried through an update untouched. Nothing here deletes,
//! shrinks or makes anew: where only that would help, the step is a refusal that says why (ADR 0007).

mod compare;
mod rules;
mod wanted;

use std::fmt;

use serde_json::{Map, Value};

pub use wanted::{Object, Wanted};

/// The steps for everything wanted, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// One for each object.
    pub steps: Vec<Step>,
}

/// What must be done about one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which.
    pub object: Object,
    /// What.
    pub action: Action,
    /// Where the configuration found is left as it is although another was wanted.
    pub kept: Vec<Change>,
}

/// The kinds of step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It is not there.
    Create(Map<String, Value>),
    /// It is there and differs.
    Update {
        /// In what.
        changes: Vec<Change>,
        /// The whole new configuration: the one found with these changes.
        config: Map<String, Value>,
    },
    /// It is as wanted.
    Ok,
    /// It differs in a way that must not be mended here.
    Refuse(Refusal),
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its name in the JetStream API.
    pub field: &'static str,
    /// The value found.
    pub from: Value,
    /// The value wanted.
    pub to: Value,
}

/// Why an object is left alone.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A newer release made it.
    #[error("it is of topology version {found}, this program knows {known}: use the newer release")]
    Newer {
        /// Its version, as it stands there.
        found: String,
        /// Ours.
        known: u32,
    },
    /// It holds something else, or cannot be changed while it exists.
    #[error("its {} is {}, not {}: rename or move what is there, or use another --hive", .0.field, .0.from, .0.to)]
    Differs(Change),
    /// It has a property that would let writers choose other subjects, or lose what was acknowledged.
    #[error("it has {field} = {found}, which is not safe here: remove that, or use another --hive")]
    Unsafe {
        /// The property.
        field: &'static str,
        /// Its value.
        found: Value,
    },
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.action, Action::Ok))
    }

    /// The steps that are refused.
    pub fn refusals(&self) -> impl Iterator<Item = (&Object, &Refusal)> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Refuse(refusal) => Some((&step.object, refusal)),
            Action::Create(_) | Action::Update { .. } | Action::Ok => None,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.object;
        match &self.action {
            Action::Create(_) => write!(f, "create  {object}")?,
            Action::Ok => write!(f, "ok      {object}")?,
            Action::Refuse(refusal) => write!(f, "refuse  {object}: {refusal}")?,
            Action::Update { changes, .. } => {
                write!(f, "update  {object}")?;
                for Change { field, from, to } in changes {
                    write!(f, "\n        {field}: {from} -> {to}")?;
                }
            }
        }
        for Change { field, from, to } in &self.kept {
            write!(f, "\n        {field}: stays {from}, {to} was asked for")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
