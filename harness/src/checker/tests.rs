//! Every invariant can be broken: one history per fault, each caught, and by the right invariant alone.

use std::time::Duration;

use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{Id, Level, Priority};

use super::{Invariant, Verdict, check};
use crate::ledger::{ContentDigest, Entry, FaultKind, Offer, Op, Phase, Settle, Show};

const DRAIN: Duration = Duration::from_secs(10);

/// A history that is written by hand: one step a millisecond.
#[derive(Clone, Default)]
struct Script {
    entries: Vec<Entry>,
    now_us: u64,
}

impl Script {
    fn op(mut self, op: Op) -> Self {
        self.now_us += 1_000;
        self.entries.push(Entry {
            at_us: self.now_us,
            op,
        });
        self
    }

    fn after(mut self, ms: u64) -> Self {
        self.now_us += ms * 1_000;
        self
    }

    fn offered(self, seq: u64) -> Self {
        self.op(Op::Offered(offer(seq)))
    }

    fn accepted(self, seq: u64) -> Self {
        self.offered(seq).op(Op::Accepted {
            id: id(seq),
            level: Level::Stored,
        })
    }

    fn shown(self, seq: u64) -> Self {
        self.show(show(seq))
    }

    fn show(self, show: Show) -> Self {
        self.op(Op::Shown(show))
    }

    /// Shown once more, as it should be.
    fn again(self, seq: u64, delivery: u32) -> Self {
        self.show(Show {
            delivery,
            redelivered: true,
            ..show(seq)
        })
    }

    fn settled(self, seq: u64, how: Settle) -> Self {
        self.op(Op::Settled {
            by: offer(seq).to,
            id: id(seq),
            how,
            confirmed: true,
        })
    }

    fn done(self, seq: u64) -> Self {
        self.settled(seq, Settle::Done)
    }

    fn fault(self, phase: Phase) -> Self {
        self.op(Op::Fault {
            kind: FaultKind::Stopped,
            on: "nats-server".to_owned(),
            phase,
        })
    }

    fn verdict(&self) -> Verdict {
        check(&self.entries, DRAIN)
    }

    /// Exactly this is broken.
    #[track_caller]
    fn breaks(&self, invariant: Invariant) {
        let verdict = self.verdict();
        let broken: Vec<Invariant> = verdict.violations.iter().map(|found| found.invariant).collect();
        assert_eq!(broken, [invariant], "{verdict}");
    }

    #[track_caller]
    fn is_clean(&self) -> Verdict {
        let verdict = self.verdict();
        assert!(verdict.is_clean(), "{verdict}");
        verdict
    }
}

fn id(seq: u64) -> Id {
    Id::from_bytes(u128::from(seq + 1).to_be_bytes())
}

fn offer(seq: u64) -> Offer {
    Offer {
        id: id(seq),
        from: "alice".parse().unwrap(),
        to: "bob".parse().unwrap(),
        priority: Priority::Normal,
        seq,
        digest: ContentDigest::of("text"),
    }
}

fn show(seq: u64) -> Show {
    let offer = offer(seq);
    Show {
        id: offer.id,
        agent: offer.to.clone(),
        from: offer.from,
        to: offer.to.to_string(),
        priority: offer.priority,
        digest: offer.digest,
        delivery: 1,
        redelivered: false,
    }
}

/// Three messages that arrive as they should.
fn good() -> Script {
    (0..3).fold(Script::default(), |script, seq| {
        script.accepted(seq).shown(seq).done(seq)
    })
}

fn two_accepted() -> Script {
    Script::default().accepted(0).accepted(1)
}

#[test]
fn a_good_history_is_clean() {
    let verdict = good().is_clean();
    assert_eq!((verdict.summary.accepted, verdict.summary.delivered), (3, 3));
    assert!(!verdict.to_string().contains("BROKEN"), "{verdict}");
}

