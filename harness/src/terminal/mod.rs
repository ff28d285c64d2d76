//! A tmux server of its own, with programs in its panes that tell when they were given what.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What runs in the panes.
const READER: &str = include_str!("reader.py");
/// How long something may take before a run gives up.
const WITHIN: Duration = Duration::from_secs(30);
/// What is typed and entered to see that everything before has come through.
const LAST: &str = "that was all";

/// What is missing on this machine for such a server; `None` when all is there.
pub(crate) async fn missing() -> Option<&'static str> {
    for (program, asked) in [("tmux", "-V"), ("python3", "-V")] {
        let ended = tokio::process::Command::new(program)
            .arg(asked)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
        if !ended.is_ok_and(|status| status.success()) {
            return Some(program);
        }
    }
    None
}

/// A tmux server of its own. It ends with its last reader, and readers end with whoever listens to them: nothing is
/// left behind however the run ends.
#[derive(Debug)]
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// A server with its socket in a run's own folder, without any pane: it starts with the first one.
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            socket: home.join("tmux.socket"),
        }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A call to it that touches nothing of the user's. It is killed when it is dropped.
    pub(crate) fn call<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("tmux");
        command
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(&self.socket)
            .args(arguments)
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What tmux says of a pane in this format.
    pub(crate) async fn value(&self, pane: &str, format: &str) -> Result<String> {
        said(self.call(["display-message", "-p", "-t", pane, format])).await
    }

    /// A reader in a pane of its own.
    pub(crate) async fn reader(&self, name: &str) -> Result<Reader> {
        self.reader_that(name, &[]).await
    }

    /// A reader in a pane of its own that also tells each byte that it is given.
    pub(crate) async fn byte_reader(&self, name: &str) -> Result<Reader> {
        self.reader_that(name, &["bytes"]).await
    }

    async fn reader_that(&self, name: &str, tells: &[&str]) -> Result<Reader> {
        let place = self.socket.with_file_name(format!("pane-{name}.socket"));
        let listener = UnixListener::bind(&place)?;
        let begin = [
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "40",
            "-P",
            "-F",
            "#{pane_id}",
            "-s",
            name,
        ];
        let runs = ["python3", "-c", READER].map(OsStr::new);
        let arguments = begin
            .iter()
            .map(OsStr::new)
            .chain(runs)
            .chain([place.as_os_str()])
            .chain(tells.iter().map(OsStr::new));
        let pane = said(self.call(arguments)).await?;
        let (stream, _) = timeout(WITHIN, listener.accept())
            .await
            .context("the reader did not start")??;
        let (teller, told) = mpsc::unbounded_channel();
        let listening = tokio::spawn(listen(stream, teller));
        let mut reader = Reader {
            pane,
            told,
            bytes: Vec::new(),
            _listening: AbortOnDrop(listening),
        };
        match reader.next().await? {
            Told::Ready { .. } => Ok(reader),
            Told::Submit(submit) => bail!("submitted before anything was: {submit:?}"),
            Told::Bytes { .. } => bail!("it was given something before it was ready"),
        }
    }
}

/// What a call printed.
async fn said(mut call: tokio::process::Command) -> Result<String> {
    let ended = call
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await?;
    ensure!(
        ended.status.success(),
        "tmux: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(String::from_utf8(ended.stdout)?.trim().to_owned())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // By its own socket: no other server is touched. It may have ended by itself.
        self.call(["kill-server"]).as_std_mut().status().ok();
    }
}

/// Ends a task with its owner.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a reader tells.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Submit(Submit),
    Ready {
        #[serde(rename = "ready")]
        _pid: u32,
    },
    Bytes {
        /// As characters below U+0100.
        bytes: String,
    },
}

/// One submit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Submit {
    /// When the reader had read its Enter, by the monotonic clock.
    #[serde(rename = "at_ns", deserialize_with = "from_ns")]
    pub(crate) at: Duration,
    /// What was submitted.
    pub(crate) text: String,
}

fn from_ns<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_nanos)
}

/// The time by the clock of the readers.
pub(crate) fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}

/// A program in a pane.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) pane: String,
    told: mpsc::UnboundedReceiver<Told>,
    bytes: Vec<u8>,
    _listening: AbortOnDrop,
}

impl Reader {
    /// The submits that it has told already and that were not read yet; waits for none.
    pub(crate) fn submits_so_far(&mut self) -> Result<Vec<Submit>> {
        let mut submits = Vec::new();
        while let Ok(told) = self.told.try_recv() {
            submits.extend(self.take(told)?);
        }
        Ok(submits)
    }

    async fn next(&mut self) -> Result<Told> {
        let told = timeout(WITHIN, self.told.recv())
            .await
            .context("the reader says nothing")?;
        told.context("the reader has ended")
    }

    /// The next submit.
    pub(crate) async fn submit(&mut self) -> Result<Submit> {
        loop {
            let told = self.next().await?;
            if let Some(submit) = self.take(told)? {
                return Ok(submit);
            }
        }
    }

    fn take(&mut self, told: Told) -> Result<Option<Submit>> {
        match told {
            Told::Submit(submit) => Ok(Some(submit)),
            Told::Bytes { bytes } => {
                let bytes: Result<Vec<u8>, _> = bytes.chars().map(u8::try_from).collect();
                self.bytes.extend(bytes?);
                Ok(None)
            }
            Told::Ready { .. } => bail!("the reader was started anew"),
        }
    }

    /// Every byte that a [byte reader](Terminal::byte_reader) was given before the last submit that was read here, and
    /// nothing of what [`rest`](Self::rest) typed.
    pub(crate) fn bytes(&self) -> &[u8] {
        let typed = format!("{LAST}\r");
        self.bytes.strip_suffix(typed.as_bytes()).unwrap_or(&self.bytes)
    }

    /// Everything that is submitted until what was put into the pane so far has come through: it comes in order.
    pub(crate) async fn rest(&mut self, terminal: &Terminal) -> Result<Vec<Submit>> {
        let typed = ["send-keys", "-l", "-t", &self.pane, LAST, ";"];
        let entered = ["send-keys", "-t", &self.pane, "Enter"];
        let mut call = terminal.call(typed.iter().chain(&entered));
        ensure!(call.status().await?.success(), "tmux took no keys");
        let mut submits = Vec::new();
        loop {
            let mut submit = self.submit().await?;
            let Some(before) = submit.text.strip_suffix(LAST) else {
                submits.push(submit);
                continue;
            };
            submit.text = before.to_owned();
            submits.extend((!submit.text.is_empty()).then_some(submit));
            return Ok(submits);
        }
    }
}

async fn listen(stream: UnixStream, teller: mpsc::UnboundedSender<Told>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(told) = serde_json::from_str(&line) else {
            return;
        };
        if teller.send(told).is_err() {
            return;
        }
    }
}
