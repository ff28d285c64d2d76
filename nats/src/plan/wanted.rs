//! Something that shall exist, with the rules by which it is compared.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::rules::{CONSUMER, Rule, STREAM};
use crate::topology::{ConsumerSpec, StreamSpec};

/// A stream or consumer that shall exist.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub(super) object: Object,
    pub(super) config: Map<String, Value>,
    pub(super) rules: &'static [(&'static str, Rule)],
}

/// What a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A stream.
    Stream(String),
    /// A consumer of a stream.
    Consumer {
        /// The stream.
        stream: String,
        /// The consumer.
        name: String,
    },
}

impl Wanted {
    /// What this is about.
    pub fn object(&self) -> &Object {
        &self.object
    }
}

impl From<&StreamSpec> for Wanted {
    fn from(spec: &StreamSpec) -> Self {
        Self {
            object: Object::Stream(spec.name.clone()),
            config: object(spec),
            rules: STREAM,
        }
    }
}

impl From<&ConsumerSpec> for Wanted {
    fn from(spec: &ConsumerSpec) -> Self {
        let (stream, name) = (spec.stream.clone(), spec.durable_name.clone());
        Self {
            object: Object::Consumer { stream, name },
            config: object(spec),
            rules: CONSUMER,
        }
    }
}

/// The specifications are structs with text keys, which always become JSON objects.
fn object(spec: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(map)) => map,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
            Map::new()
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(name) => write!(f, "stream {name}"),
            Self::Consumer { stream, name } => write!(f, "consumer {name} of {stream}"),
        }
    }
}
