//! One attempt to begin a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, ReconnectToServer, ServerAddr, ServerError};
use tokio::sync::watch;

use super::denial::{Denials, refused_subject};
use super::error::ConnectError;
use super::event::{Event, EventSink};
use super::session::{Server, Session};
use super::settings::Settings;
use super::{ANSWER_WITHIN, DIAL_WITHIN, PING_EVERY, QUEUED_COMMANDS_MAX, QUEUED_MESSAGES_MAX, credentials};
use crate::server::{ServerVersion, Suitability};

/// Publishes without an ack at one time; the next one waits.
const UNACKED_MAX: usize = 4096;

/// An address to connect to.
#[derive(Debug, Clone)]
pub(super) struct Address {
    target: ServerAddr,
    /// Without credentials, for people.
    shown: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let target: ServerAddr = url
            .trim()
            .parse()
            .map_err(|error| ConnectError::config("server address", error))?;
        if !matches!(target.scheme(), "nats" | "tls") || target.host().is_empty() {
            let wanted = "use nats://host:port or tls://host:port";
            return Err(ConnectError::config("server address", wanted));
        }
        let shown = format!("{}://{}:{}", target.scheme(), target.host(), target.port());
        Ok(Self { target, shown })
    }
}

/// Connects once to one address.
pub(super) async fn dial(
    settings: &Settings,
    address: &Address,
    number: u64,
    events: &EventSink,
) -> Result<Session, ConnectError> {
    let denials = Arc::new(Denials::new());
    let (ended, ending) = watch::channel(false);
    let nowhere = nowhere()?;
    let options = credentials::apply(options(settings), &settings.credentials, &address.target).await?;
    let options = report(options, events.clone(), denials.clone());
    let options = end_with_the_connection(options, address.target.clone(), nowhere.clone(), ended);
    let client = options
        .connect([address.target.clone(), nowhere].as_slice())
        .await
        .map_err(|error| ConnectError::sort(address.shown.clone(), &error))?;
    let server = server(&client, address)?;
    let jetstream = ContextBuilder::new()
        .timeout(ANSWER_WITHIN)
        .max_ack_inflight(UNACKED_MAX)
        .backpressure_on_inflight(true)
        .api_prefix(settings.api_prefix.clone())
        .build(client.clone());
    let inbox_prefix = settings.inbox_prefix.clone();
    Ok(Session::new(
        number,
        server,
        client,
        jetstream,
        inbox_prefix,
        denials,
        ending,
    ))
}

fn options(settings: &Settings) -> ConnectOptions {
    let mut options = ConnectOptions::new()
        .name(&settings.name)
        .custom_inbox_prefix(&settings.inbox_prefix)
        .ping_interval(PING_EVERY)
        .connection_timeout(DIAL_WITHIN)
        .request_timeout(Some(ANSWER_WITHIN))
        .client_capacity(QUEUED_COMMANDS_MAX)
        .subscription_capacity(QUEUED_MESSAGES_MAX)
        .require_tls(settings.tls.required)
        .ignore_discovered_servers();
    if settings.tls.first {
        options = options.tls_first();
    }
    if let Some(ca) = &settings.tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((certificate, key)) = &settings.tls.identity {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    options
}

/// Beginnings and ends are told by the supervisor, which knows their order; all else is told from here.
fn report(options: ConnectOptions, events: EventSink, denials: Arc<Denials>) -> ConnectOptions {
    options.event_callback(move |event| {
        match event {
            async_nats::Event::LameDuckMode => events.emit(Event::LameDuck),
            async_nats::Event::SlowConsumer(_) => events.emit(Event::SlowConsumer),
            async_nats::Event::ServerError(error) => {
                let said = match error {
                    ServerError::Other(said) => said,
                    ServerError::AuthorizationViolation | ServerError::SlowConsumer(_) => error.to_string(),
                };
                let said = said.trim_matches('\'');
                if let Some(subject) = refused_subject(said) {
                    denials.record(subject);
                    let subject = subject.to_owned();
                    events.emit(Event::PermissionDenied { subject });
                } else {
                    events.emit(Event::Other(said.to_owned()));
                }
            }
            // Client errors are failed attempts to reconnect, of which there are none but the one below.
            async_nats::Event::Connected
            | async_nats::Event::Disconnected
            | async_nats::Event::Draining
            | async_nats::Event::Closed
            | async_nats::Event::ClientError(_) => {}
        }
        std::future::ready(())
    })
}

/// Makes the client end with its first connection instead of carrying its queue into another one (see the module).
///
/// The library asks before each attempt where to go. The first answer is the real address; every later one is an
/// address where nothing can listen, and the second of those exceeds the attempts allowed, which ends the client.
fn end_with_the_connection(
    options: ConnectOptions,
    target: ServerAddr,
    nowhere: ServerAddr,
    ended: watch::Sender<bool>,
) -> ConnectOptions {
    let dialled = AtomicBool::new(false);
    options
        .max_reconnects(1)
        .reconnect_to_server_callback(move |_, _| {
            let addr = if dialled.swap(true, Ordering::Relaxed) {
                ended.send_replace(true);
                nowhere.clone()
            } else {
                target.clone()
            };
            std::future::ready(Some(ReconnectToServer {
                addr,
                delay: Some(Duration::ZERO),
            }))
        })
}

/// TCP port 0: connecting to it fails at once, without any traffic.
fn nowhere() -> Result<ServerAddr, ConnectError> {
    "nats://127.0.0.1:0"
        .parse()
        .map_err(|error| ConnectError::config("server address", error))
}

fn server(client: &async_nats::Client, address: &Address) -> Result<Server, ConnectError> {
    let info = client.server_info();
    let address = address.shown.clone();
    let version: ServerVersion = info.version.parse().map_err(|error| ConnectError::Refused {
        address: address.clone(),
        reason: format!("unreadable server version: {error}"),
    })?;
    if version.suitability() == Suitability::TooOld {
        return Err(ConnectError::TooOld {
            address,
            found: version,
        });
    }
    Ok(Server {
        address,
        version,
        max_payload: info.max_payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_shown_without_credentials() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("localhost", "nats://localhost:4222"),
            (" tls://bob:s3cret@bus.example:4443 ", "tls://bus.example:4443"),
        ] {
            assert_eq!(Address::parse(url).unwrap().shown, shown);
        }
        for url in ["", "http://x", "ws://x:80", "nats://", "nats://x:99999", "a b"] {
            let error = Address::parse(url).unwrap_err();
            assert!(matches!(error, ConnectError::Config { .. }), "{url}: {error}");
        }
    }
}
