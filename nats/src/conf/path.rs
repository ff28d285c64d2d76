//! A path that can stand in a server configuration as it is.

use std::fmt;
use std::path::{Path, PathBuf};

/// An absolute path of printable characters without quote and backslash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfPath(String);

/// Why a path cannot stand in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfPathError {
    /// It depends on where the server is started.
    #[error("{0} is no absolute path")]
    Relative(PathBuf),
    /// The configuration language has no safe way to write it.
    #[error(
        "{0:?} has a quote, a backslash, a control character or is not UTF-8: use another folder for the state"
    )]
    Unwritable(PathBuf),
}

impl ConfPath {
    /// `/`.
    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }
}

impl TryFrom<&Path> for ConfPath {
    type Error = ConfPathError;
    fn try_from(path: &Path) -> Result<Self, ConfPathError> {
        if !path.is_absolute() {
            return Err(ConfPathError::Relative(path.to_owned()));
        }
        let writable = |text: &&str| !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
        let text = path
            .to_str()
            .filter(writable)
            .ok_or_else(|| ConfPathError::Unwritable(path.to_owned()))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ConfPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn only_what_needs_no_escape() {
        for good in ["/", "/var/lib/wagglebus/js", "/home/jürgen/my state/$x/{js}#"] {
            assert_eq!(ConfPath::try_from(Path::new(good)).unwrap().to_string(), good);
        }
        for bad in ["", "js", "/a\"b", "/a\\b", "/a\nb", "/a\u{7f}"] {
            assert!(ConfPath::try_from(Path::new(bad)).is_err(), "{bad:?}");
        }
        assert!(ConfPath::try_from(Path::new(OsStr::from_bytes(b"/\xff"))).is_err());
    }
}
