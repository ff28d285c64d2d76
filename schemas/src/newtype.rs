//! The one way in which a parsed string type is given its serde, display and JSON Schema faces.

/// Implements `FromStr`-based conversions for a string newtype: `Display`, `Serialize`, `Deserialize`, `TryFrom`,
/// `AsRef<str>` and a `JsonSchema` with the given pattern.
///
/// The type must implement `FromStr` and have an `as_str` method. The pattern is stated as `pattern` and never as
/// `format`, so that validators without a format checker agree with us. Where we write a narrower form than we read, a
/// second pattern says so.
macro_rules! string_newtype {
    ($name:ident, $schema:literal, $pattern:expr, $description:literal) => {
        string_newtype!($name, $schema, $pattern, produced $pattern, $description);
    };
    ($name:ident, $schema:literal, $accepted:expr, produced $produced:expr, $description:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl TryFrom<String> for $name {
            type Error = <$name as std::str::FromStr>::Err;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $schema.into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let pattern = if generator.contract().is_serialize() { $produced } else { $accepted };
                schemars::json_schema!({
                    "type": "string",
                    "pattern": pattern,
                    "description": $description,
                })
            }
        }
    };
}

pub(crate) use string_newtype;
