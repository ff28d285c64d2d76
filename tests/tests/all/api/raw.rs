//! A client that sends exactly the bytes it is told to, and keeps its connection.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Nothing here takes longer than a long poll; a test that hangs fails.
const WITHIN: Duration = Duration::from_secs(90);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A kept connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

/// Status, head and body of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The error of a refusal.
    pub(super) fn error(&self) -> Value {
        let json = self.json();
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert!(
            json["error"]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{json}"
        );
        json["error"].clone()
    }

    /// Status and error code of a refusal.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.error()["code"].as_str().unwrap().to_owned())
    }
}

impl Connection {
    pub(super) async fn unix(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path).await?;
        Ok(Self {
            stream: Box::new(stream),
            read: Vec::new(),
        })
    }

    pub(super) async fn tcp(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        Ok(Self {
            stream: Box::new(stream),
            read: Vec::new(),
        })
    }

    /// Sends bytes as they are.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    pub(super) async fn get(&mut self, target: &str) -> Result<Answer> {
        self.write(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await?;
        self.answer().await
    }

    pub(super) async fn post(&mut self, target: &str, body: &[u8]) -> Result<Answer> {
        self.post_with(target, "", body).await
    }

    pub(super) async fn post_json(&mut self, target: &str, body: &Value) -> Result<Answer> {
        self.post(target, body.to_string().as_bytes()).await
    }

    /// With more header lines, each ended by CRLF.
    pub(super) async fn post_with(&mut self, target: &str, headers: &str, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.write(&[head.as_bytes(), body].concat()).await?;
        self.answer().await
    }

    /// Reads a whole answer.
    pub(super) async fn answer(&mut self) -> Result<Answer> {
        let mut answer = self.head().await?;
        let length: usize = answer
            .header("content-length")
            .context("no content-length")?
            .parse()?;
        while self.read.len() < length {
            self.more().await?;
        }
        answer.body = self.read.drain(..length).collect();
        Ok(answer)
    }

    /// Reads an answer's head.
    pub(super) async fn head(&mut self) -> Result<Answer> {
        let end = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(self.read.drain(..end).collect())?;
        let status = head.split(' ').nth(1).context("no status line")?.parse()?;
        Ok(Answer {
            status,
            head,
            body: Vec::new(),
        })
    }

    /// Reads one chunk of an answer in chunks; empty at its end.
    pub(super) async fn chunk(&mut self) -> Result<Vec<u8>> {
        let end = self.until(b"\r\n").await?;
        let line = String::from_utf8(self.read.drain(..end).collect())?;
        let length = usize::from_str_radix(line.trim(), 16)?;
        while self.read.len() < length + 2 {
            self.more().await?;
        }
        let chunk = self.read.drain(..length + 2).take(length).collect();
        Ok(chunk)
    }

    /// Waits until the other side closes, and says how much it had still sent.
    pub(super) async fn closed(&mut self) -> Result<usize> {
        let mut rest = Vec::new();
        timeout(WITHIN, self.stream.read_to_end(&mut rest)).await??;
        Ok(self.read.len() + rest.len())
    }

    async fn until(&mut self, mark: &[u8]) -> Result<usize> {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|window| window == mark) {
                return Ok(at + mark.len());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        let read = timeout(WITHIN, self.stream.read_buf(&mut self.read))
            .await
            .context("no answer in time")??;
        if read == 0 {
            bail!(
                "the connection was closed after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
        Ok(())
    }
}
