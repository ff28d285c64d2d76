//! A client that sends what it is told to, one request on each connection.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::messages::WITHIN;

/// A coordinator's API, and as whom it is called.
#[derive(Debug, Clone)]
pub(super) struct Api {
    address: String,
    token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code of a refusal, which every refusal has.
    pub(super) fn refusal(&self) -> (u16, String) {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{json}")).to_owned();
        assert!(!text(&json["error"]["message"]).is_empty());
        (self.status, text(&json["error"]["code"]))
    }
}

impl Api {
    pub(super) fn at(url: &str) -> Self {
        Self {
            address: url.strip_prefix("http://").unwrap().to_owned(),
            token: None,
        }
    }

    pub(super) fn with(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &self.host(), "").await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = format!("{}Content-Type: application/json\r\n", self.host());
        self.send("POST", path, &headers, &body.to_string()).await
    }

    pub(super) fn host(&self) -> String {
        format!("Host: {}\r\n", self.address)
    }

    /// With these header lines, each ended by CRLF; the token and what a body needs are added.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let token = self.token.as_ref();
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}{token}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            // It may be refused before all of it was read.
            stream.write_all(request.as_bytes()).await.ok();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok();
            String::from_utf8(answer).unwrap()
        };
        let answer = timeout(WITHIN, exchange).await.unwrap();
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{method} {path}: {answer:?}"));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}
