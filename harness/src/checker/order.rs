//! The promises about order: per sender, recipient and priority (DESIGN 3.3).

use std::collections::BTreeMap;

use wagglebus_schemas::{AgentId, Priority};

use super::story::{Place, Stories, Story};
use super::{Invariant, LostHandOver, Violation};
use crate::ledger::Settle;

/// How much later than its lease a message may come back: timers of two processes meet here, in microseconds.
const LEASE_SLACK_US: u64 = 1_000_000;

/// One sender, recipient and priority.
type Kind<'a> = (&'a AgentId, &'a AgentId, Priority);

/// Judges every line of messages. Also finds the hand-overs that nobody saw.
pub(super) fn check(stories: &Stories<'_>) -> (Vec<Violation>, Vec<LostHandOver>) {
    let mut lines: BTreeMap<Kind<'_>, Vec<&Story<'_>>> = BTreeMap::new();
    for story in stories.by_id.values().filter(|story| !story.shows.is_empty()) {
        let offer = story.offer;
        lines
            .entry((&offer.from, &offer.to, offer.priority))
            .or_default()
            .push(story);
    }
    let (mut violations, mut lost) = (Vec::new(), Vec::new());
    for line in lines.values_mut() {
        line.sort_by_key(|story| story.offer.seq);
        for (nth, story) in line.iter().enumerate() {
            let later = line.get(nth + 1..).unwrap_or_default();
            violations.extend(first_show(stories, story, later, &mut lost));
            violations.extend(returns(stories, story, later));
        }
    }
    lost.sort_by_key(|(place, _)| *place);
    (violations, lost.into_iter().map(|(_, lost)| lost).collect())
}

/// Whether later messages were first seen before this one, and whether that is allowed.
fn first_show(
    stories: &Stories<'_>,
    story: &Story<'_>,
    later: &[&Story<'_>],
    lost: &mut Vec<(Place, LostHandOver)>,
) -> Option<Violation> {
    let (place, show) = story.shows.first()?;
    let overtaken_by: Vec<u64> = later
        .iter()
        .filter(|other| other.shows.first().is_some_and(|(at, _)| at < place))
        .map(|other| other.offer.seq)
        .collect();
    let offer = story.offer;
    if show.redelivered && stories.disturbed(story.offered, *place) {
        let found = LostHandOver {
            id: offer.id,
            from: offer.from.clone(),
            to: offer.to.clone(),
            priority: offer.priority,
            seq: offer.seq,
            delivery: show.delivery,
            overtaken_by,
        };
        lost.push((*place, found));
        return None;
    }
    (!overtaken_by.is_empty()).then(|| Violation {
        invariant: Invariant::Ordered,
        id: offer.id,
        what: format!(
            "{} → {} {} #{} was first shown after {overtaken_by:?}",
            offer.from, offer.to, offer.priority, offer.seq
        ),
    })
}

/// Whether later messages were first seen while this one had to come back before them.
fn returns(stories: &Stories<'_>, story: &Story<'_>, later: &[&Story<'_>]) -> Vec<Violation> {
    let mut found = Vec::new();
    let shows = story.shows.iter().map(|(place, _)| *place);
    for (gone, back) in shows.clone().zip(shows.skip(1)) {
        let Some(due_us) = due_back_us(story, gone, back) else {
            continue;
        };
        if stories.disturbed(gone, back) {
            continue;
        }
        let between = later.iter().filter(|other| {
            other
                .shows
                .first()
                .is_some_and(|(at, _)| gone < *at && *at < back && at.at_us > due_us)
        });
        let overtaken_by: Vec<u64> = between.map(|other| other.offer.seq).collect();
        if !overtaken_by.is_empty() {
            let offer = story.offer;
            found.push(Violation {
                invariant: Invariant::Returned,
                id: offer.id,
                what: format!(
                    "{} → {} {} #{} had to come back before {overtaken_by:?}",
                    offer.from, offer.to, offer.priority, offer.seq
                ),
            });
        }
    }
    found
}

/// From when on nothing later may be shown between two shows of a message; `None` when it may.
fn due_back_us(story: &Story<'_>, gone: Place, back: Place) -> Option<u64> {
    let released = story
        .settled
        .iter()
        .find(|settled| gone < settled.place && settled.place < back)?;
    match released.how {
        Settle::GaveBack => Some(released.place.at_us),
        Settle::Expired { after_ms } => {
            let lease_us = after_ms.saturating_mul(1_000).saturating_add(LEASE_SLACK_US);
            Some(released.place.at_us.saturating_add(lease_us))
        }
        Settle::PutOff | Settle::Done => None,
    }
}
