//! The history sorted by message: what befell each one, in order.

use std::collections::BTreeMap;

use wagglebus_schemas::Id;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::reason::DeadReason;

use super::Summary;
use crate::ledger::{Entry, FaultKind, Offer, Op, Phase, Settle, Show};

/// How long a fault works on after its end, in microseconds: a server that goes on serves requests of connections that
/// are gone until it has noticed, and a request lives for up to 2 s.
const AFTERMATH_US: u64 = 5_000_000;

/// A place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Which entry: what is earlier has happened earlier.
    pub(super) index: usize,
    pub(super) at_us: u64,
}

/// How a receiver settled a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    pub(super) place: Place,
    pub(super) how: Settle,
    pub(super) confirmed: bool,
}

/// What befell one message.
#[derive(Debug, Clone)]
pub(super) struct Story<'a> {
    pub(super) offer: &'a Offer,
    pub(super) offered: Place,
    pub(super) accepted: Option<Place>,
    pub(super) refused: Option<ErrorCode>,
    pub(super) shows: Vec<(Place, &'a Show)>,
    pub(super) settled: Vec<Settled>,
    pub(super) dead: Option<DeadReason>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Stories<'a> {
    pub(super) by_id: BTreeMap<Id, Story<'a>>,
    /// Shown, but never offered.
    pub(super) strays: Vec<&'a Show>,
    /// From the begin to the end of each fault.
    faults: Vec<(Place, Place)>,
    summary: Summary,
    /// The last end of a fault, or acceptance.
    pub(super) calm_since_us: u64,
}

impl<'a> Stories<'a> {
    pub(super) fn read(history: &'a [Entry]) -> Self {
        let mut stories = Self::default();
        let mut open = BTreeMap::new();
        let mut last_show_us = None;
        for (index, Entry { at_us, op }) in history.iter().enumerate() {
            let place = Place { index, at_us: *at_us };
            stories.add(place, op);
            match op {
                Op::Fault { kind, on, phase } => stories.fault(&mut open, place, (*kind, on), *phase),
                Op::Shown(_) => {
                    let silence = at_us.saturating_sub(last_show_us.unwrap_or(*at_us)) / 1_000;
                    stories.summary.longest_silence_ms = stories.summary.longest_silence_ms.max(silence);
                    last_show_us = Some(*at_us);
                }
                Op::Accepted { .. } => stories.calm_since_us = *at_us,
                Op::Offered(_)
                | Op::Unsettled { .. }
                | Op::Refused { .. }
                | Op::Settled { .. }
                | Op::Dead { .. } => {}
            }
        }
        // A fault that never ended lasts for ever.
        let end = Place {
            index: usize::MAX,
            at_us: u64::MAX,
        };
        stories
            .faults
            .extend(open.into_values().map(|began| (began, end)));
        stories.sum_up();
        stories
    }

    fn add(&mut self, place: Place, op: &'a Op) {
        match op {
            Op::Offered(offer) => {
                let story = Story {
                    offer,
                    offered: place,
                    accepted: None,
                    refused: None,
                    shows: Vec::new(),
                    settled: Vec::new(),
                    dead: None,
                };
                self.by_id.insert(offer.id, story);
            }
            Op::Shown(show) => match self.by_id.get_mut(&show.id) {
                Some(story) => story.shows.push((place, show)),
                None => self.strays.push(show),
            },
            Op::Accepted { id, .. } => self.change(id, |story| {
                story.accepted.get_or_insert(place);
            }),
            Op::Refused { id, code } => self.change(id, |story| story.refused = Some(*code)),
            Op::Settled {
                id, how, confirmed, ..
            } => self.change(id, |story| {
                story.settled.push(Settled {
                    place,
                    how: *how,
                    confirmed: *confirmed,
                });
            }),
            Op::Dead { id, reason, .. } => self.change(id, |story| story.dead = Some(*reason)),
            Op::Unsettled { .. } => self.summary.repeated_sends += 1,
            Op::Fault { .. } => {}
        }
    }

    fn change(&mut self, id: &Id, change: impl FnOnce(&mut Story<'a>)) {
        self.by_id.get_mut(id).map(change);
    }

    fn fault(
        &mut self,
        open: &mut BTreeMap<(FaultKind, &'a str), Place>,
        place: Place,
        (kind, on): (FaultKind, &'a str),
        phase: Phase,
    ) {
        match phase {
            Phase::Began => {
                open.insert((kind, on), place);
                match kind {
                    FaultKind::Killed => self.summary.killed += 1,
                    FaultKind::Stopped => self.summary.stopped += 1,
                }
            }
            Phase::Ended => {
                if let Some(began) = open.remove(&(kind, on)) {
                    self.faults.push((began, place));
                }
                self.calm_since_us = place.at_us;
            }
        }
    }

    fn sum_up(&mut self) {
        let stories = self.by_id.values();
        let count = |holds: &dyn Fn(&Story<'_>) -> bool| stories.clone().filter(|story| holds(story)).count();
        let ended = stories
            .clone()
            .filter_map(Story::done)
            .map(|done| done.at_us)
            .max();
        self.summary = Summary {
            accepted: count(&|story| story.accepted.is_some()),
            refused: count(&|story| story.refused.is_some()),
            delivered: count(&|story| !story.shows.is_empty()),
            redeliveries: stories
                .clone()
                .map(|story| story.shows.len().saturating_sub(1))
                .sum(),
            returned: count(&|story| story.settled.iter().any(|settled| settled.how != Settle::Done)),
            dead: count(&|story| story.dead.is_some()),
            drained_ms: ended.unwrap_or(0).saturating_sub(self.calm_since_us) / 1_000,
            ..self.summary.clone()
        };
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    /// Whether a fault, or what it left behind, was at work at any time from `begin` to `end`.
    pub(super) fn disturbed(&self, begin: Place, end: Place) -> bool {
        self.faults
            .iter()
            .any(|(began, ended)| *began <= end && ended.at_us.saturating_add(AFTERMATH_US) >= begin.at_us)
    }
}

impl Story<'_> {
    /// Where the sidecar confirmed that its receiver is done with it.
    pub(super) fn done(&self) -> Option<Place> {
        let done = |settled: &&Settled| settled.how == Settle::Done && settled.confirmed;
        self.settled.iter().find(done).map(|settled| settled.place)
    }
}
