//! JSON values into records: a record is an object, and an error says in which field.
//!
//! Serde's own code also reads an array as a struct, field by field, and null as an empty map. No schema admits that,
//! and two readers could see two different records, so it is refused here for all types at once.

use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde_json::{Map, Value};

/// Why a value is not the record, and where in it.
#[derive(Debug)]
pub(crate) struct ShapeError {
    /// From the innermost step outwards.
    path: Vec<String>,
    reason: String,
}

/// Reads a record from a value.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, ShapeError> {
    T::deserialize(Shaped(value))
}

impl ShapeError {
    fn within(mut self, step: impl fmt::Display) -> Self {
        self.path.push(step.to_string());
        self
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.path.iter().rev().enumerate() {
            write!(f, "{}{step}", if n == 0 { "" } else { "." })?;
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", self.reason)
    }
}

impl std::error::Error for ShapeError {}

impl Error for ShapeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self {
            path: Vec::new(),
            reason: reason.to_string(),
        }
    }
}

struct Shaped(Value);

impl<'de> Deserializer<'de> for Shaped {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items {
                items: items.into_iter().enumerate(),
            }),
            Value::Object(fields) => visitor.visit_map(Fields {
                fields: fields.into_iter(),
                current: None,
            }),
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                scalar.deserialize_any(visitor).map_err(ShapeError::custom)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let found = match self.0 {
            Value::Object(_) => return self.deserialize_any(visitor),
            Value::Null => "null",
            Value::Array(_) => "an array",
            Value::Bool(_) | Value::Number(_) | Value::String(_) => "a scalar",
        };
        Err(Error::invalid_type(Unexpected::Other(found), &"an object"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_map(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct enum identifier ignored_any
    }
}

struct Items {
    items: std::iter::Enumerate<std::vec::IntoIter<Value>>,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = ShapeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ShapeError> {
        let Some((n, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Shaped(item)).map(Some).map_err(|e| e.within(n))
    }
}

struct Fields {
    fields: <Map<String, Value> as IntoIterator>::IntoIter,
    current: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = ShapeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ShapeError> {
        self.current = self.fields.next();
        let Some((name, _)) = &self.current else {
            return Ok(None);
        };
        let name: StringDeserializer<ShapeError> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ShapeError> {
        let (name, value) = self
            .current
            .take()
            .ok_or_else(|| ShapeError::custom("a value was asked for before its key"))?;
        seed.deserialize(Shaped(value)).map_err(|e| e.within(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::LaneDepths;
    use crate::message::MessageType;
    use crate::receipt::LevelAt;
    use serde_json::json;

    #[test]
    fn an_array_is_no_record_at_any_depth() {
        let lane = json!({"pending": 1, "oldest_ms": null});
        let lanes = |low: Value| json!({"urgent": lane, "high": lane, "normal": lane, "low": low});
        assert!(read::<LaneDepths>(lanes(lane.clone())).is_ok());
        let error = read::<LaneDepths>(lanes(json!([1, null]))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "low: invalid type: an array, expected an object"
        );
        assert!(read::<LevelAt>(json!(["done", "2026-01-02T03:04:05.678Z"])).is_err());
    }

    #[test]
    fn a_word_is_a_string_and_never_an_object() {
        assert_eq!(read::<MessageType>(json!("task")).unwrap(), MessageType::Task);
        assert!(read::<MessageType>(json!({"task": null})).is_err());
    }

    #[test]
    fn an_error_says_where() {
        let error =
            read::<Vec<LevelAt>>(json!([{"level": "soon", "at": "2026-01-02T03:04:05.678Z"}])).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("0.level: \"soon\" is no receipt level"),
            "{error}"
        );
        let error = read::<LevelAt>(json!({"level": "done"})).unwrap_err();
        assert_eq!(error.to_string(), "missing field `at`");
    }
}
