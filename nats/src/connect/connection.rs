//! The handle of a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::error::ConnectError;
use super::event::{Events, events};
use super::session::Session;
use super::settings::Settings;
use super::subscription::{Subscription, Subscriptions};
use super::supervise::{Close, Supervisor};

/// Rounds in which a first connection is tried: a server that reloads its accounts cuts those that are just logging in,
/// or refuses them as if it did not know them.
const FIRST_TRIES: u32 = 8;
/// Distance of two of them; a reload with hundreds of agents takes this long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A connection to NATS that renews itself. Cheap to clone; closed by [`Connection::close`] or when the last clone goes.
#[derive(Debug, Clone)]
pub struct Connection {
    settings: Arc<Settings>,
    current: watch::Receiver<Option<Session>>,
    subscriptions: Arc<Mutex<Subscriptions>>,
    close: mpsc::Sender<Close>,
}

/// Connects, and stays connected until closed.
///
/// The addresses are tried in order, and in a few rounds. With [`Settings::retry_first`] a server that is not there yet is no
/// error.
///
/// # Errors
/// What the attempt that got furthest ran into. Faults in the settings are errors in any case.
pub async fn connect(settings: Settings) -> Result<(Connection, Events), ConnectError> {
    let (sink, events) = events();
    let (current, watching) = watch::channel(None);
    let (close, closing) = mpsc::channel(1);
    let connection = Connection {
        settings: Arc::new(settings),
        current: watching,
        subscriptions: Arc::default(),
        close,
    };
    let mut supervisor = Supervisor::new(
        connection.settings.clone(),
        sink,
        current,
        connection.subscriptions.clone(),
        closing,
    )?;
    let mut tries = 1;
    let first = loop {
        match supervisor.try_all().await {
            Ok(session) => break Some(session),
            Err(error) if connection.settings.retry_first && error.heals() => break None,
            Err(
                error @ (ConnectError::NotReachable { .. }
                | ConnectError::Refused { .. }
                | ConnectError::Auth { .. }),
            ) if tries < FIRST_TRIES => {
                tracing::debug!(%error, tries, "not connected yet");
                tries += 1;
                tokio::time::sleep(FIRST_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    };
    if let Some(session) = &first {
        supervisor.announce(session).await;
    }
    tokio::spawn(supervisor.run(first));
    Ok((connection, events))
}

impl Connection {
    /// The session that lasts now, if any.
    pub fn session(&self) -> Option<Session> {
        self.current.borrow().clone()
    }

    /// The session that lasts now, or the next one; `None` when none begins within the time or the connection is closed.
    pub async fn session_within(&self, time: Duration) -> Option<Session> {
        let mut current = self.current.clone();
        let waiting = current.wait_for(Option::is_some);
        let session = tokio::time::timeout(time, waiting).await.ok()?.ok()?;
        session.clone()
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Subscribes to a subject, for as long as the [`Subscription`] is kept.
    pub async fn subscribe(&self, subject: impl Into<String>) -> Subscription {
        // The lock is also held while a new session is announced, so none is missed and none gets the subject twice.
        let mut subscriptions = self.subscriptions.lock().await;
        let session = self.session();
        subscriptions.add(subject.into(), session).await
    }

    /// Sends what is queued and closes the connection for all clones.
    ///
    /// It does not wait for answers: first stop sending, then wait for what is outstanding, then close.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.close.send(done).await.is_ok() {
            // An error means that the supervisor is gone, which is the same.
            closed.await.ok();
        }
    }
}
