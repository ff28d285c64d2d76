//! A scripted HTTP server on a unix socket: says exactly what a test wants, and records what it was asked.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use wagglebus_client::{Client, Endpoint};

/// What to do with the next request.
pub(crate) enum Step {
    /// Answer with this status and body.
    Answer(u16, Vec<u8>),
    /// Answer, then close the connection without saying so beforehand.
    AnswerAndClose(u16, Vec<u8>),
    /// Close without an answer.
    Hang,
}

/// A request as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
    /// `METHOD target`.
    pub(crate) line: String,
    /// Header lines, lower-case names.
    pub(crate) headers: Vec<String>,
    /// The body.
    pub(crate) body: String,
}

pub(crate) struct Fake {
    _folder: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    closed: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Fake {
    pub(crate) fn start(script: impl IntoIterator<Item = Step>) -> (Self, Client) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fake.sock");
        let asked = Arc::default();
        let steps = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<_>>()));
        let (closing, closed) = tokio::sync::mpsc::unbounded_channel();
        let listener = UnixListener::bind(&socket).unwrap();
        let record = Arc::clone(&asked);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (steps, record, closing) = (Arc::clone(&steps), Arc::clone(&record), closing.clone());
                tokio::spawn(async move {
                    serve(connection, stream, &steps, &record).await;
                    closing.send(()).ok();
                });
            }
        });
        let client = Client::new(Endpoint::Unix(socket.clone()));
        (
            Self {
                _folder: folder,
                socket,
                asked,
                closed,
            },
            client,
        )
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns once the server has closed a connection.
    pub(crate) async fn closed(&mut self) {
        self.closed.recv().await.unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.socket
    }
}

async fn serve(
    connection: usize,
    stream: UnixStream,
    steps: &Mutex<VecDeque<Step>>,
    record: &Mutex<Vec<Asked>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = read(connection, &mut stream).await {
        record.lock().unwrap().push(asked);
        let step = steps
            .lock()
            .unwrap()
            .pop_front()
            .expect("the script has a step for each request");
        let (status, body, close) = match step {
            Step::Answer(status, body) => (status, body, false),
            Step::AnswerAndClose(status, body) => (status, body, true),
            Step::Hang => return,
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // The client may have gone: it need not read an answer that is too long.
        stream.write_all(&body).await.ok();
        if close {
            return;
        }
    }
}

async fn read(connection: usize, stream: &mut BufReader<UnixStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let line = lines.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    Some(Asked {
        connection,
        line,
        headers: lines,
        body: String::from_utf8(body).unwrap(),
    })
}
