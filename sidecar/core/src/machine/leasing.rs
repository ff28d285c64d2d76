//! The lease, settlements, and what a former life left open.

use wagglebus_schemas::Priority;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::NAK_DELAY_MS_MAX;
use wagglebus_schemas::stream::Stream;

use super::Sidecar;
use crate::context::Context;
use crate::effect::{Answer, Effect, Settlement};
use crate::fence::FenceStep;
use crate::record::Record;
use crate::settle::{Ended, Follow};
use crate::wake::{ACK_WAIT_MS, LaneWatch};

impl Sidecar {
    pub(super) fn fence_step(&mut self, cx: &mut Context<'_>, step: Option<FenceStep>) {
        match step {
            None => {}
            Some(FenceStep::Read) => cx.ask(Effect::ReadLease),
            Some(FenceStep::Write { lease, expected }) => cx.ask(Effect::WriteLease { lease, expected }),
            Some(FenceStep::Acquired { .. }) => {
                // The new epoch is announced at once. Before it somebody else may have fetched.
                self.heartbeat_at_ms = cx.now.mono_ms;
                self.watches().for_each(LaneWatch::recheck);
            }
            Some(FenceStep::Fenced { holder }) => {
                for (token, _) in self.inbox.close_requests() {
                    cx.ask(Effect::Answer {
                        token,
                        answer: Answer::Error(fenced()),
                    });
                }
                // What is accepted stays so: who waits for more is told how far it came.
                self.waiters.give_up(cx, &self.ledger, |_| true);
                cx.ask(Effect::Fenced { holder });
            }
        }
    }

    /// Settles a delivery; what follows from its end is noted then.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>, ack: &str, settlement: Settlement, follow: Follow) {
        self.settlements.begin(ack, settlement, follow);
        if self.bus_up {
            cx.ask(Effect::Settle {
                ack: ack.to_owned(),
                settlement,
            });
        }
    }

    pub(super) fn settled(
        &mut self,
        cx: &mut Context<'_>,
        ack: &str,
        settlement: Settlement,
        confirmed: bool,
    ) {
        let now_ms = cx.now.mono_ms;
        let Some(ended) = self.settlements.end(ack, settlement, confirmed, now_ms) else {
            return;
        };
        let Ended {
            settlement,
            follow,
            confirmed,
            resent,
        } = ended;
        match follow {
            Follow::Nothing => {}
            Follow::Acked(key) => {
                let known = self.ledger.received(&key).is_some_and(|entry| !entry.acked);
                if confirmed && known {
                    let id = key.id;
                    self.note(cx, Record::Acked { key }, Some(id));
                }
            }
            // What was confirmed at once is expected already.
            Follow::Comes { .. } if confirmed && !resent => {}
            Follow::Comes { lane, stream_seq } => {
                let wait_ms = match settlement {
                    Settlement::Nak { delay_ms } if confirmed => delay_ms,
                    Settlement::Nak { .. } | Settlement::Ack | Settlement::Progress => ACK_WAIT_MS,
                };
                let comes_ms = now_ms.saturating_add(wait_ms);
                if wait_ms == 0 {
                    self.watch_mut(lane).expect();
                } else {
                    self.watch_mut(lane).expect_at(comes_ms);
                }
                if let Some((_, until_ms)) = stream_seq.and_then(|seq| self.delayed.get_mut(&seq)) {
                    *until_ms = comes_ms;
                }
            }
        }
    }

    /// Once the lease is held for the first time: what was in the agent's hands when the former process ended goes back
    /// at once, and what had ended is acked, unless the record of its end is still to be stored.
    pub(super) fn settle_former_life(&mut self, cx: &mut Context<'_>) {
        let mut ended = Vec::new();
        let mut held = Vec::new();
        for (key, entry) in self.ledger.unfinished() {
            let Some(head) = entry.head.as_ref() else { continue };
            if entry.is_held() {
                held.push((key.clone(), head.clone()));
            } else if entry.has_ended() && !self.ledger.is_telling(key) {
                ended.push((key.clone(), head.ack.clone()));
            }
        }
        // They come again in the order in which they go back: that of the stream (DESIGN 3.3, Order).
        held.sort_by_key(|(_, head)| head.stream_seq);
        for (key, ack) in ended {
            self.settle(cx, &ack, Settlement::Ack, Follow::Acked(key));
        }
        for (key, head) in held {
            let follow = Follow::Comes {
                lane: Some(head.priority),
                stream_seq: Some(head.stream_seq),
            };
            self.settle(cx, &head.ack, Settlement::Nak { delay_ms: 0 }, follow);
            self.lane_mut(head.priority).expect();
            let about = Some(key.id);
            let returned = Record::Returned {
                key,
                delivery: head.delivery,
                until: None,
                untouched: false,
                at: Some(cx.now.wall),
                why: Some("the sidecar that had it is gone".to_owned()),
            };
            self.note(cx, returned, about);
        }
        self.wait_for_the_delayed(cx);
    }

    /// What was given back with a delay waits at the server for its time: it is not lost, though nobody holds it.
    fn wait_for_the_delayed(&mut self, cx: &Context<'_>) {
        let returned = self
            .ledger
            .unfinished()
            .filter(|(_, entry)| !entry.has_ended() && !entry.is_held());
        let delayed: Vec<_> = returned
            .filter_map(|(_, entry)| {
                let (head, until) = (entry.head.as_ref()?, entry.returned_until?);
                let left_ms = until.unix_ms().saturating_sub(cx.now.wall.unix_ms());
                let left_ms = u64::try_from(left_ms).ok().filter(|left_ms| *left_ms > 0)?;
                Some((head.stream_seq, head.priority, left_ms.min(NAK_DELAY_MS_MAX)))
            })
            .collect();
        for (stream_seq, lane, left_ms) in delayed {
            let until_ms = cx.now.mono_ms.saturating_add(left_ms);
            self.delayed.insert(stream_seq, (lane, until_ms));
            self.lane_mut(lane).expect_at(until_ms);
        }
    }

    /// Sequences of a lane that are not lost although the server counts them as delivered: in the agent's hands, given
    /// back until later, waiting for the spool, or ended and not acked.
    pub(super) fn held_sequences(&self, lane: Priority) -> Vec<u64> {
        let hands = self.inbox.hands().filter(|hand| hand.priority == lane);
        let delayed = self.delayed.iter().filter(|(_, (of, _))| *of == lane);
        let ended = self.ledger.unfinished().filter(|(_, entry)| entry.has_ended());
        let graves = self
            .graves
            .values()
            .filter(|grave| grave.stream == Stream::Messages);
        hands
            .map(|hand| hand.stream_seq)
            .chain(delayed.map(|(seq, _)| *seq))
            .chain(self.spool_wait.sequences())
            .chain(ended.filter_map(|(_, entry)| Some(entry.head.as_ref()?.stream_seq)))
            .chain(graves.map(|grave| grave.stream_seq))
            .collect()
    }
}

/// The refusal of a sidecar that has lost its agent to another one.
pub(super) fn fenced() -> ErrorDetail {
    ErrorDetail::new(ErrorCode::Fenced, "another sidecar holds this agent's lease")
        .hint("look with `wagglebus agents`; start this one with --takeover to take the agent over")
}
