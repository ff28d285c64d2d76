//! Changes who is in a room, one change after the other.

use std::error::Error;

use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::order::RoomChange;
use wagglebus_nats::connect::Session;
use wagglebus_nats::enrol::rooms::{self, RoomError};
use wagglebus_schemas::Hive;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

/// Changes that may wait; more are refused, for askers to try again.
const WAITING_MAX: usize = 256;

/// The way to the worker of one session.
#[derive(Debug)]
pub(crate) struct Changes(Sender<RoomChange>);

impl Changes {
    /// The way, and its end for [`work`].
    pub(crate) fn channel() -> (Self, Receiver<RoomChange>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Has it done. When it cannot even wait, what that means to the machine is returned.
    pub(crate) fn ask(&self, change: RoomChange) -> Option<Event> {
        let (change, error) = match self.0.try_send(change) {
            Ok(()) => return None,
            Err(TrySendError::Full(change)) => {
                let busy = ErrorDetail::new(
                    ErrorCode::RateLimited,
                    format!("{WAITING_MAX} changes of rooms wait already"),
                );
                (change, busy.retry_after_ms(1000))
            }
            Err(TrySendError::Closed(change)) => (change, unavailable("the connection to the bus is gone")),
        };
        let outcome = Err(error);
        Some(Event::RoomChanged { change, outcome })
    }
}

/// Works until nobody asks or listens.
pub(crate) async fn work(
    session: Session,
    hive: Hive,
    mut changes: Receiver<RoomChange>,
    out: Sender<Event>,
) {
    while let Some(change) = changes.recv().await {
        let js = session.jetstream();
        let (agent, room) = (&change.agent, &change.room);
        let outcome = if change.join {
            let joined = rooms::join(js, &hive, agent, room).await;
            joined.map(|membership| Some(membership.joined_seq))
        } else {
            rooms::leave(js, &hive, agent, room).await.map(|()| None)
        };
        let outcome = outcome.map_err(|error| refusal(&error));
        if out.send(Event::RoomChanged { change, outcome }).await.is_err() {
            return;
        }
    }
}

fn refusal(error: &RoomError) -> ErrorDetail {
    match error {
        RoomError::Stranger(_) => ErrorDetail::new(ErrorCode::UnknownAgent, error.to_string()),
        RoomError::TooMany { .. } => ErrorDetail::new(ErrorCode::RateLimited, error.to_string()),
        RoomError::Lanes { .. } | RoomError::Record { .. } => unavailable(&chain(error)),
    }
}

fn unavailable(why: &str) -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::CoordinatorUnavailable,
        format!("the rooms stay as they were: {why}"),
    )
    .retry_after_ms(1000)
}

/// An error with its causes, as one line.
fn chain(error: &dyn Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes.join(": ")
}
