//! What the server of a world does with what arrives, and what of its answers is lost.

use super::World;
use super::node::Op;
use super::server::Pulled;
use crate::event::{Event, FetchOutcome, LeaseOutcome, PublishOutcome};

impl World {
    /// The server executes what is next on a connection.
    pub(super) fn execute(&mut self, at: usize) {
        let Some(op) = self.nodes[at].ops.pop_front() else {
            return;
        };
        let luck = if self.faulty { self.chance.below(100) } else { 99 };
        if let Some(reply) = self.serve(at, op, luck) {
            self.nodes[at].replies.push_back(reply);
        }
        let node = &mut self.nodes[at];
        let refused = |event: &Event| matches!(event, Event::Published { outcome, .. } if *outcome == PublishOutcome::Retry);
        let publishing = node.ops.iter().any(|op| matches!(op, Op::Publish(..)));
        node.refusing &= publishing || node.replies.iter().any(refused);
    }

    pub(super) fn serve(&mut self, at: usize, op: Op, luck: usize) -> Option<Event> {
        let me = self.nodes[at].me().clone();
        let now_ms = self.now_ms;
        Some(match op {
            Op::Publish(out, _) if self.nodes[at].refusing => Event::Published {
                id: out.id,
                outcome: PublishOutcome::Retry,
            },
            Op::Publish(out, body) => {
                let (seq, duplicate) = self.server.publish(&out.subject, out.id, body);
                self.wake(&out.subject, seq);
                let outcome = if luck < 3 {
                    PublishOutcome::Retry
                } else {
                    PublishOutcome::Stored { seq, duplicate }
                };
                Event::Published { id: out.id, outcome }
            }
            Op::Fetch(lane) => {
                let outcome = match luck {
                    // Not executed, executed for nobody, or executed later.
                    0..2 => FetchOutcome::Failed,
                    2..4 => {
                        self.server.pull(now_ms, &me, lane);
                        FetchOutcome::Failed
                    }
                    4..6 => {
                        self.nodes[at].given_up.push(lane);
                        FetchOutcome::Failed
                    }
                    _ => match self.server.pull(now_ms, &me, lane) {
                        Pulled::Message(fetched) => FetchOutcome::Got(fetched),
                        Pulled::Empty => FetchOutcome::Empty,
                        Pulled::Silence => FetchOutcome::Failed,
                    },
                };
                match lane {
                    Some(lane) => Event::LaneFetched { lane, outcome },
                    None => Event::ReceiptFetched { outcome },
                }
            }
            Op::Check(lane, held) => {
                let state = (luck >= 3).then(|| self.server.check(&me, lane, &held));
                match lane {
                    Some(lane) => Event::LaneChecked { lane, state },
                    None => Event::ReceiptsChecked { state },
                }
            }
            Op::Settle(ack, settlement) => {
                if luck >= 3 {
                    self.server.settle(now_ms, &ack, settlement);
                }
                Event::Settled {
                    ack,
                    settlement,
                    confirmed: luck >= 6,
                }
            }
            Op::ReadLease => Event::Lease(self.server.read_lease(now_ms, &me)),
            Op::WriteLease(lease, expected) => {
                let outcome = self.server.write_lease(now_ms, *lease, expected);
                Event::Lease(if luck < 3 { LeaseOutcome::Failed } else { outcome })
            }
        })
    }

    /// The republished header of a stored record; it may be lost.
    pub(super) fn wake(&mut self, subject: &str, seq: u64) {
        let tokens: Vec<&str> = subject.split('.').collect();
        let stream_seq = Some(seq);
        let event = match tokens[..] {
            [_, "msg", _, lane, _] => Event::Woken {
                lane: lane.parse().unwrap(),
                stream_seq,
            },
            [_, "receipt", ..] => Event::ReceiptWoken { stream_seq },
            _ => return,
        };
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node.me().as_str() == tokens[2])
            .unwrap();
        if node.connected && (!self.faulty || self.chance.percent(85)) {
            node.replies.push_back(event);
        }
    }
}
