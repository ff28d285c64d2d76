//! What the agents of a world do: send, take, write, ack, nak, go away, and sometimes what they must not.

use wagglebus_schemas::{AgentId, Draft, Level, Priority};

use super::checker::Checker;
use super::node::{Item, Mode, Node};
use super::{Chance, World};
use crate::effect::Answer;
use crate::event::{Event, ReaderId, ReaderKind, SendRequest, TakeRequest, Token, Verb};
use crate::machine::tests::rig::id;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

impl World {
    /// The agent of a node does something.
    pub(super) fn act(&mut self, at: usize) {
        if self.left > 0 && self.chance.percent(40) {
            return self.send(at);
        }
        match self.nodes[at].mode {
            Mode::Polls => self.poll(at),
            Mode::Auto | Mode::Explicit => self.write(at),
        }
        if self.chance.percent(60) {
            self.settle(at);
        }
    }

    fn send(&mut self, at: usize) {
        self.left -= 1;
        let from = self.nodes[at].me().clone();
        let to: AgentId = self.chance.pick(&NAMES).parse().unwrap();
        let mut draft = Draft::text(to.clone().into(), "a message".into());
        draft.priority = self.chance.pick(Priority::ALL);
        let message = id(1_000 + self.left as u64);
        draft.id = Some(message);
        let wait = self.chance.pick(&[None, Some(Level::Stored), Some(Level::Done)]);
        let times = if self.chance.percent(10) { 2 } else { 1 };
        for _ in 0..times {
            let token = self.nodes[at].rig.token();
            self.nodes[at].asked.push((token, message));
            let request = SendRequest {
                addressee: None,
                token,
                draft: draft.clone(),
                idempotency_key: None,
                unverified: false,
                wait,
                timeout_ms: 4_000,
            };
            self.step(at, Event::Send(Box::new(request)));
        }
        if self.nodes[at].rig.sidecar.ledger().sent(&message).is_some() {
            self.checker.accepted(message, (from, to, draft.priority));
        } else {
            // Refused: the spool is full. Somebody else may try.
            self.left += 1;
        }
    }

    fn poll(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(token) = node.polling {
            if self.chance.percent(4) {
                node.polling = None;
                self.step(at, Event::Gone { token });
            }
            return;
        }
        let token = node.rig.token();
        let take = TakeRequest {
            token,
            max: 1 + self.chance.below(5),
            timeout_ms: self.chance.pick(&[0, 500, 20_000]),
            lease_ms: self.chance.pick(&[5_000, 60_000]),
        };
        node.max_take = node.max_take.max(take.max);
        node.polling = Some(token);
        self.step(at, Event::Take(take));
    }

    fn write(&mut self, at: usize) {
        let Some(reader) = self.nodes[at].reader else {
            return self.open(at);
        };
        if self.faulty && self.chance.percent(3) {
            return self.close(at, reader);
        }
        if let Some((reader, item)) = self.nodes[at].writing.pop_front() {
            let auto = self.nodes[at].mode == Mode::Auto;
            if !auto {
                self.nodes[at].items.push(item.clone());
                if self.chance.percent(20) {
                    // The agent may be faster than the bridge's own report.
                    self.settle(at);
                }
            }
            let in_hand = |node: &Node| node.rig.sidecar.in_hand().any(|hand| hand.key == item.key);
            let held = in_hand(&self.nodes[at]);
            let key = item.key.clone();
            self.step(at, Event::Injected { reader, key });
            // With a full disk it ends when there is room; killed before that, it is shown again.
            let ledger = self.nodes[at].rig.sidecar.ledger();
            let written = ledger
                .received(&item.key)
                .is_some_and(crate::ledger::InEntry::has_ended);
            if auto && held && written {
                let me = self.nodes[at].me().clone();
                self.checker.has_ended(&me, item.key);
            }
        }
    }

    fn open(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.readers += 1;
        let reader = ReaderId(node.readers);
        node.reader = Some(reader);
        let kind = ReaderKind {
            bridge: wagglebus_schemas::bridge::Bridge::Stdio,
            slots: node.rig.settings.slots,
            auto: node.mode == Mode::Auto,
            lease_ms: None,
            pane: None,
        };
        self.step(at, Event::ReaderOpened { reader, kind });
    }

    fn close(&mut self, at: usize, reader: ReaderId) {
        let node = &mut self.nodes[at];
        node.reader = None;
        node.writing.clear();
        node.items.clear();
        self.step(at, Event::ReaderClosed { reader });
    }

    /// The agent does something with a message that it has.
    fn settle(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.items.is_empty() {
            return;
        }
        let chosen = self.chance.below(node.items.len());
        let mut item = node.items[chosen].clone();
        let verb = if self.faulty {
            any_verb(&mut self.chance)
        } else {
            Verb::Ack { done: true }
        };
        if self.faulty && self.chance.percent(3) {
            item.lease = Some("forged".into());
        } else if matches!(verb, Verb::Ack { done: true } | Verb::Nak { .. }) {
            node.items.remove(chosen);
        }
        let token = node.rig.token();
        let effects = self.step(
            at,
            Event::Verb {
                token,
                id: item.key.id,
                lease: item.lease.clone(),
                verb: verb.clone(),
            },
        );
        let Some(answer) = crate::machine::tests::effects::answer(&effects, token) else {
            return;
        };
        let me = self.nodes[at].me().clone();
        match answer {
            Answer::Acked(acked) if acked.level == Level::Done => self.checker.has_ended(&me, item.key),
            // The disk is full: the agent asks again.
            Answer::Error(error) if error.code == wagglebus_schemas::error::ErrorCode::SpoolFull => {
                self.nodes[at].items.push(item);
            }
            _ => {}
        }
    }
}

fn any_verb(chance: &mut Chance) -> Verb {
    match chance.below(100) {
        0..70 => Verb::Ack { done: true },
        70..78 => Verb::Ack { done: false },
        78..86 => Verb::Progress { extend_ms: 30_000 },
        86..92 => Verb::Nak {
            delay_ms: 0,
            reason: None,
        },
        _ => Verb::Nak {
            delay_ms: chance.pick(&[1, 1_000, 40_000]),
            reason: None,
        },
    }
}

/// A request of the agent is answered.
pub(super) fn answered(node: &mut Node, checker: &mut Checker, token: Token, answer: &Answer) {
    if node.polling == Some(token) {
        node.polling = None;
    }
    match answer {
        Answer::Messages(messages) => {
            for handed in messages {
                let message: wagglebus_schemas::Message = serde_json::from_slice(&handed.raw).unwrap();
                let key = crate::record::Key {
                    from: message.from_agent,
                    id: message.id,
                };
                node.items.push(Item {
                    key,
                    lease: Some(handed.lease.clone()),
                });
            }
        }
        Answer::Sent(sent) => {
            if let Some(known) = checker.sent.get_mut(&sent.id) {
                known.promised = true;
            }
        }
        _ => {}
    }
}
