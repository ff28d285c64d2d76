//! Whether a key opens a connection: the only proof that a reload has reached everything it must.

use std::time::Duration;

use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions};
use tokio::time::{Instant, sleep};

use crate::keys::UserKey;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// A reload with thousands of agents takes well under a second.
const SOON: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(5);
const DELAY_MAX: Duration = Duration::from_millis(200);

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The server does not know the key.
    #[error("the server does not know the key")]
    Refused,
    /// There is no connection at all.
    #[error("no connection to the server")]
    Unreachable(#[source] ConnectError),
    /// The key file is broken.
    #[error("the key cannot sign")]
    Key(#[from] nkeys::error::Error),
}

/// Tries once.
pub(super) async fn once(url: &str, key: &UserKey) -> Result<(), LoginError> {
    let options = ConnectOptions::with_nkey(key.seed()?)
        .name("wagglebus enrolment")
        .connection_timeout(CONNECT_WITHIN);
    match options.connect(url).await {
        // Dropping the client closes the connection.
        Ok(_) => Ok(()),
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

/// Tries until it works, for a bounded time.
pub(super) async fn soon(url: &str, key: &UserKey) -> Result<(), LoginError> {
    let deadline = Instant::now() + SOON;
    let mut delay = FIRST_DELAY;
    loop {
        match once(url, key).await {
            Err(LoginError::Refused | LoginError::Unreachable(_)) if Instant::now() < deadline => {
                sleep(delay).await
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