#[test]
fn a_lost_message_is_found() {
    let script = good().accepted(7);
    script.breaks(Invariant::Delivered);
    let table = script.verdict().to_string();
    assert!(
        table.contains("BROKEN") && table.contains("accepted and never shown"),
        "{table}"
    );
}

#[test]
fn a_dead_letter_without_five_hand_overs_is_found() {
    let dead = |reason| Op::Dead {
        id: id(7),
        agent: offer(7).to,
        reason,
    };
    let tried = (2..=5).fold(good().accepted(7).shown(7), |script, delivery| {
        script.again(7, delivery)
    });
    tried.clone().op(dead(DeadReason::MaxDeliver)).is_clean();
    tried.op(dead(DeadReason::Expired)).breaks(Invariant::Delivered);
    good()
        .accepted(7)
        .op(dead(DeadReason::MaxDeliver))
        .breaks(Invariant::Delivered);
}

#[test]
fn a_message_that_nobody_finished_or_too_late_is_found() {
    good().accepted(7).shown(7).breaks(Invariant::Finished);
    let late = |ms| good().accepted(7).shown(7).after(ms).done(7);
    late(9_000).is_clean();
    late(11_000).breaks(Invariant::Finished);
    // The clock starts again with each fault.
    let faulty = good().accepted(7).shown(7).after(11_000);
    faulty.fault(Phase::Began).fault(Phase::Ended).done(7).is_clean();
}

#[test]
fn a_message_shown_after_done_is_found() {
    good().again(1, 2).breaks(Invariant::DoneOnce);
    // An ack without an answer is no promise.
    let unconfirmed = Op::Settled {
        by: offer(7).to,
        id: id(7),
        how: Settle::Done,
        confirmed: false,
    };
    good()
        .accepted(7)
        .shown(7)
        .op(unconfirmed)
        .again(7, 2)
        .done(7)
        .is_clean();
}

#[test]
fn a_repeat_without_mark_or_count_is_found() {
    let start = Script::default().accepted(0).shown(0);
    let unmarked = Show {
        delivery: 2,
        ..show(0)
    };
    start
        .clone()
        .show(unmarked.clone())
        .done(0)
        .breaks(Invariant::Marked);
    start.again(0, 1).done(0).breaks(Invariant::Marked);
    Script::default()
        .accepted(0)
        .show(unmarked)
        .done(0)
        .breaks(Invariant::Marked);
}

#[test]
fn a_mark_without_cause_is_found() {
    let marked = |script: Script| script.accepted(0).again(0, 1).done(0);
    marked(Script::default()).breaks(Invariant::Marked);
    // A fault is a cause for some seconds, and not for ever.
    let faulty = Script::default().fault(Phase::Began).fault(Phase::Ended);
    marked(faulty.clone().after(4_000)).is_clean();
    marked(faulty.after(6_000)).breaks(Invariant::Marked);
}

#[test]
fn a_changed_message_is_found() {
    let start = Script::default().accepted(0);
    for changed in [
        Show {
            digest: ContentDigest::of("other"),
            ..show(0)
        },
        Show {
            from: "mallory".parse().unwrap(),
            ..show(0)
        },
        Show {
            to: "carol".to_owned(),
            ..show(0)
        },
        Show {
            priority: Priority::Low,
            ..show(0)
        },
    ] {
        start.clone().show(changed).done(0).breaks(Invariant::Intact);
    }
}

#[test]
fn a_message_in_foreign_hands_is_found() {
    let carol = Show {
        agent: "carol".parse().unwrap(),
        ..show(0)
    };
    Script::default()
        .accepted(0)
        .show(carol)
        .done(0)
        .breaks(Invariant::Private);
    good().shown(9).breaks(Invariant::Private);
}

#[test]
fn a_sender_left_in_the_dark_is_found() {
    good().offered(7).breaks(Invariant::Reported);
    let asked_again = Op::Unsettled {
        id: id(7),
        why: "no answer".to_owned(),
    };
    good().offered(7).op(asked_again).breaks(Invariant::Reported);
    good()
        .accepted(7)
        .op(refused())
        .shown(7)
        .done(7)
        .breaks(Invariant::Reported);
}

