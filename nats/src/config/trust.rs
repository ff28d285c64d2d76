//! Which project files may name a bus. A folder that somebody else wrote could lead our agents, and proofs of our keys, to
//! their bus: so the user looks at such a file once, and again when it changes.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ConfigError;
use super::parse::parse;
use super::read::{others_may_write, read_own};
use crate::private_file;

/// The record of trust in this text at this place: a file in `folder` whose name is the digest of both.
fn mark(folder: &Path, path: &Path, text: &str) -> PathBuf {
    let mut digest = Sha256::new();
    digest.update(path.as_os_str().as_encoded_bytes());
    digest.update([0]);
    digest.update(text);
    let name: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    folder.join(name)
}

/// Whether the user trusts this text at this place.
pub(super) fn is_trusted(folder: &Path, path: &Path, text: &str) -> bool {
    mark(folder, path, text).is_file()
}

/// Trusts a project file as it is now.
///
/// # Errors
/// When it cannot be read, others may write it, or the trust cannot be recorded.
pub fn trust(folder: &Path, path: &Path) -> Result<(), ConfigError> {
    let text = read_own(path)?;
    if let Some(reason) = others_may_write(path) {
        let path = path.to_owned();
        return Err(ConfigError::Foreign { path, reason });
    }
    let recorded = private_file::create_dir(folder).and_then(|()| {
        // The text is for people who wonder what a record is about.
        let about = format!("{}\n{text}", path.display());
        private_file::replace(&mark(folder, path, &text), about.as_bytes())
    });
    recorded.map_err(|error| ConfigError::Unreadable {
        path: folder.to_owned(),
        reason: error.to_string(),
    })
}

/// Whether a file that may be a project's names a bus, and would not count there as it is now.
///
/// # Errors
/// When it cannot be read or understood.
pub fn needs_trust(folder: &Path, path: &Path) -> Result<bool, ConfigError> {
    let text = read_own(path)?;
    let names_a_bus = parse(path, &text, None)?.names_a_bus();
    let trusted = others_may_write(path).is_none() && is_trusted(folder, path, &text);
    Ok(names_a_bus && !trusted)
}

/// Trusts a project file no longer. Returns whether it was trusted.
///
/// # Errors
/// When it cannot be read, or the trust cannot be removed.
pub fn untrust(folder: &Path, path: &Path) -> Result<bool, ConfigError> {
    let text = read_own(path)?;
    match std::fs::remove_file(mark(folder, path, &text)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ConfigError::Unreadable {
            path: folder.to_owned(),
            reason: error.to_string(),
        }),
    }
}
