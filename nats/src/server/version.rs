//! Versions of nats-server: how they are written, and which ones we work with.

use std::fmt;
use std::str::FromStr;

/// The version that `server install` fetches, and the oldest that we start ourselves.
///
/// A server of ours is ours to choose, and 2.15.1 carries the fixes that the promises rest on (RELIABILITY 1.1), so
/// nothing older is started, a 2.15.0 included.
pub const PINNED: ServerVersion = ServerVersion::new(2, 15, 1);

/// Somebody else's server below this is refused: it lacks what the topology needs.
pub const REFUSE_BELOW: ServerVersion = ServerVersion::new(2, 11, 0);

/// Somebody else's server below this is used with a warning: it can delete streams after an unclean end (RELIABILITY
/// 1.1, issue 7556).
pub const WARN_BELOW: ServerVersion = ServerVersion::new(2, 14, 0);

/// `major.minor.patch` of a nats-server. A pre-release counts as the release it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

/// What to do with a server that somebody else runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suitability {
    /// Use it.
    Good,
    /// Use it, and say that it should be newer ([`WARN_BELOW`]).
    Old,
    /// Do not use it ([`REFUSE_BELOW`]).
    TooOld,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version like 2.15.1")]
pub struct VersionError {
    text: String,
}

impl ServerVersion {
    /// The version `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Reads what `nats-server --version` prints: `nats-server: v2.15.1`.
    ///
    /// # Errors
    /// When the text does not begin like that, so that another program of the same name is not taken for a server.
    pub fn from_banner(text: &str) -> Result<Self, VersionError> {
        text.lines()
            .next()
            .and_then(|line| line.trim().strip_prefix("nats-server:"))
            .ok_or_else(|| VersionError { text: excerpt(text) })?
            .trim()
            .parse()
    }

    /// Whether somebody else's server of this version can be used.
    #[must_use]
    pub fn suitability(self) -> Suitability {
        if self < REFUSE_BELOW {
            Suitability::TooOld
        } else if self < WARN_BELOW {
            Suitability::Old
        } else {
            Suitability::Good
        }
    }
}

impl FromStr for ServerVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let error = || VersionError { text: excerpt(text) };
        let core = text.strip_prefix('v').unwrap_or(text);
        let core = core.split_once(['-', '+']).map_or(core, |(release, _)| release);
        let mut parts = core
            .split('.')
            .map(|part| part.parse::<u16>().map_err(|_| error()));
        let mut next = || parts.next().unwrap_or_else(|| Err(error()));
        let version = Self::new(next()?, next()?, next()?);
        match parts.next() {
            None => Ok(version),
            Some(_) => Err(error()),
        }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_print() {
        for (text, expected) in [
            ("2.15.1", "2.15.1"),
            ("v2.10.29", "2.10.29"),
            ("2.16.0-RC.3", "2.16.0"),
            ("2.15.2+build.7", "2.15.2"),
        ] {
            assert_eq!(text.parse::<ServerVersion>().unwrap().to_string(), expected);
        }
        assert_eq!(ServerVersion::from_banner("nats-server: v2.15.1\n"), Ok(PINNED));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2.15",
            "2.15.1.4",
            "2.x.1",
            "-1.2.3",
            "2.15.99999999",
            "latest",
        ] {
            assert!(text.parse::<ServerVersion>().is_err(), "{text}");
        }
        for text in ["", "2.15.1", "gnatsd version 1.4.1", "nats: v0.4.0"] {
            assert!(ServerVersion::from_banner(text).is_err(), "{text}");
        }
    }

    #[test]
    fn judges_servers_of_others() {
        for (text, expected) in [
            ("1.4.1", Suitability::TooOld),
            ("2.10.29", Suitability::TooOld),
            ("2.11.0", Suitability::Old),
            ("2.13.9", Suitability::Old),
            ("2.14.0", Suitability::Good),
            ("2.15.1", Suitability::Good),
            ("3.0.0", Suitability::Good),
        ] {
            assert_eq!(
                text.parse::<ServerVersion>().unwrap().suitability(),
                expected,
                "{text}"
            );
        }
    }
}
