//! Calls to the tmux server of a pane: by a client that stays while calls follow each other, where that is possible,
//! else by a process each.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use wagglebus_breaker::{Leave, Limits};
use wagglebus_sidecar_core::terminal::command::{self, Server, is_plain_path};
use wagglebus_sidecar_core::terminal::fence::Fence;

use super::client::{CALL_WITHIN, CallError, Tmux};
use super::open::{OpenClient, Unanswered, remove_fifos};
use crate::bridge::breaker::BridgeBreaker;

/// How long a client stays after its last call.
const STAYS: Duration = Duration::from_secs(2);
/// How many clients in a row may answer nothing before no other is started.
const FAILURES_MAX: u32 = 3;
/// When a tmux that fails is left alone: one that hangs costs each call 5 s, in which the bridge does nothing else.
const TMUX: Limits = Limits {
    failures: 3,
    within_ms: None,
    open_ms: 2_000,
    open_max_ms: 30_000,
};
/// What the file with a text to be pasted is called, in the state folder, before its fence.
const TEXT_FILE: &str = "pane-text-";
/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A way to one tmux server.
#[derive(Debug)]
pub(super) struct Calls {
    tmux: Tmux,
    /// Where a client that stays reads; `None` where there can be none.
    folder: Option<PathBuf>,
    /// What the server can do, once it was asked.
    server: Option<Server>,
    client: Option<OpenClient>,
    called_at: Instant,
    /// How many clients in a row answered nothing.
    failures: u32,
    breaker: BridgeBreaker,
}

impl Calls {
    /// A way to a server, with files in this state folder. `breaker` is 1 while it is left alone.
    pub(super) fn new(tmux: Tmux, state_folder: &Path, breaker: Gauge) -> Self {
        remove_texts(state_folder);
        remove_fifos(state_folder);
        let plain = state_folder.to_str().is_some_and(is_plain_path);
        Self {
            tmux,
            folder: plain.then(|| state_folder.to_owned()),
            server: None,
            client: None,
            called_at: Instant::now(),
            failures: 0,
            breaker: BridgeBreaker::new("tmux", TMUX, breaker),
        }
    }

    /// One call. Returns what it printed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(super) async fn call(&mut self, arguments: &[String]) -> Result<String, CallError> {
        self.call_with(arguments, &[]).await
    }

    /// One call that reads `input`: if there is any, by a process, as a client that stays has no standard input.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(super) async fn call_with(
        &mut self,
        arguments: &[String],
        input: &[u8],
    ) -> Result<String, CallError> {
        let leave = self.breaker.ask();
        let called = match leave {
            Leave::Go => self.call_server(arguments, input).await,
            // tmux itself is tried, and not what a client needs beside it.
            Leave::Probe => self.tmux.call_with(arguments, input).await,
            Leave::No { .. } => return Err(CallError::LeftAlone),
        };
        match &called {
            // Who refuses is there.
            Ok(_) | Err(CallError::Refused(_)) => self.breaker.succeeded(),
            Err(error) => {
                if leave == Leave::Probe {
                    // So the clients were not at fault.
                    self.failures = 0;
                }
                self.breaker.failed(&error.to_string());
            }
        }
        called
    }

    async fn call_server(&mut self, arguments: &[String], input: &[u8]) -> Result<String, CallError> {
        if input.is_empty()
            && let Some(mut client) = self.client().await
        {
            let answer = tokio::time::timeout(CALL_WITHIN, client.call(arguments)).await;
            match answer.unwrap_or(Err(Unanswered::Unknown)) {
                Ok(answer) => {
                    self.failures = 0;
                    self.called_at = Instant::now();
                    self.client = Some(client);
                    // As a process that fails and prints nothing.
                    return if answer.is_empty() {
                        Err(CallError::Refused("it printed nothing".to_owned()))
                    } else {
                        Ok(answer)
                    };
                }
                Err(unanswered) => {
                    self.failures = self.failures.saturating_add(1);
                    if self.failures >= FAILURES_MAX {
                        tracing::warn!("tmux clients do not stay; a process each time");
                    }
                    if unanswered == Unanswered::Unknown {
                        return Err(CallError::Silent);
                    }
                }
            }
        }
        self.tmux.call_with(arguments, input).await
    }

    /// Keeps a text for the call that loads it, under a name that no other text has.
    pub(super) fn keep<'a>(&self, fence: Fence, text: &'a str) -> Text<'a> {
        let file = self
            .folder
            .as_ref()
            .map(|folder| folder.join(format!("{TEXT_FILE}{fence}")));
        let write = |file: &PathBuf| {
            let mut options = File::options();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(file)?.write_all(text.as_bytes())
        };
        let mut kept = Text { file, text };
        if let Some(Err(error)) = kept.file.as_ref().map(write) {
            tracing::warn!(%error, "a text cannot be kept in a file; a process for its call");
            kept.remove();
        }
        kept
    }

    /// Whether the server is known to be a recent one.
    pub(super) fn is_recent(&self) -> bool {
        self.server.is_some_and(|server| server.is_recent)
    }

    /// Whether a call is cheap now.
    pub(super) const fn is_open(&self) -> bool {
        self.client.is_some()
    }

    /// Lets a client go that was not needed for a while.
    pub(super) fn rest(&mut self) {
        let over = self.called_at.elapsed() >= STAYS;
        if let Some(client) = self.client.take_if(|_| over) {
            client.end();
        } else if let Some(client) = &mut self.client {
            client.hold();
        }
    }

    /// A client to call, if there can be one.
    async fn client(&mut self) -> Option<OpenClient> {
        let server = match self.server {
            Some(server) => server,
            None => {
                let version = self.tmux.call(&command::version()).await.ok()?;
                *self.server.insert(Server::of(&version))
            }
        };
        let stays = server.is_recent && self.failures < FAILURES_MAX;
        let folder = self.folder.as_ref().filter(|_| stays)?;
        if let Some(client) = self.client.take() {
            if client.calls() < server.scripts_max {
                return Some(client);
            }
            client.end();
        }
        OpenClient::start(&self.tmux, folder)
            .inspect_err(|error| {
                tracing::warn!(%error, "no tmux client can stay; a process each time");
                self.folder = None;
            })
            .ok()
    }
}

