//! Reads configuration files: bounded, without waiting, and with regard to whose they are.

use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{CONFIG_BYTES_MAX, ConfigError};

/// The text of a file, whoever wrote it.
pub(super) fn read_own(path: &Path) -> Result<String, ConfigError> {
    read(path, None).map_err(|error| error.at(path))
}

/// Why somebody else than its owner decides what a file says; `None`: nobody.
pub(super) fn others_may_write(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.mode();
    let who = match (mode & 0o002 != 0, mode & 0o020 != 0) {
        (true, _) => "everybody",
        (false, true) => "its group",
        (false, false) => return None,
    };
    Some(format!(
        "{who} may write it (mend it: chmod go-w {})",
        path.display()
    ))
}

/// Whether there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Why a file cannot be used.
pub(super) enum Unusable {
    Io(io::Error),
    /// It is somebody else's.
    Foreign(String),
}

impl Unusable {
    /// Of the file at this place.
    pub(super) fn at(self, path: &Path) -> ConfigError {
        let path = path.to_owned();
        match self {
            Self::Io(error) => ConfigError::Unreadable {
                path,
                reason: error.to_string(),
            },
            Self::Foreign(reason) => ConfigError::Foreign { path, reason },
        }
    }
}

/// Reads a file; with an `owner`, only one that nobody else but root may have written.
pub(super) fn read(path: &Path, owner: Option<u32>) -> Result<String, Unusable> {
    // A pipe without a writer would hold us up for ever.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path);
    let file = file.map_err(Unusable::Io)?;
    let metadata = file.metadata().map_err(Unusable::Io)?;
    if !metadata.is_file() {
        return Err(Unusable::Io(io::Error::other("it is no regular file")));
    }
    if let Some(owner) = owner {
        if metadata.uid() != owner && metadata.uid() != 0 {
            return Err(Unusable::Foreign(format!(
                "it belongs to user {}",
                metadata.uid()
            )));
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(Unusable::Foreign("everybody may write it".to_owned()));
        }
    }
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(Unusable::Io)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        let told = format!("it has more than {CONFIG_BYTES_MAX} bytes");
        return Err(Unusable::Io(io::Error::other(told)));
    }
    Ok(text)
}
