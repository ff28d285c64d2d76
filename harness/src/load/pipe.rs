//! A careful sender as the child of a sidecar: writes drafts ahead, and writes again what no life of the sidecar accepted.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use wagglebus_schemas::Id;

use super::sender::room;
use super::traffic::Planned;
use crate::fleet::Options;
use crate::ledger::{Ledger, Op};

/// Most drafts without an answer.
const AHEAD_MAX: usize = 32;
/// What runs as the child and connects to us.
const RELAY: &str = include_str!("relay.py");

/// The place where a sidecar's child meets the test.
#[derive(Debug)]
pub struct Pipe {
    listener: UnixListener,
    path: PathBuf,
}

/// A draft that was written, or is to be written again.
#[derive(Debug)]
struct Line {
    id: Id,
    text: String,
}

impl Pipe {
    /// A new place.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            listener: UnixListener::bind(path)?,
            path: path.to_owned(),
        })
    }

    /// How the sidecar must be started, so that its child comes here.
    #[must_use]
    pub fn options(&self) -> Options {
        let path = self.path.to_string_lossy();
        Options::stdio(&["--frames", "all"], &["python3", "-c", RELAY, &path])
    }

    /// Sends all of `planned`, over as many lives of the sidecar as it takes.
    pub async fn send_all(
        self,
        planned: impl Iterator<Item = Planned>,
        ledger: Arc<Ledger>,
        backlog_max: u64,
    ) {
        let mut planned = planned.peekable();
        let mut open: VecDeque<Line> = VecDeque::new();
        while planned.peek().is_some() || !open.is_empty() {
            let Ok((child, _)) = self.listener.accept().await else {
                continue;
            };
            for line in &open {
                let why = "the sidecar was started again".to_owned();
                ledger.record(Op::Unsettled { id: line.id, why });
            }
            // An error here is the end of a life; the next one goes on.
            Life::new(child, &ledger, backlog_max)
                .send(&mut planned, &mut open)
                .await
                .ok();
        }
    }
}

/// One life of the child.
struct Life<'a> {
    child: BufReader<UnixStream>,
    ledger: &'a Ledger,
    backlog_max: u64,
    /// Ids by line number, from 1.
    written: Vec<Id>,
}

impl<'a> Life<'a> {
    fn new(child: UnixStream, ledger: &'a Ledger, backlog_max: u64) -> Self {
        Self {
            child: BufReader::new(child),
            ledger,
            backlog_max,
            written: Vec::new(),
        }
    }

    async fn send(
        &mut self,
        planned: &mut impl Iterator<Item = Planned>,
        open: &mut VecDeque<Line>,
    ) -> io::Result<()> {
        for line in open.iter() {
            self.write(line).await?;
        }
        loop {
            while open.len() < AHEAD_MAX {
                let Some(Planned { offer, draft }) = planned.next() else {
                    break;
                };
                room(self.ledger, self.backlog_max).await;
                let line = Line {
                    id: offer.id,
                    text: format!("{}\n", serde_json::to_string(&draft)?),
                };
                self.ledger.record(Op::Offered(offer));
                open.push_back(line);
                if let Some(line) = open.back() {
                    self.write(line).await?;
                }
            }
            if open.is_empty() {
                return Ok(());
            }
            let answered = self.answer().await?;
            open.retain(|line| Some(line.id) != answered);
        }
    }

    async fn write(&mut self, line: &Line) -> io::Result<()> {
        self.written.push(line.id);
        self.child.write_all(line.text.as_bytes()).await
    }

    /// Reads one line; returns the draft that it settles.
    async fn answer(&mut self) -> io::Result<Option<Id>> {
        let mut text = String::new();
        if self.child.read_line(&mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let frame: Value = serde_json::from_str(&text)?;
        match frame.get("$").and_then(Value::as_str) {
            Some("accepted") => {
                let id: Id = serde_json::from_value(frame.get("id").cloned().unwrap_or_default())?;
                let level = wagglebus_schemas::Level::Accepted;
                self.ledger.record(Op::Accepted { id, level });
                Ok(Some(id))
            }
            Some("error") => {
                let line = frame.get("line").and_then(Value::as_u64).unwrap_or(0);
                let at = usize::try_from(line).unwrap_or(0).checked_sub(1);
                let id = at.and_then(|at| self.written.get(at)).copied();
                let code = frame.pointer("/error/code").cloned().unwrap_or_default();
                if let (Some(id), Ok(code)) = (id, serde_json::from_value(code)) {
                    self.ledger.record(Op::Refused { id, code });
                }
                Ok(id)
            }
            // A message for the child; a sender does not read them.
            Some(_) | None => Ok(None),
        }
    }
}
