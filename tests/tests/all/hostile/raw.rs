//! The NATS protocol by hand: says what no client library would say, and hears everything that comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use wagglebus_nats::keys::UserKey;

/// Far above any answer of a server on loopback, also on a busy machine.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Raw {
    writer: Arc<Mutex<OwnedWriteHalf>>,
    events: mpsc::UnboundedReceiver<Event>,
    inbox: String,
    count: u64,
    /// Messages that came while something else was waited for.
    waiting: VecDeque<Incoming>,
    errors: Vec<String>,
}

/// A message from the server.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) subject: String,
    /// The subscription that it came by: a pulled message keeps its own subject.
    sid: u64,
    pub(super) reply: Option<String>,
    /// The header block as text; empty without headers.
    pub(super) headers: String,
    pub(super) payload: Vec<u8>,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// `-ERR 'Permissions Violation …'`.
    Violation,
    /// A status 503: nobody listens there.
    Nobody,
    /// An answer.
    Reply(Incoming),
    /// Nothing at all.
    Silence,
}

enum Event {
    Message(Incoming),
    Error(String),
    Pong,
}

impl Incoming {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or(Value::Null)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The number of a status line such as `NATS/1.0 404 No Messages`.
    pub(super) fn status(&self) -> Option<u16> {
        self.headers.lines().next()?.split(' ').nth(1)?.parse().ok()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}:");
        self.headers
            .lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()))
            .map(str::trim)
    }
}

impl Outcome {
    /// JetStream's number of the error in an answer.
    pub(super) fn error_code(&self) -> Option<u64> {
        match self {
            Self::Reply(reply) => reply.json()["error"]["err_code"].as_u64(),
            Self::Violation | Self::Nobody | Self::Silence => None,
        }
    }

    #[track_caller]
    pub(super) fn reply(self) -> Incoming {
        match self {
            Self::Reply(reply) => reply,
            Self::Violation | Self::Nobody | Self::Silence => panic!("no reply: {self:?}"),
        }
    }
}

impl Raw {
    /// Logs in with a key. Replies come below `_INBOX_<name>`.
    pub(super) async fn connect(url: &str, key: &UserKey, name: &str) -> Raw {
        let fields = json!({"nkey": key.public().as_str(), "name": name});
        Self::login(url, key, &format!("_INBOX_{name}"), fields)
            .await
            .unwrap()
    }

    /// Sends these CONNECT fields, signed with `key`; the error is the server's or "closed". Replies come below `inbox`.
    pub(super) async fn login(url: &str, key: &UserKey, inbox: &str, fields: Value) -> Result<Raw, String> {
        let address = url.trim_start_matches("nats://");
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let (mut reader, writer) = (BufReader::new(reader), Arc::new(Mutex::new(writer)));
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let info: Value = serde_json::from_str(line.trim_start_matches("INFO ")).unwrap();
        let signature = key
            .sign(info["nonce"].as_str().unwrap_or_default().as_bytes())
            .unwrap();
        let mut connect = json!({
            "verbose": false, "pedantic": false, "lang": "raw", "version": "1", "protocol": 1,
            "headers": true, "no_responders": true, "sig": URL_SAFE_NO_PAD.encode(signature),
        });
        connect
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let (sender, events) = mpsc::unbounded_channel();
        // An idle connection must answer the server's pings, too.
        tokio::spawn(read(reader, Arc::clone(&writer), sender));
        let (waiting, errors) = (VecDeque::new(), Vec::new());
        let mut raw = Raw {
            writer,
            events,
            inbox: format!("{inbox}.{}", uuid::Uuid::new_v4().simple()),
            count: 0,
            waiting,
            errors,
        };
        raw.send(format!("CONNECT {connect}\r\nPING\r\n").as_bytes())
            .await;
        loop {
            match raw.event().await? {
                Event::Pong => return Ok(raw),
                Event::Error(error) => return Err(error),
                Event::Message(_) => {}
            }
        }
    }

    /// Returns the number by which its messages are known.
    pub(super) async fn subscribe(&mut self, subject: &str, queue: Option<&str>) -> u64 {
        self.count += 1;
        let line = format!("SUB {subject} {} {}\r\n", queue.unwrap_or_default(), self.count);
        self.send(line.as_bytes()).await;
        self.count
    }

