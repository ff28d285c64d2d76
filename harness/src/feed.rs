//! A reader of a coordinator's live feed, as a program that knows nothing of us would write it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than the time between two signs of life: a stream that says nothing for so long is broken.
const SAYS_WITHIN: Duration = Duration::from_secs(40);

/// Where a coordinator is, and with which token it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedSource {
    /// Its base URL, such as `http://127.0.0.1:7788`.
    pub http: String,
    /// A bearer token; empty for none.
    pub token: String,
}

/// An event, as it was read.
#[derive(Debug, Clone)]
pub struct FeedEvent {
    /// The last id up to here.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
    /// When it was read.
    pub at: Instant,
}

/// An open stream of events.
#[derive(Debug)]
pub struct FeedReader {
    stream: BufReader<TcpStream>,
    text: Vec<u8>,
    id: String,
}

impl FeedSource {
    /// Opens `/v1/events` with these parameters (such as `kind=task`), behind `last` if given.
    ///
    /// # Errors
    /// When it is refused; the text has status and body.
    pub async fn read(&self, query: &str, last: Option<&str>) -> Result<FeedReader> {
        let (status, mut stream, length) = self.get(query, last).await?;
        if status != 200 {
            bail!("{status}: {}", body(&mut stream, length).await?);
        }
        Ok(FeedReader {
            stream,
            text: Vec::new(),
            id: String::new(),
        })
    }

    /// Status and body of a refusal.
    ///
    /// # Errors
    /// When it is none.
    pub async fn refusal(&self, query: &str, last: Option<&str>) -> Result<(u16, Value)> {
        let (status, mut stream, length) = self.get(query, last).await?;
        ensure!(status != 200, "{query} is not refused");
        Ok((status, serde_json::from_str(&body(&mut stream, length).await?)?))
    }

    async fn get(&self, query: &str, last: Option<&str>) -> Result<(u16, BufReader<TcpStream>, usize)> {
        let address = self.http.strip_prefix("http://").context("an http URL")?;
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let mut request = format!("GET /v1/events?{query} HTTP/1.1\r\nHost: {address}\r\n");
        if !self.token.is_empty() {
            request += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        if let Some(last) = last {
            request += &format!("Last-Event-ID: {last}\r\n");
        }
        stream.write_all((request + "\r\n").as_bytes()).await?;
        let status = line(&mut stream).await?;
        let status = status.split(' ').nth(1).context("no status")?.parse()?;
        let mut length = 0;
        loop {
            let field = line(&mut stream).await?.to_ascii_lowercase();
            if field.is_empty() {
                return Ok((status, stream, length));
            }
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
    }
}

impl FeedReader {
    /// The next event; comments and bare ids are passed over.
    ///
    /// # Errors
    /// When the stream ends, or says nothing for too long.
    pub async fn next(&mut self) -> Result<FeedEvent> {
        loop {
            let end = self.text.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(event) = self.event(&String::from_utf8(block)?)? {
                    return Ok(event);
                }
                continue;
            }
            self.more().await?;
        }
    }

    /// The id with which a later reader goes on from here.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn event(&mut self, block: &str) -> Result<Option<FeedEvent>> {
        let (mut name, mut data) = (String::new(), None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.id),
                Some(("event", word)) => word.clone_into(&mut name),
                Some(("data", text)) => data = Some(serde_json::from_str(text)?),
                _ => {}
            }
        }
        Ok(data.map(|data| FeedEvent {
            id: self.id.clone(),
            name,
            data,
            at: Instant::now(),
        }))
    }

    /// Reads one chunk.
    async fn more(&mut self) -> Result<()> {
        let size = timeout(SAYS_WITHIN, line(&mut self.stream))
            .await
            .context("it says nothing")??;
        let size = usize::from_str_radix(&size, 16)?;
        ensure!(size > 0, "the stream ended");
        let begin = self.text.len();
        self.text.resize(begin + size, 0);
        let chunk = self.text.get_mut(begin..).context("no room")?;
        self.stream.read_exact(chunk).await?;
        ensure!(
            line(&mut self.stream).await?.is_empty(),
            "a chunk is longer than it says"
        );
        Ok(())
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    ensure!(
        stream.read_line(&mut line).await? > 0,
        "the connection was closed"
    );
    Ok(line.trim_end().to_owned())
}

async fn body(stream: &mut BufReader<TcpStream>, length: usize) -> Result<String> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(String::from_utf8(body)?)
}
