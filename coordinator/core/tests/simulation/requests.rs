//! Requests to the server and their answers: late, lost, repeated.

use wagglebus_coordinator_core::lead::election::{Turn, Written};
use wagglebus_coordinator_core::lead::{Appended, Coordination};

use wagglebus_schemas::event::Event;

use crate::node::{Answer, Node, Request};
use crate::sabotage::Sabotage;
use crate::sim::{Due, Sim, What};

/// Time after which a request is taken to have no answer, in milliseconds.
const TIMEOUT_MS: u64 = 2_000;

impl Sim {
    /// Asks the server for something.
    pub(crate) fn ask(&mut self, at: usize, request: Request) -> u64 {
        let token = self.token();
        self.nodes[at].pending.insert(token, request.clone());
        self.send(at, token, request);
        token
    }

    fn send(&mut self, at: usize, token: u64, request: Request) {
        self.node_in(at, TIMEOUT_MS, What::TimeOut { token });
        if self.nodes[at].cut || self.is_lost() {
            return;
        }
        let delay = self.delay();
        self.node_in(at, delay, What::ToServer { token, request });
    }

    pub(crate) fn serve(&mut self, (at, life): (usize, u64), token: u64, request: Request) {
        let now_ms = self.now_ms;
        if self.is_full(&request) {
            return; // Refused: the shell asks again.
        }
        let answer = match request {
            Request::Append { after, events } if self.is_refused(at, &events) => Answer::Appended {
                after,
                outcome: Appended::Impossible,
            },
            Request::Append { after, mut events } => {
                let before = self.bus.last();
                let ends_early = self.ends_early((at, life), after, &mut events);
                let fenced = self.sabotage != Some(Sabotage::LetsStaleIn);
                let lenient = self.chance.percent(50);
                let outcome = self
                    .bus
                    .append(now_ms, (at, life), (after, fenced), &events, lenient);
                if self.bus.last() > before {
                    self.stored(before);
                }
                let outcome = if ends_early { Appended::Refused } else { outcome };
                Answer::Appended { after, outcome }
            }
            Request::Publish(letter) if self.has_no_room(&letter) => return,
            Request::Publish(letter) => {
                self.checker.published(&self.bus, &letter);
                let (id, to) = (letter.id, letter.subject.clone());
                if self.bus.publish(now_ms, letter) {
                    self.deliver(&to);
                }
                Answer::Published(id)
            }
            Request::ReadAgain(source) => match self.bus.unreadable(source.seq) {
                Some(mail) => Answer::ReadAgain(source, mail.record),
                None => return,
            },
            Request::Survey => Answer::Surveyed(self.bus.beside.survey()),
            Request::Project(rows) => {
                self.write_views(rows);
                Answer::Projected
            }
            Request::Look => Answer::Seen(self.bus.look()),
            Request::Write(_) if self.sabotage == Some(Sabotage::RefusesLease) => {
                Answer::Wrote(Written::Conflict)
            }
            Request::Write(expected) => Answer::Wrote(self.bus.write(expected)),
        };
        if !self.is_lost() {
            let delay = self.delay();
            let what = What::Answered { token, answer };
            self.after(delay, Due::Node { at, life, what });
        }
    }

    /// Lines go one after the other: who dies in between leaves the first of them, and so does who is refused at one that is
    /// not the first. True when that happens here.
    fn ends_early(&mut self, (at, life): (usize, u64), after: u64, events: &mut Vec<Event>) -> bool {
        let stands = after == self.bus.last() && events.len() > 1;
        if !stands || !self.chance.percent(2) {
            return false;
        }
        let left = self.chance.between(1, events.len() as u64);
        events.truncate(usize::try_from(left).unwrap());
        self.note(|| format!("the append of node {at} ends after {left} lines"));
        if self.nodes[at].life == life && self.chance.percent(50) {
            self.crash(at);
        }
        true
    }

    /// Lines after `before` are new in the log.
    fn stored(&mut self, before: u64) {
        for seq in before + 1..=self.bus.last() {
            let line = &self.bus.log[usize::try_from(seq - 1).unwrap()];
            let event = line.event.clone();
            let by = line.by;
            self.note(|| {
                let data = serde_json::Value::Object(event.data.clone());
                format!(
                    "LOG {seq} of {by:?}: {} {:?} {} > {} #{} by {} cause {:?} {data}",
                    event.entity_id,
                    event.from,
                    event.event,
                    event.to,
                    event.seq,
                    event.actor,
                    event.cause.seq
                )
            });
        }
        self.checker.look(&self.bus);
        self.wake_readers(None);
    }

    pub(crate) fn answered(&mut self, at: usize, token: u64, answer: Answer) {
        if self.nodes[at].pending.remove(&token).is_none() {
            return; // Nobody waits for it any more.
        }
        match answer {
            Answer::Appended { after, outcome } => {
                self.note(|| format!("node {at} hears {outcome:?} of its append after {after}"));
                self.lead(at, |c, desk| c.appended(desk, after, outcome));
            }
            Answer::Published(id) => self.lead(at, |c, desk| c.published(desk, &[id])),
            Answer::ReadAgain(source, record) => {
                self.lead(at, |c, desk| c.reread_record(desk, source, Some(&record)));
            }
            Answer::Surveyed(found) => {
                // In parts, the last of which is empty.
                self.lead(at, |c, desk| c.surveyed(desk, found, false));
                self.lead(at, |c, desk| c.surveyed(desk, Vec::new(), true));
            }
            Answer::Projected => self.lead(at, |c, desk| c.projected(desk, Vec::new())),
            Answer::Seen(revision) => self.lease_answered(at, token, |node, now_ms| {
                node.election.seen(now_ms, Some(revision));
                None
            }),
            Answer::Wrote(written) => {
                self.lease_answered(at, token, |node, now_ms| node.election.wrote(now_ms, written));
            }
        }
    }

    fn lease_answered(&mut self, at: usize, token: u64, act: impl FnOnce(&mut Node, u64) -> Option<Turn>) {
        let now_ms = self.now_ms;
        let node = &mut self.nodes[at];
        if node.errand != Some(token) {
            return;
        }
        node.errand = None;
        match act(node, now_ms) {
            Some(Turn::Elected) => self.lead(at, Coordination::elected),
            Some(Turn::Deposed) => self.lead(at, Coordination::deposed),
            None => {}
        }
    }

    pub(crate) fn time_out(&mut self, at: usize, token: u64) {
        let Some(request) = self.nodes[at].pending.get(&token).cloned() else {
            return;
        };
        match request {
            Request::Append { .. } | Request::Publish(_) | Request::ReadAgain(_) | Request::Survey => {
                self.send(at, token, request);
            }
            Request::Project(rows) => {
                self.nodes[at].pending.remove(&token);
                let failed = rows.into_iter().map(|row| row.place).collect();
                self.lead(at, |c, desk| c.projected(desk, failed));
            }
            Request::Look => {
                self.nodes[at].pending.remove(&token);
                self.lease_answered(at, token, |node, now_ms| {
                    node.election.seen(now_ms, None);
                    None
                });
            }
            Request::Write(_) => {
                self.nodes[at].pending.remove(&token);
                self.lease_answered(at, token, |node, now_ms| {
                    node.election.wrote(now_ms, Written::Unanswered)
                });
            }
        }
    }
}
