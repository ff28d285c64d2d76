//! A webhook: each change is posted as JSON. Over https, or over http to this machine.

use std::fmt;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wagglebus_schemas::alert_settings::{BadWebhook, check_webhook};

use super::notice::Notice;
use super::{Untold, tls};

/// How long one attempt may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Where to post. Its path may be a secret and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    uri: Uri,
    host: String,
    port: u16,
    encrypted: bool,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({}:{})", self.host, self.port)
    }
}

impl FromStr for Webhook {
    type Err = BadWebhook;

    fn from_str(text: &str) -> Result<Self, BadWebhook> {
        check_webhook(text)?;
        let uri: Uri = text.parse().map_err(|_| BadWebhook::Url)?;
        let authority = uri.authority().ok_or(BadWebhook::Url)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let encrypted = uri.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        Ok(Self {
            host,
            port,
            encrypted,
            uri,
        })
    }
}

impl Webhook {
    /// Posts a change once.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), Untold> {
        match timeout(WITHIN, self.post(notice)).await {
            Ok(answered) => judge(answered?),
            Err(_) => Err(Untold::Again(format!("no answer within {} s", WITHIN.as_secs()))),
        }
    }

    async fn post(&self, notice: &Notice) -> Result<StatusCode, Untold> {
        let again = |error: std::io::Error| Untold::Again(error.to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(again)?;
        if self.encrypted {
            let stream = tls::connect(&self.host, stream).await.map_err(again)?;
            self.exchange(stream, notice).await
        } else {
            self.exchange(stream, notice).await
        }
    }

    async fn exchange<S>(&self, stream: S, notice: &Notice) -> Result<StatusCode, Untold>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let again = |error: hyper::Error| Untold::Again(error.to_string());
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(again)?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("wagglebus/", env!("CARGO_PKG_VERSION")),
            )
            .header("Idempotency-Key", notice.id.to_string())
            .body(Body::from(notice.json()))
            .map_err(|error| Untold::Never(error.to_string()))?;
        let mut answer = pin!(sender.send_request(request));
        // Who answers and hangs up at once has answered: the end of the connection decides nothing by itself.
        tokio::select! {
            answer = &mut answer => return Ok(answer.map_err(again)?.status()),
            // An error of the connection is told by the answer, too, if there was none.
            _ = connection => {}
        }
        Ok(answer.await.map_err(again)?.status())
    }
}

/// What an answer means. Nothing is followed: whoever moved must be told so.
fn judge(status: StatusCode) -> Result<(), Untold> {
    let said = || format!("it answered {}", status.as_u16());
    if status.is_success() {
        Ok(())
    } else if status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
    {
        Err(Untold::Again(said()))
    } else {
        Err(Untold::Never(said()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_told_in_plain_text() {
        let read = |text: &str| text.parse::<Webhook>();
        for good in [
            "http://127.0.0.1:9/x",
            "http://[::1]:9",
            "http://LocalHost/x?y=z",
            "https://hooks.example.com/T/B",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://hooks.example.com/", BadWebhook::Plain),
            ("http://10.0.0.1/", BadWebhook::Plain),
            ("http://127.0.0.1.example.com/", BadWebhook::Plain),
            ("ftp://127.0.0.1/", BadWebhook::Scheme),
            ("/x", BadWebhook::Url),
            ("", BadWebhook::Url),
            ("https://me:hush@h/", BadWebhook::User),
        ] {
            assert_eq!(read(bad), Err(why), "{bad}");
        }
        let shown = format!("{:?}", read("https://h.example.com/hush").unwrap());
        assert_eq!(shown, "Webhook(h.example.com:443)");
    }

    #[test]
    fn what_may_do_later_is_tried_again() {
        for (code, again) in [
            (500, true),
            (503, true),
            (429, true),
            (408, true),
            (404, false),
            (301, false),
        ] {
            let untold = judge(StatusCode::from_u16(code).unwrap()).unwrap_err();
            assert_eq!(matches!(untold, Untold::Again(_)), again, "{code}");
        }
        assert!(judge(StatusCode::NO_CONTENT).is_ok());
    }

    #[tokio::test]
    async fn who_answers_and_hangs_up_was_told() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let alert = include_str!("../../../schemas/fixtures/v1/alert/full.json");
        let notice = Notice::of(&"wb".parse().unwrap(), serde_json::from_str(alert).unwrap());
        let webhook: Webhook = "http://127.0.0.1:9/x".parse().unwrap();
        for (said, told) in [("HTTP/1.1 204 No Content\r\n\r\n", true), ("", false)] {
            let (near, mut far) = tokio::io::duplex(65_536);
            let server = async move {
                far.read_buf(&mut Vec::with_capacity(65_536)).await.unwrap();
                far.write_all(said.as_bytes()).await.unwrap();
            };
            let (answer, ()) = tokio::join!(webhook.exchange(near, &notice), server);
            assert_eq!(answer.is_ok(), told, "{answer:?}");
        }
    }
}
