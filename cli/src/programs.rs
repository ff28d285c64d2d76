//! The other programs of wagglebus: they lie beside this one.

use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The sidecar's program.
pub(crate) const SIDECAR: &str = "wagglebus-sidecar";
/// The coordinator's program.
pub(crate) const COORDINATOR: &str = "wagglebus-coordinator";

/// The program of this name in the folder of our own executable, links followed.
///
/// # Errors
/// When it is not there: an installation is all three programs.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().and_then(|path| path.canonicalize());
    let own =
        own.map_err(|error| Failure::failed("our own executable cannot be found").why(error.to_string()))?;
    in_folder_of(&own, name).map_err(|path| {
        Failure::failed(format!("{} does not exist", path.display()))
            .fix("install all programs of wagglebus into one folder: ./run install")
    })
}

fn in_folder_of(own: &Path, name: &str) -> Result<PathBuf, PathBuf> {
    let path = own.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(path) }
}

/// What a shell must be told before it finds us by name: nothing when it does already.
pub(crate) fn path_first() -> Option<String> {
    let own = std::env::current_exe().ok()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("wagglebus"))
        .find(|path| path.is_file())
        .and_then(|path| path.canonicalize().ok());
    if found == own.canonicalize().ok() {
        return None;
    }
    Some(format!("export PATH={}:$PATH", quoted(own.parent()?)))
}

/// A path as one word of a POSIX shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
    {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What to say when a program is there and does not start.
pub(crate) fn not_started(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} does not start", path.display())).why(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_lie_beside_ours() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("wagglebus");
        assert_eq!(in_folder_of(&own, SIDECAR), Err(folder.path().join(SIDECAR)));
        std::fs::write(folder.path().join(SIDECAR), "").unwrap();
        assert_eq!(in_folder_of(&own, SIDECAR), Ok(folder.path().join(SIDECAR)));
    }
}
