//! A webhook of the tests: takes what is posted, and answers 204.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::messages::WITHIN;

/// A server on loopback, and a folder for commands.
#[derive(Debug)]
pub(super) struct Sink {
    port: u16,
    heard: Arc<Mutex<Vec<Value>>>,
    folder: tempfile::TempDir,
}

impl Sink {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let into = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Some(posted) = answer(stream).await {
                    into.lock().unwrap().push(posted);
                }
            }
        });
        let folder = tempfile::tempdir().unwrap();
        Self { port, heard, folder }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/alerts?key=1", self.port)
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Everything that was posted.
    pub(super) fn all(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    /// The first change of this kind, once it was posted.
    pub(super) async fn next(&self, rule: &str, transition: &str) -> Value {
        let is_it = |told: &Value| told["alert"]["rule"] == rule && told["transition"] == transition;
        let found = wait(|| self.all().into_iter().find(is_it)).await;
        found.unwrap_or_else(|| panic!("{rule} is not told to be {transition}: {:?}", self.all()))
    }

    /// What a command wrote, once it has so many lines.
    pub(super) async fn lines(&self, file: &Path, count: usize) -> Vec<Value> {
        let found = wait(|| {
            let text = std::fs::read_to_string(file).ok()?;
            let lines: Vec<Value> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            (lines.len() >= count).then_some(lines)
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("no {count} lines: {:?}", std::fs::read_to_string(file)))
    }
}

async fn wait<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let found = async {
        loop {
            tick.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    };
    tokio::time::timeout(WITHIN, found).await.ok()
}

/// Reads one request; its body as JSON.
async fn answer(mut stream: TcpStream) -> Option<Value> {
    let mut text = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&part[..read]);
        let whole = String::from_utf8_lossy(&text);
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /alerts?key=1 "), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))?;
        if body.len() >= length.trim().parse().ok()? {
            let posted = serde_json::from_str(body).ok();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.ok()?;
            return posted;
        }
    }
}
