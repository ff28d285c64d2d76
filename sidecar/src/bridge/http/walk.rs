//! A walk through what was sent and received: the event loop is lent for a stretch at a time, and bodies are read outside.

use bytes::Bytes;
use wagglebus_http::Refusal;
use wagglebus_http::history::Choice;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::page::Place;
use wagglebus_schemas::{AgentId, Message, Recipient, decode};
use wagglebus_sidecar_core::ledger::{Direction, Side, Stretch, Told};
use wagglebus_sidecar_core::record::OutKind;

use super::state::ApiState;
use crate::storage::SpoolReader;

/// Entries of the ledger that one look passes: a fraction of a millisecond of the event loop.
const LOOKS_MAX: usize = 1_024;

/// Whether a message may be meant, as far as that is known without its body. `me` is whose ledger it is.
fn may_take(choice: &Choice, side: Side<'_>, me: &AgentId) -> bool {
    // What has to do with oneself may be anything that was sent or received.
    let other = choice
        .with
        .as_ref()
        .and_then(Recipient::agent)
        .filter(|with| *with != me);
    match side {
        Side::Sent(_, entry) => {
            let Some(head) = &entry.head else { return false };
            // hive.msg.TO.priority.FROM
            let to = head
                .subject
                .split('.')
                .nth(2)
                .filter(|_| head.kind == OutKind::Message);
            choice
                .conversation
                .is_none_or(|asked| head.conversation == Some(asked))
                && other.is_none_or(|other| to == Some(other.as_str()))
        }
        Side::Received(key, _) => other.is_none_or(|other| key.from == *other),
    }
}

/// Where a walk stands.
pub(super) struct Walk<'a> {
    api: &'a ApiState,
    choice: Choice,
    direction: Direction,
    behind: Option<Place>,
    ended: bool,
    looks: usize,
}

impl<'a> Walk<'a> {
    /// A walk that begins behind a place; backwards: before it.
    pub(super) const fn new(
        api: &'a ApiState,
        choice: Choice,
        behind: Option<Place>,
        direction: Direction,
    ) -> Self {
        Self {
            api,
            choice,
            direction,
            behind,
            ended: false,
            looks: 0,
        }
    }

    /// The next messages that may be meant, perhaps none; `None` at the end. `first` is how many entries the first look
    /// passes; the later ones pass more.
    ///
    /// # Errors
    /// When the sidecar ends.
    pub(super) async fn stretch(&mut self, first: usize) -> Result<Option<Found>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        self.looks = self.looks.saturating_mul(2).max(first).min(LOOKS_MAX);
        let (behind, direction, looks) = (self.behind, self.direction, self.looks);
        let (choice, me) = (self.choice.clone(), self.api.agent.clone());
        let look = move |inspection: &crate::gate::Inspection<'_>| {
            let ledger = inspection.sidecar.ledger();
            let stretch = ledger.stretch(behind, direction, looks, |side| may_take(&choice, side, &me));
            (stretch, inspection.storage.reader())
        };
        let (Stretch { told, next }, reader) = self.api.gate.inspect(look).await?;
        (self.behind, self.ended) = (next, next.is_none());
        Ok(Some(Found { told, reader }))
    }
}

/// Messages that may be meant, before their bodies are read.
pub(super) struct Found {
    told: Vec<Told>,
    reader: SpoolReader,
}

/// A message's bytes as published, and whether its recipient is done with it.
pub(super) struct Body {
    pub(super) raw: Bytes,
    pub(super) done: bool,
}

impl Found {
    /// Reads the bodies, each when it is asked for. Blocks.
    ///
    /// Bytes that are damaged are no part of any conversation; the spool's own check has told of them.
    pub(super) fn read(&mut self) -> impl Iterator<Item = (Place, Message, Body)> {
        let reader = &self.reader;
        self.told.drain(..).filter_map(move |Told { place, body, done }| {
            let raw = reader.read(body).ok()?;
            let message = decode::record("message", &raw, MESSAGE_BYTES_MAX).ok()?;
            Some((place, message, Body { raw, done }))
        })
    }
}
