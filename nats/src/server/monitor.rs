//! Asks the monitoring port of a nats-server, in bounded time and size.
//!
//! Two JSON answers of a server on loopback need no HTTP client library: one request per connection, read to the end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ports::Ports;

/// A server that answers later than this is not well: the answer needs no disk and no peers.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// `/varz` is about 4 KiB; more than this is not from a nats-server.
const ANSWER_MAX: u64 = 256 * 1024;

/// The monitoring port of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitor {
    address: SocketAddr,
}

/// Whether a server is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It says so itself.
    Well,
    /// It says what is wrong, or it did not answer; the text is for people.
    Ill(String),
}

/// What `/healthz` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// JetStream is switched on: enough to begin with.
    JetStream,
    /// Also that every stream and consumer is served. A full disk shows only here.
    Everything,
}

/// No usable answer.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Nothing listens, or the connection broke.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// The monitoring port.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// No complete answer in time: the process is stopped, or wedged.
    #[error("{address} did not answer within {} s", ANSWER_WITHIN.as_secs())]
    Silent {
        /// The monitoring port.
        address: SocketAddr,
    },
    /// Something answered that is no nats-server.
    #[error("{address} did not answer like nats-server")]
    Foreign {
        /// The monitoring port.
        address: SocketAddr,
    },
}

impl Monitor {
    /// The monitoring port at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Reads `http://127.0.0.1:8222` as it stands in `bus.json`.
    ///
    /// # Errors
    /// When the host is not an address with a port.
    pub fn from_url(url: &str) -> Result<Self, std::net::AddrParseError> {
        url.trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .map(Self::new)
    }

    /// Whether the server is well.
    pub async fn health(&self, scope: Scope) -> Health {
        let path = match scope {
            Scope::JetStream => "/healthz?js-enabled-only=true",
            Scope::Everything => "/healthz",
        };
        match self.get(path).await {
            Ok((200, _)) => Health::Well,
            Ok((status, body)) => Health::Ill(complaint(status, &body)),
            Err(error) => Health::Ill(error.to_string()),
        }
    }

    /// When the server last took over its configuration, in its own words: it changes with each reload that succeeds.
    ///
    /// # Errors
    /// When the server does not answer as it should.
    pub async fn configuration_time(&self) -> Result<String, MonitorError> {
        let foreign = || MonitorError::Foreign {
            address: self.address,
        };
        match self.get("/varz").await? {
            (200, body) => Ok(serde_json::from_slice::<Varz>(&body)
                .map_err(|_| foreign())?
                .config_load_time),
            _ => Err(foreign()),
        }
    }

    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), MonitorError> {
        let answer = match timeout(ANSWER_WITHIN, self.exchange(path)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(source)) => {
                return Err(MonitorError::Unreachable {
                    address: self.address,
                    source,
                });
            }
            Err(_) => {
                return Err(MonitorError::Silent {
                    address: self.address,
                });
            }
        };
        parse(&answer).ok_or(MonitorError::Foreign {
            address: self.address,
        })
    }

    async fn exchange(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).await?;
        // HTTP/1.0: the body is never chunked, and the server closes after it.
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).as_bytes())
            .await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

impl From<Ports> for Monitor {
    fn from(ports: Ports) -> Self {
        Self::new(ports.monitor_address())
    }
}

/// Status and body of an HTTP/1.x answer.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end + 4)?;
    let head = std::str::from_utf8(head).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_vec()))
}

/// The reason in `{"status":"unavailable","error":"…"}`.
fn complaint(status: u16, body: &[u8]) -> String {
    match serde_json::from_slice::<Healthz>(body) {
        Ok(Healthz {
            error: Some(reason), ..
        }) => reason,
        Ok(Healthz {
            status: Some(text), ..
        }) => text,
        Ok(_) | Err(_) => format!("status {status}"),
    }
}

#[derive(Deserialize)]
struct Healthz {
    status: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Varz {
    config_load_time: String,
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A monitoring port that gives one canned answer.
    async fn canned(answer: &'static [u8]) -> Monitor {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
        });
        Monitor::new(address)
    }

    #[tokio::test]
    async fn says_what_the_server_says() {
        let monitor = canned(b"HTTP/1.0 200 OK\r\n\r\n{\"status\":\"ok\"}").await;
        assert_eq!(monitor.health(Scope::JetStream).await, Health::Well);
        let answer = b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{\"status\":\"unavailable\",\"error\":\"write error\"}";
        let monitor = canned(answer).await;
        assert_eq!(
            monitor.health(Scope::Everything).await,
            Health::Ill("write error".to_owned())
        );
        let monitor = canned(b"HTTP/1.0 500 No\r\n\r\nhello").await;
        assert_eq!(
            monitor.health(Scope::Everything).await,
            Health::Ill("status 500".to_owned())
        );
    }

    #[tokio::test]
    async fn what_is_no_server_is_ill() {
        for answer in [
            &b""[..],
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.0\r\n\r\n",
            b"HTTP/1.1 2xx\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
        ] {
            let monitor = canned(answer).await;
            assert!(
                matches!(monitor.health(Scope::Everything).await, Health::Ill(_)),
                "{answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_there_is_ill() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let monitor = Monitor::new(listener.local_addr().unwrap());
        drop(listener);
        let Health::Ill(reason) = monitor.health(Scope::Everything).await else {
            panic!("well")
        };
        assert!(reason.ends_with("cannot be reached"), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_server_is_ill() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let monitor = Monitor::new(listener.local_addr().unwrap());
        let Health::Ill(reason) = monitor.health(Scope::Everything).await else {
            panic!("well")
        };
        assert!(reason.ends_with("did not answer within 2 s"), "{reason}");
    }

    #[test]
    fn urls() {
        let monitor = Monitor::from_url("http://127.0.0.1:8222/").unwrap();
        assert_eq!(monitor.address, SocketAddr::from(([127, 0, 0, 1], 8222)));
        assert!(Monitor::from_url("http://example:8222").is_err());
    }
}
