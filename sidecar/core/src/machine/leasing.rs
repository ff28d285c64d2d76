//! The lease, settlements, and what a former life left open.

use wagglebus_schemas::{Id, Priority};

use super::Sidecar;
use crate::context::Context;
use crate::effect::{Effect, Settlement};
use crate::fence::FenceStep;
use crate::record::{Key, Record};

impl Sidecar {
    pub(super) fn fence_step(&mut self, cx: &mut Context<'_>, step: Option<FenceStep>) {
        match step {
            None => {}
            Some(FenceStep::Read) => cx.ask(Effect::ReadLease),
            Some(FenceStep::Write { lease, expected }) => cx.ask(Effect::WriteLease { lease, expected }),
            // The new epoch is announced at once.
            Some(FenceStep::Acquired { .. }) => self.heartbeat_at_ms = cx.now.mono_ms,
            Some(FenceStep::Fenced { holder }) => cx.ask(Effect::Fenced { holder }),
        }
    }

    /// Settles a delivery; when `key` is given, its ack is then noted.
    pub(super) fn settle(
        &mut self,
        cx: &mut Context<'_>,
        ack: &str,
        settlement: Settlement,
        key: Option<Key>,
    ) {
        self.settlements.begin(ack, settlement, key);
        if self.bus_up {
            cx.ask(Effect::Settle {
                ack: ack.to_owned(),
                settlement,
            });
        }
    }

    /// Lets a message come again at once, before anything else of its lane.
    pub(super) fn bring_back(&mut self, cx: &mut Context<'_>, lane: Priority, ack: &str) {
        self.settlements.bring_back(ack, lane);
        self.lane_mut(lane).expect();
        if self.bus_up {
            cx.ask(Effect::Settle {
                ack: ack.to_owned(),
                settlement: Settlement::Nak { delay_ms: 0 },
            });
        }
    }

    pub(super) fn settled(&mut self, cx: &mut Context<'_>, ack: &str, confirmed: bool) {
        let Some(done) = self.settlements.end(ack, confirmed, cx.now.mono_ms) else {
            return;
        };
        if let (Settlement::Ack, Some(key)) = (done.settlement, done.key) {
            let id = key.id;
            self.note(cx, Record::Acked { key }, Some(id));
        }
    }

    /// At the first connection: what was in the agent's hands when the former process ended goes back at once, and what
    /// had ended is acked.
    pub(super) fn settle_former_life(&mut self, cx: &mut Context<'_>) {
        if !std::mem::take(&mut self.restarted) {
            return;
        }
        let acked_later: Vec<Key> = self
            .ledger
            .unstored()
            .filter_map(|(_, id)| {
                self.ledger
                    .sent(&id)?
                    .head
                    .as_ref()?
                    .then_ack
                    .as_ref()?
                    .key
                    .clone()
            })
            .collect();
        let mut open: Vec<(u64, Key, String, Priority, u32, bool)> = Vec::new();
        for (key, entry) in self.ledger.unfinished() {
            let Some(head) = &entry.head else { continue };
            let ended = entry.ended.is_some() && !acked_later.contains(key);
            if ended || entry.is_held() {
                let (key, ack) = (key.clone(), head.ack.clone());
                open.push((head.stream_seq, key, ack, head.priority, head.delivery, ended));
            }
        }
        // They come again in the order in which they go back: that of the stream (DESIGN 3.3, Order).
        open.sort_by_key(|(stream_seq, ..)| *stream_seq);
        for (_, key, ack, lane, delivery, ended) in open {
            if ended {
                self.settle(cx, &ack, Settlement::Ack, Some(key));
            } else {
                self.bring_back(cx, lane, &ack);
                let id: Id = key.id;
                self.note(cx, Record::Returned { key, delivery }, Some(id));
            }
        }
    }

    /// Sequences of a lane that are not lost although the server counts them as delivered: in the agent's hands, given
    /// back and not come again, or ended and not acked.
    pub(super) fn held_sequences(&self, lane: Priority) -> Vec<u64> {
        let hands = self
            .inbox
            .hands()
            .filter(|hand| hand.priority == lane)
            .map(|hand| hand.stream_seq);
        let delayed = self
            .delayed
            .iter()
            .filter(|(_, (of, _))| *of == lane)
            .map(|(seq, _)| *seq);
        let heads = self
            .ledger
            .unfinished()
            .filter_map(|(_, entry)| entry.head.as_ref());
        let unfinished = heads
            .filter(|head| head.priority == lane)
            .map(|head| head.stream_seq);
        hands.chain(delayed).chain(unfinished).collect()
    }
}
