//! Named pipes between a benchmark and a sidecar's child, which is a plain `cat`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;

use crate::fleet::Options;

/// How long a line may take before a benchmark gives up.
const LINE_WITHIN: Duration = Duration::from_secs(30);

/// A named pipe in the file system.
pub(super) struct NamedPipe(PathBuf);

impl NamedPipe {
    /// Makes one.
    pub(super) fn make(path: PathBuf) -> Result<Self> {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
            .with_context(|| format!("named pipe {}", path.display()))?;
        Ok(Self(path))
    }

    /// A sidecar whose child writes to its sidecar what is written into the pipe.
    pub(super) fn read_by_child(&self) -> Options {
        Options::stdio(&[], &["sh", "-c", "exec cat \"$0\"", &self.0.to_string_lossy()])
    }

    /// A sidecar whose child writes into the pipe what its sidecar hands it.
    pub(super) fn written_by_child(&self) -> Options {
        Options::stdio(&[], &["sh", "-c", "exec cat > \"$0\"", &self.0.to_string_lossy()])
    }

    /// The writing end. Opened for reading too, so that neither side sees an end before it is dropped.
    pub(super) fn writer(&self) -> Result<pipe::Sender> {
        Ok(pipe::OpenOptions::new().read_write(true).open_sender(&self.0)?)
    }

    /// The reading end.
    pub(super) fn reader(&self) -> Result<PipeLines> {
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(&self.0)?;
        Ok(PipeLines(BufReader::with_capacity(1 << 16, receiver).lines()))
    }
}

/// Lines that come out of a pipe.
pub(super) struct PipeLines(Lines<BufReader<pipe::Receiver>>);

impl PipeLines {
    /// The next line.
    pub(super) async fn next(&mut self) -> Result<String> {
        let line = tokio::time::timeout(LINE_WITHIN, self.0.next_line())
            .await
            .context("no line came")?;
        line?.context("the pipe ended")
    }
}

/// A place for a pipe in a run's own folder.
pub(super) fn place(home: &Path, name: &str) -> PathBuf {
    home.join(format!("bench-{name}.pipe"))
}