#[test]
fn a_refused_message_that_is_delivered_is_found() {
    good().offered(7).op(refused()).is_clean();
    good()
        .offered(7)
        .op(refused())
        .shown(7)
        .done(7)
        .breaks(Invariant::Refused);
}

fn refused() -> Op {
    Op::Refused {
        id: id(7),
        code: ErrorCode::TooLarge,
    }
}

#[test]
fn a_message_that_overtakes_is_found() {
    let swapped = two_accepted().shown(1).done(1);
    swapped.clone().shown(0).done(0).breaks(Invariant::Ordered);
    // The mark alone excuses nothing: there must have been a fault.
    let verdict = swapped.again(0, 1).done(0).verdict();
    assert_eq!(verdict.count(Invariant::Ordered), 1, "{verdict}");
    // Another priority is another line.
    let other = |seq| Offer {
        priority: Priority::Low,
        ..offer(seq)
    };
    let low = Show {
        priority: Priority::Low,
        ..show(0)
    };
    let accepted = Op::Accepted {
        id: id(0),
        level: Level::Accepted,
    };
    let mixed = Script::default()
        .op(Op::Offered(other(0)))
        .op(accepted)
        .accepted(1);
    mixed.shown(1).done(1).show(low).done(0).is_clean();
}

#[test]
fn a_hand_over_to_a_connection_that_was_gone_is_excused_and_reported() {
    let faulty = two_accepted().fault(Phase::Began).fault(Phase::Ended);
    let verdict = faulty.clone().shown(1).done(1).again(0, 1).done(0).is_clean();
    let [lost] = &verdict.lost_hand_overs[..] else {
        panic!("{verdict}")
    };
    assert_eq!(
        (lost.id, lost.delivery, &lost.overtaken_by[..]),
        (id(0), 1, &[1][..])
    );
    assert!(
        verdict
            .to_string()
            .contains("alice → bob normal #0: the server had handed it to a connection that was gone"),
        "{verdict}"
    );
    // Back in its place, as it should be.
    let verdict = faulty.clone().again(0, 2).done(0).shown(1).done(1).is_clean();
    assert_eq!(verdict.lost_hand_overs[0].overtaken_by, [0_u64; 0]);
    // Without the mark it is not excused.
    faulty
        .shown(1)
        .done(1)
        .shown(0)
        .done(0)
        .breaks(Invariant::Ordered);
}

#[test]
fn a_message_given_back_that_loses_its_place_is_found() {
    let given = |how| two_accepted().shown(0).settled(0, how);
    let overtaken = |script: Script| script.shown(1).done(1).again(0, 2).done(0);
    overtaken(given(Settle::GaveBack)).breaks(Invariant::Returned);
    overtaken(given(Settle::PutOff)).is_clean();
    given(Settle::GaveBack)
        .again(0, 2)
        .done(0)
        .shown(1)
        .done(1)
        .is_clean();
    let expired = given(Settle::Expired { after_ms: 5_000 });
    overtaken(expired.clone()).is_clean();
    overtaken(expired.after(6_100)).breaks(Invariant::Returned);
    // A fault may have taken its place.
    let faulty = given(Settle::GaveBack).fault(Phase::Began).fault(Phase::Ended);
    overtaken(faulty).is_clean();
}

#[test]
fn faults_and_silences_are_counted() {
    let script = good().fault(Phase::Began).after(2_000).fault(Phase::Ended);
    let summary = script.accepted(7).shown(7).done(7).is_clean().summary;
    assert_eq!((summary.stopped, summary.killed), (1, 0));
    assert!(
        (2_000..2_100).contains(&summary.longest_silence_ms),
        "{summary:?}"
    );
    assert_eq!(summary.drained_ms, 2);
}
