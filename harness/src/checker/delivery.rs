//! The promises about single messages: delivered, once, unchanged, to the right one, and reported.

use wagglebus_schemas::limits::HAND_OVERS_MAX;
use wagglebus_schemas::reason::DeadReason;

use super::story::{Stories, Story};
use super::{Invariant, Violation};

/// Judges every message by itself.
pub(super) fn check(stories: &Stories<'_>, drain_us: u64) -> Vec<Violation> {
    let mut found = Vec::new();
    for show in &stories.strays {
        found.push(Violation {
            invariant: Invariant::Private,
            id: show.id,
            what: format!("{} was shown what nobody offered: {show:?}", show.agent),
        });
    }
    for story in stories.by_id.values() {
        let mut broken = |invariant, what: String| {
            let offer = story.offer;
            let what = format!(
                "{} → {} {} #{}: {what}",
                offer.from, offer.to, offer.priority, offer.seq
            );
            found.push(Violation {
                invariant,
                id: offer.id,
                what,
            });
        };
        reported(story, &mut broken);
        delivered(stories, story, drain_us, &mut broken);
        unchanged(story, &mut broken);
        marked(stories, story, &mut broken);
        done_once(story, &mut broken);
    }
    found
}

fn reported(story: &Story<'_>, broken: &mut impl FnMut(Invariant, String)) {
    match (story.accepted, story.refused) {
        (None, None) => broken(
            Invariant::Reported,
            "its sender was never told what became of it".to_owned(),
        ),
        (Some(_), Some(code)) => broken(
            Invariant::Reported,
            format!("accepted and also refused as {code}"),
        ),
        (None, Some(code)) if !story.shows.is_empty() => broken(
            Invariant::Refused,
            format!("shown although it was refused as {code}"),
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
}

fn delivered(
    stories: &Stories<'_>,
    story: &Story<'_>,
    drain_us: u64,
    broken: &mut impl FnMut(Invariant, String),
) {
    if story.accepted.is_none() {
        return;
    }
    if let Some(reason) = story.dead {
        let tried = story.shows.last().map_or(0, |(_, show)| show.delivery);
        if reason != DeadReason::MaxDeliver || tried < HAND_OVERS_MAX || story.done().is_some() {
            let what = format!("a dead letter ({reason}) although it was handed over {tried} times");
            broken(Invariant::Delivered, what);
        }
        return;
    }
    if story.shows.is_empty() {
        return broken(Invariant::Delivered, "accepted and never shown".to_owned());
    }
    let Some(done) = story.done() else {
        return broken(Invariant::Finished, "shown and never done".to_owned());
    };
    let late_us = done.at_us.saturating_sub(stories.calm_since_us);
    if late_us > drain_us {
        let what = format!(
            "done {} ms after all was calm, {} ms are allowed",
            late_us / 1_000,
            drain_us / 1_000
        );
        broken(Invariant::Finished, what);
    }
}

fn unchanged(story: &Story<'_>, broken: &mut impl FnMut(Invariant, String)) {
    let offer = story.offer;
    for (_, show) in &story.shows {
        if show.agent != offer.to {
            broken(Invariant::Private, format!("shown to {}", show.agent));
        }
        let same = show.from == offer.from
            && show.to == offer.to.as_str()
            && show.priority == offer.priority
            && show.digest == offer.digest;
        if !same {
            broken(Invariant::Intact, format!("sent {offer:?}, shown {show:?}"));
        }
    }
}

fn marked(stories: &Stories<'_>, story: &Story<'_>, broken: &mut impl FnMut(Invariant, String)) {
    let mut delivery = 0;
    for (nth, (place, show)) in story.shows.iter().enumerate() {
        if show.delivery <= delivery {
            let what = format!("hand-over {} after hand-over {delivery}", show.delivery);
            broken(Invariant::Marked, what);
        }
        if (nth > 0 || show.delivery > 1) && !show.redelivered {
            let what = format!(
                "shown for the {}. time, hand-over {}, without the mark",
                nth + 1,
                show.delivery
            );
            broken(Invariant::Marked, what);
        }
        if nth == 0 && show.redelivered && !stories.disturbed(story.offered, *place) {
            broken(
                Invariant::Marked,
                "marked as redelivered when it was first shown, without any fault".to_owned(),
            );
        }
        delivery = show.delivery;
    }
}

fn done_once(story: &Story<'_>, broken: &mut impl FnMut(Invariant, String)) {
    let Some(done) = story.done() else { return };
    for (place, show) in &story.shows {
        if *place > done {
            let late_ms = place.at_us.saturating_sub(done.at_us) / 1_000;
            let what = format!("hand-over {} came {late_ms} ms after done", show.delivery);
            broken(Invariant::DoneOnce, what);
        }
    }
}
