//! Which hand-overs were lost: counted by the server, held by nobody (DESIGN 3.3).
//!
//! A server that was stopped executes a pull after its connection has gone, hands the message to nobody and counts it.
//! Without help the message comes back when `ack_wait` is over, behind everything that came meanwhile. A NAK on its ack
//! subject brings it back at once and first, and that subject can be made from the lane's state. A NAK about a message
//! that is not in flight changes nothing, so it is enough to spare those that somebody knows about.

use std::collections::BTreeSet;

use crate::bus::{ConsumerState, LaneRef};

/// Sequences that are asked for one by one at most. In a longer span only the latest hand-over is, which is the one that
/// a single stop can lose; others come back by `ack_wait`.
const SPAN_MAX: u64 = 256;

/// What a sidecar knows about one of its lanes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Stream sequences that must not come back now: in hand, given back with a delay that has not passed, or settled
    /// without a confirmation so far. Not those given back without a delay: they should come at once anyhow.
    pub kept: BTreeSet<u64>,
    /// Whether a fetch of this lane is still open in the same session; its answer may be on its way.
    pub fetch_open: bool,
}

/// The ack subjects to be NAKed without delay, in stream order, before the next fetch of the lane.
pub fn lost_hand_overs(lane: &LaneRef, state: &ConsumerState, known: &Known) -> Vec<String> {
    if state.num_ack_pending == 0 || known.fetch_open {
        return Vec::new();
    }
    let (floor, latest) = (state.ack_floor_stream_seq, state.delivered_stream_seq);
    let span = latest.saturating_sub(floor);
    let first = if span <= SPAN_MAX {
        floor.saturating_add(1)
    } else {
        latest
    };
    (first..=latest)
        .filter(|seq| !known.kept.contains(seq))
        // The latest hand-over's number lies within what the server accepts, whichever hand-over the message had.
        .map(|seq| {
            let LaneRef { stream, consumer } = lane;
            format!(
                "$JS.ACK.{stream}.{consumer}.1.{seq}.{}.0.0",
                state.delivered_consumer_seq
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::AckMeta;

    /// (ack floor, latest delivered, ack pending), kept, fetch open → sequences to be NAKed
    type Case = ((u64, u64, u64), &'static [u64], bool, &'static [u64]);

    const CASES: &[Case] = &[
        // Nothing in flight: nothing lost.
        ((0, 0, 0), &[], false, &[]),
        ((7, 7, 0), &[], false, &[]),
        // One in flight, and we hold it.
        ((6, 7, 1), &[7], false, &[]),
        // One in flight, and nobody holds it.
        ((6, 7, 1), &[], false, &[7]),
        // Its fetch is still open: the answer may be on its way.
        ((6, 7, 1), &[], true, &[]),
        // We hold an older one; other messages of the stream lie between.
        ((3, 9, 2), &[4], false, &[5, 6, 7, 8, 9]),
        // A NAK with delay is in flight for the server, but not lost.
        ((3, 4, 1), &[4], false, &[]),
        ((3, 5, 2), &[4], false, &[5]),
        // Given back without delay, handed to nobody: an older one than the latest.
        ((3, 5, 2), &[5], false, &[4]),
        // An ack without confirmation counts as kept, though the server has taken it: the lost one is found anyhow.
        ((4, 6, 1), &[5], false, &[6]),
        // A long span: only the latest.
        ((10, 10_000, 2), &[11], false, &[10_000]),
        ((10, 10_000, 2), &[11, 10_000], false, &[]),
        // A state that makes no sense asks for nothing.
        ((9, 3, 1), &[], false, &[]),
    ];

    #[test]
    fn what_nobody_holds_is_asked_for() {
        let lane = LaneRef {
            stream: "WB_MESSAGES".to_owned(),
            consumer: "alice_low".to_owned(),
        };
        for &((floor, latest, pending), kept, fetch_open, expected) in CASES {
            let state = ConsumerState {
                ack_floor_stream_seq: floor,
                delivered_stream_seq: latest,
                delivered_consumer_seq: 20,
                num_ack_pending: pending,
                ..ConsumerState::default()
            };
            let known = Known {
                kept: kept.iter().copied().collect(),
                fetch_open,
            };
            let subjects = lost_hand_overs(&lane, &state, &known);
            let metas: Vec<AckMeta> = subjects.iter().map(|subject| subject.parse().unwrap()).collect();
            let found: Vec<u64> = metas.iter().map(|meta| meta.stream_seq).collect();
            assert_eq!(found, expected, "{state:?} {known:?}");
            assert!(
                metas
                    .iter()
                    .all(|meta| meta.lane == lane && meta.consumer_seq == 20)
            );
        }
    }
}
