//! The files that say that a sidecar is ready, and where.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use wagglebus_schemas::places::AgentFile;

/// Files of this process that go with it.
pub(crate) struct ReadyFiles {
    paths: Vec<PathBuf>,
}

impl ReadyFiles {
    pub(crate) const fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// Writes the file to each place, at once and whole.
    ///
    /// # Errors
    /// The first place that cannot be written, and why.
    pub(crate) fn write(&self, file: &AgentFile) -> Result<(), (PathBuf, std::io::Error)> {
        let mut text = serde_json::to_vec(file).unwrap_or_default();
        text.push(b'\n');
        for path in &self.paths {
            replace(path, &text).map_err(|error| (path.clone(), error))?;
        }
        Ok(())
    }
}

impl Drop for ReadyFiles {
    fn drop(&mut self) {
        for path in &self.paths {
            // Another process may have taken the place meanwhile: only what is ours goes.
            let ours = std::fs::read(path)
                .ok()
                .and_then(|text| serde_json::from_slice::<AgentFile>(&text).ok());
            if ours.is_some_and(|file| file.pid == std::process::id()) {
                std::fs::remove_file(path).ok();
            }
        }
    }
}

fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text)?;
    std::fs::rename(&temporary, path)
}
