//! The end of a server's log, for error messages.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Enough for the last few lines, little enough for an error message.
const BYTES_MAX: u64 = 2048;
const LINES_MAX: usize = 6;

/// What a server wrote to its log since `from` bytes, at most the last [`LINES_MAX`] lines, without the noise.
pub(super) fn tail(path: &Path, from: u64) -> String {
    let text = read_end(path, from).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("[INF]") && !line.trim().is_empty())
        .collect();
    let skip = lines.len().saturating_sub(LINES_MAX);
    lines.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
}

/// Present length of a log; 0 when there is none.
pub(super) fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

fn read_end(path: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = from.max(file.metadata()?.len().saturating_sub(BYTES_MAX));
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_complaints_of_this_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(tail(&path, 0), "");
        std::fs::write(&path, "[ERR] of an earlier run\n").unwrap();
        let from = length(&path);
        let lines: String = (0..200).map(|n| format!("[INF] noise\n[ERR] {n}\n")).collect();
        std::fs::write(&path, format!("[ERR] of an earlier run\n{lines}")).unwrap();
        assert_eq!(
            tail(&path, from),
            "[ERR] 194\n[ERR] 195\n[ERR] 196\n[ERR] 197\n[ERR] 198\n[ERR] 199"
        );
        std::fs::write(&path, "[ERR] of an earlier run\n[FTL] no\n").unwrap();
        assert_eq!(tail(&path, from), "[FTL] no");
    }
}
