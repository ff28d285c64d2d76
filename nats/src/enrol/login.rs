//! Whether a key opens a connection from which the bus can be reached: the only proof that a reload has done its work.

use std::time::Duration;

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Request, RequestError, RequestErrorKind,
};
use tokio::time::{Instant, sleep};
use wagglebus_schemas::permission::inbox_prefix;
use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::subject::agent_api_prefix;
use wagglebus_schemas::{AgentId, Hive};

use crate::keys::UserKey;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A reload with thousands of agents takes well under a second, on a machine that has time for it.
const SOON: Duration = Duration::from_secs(20);
const FIRST_DELAY: Duration = Duration::from_millis(5);
const DELAY_MAX: Duration = Duration::from_millis(200);

/// Why an agent cannot work yet.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server does not know the key.
    #[error("the server does not know the key")]
    Refused,
    /// The server knows the key, and nothing of the bus can be reached.
    ///
    /// nats-server 2.15.1 leaves an account that came by a reload without its service imports until the next reload
    /// (ADR 0005).
    #[error("the key opens a connection, but the bus cannot be reached from there")]
    CutOff,
    /// There is no connection at all.
    #[error("no connection to the server")]
    Unreachable(#[source] ConnectError),
    /// The bus does not answer.
    #[error("the bus does not answer")]
    Silent(#[source] RequestError),
    /// The key file is broken.
    #[error("the key cannot sign")]
    Key(#[from] nkeys::error::Error),
}

/// Who tries to log in where.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) url: &'a str,
    pub(super) hive: &'a Hive,
    pub(super) agent: &'a AgentId,
    pub(super) key: &'a UserKey,
}

/// Tries once.
pub(super) async fn once(attempt: Attempt<'_>) -> Result<(), LoginError> {
    let Attempt {
        url,
        hive,
        agent,
        key,
    } = attempt;
    let options = ConnectOptions::with_nkey(key.seed()?)
        .name("wagglebus enrolment")
        .custom_inbox_prefix(inbox_prefix(agent))
        .connection_timeout(CONNECT_WITHIN);
    match options.connect(url).await {
        // Dropping the client closes the connection.
        Ok(client) => reach(&client, hive, agent).await,
        Err(error) if known_but_busy(&error) => Ok(()),
        Err(error) => Err(match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                LoginError::Refused
            }
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Tls
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => LoginError::Unreachable(error),
        }),
    }
}

/// Reads the agent's own lease, which changes nothing: any answer will do, "there is none" also.
async fn reach(client: &Client, hive: &Hive, agent: &AgentId) -> Result<(), LoginError> {
    let (bucket, key) = (
        Bucket::Leases.stream_name(hive),
        Bucket::Leases.key_subject(hive, agent),
    );
    let subject = format!("{}.DIRECT.GET.{bucket}.{key}", agent_api_prefix(hive));
    match client
        .send_request(subject, Request::new().timeout(Some(ANSWER_WITHIN)))
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Err(LoginError::CutOff),
        Err(error) => Err(LoginError::Silent(error)),
    }
}

/// Tries until the key is known, for a bounded time.
pub(super) async fn soon(attempt: Attempt<'_>) -> Result<(), LoginError> {
    let deadline = Instant::now() + SOON;
    let mut delay = FIRST_DELAY;
    loop {
        match once(attempt).await {
            Err(LoginError::Refused | LoginError::Unreachable(_) | LoginError::Silent(_))
                if Instant::now() < deadline =>
            {
                sleep(delay).await;
            }
            result => return result,
        }
        delay = DELAY_MAX.min(delay * 2);
    }
}

/// The server checks the key before it counts the account's connections: a full account knows the key.
fn known_but_busy(error: &ConnectError) -> bool {
    use std::error::Error as _;
    let said = error
        .source()
        .and_then(|source| source.downcast_ref::<async_nats::ServerError>());
    matches!(said, Some(async_nats::ServerError::Other(text)) if text.contains("maximum account active connections"))
}