    /// Publishes and does not wait.
    pub(super) async fn publish(&mut self, subject: &str, reply: &str, headers: &[(&str, &str)], body: &str) {
        let line = if headers.is_empty() {
            format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len())
        } else {
            let lines: String = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let block = format!("NATS/1.0\r\n{lines}\r\n");
            format!(
                "HPUB {subject} {reply} {} {}\r\n{block}{body}\r\n",
                block.len(),
                block.len() + body.len()
            )
        };
        self.send(line.as_bytes()).await;
    }

    /// A reply subject that nobody has used, subscribed to.
    pub(super) async fn fresh_inbox(&mut self) -> (String, u64) {
        let inbox = format!("{}.{}", self.inbox, self.count);
        let sid = self.subscribe(&inbox, None).await;
        (inbox, sid)
    }

    /// Publishes, and waits for the answer, a refusal, or (when there is neither) `silent_after`.
    pub(super) async fn request_within(
        &mut self,
        subject: &str,
        headers: &[(&str, &str)],
        body: &str,
        silent_after: Duration,
    ) -> Outcome {
        let (reply, sid) = self.fresh_inbox().await;
        self.publish(subject, &reply, headers, body).await;
        let errors = self.flush().await;
        let outcome = if errors.iter().any(|error| error.contains("Permissions Violation")) {
            Outcome::Violation
        } else {
            match timeout(silent_after, self.message_by(sid)).await {
                Err(_) => Outcome::Silence,
                Ok(message) if message.status() == Some(503) && message.payload.is_empty() => Outcome::Nobody,
                Ok(message) => Outcome::Reply(message),
            }
        };
        self.send(format!("UNSUB {sid}\r\n").as_bytes()).await;
        outcome
    }

    /// The next message of a subscription; others wait.
    pub(super) async fn message_by(&mut self, sid: u64) -> Incoming {
        self.message_where(|message| message.sid == sid).await
    }

    pub(super) async fn request(&mut self, subject: &str, headers: &[(&str, &str)], body: &str) -> Outcome {
        self.request_within(subject, headers, body, ANSWER_WITHIN).await
    }

    /// The next message on exactly this subject; others wait.
    pub(super) async fn message_on(&mut self, subject: &str) -> Incoming {
        self.message_where(|message| message.subject == subject).await
    }

    /// The next message for which `is_it` holds; others wait.
    pub(super) async fn message_where(&mut self, is_it: impl Fn(&Incoming) -> bool) -> Incoming {
        let message = timeout(ANSWER_WITHIN, self.until(is_it)).await;
        message.expect("a message in time").expect("a connection")
    }

    /// As [`Raw::message_where`], for whoever may outlive the server.
    pub(super) async fn until(&mut self, is_it: impl Fn(&Incoming) -> bool) -> Result<Incoming, String> {
        if let Some(at) = self.waiting.iter().position(&is_it) {
            return self.waiting.remove(at).ok_or_else(String::new);
        }
        loop {
            match self.event().await? {
                Event::Message(message) if is_it(&message) => return Ok(message),
                Event::Message(message) => self.waiting.push_back(message),
                Event::Error(error) => self.errors.push(error),
                Event::Pong => {}
            }
        }
    }

    /// Waits until the server has read all that was sent and has sent all that it had; returns its complaints.
    pub(super) async fn flush(&mut self) -> Vec<String> {
        self.send(b"PING\r\n").await;
        loop {
            match timeout(ANSWER_WITHIN, self.event())
                .await
                .expect("a PONG")
                .expect("a connection")
            {
                Event::Pong => return std::mem::take(&mut self.errors),
                Event::Message(message) => self.waiting.push_back(message),
                Event::Error(error) => self.errors.push(error),
            }
        }
    }

    /// Everything that has arrived and nobody has asked for.
    pub(super) async fn take_all(&mut self) -> Vec<Incoming> {
        self.flush().await;
        self.waiting.drain(..).collect()
    }

    async fn send(&self, bytes: &[u8]) {
        // A connection that the server has cut shows when it is read.
        drop(self.writer.lock().await.write_all(bytes).await);
    }

    async fn event(&mut self) -> Result<Event, String> {
        let closed = self.errors.last().map_or("closed", String::as_str);
        self.events.recv().await.ok_or_else(|| closed.to_owned())
    }
}

/// Reads until the end of the connection.
async fn read(
    mut reader: BufReader<OwnedReadHalf>,
    writer: Arc<Mutex<OwnedWriteHalf>>,
    events: mpsc::UnboundedSender<Event>,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let event = match words.as_slice() {
            ["PING"] => {
                writer.lock().await.write_all(b"PONG\r\n").await?;
                None
            }
            ["PONG"] => Some(Event::Pong),
            ["MSG", subject, sid, rest @ .., size] => Some(Event::Message(incoming(
                subject,
                sid,
                rest,
                0,
                payload(&mut reader, size).await?,
            ))),
            ["HMSG", subject, sid, rest @ .., head, size] => {
                let payload = payload(&mut reader, size).await?;
                Some(Event::Message(incoming(
                    subject,
                    sid,
                    rest,
                    head.parse().unwrap(),
                    payload,
                )))
            }
            ["-ERR", ..] => Some(Event::Error(text.clone())),
            _ => None,
        };
        line.clear();
        if event.is_some_and(|event| events.send(event).is_err()) {
            break;
        }
    }
    Ok(())
}

async fn payload(reader: &mut BufReader<OwnedReadHalf>, size: &str) -> std::io::Result<Vec<u8>> {
    let mut payload = vec![0; size.parse::<usize>().unwrap() + 2];
    reader.read_exact(&mut payload).await?;
    payload.truncate(payload.len() - 2);
    Ok(payload)
}

fn incoming(subject: &str, sid: &str, rest: &[&str], head: usize, mut payload: Vec<u8>) -> Incoming {
    let body = payload.split_off(head);
    Incoming {
        subject: subject.to_owned(),
        sid: sid.parse().unwrap(),
        reply: rest.first().map(|reply| (*reply).to_owned()),
        headers: String::from_utf8_lossy(&payload).into_owned(),
        payload: body,
    }
}