/// A text that tmux is to load. Once the call is over it is gone, so that a call that comes late finds nothing.
#[derive(Debug)]
pub(super) struct Text<'a> {
    file: Option<PathBuf>,
    text: &'a str,
}

impl Text<'_> {
    /// Where it is to be loaded from.
    pub(super) fn source(&self) -> &str {
        let file = self.file.as_deref().and_then(Path::to_str);
        file.unwrap_or(STANDARD_INPUT)
    }

    /// What its call is to be given to read.
    pub(super) const fn input(&self) -> &[u8] {
        match self.file {
            Some(_) => &[],
            None => self.text.as_bytes(),
        }
    }

    fn remove(&mut self) {
        if let Some(file) = self.file.take() {
            std::fs::remove_file(file).ok();
        }
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes the texts of a process that was killed.
fn remove_texts(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEXT_FILE) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use wagglebus_sidecar_core::record::Key;

    use super::super::client::Which;
    use super::*;

    #[tokio::test]
    async fn a_text_that_no_file_takes_is_loaded_by_a_process() {
        let folder = tempfile::tempdir().unwrap();
        let tmux = Tmux::new(Which::Socket(folder.path().join("socket")));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let start = ["-f", "/dev/null", "new-session", "-d", "exec tail -f /dev/null"];
        tmux.call(&words(&start)).await.unwrap();
        let mut calls = Calls::new(tmux.clone(), folder.path(), Gauge::default());
        calls.call(&command::version()).await.unwrap();
        assert!(calls.is_open(), "a client stays");
        let key = Key {
            from: "alice".parse().unwrap(),
            id: wagglebus_schemas::Id::from_bytes([1; 16]),
        };
        let fence = Fence::of_message(&[1; 32], &key);
        std::fs::create_dir(folder.path().join(format!("{TEXT_FILE}{fence}"))).unwrap();
        let kept = calls.keep(fence, "a text");
        let arguments = words(&[
            "load-buffer",
            "-b",
            "one",
            kept.source(),
            ";",
            "show-buffer",
            "-b",
            "one",
        ]);
        let shown = calls.call_with(&arguments, kept.input()).await;
        tmux.call(&words(&["kill-server"])).await.unwrap();
        assert_eq!(shown.unwrap().trim_end(), "a text");
    }
}
