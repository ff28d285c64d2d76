//! Files that only their owner may read, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Largest file that is read: an `agents.conf` of 4,000 agents is about 9 MiB.
const BYTES_MAX: u64 = 64 << 20;

/// What is wrong with a private file.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The operating system refused.
    #[error("{path} cannot be {doing}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "{path} can be read by others (mode {mode:03o}): run chmod go-rwx on it, and replace what it holds"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else's.
    #[error("{path} belongs to user {owner}, not to you: move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Larger than anything written here.
    #[error("{path} has over {BYTES_MAX} bytes: this is no file of wagglebus")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not text.
    #[error("{path} is not UTF-8 text: this is no file of wagglebus")]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// Creates a folder and what is missing above it, all with mode 0700. One that exists stays as it is.
///
/// # Errors
/// When the operating system refuses.
pub fn create_dir(path: &Path) -> Result<(), PrivateFileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io_error(path, "created"))
}

/// Puts `bytes` in place of the file at `path`, if any, with mode 0600. Readers see the old or the new bytes, and the
/// new ones are on disk when this returns.
///
/// # Errors
/// When the operating system refuses; the old file is then unchanged.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let temporary = Temporary::write(path, bytes)?;
    fs::rename(&temporary.0, path)
        .and_then(|()| sync_dir(path))
        .map_err(io_error(path, "written"))
}

/// Puts a private file into the place of another one: the old or the new one is there at any time.
///
/// # Errors
/// When the operating system refuses; both are then as they were.
pub fn rename(from: &Path, to: &Path) -> Result<(), PrivateFileError> {
    fs::rename(from, to)
        .and_then(|()| sync_dir(to))
        .map_err(io_error(to, "replaced"))
}

/// Writes a new file with mode 0600. `false` when there is one already: it stays as it is.
///
/// # Errors
/// When the operating system refuses.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool, PrivateFileError> {
    let temporary = Temporary::write(path, bytes)?;
    // A hard link appears whole, and unlike a rename it fails when somebody else was faster.
    match fs::hard_link(&temporary.0, path) {
        Ok(()) => sync_dir(path).map(|()| true).map_err(io_error(path, "written")),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(io_error(path, "created")(error)),
    }
}

/// Reads a file that must be private. `None` when there is none.
///
/// # Errors
/// When others can read it, it belongs to somebody else, or it is no text of a sensible size.
pub fn read(path: &Path) -> Result<Option<String>, PrivateFileError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(io_error(path, "read"))?,
    };
    let meta = file.metadata().map_err(io_error(path, "read"))?;
    let (path, mode) = (path.to_owned(), meta.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed { path, mode });
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(PrivateFileError::Foreign {
            path,
            owner: meta.uid(),
        });
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error(&path, "read"))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(PrivateFileError::TooLarge { path });
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| PrivateFileError::NotText { path })
}

/// A file beside its final place; gone when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn write(beside: &Path, bytes: &[u8]) -> Result<Self, PrivateFileError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!(
            "tmp-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let mut name = beside.as_os_str().to_owned();
        name.push(format!(".{unique}"));
        let path = PathBuf::from(name);
        // A process that died can have left a file of this name; it holds nothing that anybody refers to.
        drop(fs::remove_file(&path));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error(beside, "written"))?;
        let temporary = Self(path);
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(io_error(beside, "written"))?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        drop(fs::remove_file(&self.0));
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

pub(crate) fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> PrivateFileError {
    let path = path.to_owned();
    move |source| PrivateFileError::Io { path, doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_read_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        create_dir(&folder).unwrap();
        let path = folder.join("secret");
        assert_eq!(read(&path).unwrap(), None);
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(read(&path).unwrap().as_deref(), Some("one"));
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("three"));
        assert_eq!(
            (mode(&path), mode(&folder), mode(&dir.path().join("a"))),
            (0o600, 0o700, 0o700)
        );
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "x").unwrap();
        for open in [0o640, 0o604, 0o644, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            assert!(matches!(read(&path), Err(PrivateFileError::Exposed { mode, .. }) if mode == open));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read(&path), Err(PrivateFileError::NotText { .. })));
    }

    #[test]
    fn of_many_creators_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let winners: usize = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8_u8)
                .map(|n| {
                    let path = &path;
                    scope.spawn(move || usize::from(create(path, &[b'0' + n; 4096]).unwrap()))
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        assert_eq!(winners, 1);
        let text = read(&path).unwrap().unwrap();
        assert!(
            text.len() == 4096 && text.chars().all(|c| text.starts_with(c)),
            "whole, by one writer"
        );
    }
}
