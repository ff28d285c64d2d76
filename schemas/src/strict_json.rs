//! JSON from outside, read strictly: UTF-8, bounded depth, no key twice in one object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::JSON_DEPTH_MAX;

/// Why bytes are not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrictJsonError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8: byte {at} begins no character")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The text is not JSON.
    #[error("not JSON: {reason}")]
    Syntax {
        /// What the parser met, with line and column.
        reason: String,
    },
    /// An object holds a key twice, so that two readers could see two different messages.
    #[error("key {key:?} appears twice in one object; send it once")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
    },
    /// Arrays and objects are nested too deeply.
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
}

/// Parses one JSON value.
///
/// # Errors
/// See [`StrictJsonError`]; nothing is accepted in part.
pub fn parse(bytes: &[u8]) -> Result<Value, StrictJsonError> {
    let text = std::str::from_utf8(bytes).map_err(|e| StrictJsonError::NotUtf8 { at: e.valid_up_to() })?;
    let mut why = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    Strict {
        depth: 0,
        why: &mut why,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value))
    .map_err(|e| {
        why.unwrap_or_else(|| StrictJsonError::Syntax {
            reason: e.to_string(),
        })
    })
}

/// Deserialises a value at a depth; the reason for a refusal of ours goes to `why`, since serde errors carry only text.
struct Strict<'w> {
    depth: usize,
    why: &'w mut Option<StrictJsonError>,
}

impl Strict<'_> {
    fn inner(&mut self) -> Strict<'_> {
        Strict {
            depth: self.depth + 1,
            why: self.why,
        }
    }

    fn refuse<E: serde::de::Error>(&mut self, why: StrictJsonError) -> E {
        let error = E::custom(&why);
        *self.why = Some(why);
        error
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth < JSON_DEPTH_MAX {
            Ok(())
        } else {
            Err(self.refuse(StrictJsonError::TooDeep))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut array = Vec::new();
        while let Some(value) = items.next_element_seed(self.inner())? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                let key = key.chars().take(80).collect();
                return Err(self.refuse(StrictJsonError::DuplicateKey { key }));
            }
            let value = entries.next_value_seed(self.inner())?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_is_read_as_it_is() {
        let text = r#"{"a":[1,-2,3.5,"x\u00e9",null,true],"b":{"c":{}}}"#;
        assert_eq!(
            parse(text.as_bytes()).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn each_refusal_is_named() {
        type Case<'a> = (&'a [u8], fn(&StrictJsonError) -> bool);
        let deep = "[".repeat(200_000);
        let cases: [Case<'_>; 8] = [
            (
                b"{\"a\":1,\"a\":2}",
                |e| matches!(e, StrictJsonError::DuplicateKey { key } if key == "a"),
            ),
            (
                b"{\"x\":{\"b\":1,\"b\":1}}",
                |e| matches!(e, StrictJsonError::DuplicateKey { key } if key == "b"),
            ),
            (b"{\"a\":\"\xff\"}", |e| {
                matches!(e, StrictJsonError::NotUtf8 { at: 6 })
            }),
            (deep.as_bytes(), |e| matches!(e, StrictJsonError::TooDeep)),
            (b"", |e| matches!(e, StrictJsonError::Syntax { .. })),
            (b"{} {}", |e| matches!(e, StrictJsonError::Syntax { .. })),
            (b"{\"a\":1e999}", |e| matches!(e, StrictJsonError::Syntax { .. })),
            (b"{\"a\":\"\x01\"}", |e| {
                matches!(e, StrictJsonError::Syntax { .. })
            }),
        ];
        for (bytes, expected) in cases {
            let error = parse(bytes).unwrap_err();
            assert!(expected(&error), "{error:?}");
        }
    }

    #[test]
    fn the_depth_bound_is_exact() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(
            parse(nested(JSON_DEPTH_MAX + 1).as_bytes()),
            Err(StrictJsonError::TooDeep)
        );
    }
}
