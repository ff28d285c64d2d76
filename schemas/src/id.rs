//! Identifiers: agents, rooms, capabilities and records.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::newtype::string_newtype;

/// Longest [`AgentId`], [`RoomName`] and [`CapabilityName`], in bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// Names that no agent may take: they mean something else on the bus (`operator` and `coordinator` exist, but are made
/// by `up` alone).
pub const RESERVED: [&str; 6] = ["all", "coordinator", "operator", "anonymous", "admin", "system"];

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: use 1 to 63 of a-z 0-9 _ - and begin with a letter or digit")]
pub struct NameError {
    what: &'static str,
    text: String,
}

fn check_name(what: &'static str, text: &str) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    let head = bytes
        .first()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let tail = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if head && tail && bytes.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    // The text may be hostile and long: an error message shows only its beginning.
    Err(NameError {
        what,
        text: text.chars().take(80).collect(),
    })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        // Shared: names are copied with every message that is on its way.
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check_name($what, text)?;
                Ok(Self(text.into()))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        string_newtype!($name, $what, "^[a-z0-9][a-z0-9_-]{0,62}$", $description);
    };
}

name_type!(
    /// The name of an agent: one subject token, `^[a-z0-9][a-z0-9_-]{0,62}$` (DESIGN 3.1).
    ///
    /// A value of this type is safe to place in a subject, a consumer name, a file name and an account name. It may be
    /// one of the [`RESERVED`] names: whether an agent may *enrol* under it is asked by [`AgentId::is_reserved`].
    AgentId,
    "agent id",
    "Name of an agent. Reserved: all, coordinator, operator, anonymous, admin, system."
);
name_type!(
    /// The name of a room; as an address it is written `room:<name>`.
    RoomName,
    "room name",
    "Name of a room."
);
name_type!(
    /// The name of a capability; as an address it is written `capability:<name>`.
    CapabilityName,
    "capability name",
    "Name of a capability."
);

impl AgentId {
    /// Whether enrolment must refuse this name.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// `coordinator`: always a known recipient, never enrolled by an agent.
    pub fn coordinator() -> Self {
        Self("coordinator".into())
    }

    /// `operator`: the person at the terminal, whose sidecar `up` runs.
    pub fn operator() -> Self {
        Self("operator".into())
    }
}

impl RoomName {
    /// The room that everybody joins at enrolment; addressed as `all`.
    pub fn all() -> Self {
        Self("all".into())
    }
}

/// A record's id: a UUID in its lower-case hyphenated form, equal to its `Nats-Msg-Id`.
///
/// Ours are version 7 (made by the shells, which have a clock and randomness); any version is accepted from a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "std::borrow::Cow<'_, str>", into = "String")]
pub struct Id(uuid::Uuid);

/// Why a text is not an [`Id`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no id: use a lower-case UUID such as 0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d")]
pub struct IdError {
    text: String,
}

impl Id {
    /// Wraps a UUID made elsewhere.
    pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
        Self(uuid)
    }

    /// The 16 bytes of the UUID.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// An id from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }
}

impl FromStr for Id {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            text: text.chars().take(80).collect(),
        };
        let hyphenated = text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase());
        if !hyphenated {
            return Err(error());
        }
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| error())
    }
}

impl TryFrom<std::borrow::Cow<'_, str>> for Id {
    type Error = IdError;
    fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.to_string()
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl schemars::JsonSchema for Id {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "id".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            "description": "A UUID in lower case with hyphens.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_ids_are_one_subject_token() {
        for good in ["a", "0", "alice", "agent-6", "a_b-c", &"x".repeat(63)] {
            assert_eq!(good.parse::<AgentId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a.b",
            "*",
            ">",
            "-a",
            "_a",
            "A",
            "a b",
            "é",
            "a\n",
            "a\0",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reserved_names_parse_but_are_known() {
        for name in RESERVED {
            assert!(name.parse::<AgentId>().unwrap().is_reserved());
        }
        assert!(!"alice".parse::<AgentId>().unwrap().is_reserved());
    }

    #[test]
    fn ids_are_lower_case_hyphenated_uuids() {
        let text = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
        assert_eq!(text.parse::<Id>().unwrap().to_string(), text);
        for bad in [
            "",
            "0192F0C1-7c1e-7b11-8a52-0d6f0a1b2c3d",
            "0192f0c17c1e7b118a520d6f0a1b2c3d",
            "x",
        ] {
            assert!(bad.parse::<Id>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_shows_only_the_beginning_of_a_long_text() {
        let error = "x".repeat(10_000).parse::<AgentId>().unwrap_err().to_string();
        assert!(error.len() < 250, "{error}");
    }
}
