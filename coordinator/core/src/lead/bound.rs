//! The bounds of a line of the log, and what stands in for a decision that cannot be a line.
//!
//! A line that the stream refuses would stop the log for ever, over every takeover, and one that nobody can read would be
//! known to its writer alone. What is decided is bounded where it is read; this is the last line of defence.

use std::io::{self, Write};

use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, JSON_DEPTH_MAX};

use super::coordination::Coordination;
use super::order::{Desk, Order};
use crate::log::Letter;
use crate::log::data::{Follow, FollowKind, TaskData};
use crate::task::FreshIds;

/// Longest line as encoded, in bytes. Its headers go along, and the stream takes so many of both.
pub(super) const LINE_BYTES_MAX: usize = ACCOUNT_PAYLOAD_BYTES_MAX - 32 * 1024;

/// Why an event cannot be a line of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// The stream would not take it.
    #[error("its event would have {0} bytes, and a line of the log has at most {LINE_BYTES_MAX}")]
    Long(usize),
    /// No reader of the log would take it.
    #[error("its event would be nested {0} deep, and a line of the log is at most {JSON_DEPTH_MAX}")]
    Deep(usize),
    /// The fold does not take it.
    #[error("its event cannot be read: {0}")]
    Unreadable(String),
}

impl Unfit {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::Long(_) | Self::Deep(_) => ErrorCode::TooLarge,
            Self::Unreadable(_) => ErrorCode::InvalidMessage,
        }
    }
}

/// Whether an event can be a line of the log, as far as its form goes.
///
/// # Errors
/// Why it cannot.
pub(super) fn check(event: &Event) -> Result<(), Unfit> {
    // The event is an object, and its data another one in it.
    let depth = 2 + event
        .data
        .values()
        .map(wagglebus_schemas::depth)
        .max()
        .unwrap_or(0);
    if depth > JSON_DEPTH_MAX {
        return Err(Unfit::Deep(depth));
    }
    let mut length = Length(0);
    // Plain data with text keys is always encoded, and counting does not fail.
    serde_json::to_writer(&mut length, event).map_err(|error| Unfit::Unreadable(error.to_string()))?;
    if length.0 > LINE_BYTES_MAX {
        return Err(Unfit::Long(length.0));
    }
    Ok(())
}

/// The refusal of the command that an event decides: short, about nothing, and therefore always a line. `None` for what no
/// command asked for.
fn refusal(event: &Event, why: &Unfit, ids: &mut dyn FreshIds) -> Option<Event> {
    let command = event
        .cause
        .seq
        .filter(|_| event.cause.kind == CauseType::Command)?;
    let verdict = event.cause.id.map(|_| Follow {
        kind: FollowKind::Verdict,
        id: ids.fresh(),
        to: event.actor.clone(),
    });
    let data = TaskData {
        error: Some(ErrorDetail::new(why.code(), why.to_string())),
        follows: verdict.into_iter().collect(),
        ..TaskData::default()
    };
    Some(Event {
        id: ids.fresh(),
        entity: EventKind::Task,
        entity_id: format!("command {command}"),
        seq: 0,
        from: None,
        to: "none".to_owned(),
        event: "refused".to_owned(),
        actor: event.actor.clone(),
        cause: event.cause.clone(),
        guard: None,
        at: event.at,
        data: data.encode(),
    })
}

impl Coordination {
    /// Lets an event of our own happen, and says what follows from it. One that cannot be a line of the log has not
    /// happened: the command that it was to decide is refused, since no command may remain without an answer.
    pub(super) fn fold(
        &mut self,
        desk: &mut Desk<'_>,
        seq: u64,
        event: Event,
    ) -> Option<(Event, Vec<Letter>)> {
        let fit = check(&event);
        let folded = fit.and_then(|()| {
            let letters = self.world.apply(seq, &event);
            letters.map_err(|error| Unfit::Unreadable(error.to_string()))
        });
        let why = match folded {
            Ok(letters) => return Some((event, letters)),
            Err(why) => why,
        };
        desk.orders.push(Order::Warn(format!(
            "{} of {} {} is not written: {why}; please report this",
            event.event, event.entity, event.entity_id
        )));
        let refusal = refusal(&event, &why, desk.ids)?;
        let letters = self.world.apply(seq, &refusal).ok()?;
        Some((refusal, letters))
    }
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
