//! Log files of the programs that `up` runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use wagglebus_schemas::places::Places;

/// A log longer than this, in bytes, is put aside when its program is started by a new `up`.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// The end of a log that is worth showing, in bytes.
const TAIL_BYTES: u64 = 2_000;

/// The folder of the logs.
pub(crate) fn folder(places: &Places) -> PathBuf {
    places.state_dir().join("logs")
}

/// The log of the program `name`.
pub(crate) fn file(places: &Places, name: &str) -> PathBuf {
    folder(places).join(format!("{name}.log"))
}

/// Opens a log for appending, mode 0600. One that has grown too long becomes `<name>.log.1`.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if length(path) > LOG_BYTES_MAX {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// How long a log is now, in bytes.
pub(crate) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// What a log has said since it was `from` bytes long, at most its end.
pub(crate) fn since(path: &Path, from: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            from.max(length.saturating_sub(TAIL_BYTES)).min(length),
        ))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default())
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_is_appended_to_and_put_aside_when_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        writeln!(open(&path).unwrap(), "one").unwrap();
        writeln!(open(&path).unwrap(), "two").unwrap();
        assert_eq!(since(&path, 0), "one\ntwo");
        assert_eq!(since(&path, 4), "two");
        assert_eq!(since(&path, 99), "");
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(LOG_BYTES_MAX + 1)
            .unwrap();
        assert_eq!(open(&path).unwrap().metadata().unwrap().len(), 0);
        assert!(folder.path().join("x.log.1").exists());
    }
}
