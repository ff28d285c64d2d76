//! A tmux client that stays for several calls: a call costs it no process.
//!
//! It is an ordinary client, neither attached to a session nor in control mode: all that it runs is `source-file` of a
//! FIFO, and what is written there ends in `source-file` of the other FIFO. While it waits there, this process has the
//! FIFO open for writing, so the client reads its end and ends with this process, however that ends.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};
use wagglebus_sidecar_core::terminal::command;

use super::client::{OUTPUT_BYTES_MAX, Tmux};

/// Most bytes of a call: as much as a FIFO takes at once.
const SCRIPT_BYTES_MAX: usize = 4_096;
/// Time between two looks whether a client that was called a moment ago reads again.
const SOON: Duration = Duration::from_millis(1);
/// How long a client may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(1);
/// What the files that calls are read from are called, before what is each client's own.
const FIFO_FILE: &str = "pane-calls-";

/// Why a call was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The client never read it.
    Unread,
    /// It may have been done.
    Unknown,
}

/// What a client reads its calls from, in a folder of its user's own. Its name is never used again: a client that opens it
/// late must not be given another one's calls.
#[derive(Debug)]
struct Fifo {
    path: PathBuf,
}

impl Fifo {
    fn new(path: PathBuf) -> std::io::Result<Self> {
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        Ok(Self { path })
    }

    /// The end to write to, once somebody reads. A reader that comes when it is closed again would never see an end.
    fn writer(&self) -> std::io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(rustix::fs::open(&self.path, flags, Mode::empty())?.into())
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }
}

impl Drop for Fifo {
    /// A client that waits there reads its end, and one that comes later finds nothing.
    fn drop(&mut self) {
        // For both, so that it opens at once, and nobody can come between the removal and the end.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let end = rustix::fs::open(&self.path, flags, Mode::empty());
        std::fs::remove_file(&self.path).ok();
        drop(end);
    }
}

/// Removes what the clients of a process that was killed read from; those that still wait there end.
pub(super) fn remove_fifos(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(FIFO_FILE) {
            drop(Fifo { path: entry.path() });
        }
    }
}

/// A client that waits for calls.
#[derive(Debug)]
pub(super) struct OpenClient {
    child: Child,
    stdout: ChildStdout,
    /// The one that is read next comes first.
    fifos: [Fifo; 2],
    /// Of the first, once the client reads there.
    writer: Option<File>,
    /// What ends the answer to a call: nothing on a screen can be mistaken for it.
    mark: String,
    calls: u32,
}

impl OpenClient {
    /// Starts a client, with its files in this folder.
    ///
    /// # Errors
    /// When there can be no such files there, or no process.
    pub(super) fn start(tmux: &Tmux, folder: &Path) -> std::io::Result<Self> {
        let own = uuid::Uuid::new_v4().simple();
        let new = |part| Fifo::new(folder.join(format!("{FIFO_FILE}{own}-{part}")));
        let fifos = [new('a')?, new('b')?];
        let mut command = tmux.command(&command::source(fifos[0].path()));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            child,
            stdout,
            fifos,
            writer: None,
            mark: format!("wb-{own}"),
            calls: 0,
        })
    }

    /// How many calls it did.
    pub(super) const fn calls(&self) -> u32 {
        self.calls
    }

    /// One call. Returns what it printed. After an error there is no other call.
    ///
    /// # Errors
    /// When it was not answered.
    pub(super) async fn call(&mut self, arguments: &[String]) -> Result<String, Unanswered> {
        let script = command::script(arguments, &self.mark, self.fifos[1].path());
        if script.len() > SCRIPT_BYTES_MAX {
            return Err(Unanswered::Unread);
        }
        let Some(mut writer) = self.ready().await else {
            return Err(Unanswered::Unread);
        };
        // The FIFO is empty, so it takes all or nothing.
        if writer.write_all(script.as_bytes()).is_err() {
            return Err(Unanswered::Unread);
        }
        drop(writer);
        let answer = self.answer().await.ok_or(Unanswered::Unknown)?;
        self.fifos.swap(0, 1);
        self.calls = self.calls.saturating_add(1);
        self.hold();
        Ok(answer)
    }

    /// Has the end to write to if the client reads there already.
    pub(super) fn hold(&mut self) {
        if self.writer.is_none() {
            self.writer = self.fifos[0].writer().ok();
        }
    }

    /// The end to write to, once the client reads there; `None` when it has ended.
    async fn ready(&mut self) -> Option<File> {
        loop {
            self.hold();
            if self.writer.is_some() {
                return self.writer.take();
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return None;
            }
            tokio::time::sleep(SOON).await;
        }
    }

    /// What is printed up to the mark; `None` when the client has ended, or says too much.
    async fn answer(&mut self) -> Option<String> {
        let mark = format!("{}\n", self.mark);
        let mut printed = Vec::new();
        loop {
            if let Some(answer) = printed.strip_suffix(mark.as_bytes())
                && matches!(answer.last(), None | Some(b'\n'))
            {
                return Some(String::from_utf8_lossy(answer).into_owned());
            }
            let read = self.stdout.read_buf(&mut printed).await.ok()?;
            if read == 0 || printed.len() as u64 > OUTPUT_BYTES_MAX {
                return None;
            }
        }
    }

    /// Lets it end.
    pub(super) fn end(mut self) {
        self.hold();
        let Self {
            mut child,
            writer,
            fifos,
            ..
        } = self;
        // There is nothing to be read any more, and so nothing to be done.
        drop((writer, fifos));
        tokio::spawn(async move { tokio::time::timeout(END_WITHIN, child.wait()).await });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn names(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn a_client_that_was_replaced_finds_nothing_of_its_successor() {
        let folder = tempfile::tempdir().unwrap();
        let tmux = Tmux::new(super::super::client::Which::Socket(folder.path().join("none")));
        let calls = folder.path().join("calls");
        std::fs::create_dir(&calls).unwrap();
        let former = OpenClient::start(&tmux, &calls).unwrap();
        let paths = names(&calls);
        assert_eq!(paths.len(), 2);
        let successor = OpenClient::start(&tmux, &calls).unwrap();
        assert_eq!(names(&calls).len(), 4, "each has its own");
        drop(former);
        assert!(paths.iter().all(|path| !path.exists()));
        successor.end();
        assert_eq!(names(&calls), Vec::<PathBuf>::new());
    }

    #[test]
    fn who_waits_at_what_is_removed_reads_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{FIFO_FILE}former-a"));
        std::mem::forget(Fifo::new(path.clone()).unwrap());
        let (opened, open) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            opened.send(()).unwrap();
            File::open(path).map_or(0, |mut file| file.read_to_end(&mut Vec::new()).unwrap())
        });
        open.recv().unwrap();
        remove_fifos(folder.path());
        assert_eq!(reader.join().unwrap(), 0);
        assert_eq!(names(folder.path()), Vec::<PathBuf>::new());
    }
}
