//! How far the last text came, on disk: what a killed process left half done is finished by the next one.
//!
//! Written before each step, so that it never says less than what was done, and in place: a file that is replaced costs
//! the disk, which is of no use here.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wagglebus_sidecar_core::record::Key;
use wagglebus_sidecar_core::terminal::fence::{Fence, Secret};

/// The file in the state folder.
const FILE: &str = "pane-progress.json";
/// Its size, in bytes: far more than a step needs, the rest is blank. One write replaces all of it.
const FILE_BYTES: usize = 1_024;

/// How far a text came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It is being pasted, or was.
    Pasting,
    /// Enter is being pressed, or was.
    Entering,
    /// The program has it.
    Submitted,
}

/// A text that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The message; absent for a nudge.
    pub(super) key: Option<Key>,
    /// The number of a nudge.
    pub(super) nudge: u64,
    /// How far it came.
    pub(super) stage: Stage,
    /// Whether it may interrupt.
    pub(super) urgent: bool,
    /// Lines of the frame.
    pub(super) lines: usize,
    /// Characters of the frame.
    pub(super) chars: usize,
    /// Its fence, as written: one of another attachment has another.
    fence: String,
}

impl Progress {
    pub(super) fn new(
        key: Option<Key>,
        nudge: u64,
        fence: Fence,
        urgent: bool,
        (lines, chars): (usize, usize),
    ) -> Self {
        Self {
            key,
            nudge,
            stage: Stage::Pasting,
            urgent,
            lines,
            chars,
            fence: fence.to_string(),
        }
    }

    /// Its fence in the attachment with this key.
    pub(super) fn fence(&self, secret: &Secret) -> Fence {
        match &self.key {
            Some(key) => Fence::of_message(secret, key),
            None => Fence::of_nudge(secret, self.nudge),
        }
    }
}

/// Where the progress is kept.
#[derive(Debug)]
pub(super) struct ProgressFile {
    path: PathBuf,
    /// Once something was kept.
    file: Option<File>,
}

impl ProgressFile {
    pub(super) fn new(state_folder: &Path) -> Self {
        Self {
            path: state_folder.join(FILE),
            file: None,
        }
    }

    /// What a former process of this attachment had begun.
    pub(super) fn load(&self, secret: &Secret) -> Option<Progress> {
        let text = std::fs::read(&self.path).ok()?;
        let progress: Progress = serde_json::from_slice(&text).ok()?;
        (progress.fence(secret).to_string() == progress.fence).then_some(progress)
    }

    /// Keeps a step that is about to be taken. It survives the end of the process; after a power cut no pane is left.
    ///
    /// # Errors
    /// When it cannot be written: then the step must not be taken.
    pub(super) fn store(&mut self, progress: &Progress) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(progress).unwrap_or_default();
        if text.len() > FILE_BYTES {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        text.resize(FILE_BYTES, b' ');
        let file = match &self.file {
            Some(file) => file,
            None => {
                let mut options = File::options();
                options.write(true).create(true).truncate(false).mode(0o600);
                self.file.insert(options.open(&self.path)?)
            }
        };
        file.write_all_at(&text, 0)
    }

    /// Nothing is begun.
    pub(super) fn clear(&mut self) {
        self.file = None;
        std::fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_known_to_the_same_attachment_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = ProgressFile::new(folder.path());
        let secret = [1; 32];
        assert_eq!(file.load(&secret), None);
        let key = Key {
            from: "alice".parse().unwrap(),
            id: wagglebus_schemas::Id::from_bytes([1; 16]),
        };
        let fence = Fence::of_message(&secret, &key);
        let mut progress = Progress::new(Some(key), 0, fence, false, (3, 100));
        file.store(&progress).unwrap();
        progress.stage = Stage::Entering;
        file.store(&progress).unwrap();
        assert_eq!(file.load(&secret), Some(progress));
        assert_eq!(file.load(&[2; 32]), None);
        file.clear();
        assert_eq!(file.load(&secret), None);
    }
}
