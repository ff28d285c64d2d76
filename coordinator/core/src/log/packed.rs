//! JSON that is kept and seldom looked at.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A JSON value, kept as its text: as a tree it takes ten times the memory, and every task has some. It is encoded and
/// decoded as the value that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed(Box<str>);

impl From<&Value> for Packed {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl Packed {
    /// How long its text is.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The value.
    pub fn value(&self) -> Value {
        // Only the text of a value is ever kept.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::from(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        for value in [
            json!(null),
            json!("null"),
            json!({"score": -0.25, "terms": [{"name": "load", "value": 1e-9}], "n": u64::MAX}),
        ] {
            let packed = Packed::from(&value);
            assert_eq!(packed.value(), value);
            let text = serde_json::to_string(&packed).unwrap();
            assert_eq!(text, value.to_string());
            assert_eq!(serde_json::from_str::<Packed>(&text).unwrap(), packed);
        }
    }
}
