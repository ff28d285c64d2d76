//! The hive: one tenant's name, which is the first token of every subject.

use std::str::FromStr;

use crate::newtype::string_newtype;

/// Longest hive name in bytes.
pub const HIVE_BYTES_MAX: usize = 16;

/// A tenant's name, `^[a-z][a-z0-9]{0,15}$`; `wb` unless said otherwise (DESIGN 3.1).
///
/// It is the first token of every subject; its upper-case form begins the names of streams and buckets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hive(Box<str>);

/// Why a text is not a [`Hive`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no hive name: use 1 to 16 of a-z 0-9 and begin with a letter")]
pub struct HiveError {
    text: String,
}

impl Hive {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The upper-case form that begins the names of this hive's streams and buckets.
    pub fn upper(&self) -> String {
        self.0.to_ascii_uppercase()
    }
}

impl Default for Hive {
    fn default() -> Self {
        Self("wb".into())
    }
}

impl FromStr for Hive {
    type Err = HiveError;
    fn from_str(text: &str) -> Result<Self, HiveError> {
        let head = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let tail = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if head && tail && text.len() <= HIVE_BYTES_MAX {
            return Ok(Self(text.into()));
        }
        Err(HiveError {
            text: text.chars().take(80).collect(),
        })
    }
}

string_newtype!(Hive, "hive", "^[a-z][a-z0-9]{0,15}$", "Name of a hive (tenant).");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hive_names_hold_no_separator() {
        assert_eq!("acme2".parse::<Hive>().unwrap().upper(), "ACME2");
        for bad in ["", "2a", "a_b", "a-b", "A", "a.b", &"a".repeat(17)] {
            assert!(bad.parse::<Hive>().is_err(), "{bad:?}");
        }
    }
}
