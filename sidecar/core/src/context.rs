//! What the shell lends to one step of the machine.

use bytes::Bytes;
use wagglebus_schemas::Id;

use crate::effect::Effect;
use crate::journal::{Journal, JournalError, Written};
use crate::ledger::Ledger;
use crate::now::Now;
use crate::record::Record;

/// A source of fresh record ids (UUID version 7).
pub trait FreshIds {
    /// An id that was never used.
    fn fresh(&mut self) -> Id;
}

/// One step's view of the world: the time, the spool, fresh ids, and where effects are collected.
pub struct Context<'a> {
    /// The time of the step.
    pub now: Now,
    /// The spool.
    pub journal: &'a mut dyn Journal,
    /// Fresh ids.
    pub ids: &'a mut dyn FreshIds,
    /// What shall be done, in order.
    pub effects: &'a mut Vec<Effect>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Writes a fact and, once it is written, lets the ledger know.
    pub(crate) fn record(
        &mut self,
        ledger: &mut Ledger,
        record: Record,
        body: &Bytes,
    ) -> Result<Written, JournalError> {
        let written = self.journal.append(&record, body)?;
        ledger.apply(record, written.location);
        Ok(written)
    }

    /// Asks for an effect.
    pub(crate) fn ask(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Logs what no answer tells.
    pub(crate) fn warn(&mut self, about: Option<Id>, what: impl Into<String>) {
        self.ask(Effect::Warn {
            what: what.into(),
            about,
        });
    }
}
