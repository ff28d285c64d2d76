//! How often what happened, since the process began.

use crate::record::{OutKind, Outcome, Record};

/// Facts by kind, counted as they are written. A restart begins at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages that were accepted to be sent, the sidecar's own notices included.
    pub accepted: u64,
    /// Messages that were about to be handed over.
    pub handed_over: u64,
    /// Messages that came back from the agent's hands unfinished.
    pub returned: u64,
    /// Messages that the agent finished, or that went through a bridge that proves no more.
    pub finished: u64,
    /// Messages that were filed as dead letters.
    pub dead: u64,
    /// Receipts that were read.
    pub receipts: u64,
}

/// What a record counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Accepted,
    HandedOver,
    Returned,
    Finished,
    Dead,
    Receipt,
}

impl Counted {
    pub(super) fn of(record: &Record) -> Option<Self> {
        match record {
            Record::Out(out) => match (out.kind, out.then_ack.as_ref().map(|then| then.outcome)) {
                (OutKind::Message | OutKind::Room, None) => Some(Self::Accepted),
                (OutKind::DeadLetter, _) => Some(Self::Dead),
                (_, Some(Some(Outcome::Done | Outcome::Injected))) => Some(Self::Finished),
                _ => None,
            },
            Record::HandOver(head) => (head.delivery > 0).then_some(Self::HandedOver),
            Record::Returned { .. } => Some(Self::Returned),
            Record::ReceiptIn { .. } => Some(Self::Receipt),
            Record::OutStored { .. }
            | Record::OutClosed { .. }
            | Record::Seen { .. }
            | Record::Task(_)
            | Record::Control(_)
            | Record::Acked { .. } => None,
        }
    }
}

impl Counts {
    pub(super) const fn add(&mut self, counted: Counted) {
        let count = match counted {
            Counted::Accepted => &mut self.accepted,
            Counted::HandedOver => &mut self.handed_over,
            Counted::Returned => &mut self.returned,
            Counted::Finished => &mut self.finished,
            Counted::Dead => &mut self.dead,
            Counted::Receipt => &mut self.receipts,
        };
        *count = count.saturating_add(1);
    }
}
