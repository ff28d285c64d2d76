//! What a coordinator's shell does: carries out orders, repeats what was not answered, reads streams in their order.

use wagglebus_coordinator_core::lead::election::Errand;
use wagglebus_coordinator_core::lead::{Announced, Coordination, Desk, Noted, Order, Told};
use wagglebus_coordinator_core::log::Letter;
use wagglebus_coordinator_core::task::Ask;
use wagglebus_coordinator_core::{Effect, Now};

use crate::node::{Node, Reader, Request, Source};
use crate::sabotage::{Rule, Sabotage};
use crate::sim::{Due, Sim, What};

impl Sim {
    pub(crate) fn restart(&mut self, at: usize) {
        if self.nodes[at].up {
            return;
        }
        let reading = self.token();
        self.nodes[at].start(at, self.now_ms, reading);
        self.note(|| format!("node {at} starts"));
        let delay = self.delay();
        self.node_in(at, delay, What::ReadLog { number: reading });
        self.node_in(at, delay + 200, What::Enrolments);
        self.node_in(at, 0, What::Wake);
    }

    pub(crate) fn node_in(&mut self, at: usize, after_ms: u64, what: What) {
        let life = self.nodes[at].life;
        self.after(after_ms, Due::Node { at, life, what });
    }

    pub(crate) fn node_event(&mut self, at: usize, life: u64, what: What) {
        // What is on its way to the server does not depend on who sent it.
        if let What::ToServer { token, request } = what {
            return self.serve((at, life), token, request);
        }
        let node = &mut self.nodes[at];
        if node.life != life || !node.up {
            return;
        }
        if node.frozen_until > self.now_ms {
            let until = node.frozen_until;
            return self.at(until, Due::Node { at, life, what });
        }
        if matches!(what, What::Wake) && node.wake_at.is_some_and(|wake| wake <= self.now_ms) {
            node.wake_at = None;
        }
        let attended = node.attention.advance(self.now_ms);
        let now = Now {
            boot_ms: self.now_ms,
            wall: node.wall(self.now_ms),
        };
        let cut = node.cut;
        match what {
            What::Wake | What::ToServer { .. } => {}
            What::Enrolments if cut => self.node_in(at, 500, What::Enrolments),
            What::Enrolments => {
                let enrolments = self.agents.iter().filter_map(|agent| agent.enrolment.clone());
                let effects = self.nodes[at].roster.list(enrolments.collect(), attended);
                self.roster_changed(at, &effects);
            }
            What::Beat(beat) => {
                let agent = beat.agent.clone();
                let effect = self.nodes[at].roster.hear(agent.clone(), *beat, now, attended);
                self.lead(at, |c, desk| {
                    c.heard(agent);
                    c.tick(desk);
                });
                self.roster_changed(at, effect.as_slice());
            }
            What::ReadLog { number } if !cut => self.read_log(at, number),
            What::Read { source, number } if !cut => self.read(at, source, number),
            // Read on once the way is free.
            What::ReadLog { .. } | What::Read { .. } => {}
            What::Letters if !cut => self.read_letters(at),
            What::Letters => self.node_in(at, 500, What::Letters),
            What::Alerts(news) => self.alert_news(at, news),
            What::Answered { token, answer } if !cut => self.answered(at, token, answer),
            What::Answered { .. } => {}
            What::TimeOut { token } => self.time_out(at, token),
            What::Reconnect => {
                let node = &mut self.nodes[at];
                node.told = false;
                node.attention.listen(true);
                // A session tells the end of the log anew.
                node.log.caught_up = false;
                let number = node.log.number;
                let delay = self.delay();
                self.node_in(at, delay, What::ReadLog { number });
            }
        }
        self.settle(at);
    }

    fn roster_changed(&mut self, at: usize, effects: &[Effect]) {
        let changed = effects.iter().filter_map(|effect| match effect {
            Effect::Presence { agent, .. } => Some(agent.clone()),
            _ => None,
        });
        let changed: Vec<_> = changed.collect();
        if !changed.is_empty() {
            self.lead(at, |c, desk| {
                changed.into_iter().for_each(|agent| c.heard(agent));
                c.roster_changed(desk);
            });
        }
    }

    /// Does what is due, and plans the next wake-up.
    pub(crate) fn settle(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let node = &mut self.nodes[at];
        let attended = node.attention.advance(now_ms);
        let effects = node.roster.wake(attended);
        self.roster_changed(at, &effects);
        while let Some(errand) = self.errand(at) {
            let request = match errand {
                Errand::Look => Request::Look,
                Errand::Write(revision) => Request::Write(revision),
            };
            let token = self.ask(at, request);
            self.nodes[at].errand = Some(token);
        }
        let due = |node: &Node| node.coordination.next_ms().is_some_and(|next| next <= now_ms);
        if due(&self.nodes[at]) && self.sabotage != Some(Sabotage::NeverWakes) {
            self.lead(at, Coordination::tick);
        }
        if due(&self.nodes[at]) {
            self.checker
                .broken(Rule::Wakes, format!("node {at} has still something to do"));
        }
        let node = &mut self.nodes[at];
        let next = node.next_ms();
        if let Some(next) = next.filter(|next| node.wake_at.is_none_or(|wake| *next < wake)) {
            node.wake_at = Some(next);
            let life = node.life;
            self.at(
                next.max(now_ms + 1),
                Due::Node {
                    at,
                    life,
                    what: What::Wake,
                },
            );
        }
        let node = &self.nodes[at];
        self.checker
            .compare_tip((at, node.life), &node.coordination, &mut self.chance);
    }

    fn errand(&mut self, at: usize) -> Option<Errand> {
        let node = &mut self.nodes[at];
        if node.told {
            return None;
        }
        node.election.due(self.now_ms)
    }

    /// Lets something happen to the coordination, and carries out what it orders.
    pub(crate) fn lead(&mut self, at: usize, act: impl FnOnce(&mut Coordination, &mut Desk<'_>)) {
        let mut orders = Vec::new();
        let node = &mut self.nodes[at];
        let now = Now {
            boot_ms: self.now_ms,
            wall: node.wall(self.now_ms),
        };
        let led = node.coordination.leads();
        act(
            &mut node.coordination,
            &mut Desk {
                now,
                roster: &node.roster,
                ids: &mut self.ids,
                orders: &mut orders,
            },
        );
        let leads = node.coordination.leads();
        if led != leads {
            self.note(|| format!("node {at} {}", if leads { "leads" } else { "leads no more" }));
        }
        for order in orders {
            self.carry_out(at, order);
        }
    }

    fn carry_out(&mut self, at: usize, order: Order) {
        match order {
            Order::Append { after, mut events } => {
                self.spoil(at, &mut events);
                if self.sabotage == Some(Sabotage::PublishesFirst) {
                    self.publish_first(at, &events);
                }
                let many = events.len();
                self.note(|| format!("node {at} appends {many} after {after}"));
                self.ask(at, Request::Append { after, events });
            }
            Order::Publish(mut letter) => {
                match self.sabotage {
                    Some(Sabotage::LosesLetters) if self.chance.percent(10) => {
                        return self.lead(at, |c, desk| c.published(desk, &[letter.id]));
                    }
                    Some(Sabotage::TellsNobodyOfWork) if tells_of_work(&letter) => {
                        return self.lead(at, |c, desk| c.published(desk, &[letter.id]));
                    }
                    Some(Sabotage::RewritesLetter) if self.chance.percent(50) => {
                        letter.body = [&letter.body[..], b" "].concat().into();
                    }
                    _ => {}
                }
                self.answers(at, &letter);
                self.ask(at, Request::Publish(letter));
            }
            Order::ReadAgain(_) if self.sabotage == Some(Sabotage::ForgetsOwed) => {}
            Order::ReadAgain(source) => {
                self.ask(at, Request::ReadAgain(source));
            }
            Order::Listen {
                commands,
                messages,
                receipts,
            } => {
                for (source, after) in Source::ALL.into_iter().zip([commands, messages, receipts]) {
                    let number = self.token();
                    self.nodes[at].streams[source as usize] = Some(Reader {
                        number,
                        next: after + 1,
                        caught_up: false,
                    });
                    let delay = self.delay();
                    self.node_in(at, delay, What::Read { source, number });
                }
            }
            Order::Heard(_) => {}
            Order::StopListening => {
                self.nodes[at].streams = [const { None }; 3];
                self.nodes[at].letters = None;
                self.nodes[at].reports = None;
            }
            Order::Alerts(order) => self.alert_order(at, order),
            Order::Reread => {
                self.note(|| format!("node {at} reads the log anew"));
                let number = self.token();
                let node = &mut self.nodes[at];
                node.answered.clear();
                node.log = Reader {
                    number,
                    next: 1,
                    caught_up: false,
                };
                let aborts = self.weather.aborts;
                // What is answered about the views belongs to the former reading.
                node.pending.retain(|_, request| match request {
                    Request::Survey | Request::Project(_) => false,
                    Request::Append { .. } => !aborts,
                    Request::Publish(_) | Request::ReadAgain(_) | Request::Look | Request::Write(_) => true,
                });
                let delay = self.delay();
                self.node_in(at, delay, What::ReadLog { number });
            }
            Order::Moved(_) => {}
            Order::Resign => {
                self.nodes[at].election.step_down(self.now_ms);
            }
            Order::Survey => {
                self.ask(at, Request::Survey);
            }
            Order::Project(mut rows) => {
                self.spoil_views(&mut rows);
                self.ask(at, Request::Project(rows));
            }
            // Nothing in these worlds is unreadable.
            Order::Warn(what) => self.checker.broken(Rule::Folds, what),
        }
    }

    fn read_log(&mut self, at: usize, number: u64) {
        for _ in 0..self.chance.between(1, 20) {
            let seq = self.nodes[at].log.next;
            if self.nodes[at].log.number != number {
                return;
            }
            if self.restore(at, seq) {
                continue;
            }
            let reader = &mut self.nodes[at].log;
            let Some(line) = usize::try_from(seq - 1).ok().and_then(|n| self.bus.log.get(n)) else {
                if !std::mem::replace(&mut reader.caught_up, true) {
                    let last = self.bus.last();
                    self.lead(at, |c, desk| c.caught_up(desk, last));
                }
                return;
            };
            reader.next += 1;
            let event = line.event.clone();
            if self.sabotage == Some(Sabotage::SkipsLine) && seq.is_multiple_of(7) {
                continue;
            }
            self.lead(at, |c, desk| c.logged(desk, seq, Ok(event)));
            self.checker.compare_entry(&self.nodes[at].coordination, seq);
        }
        let delay = self.delay();
        self.node_in(at, delay, What::ReadLog { number });
    }

    fn read(&mut self, at: usize, source: Source, number: u64) {
        for _ in 0..self.chance.between(1, 20) {
            let reader = self.nodes[at].streams[source as usize].as_mut();
            let Some(reader) = reader.filter(|reader| reader.number == number) else {
                return;
            };
            let seq = reader.next;
            let n = usize::try_from(seq - 1).unwrap();
            let many = match source {
                Source::Commands => self.bus.commands.len(),
                Source::Messages => self.bus.messages.len(),
                Source::Receipts => self.bus.receipts.len(),
            };
            if n >= many {
                return;
            }
            reader.next += 1;
            match source {
                Source::Commands => self.read_command(at, seq, n),
                Source::Messages => {
                    let message = self.bus.messages[n].clone();
                    if let Some(mail) = self.bus.unreadable(seq) {
                        self.lead(at, |c, desk| c.unreadable(desk, &mail));
                    } else if message.to_agent.agent().is_none() {
                        let (id, from, at_ms) = (message.id, message.from_agent, message.timestamp);
                        let announced = Announced {
                            seq,
                            id,
                            from,
                            at: at_ms,
                        };
                        self.lead(at, |c, desk| c.announced(desk, &announced));
                    } else {
                        self.lead(at, |c, desk| c.told(desk, &Told { seq, message }));
                    }
                }
                Source::Receipts => {
                    let (id, notice, level, bridge) = self.bus.receipts[n];
                    let world = self.nodes[at].coordination.world();
                    let holder = world
                        .of_notice(&notice)
                        .and_then(|entry| entry.task.assigned_to.clone());
                    let noted = Noted {
                        seq,
                        id,
                        notice,
                        from: holder.unwrap_or_else(wagglebus_schemas::AgentId::operator),
                        level,
                        bridge: Some(bridge),
                    };
                    self.lead(at, |c, desk| c.noted(desk, noted));
                }
            }
        }
        let delay = self.delay();
        self.node_in(at, delay, What::Read { source, number });
    }

    fn read_command(&mut self, at: usize, seq: u64, n: usize) {
        let command = &self.bus.commands[n];
        let (verb, from) = (command.verb, command.from.clone());
        let mut ask = Ask::read(verb, from, seq, Some(&command.msg_id), &command.body);
        match self.sabotage {
            Some(Sabotage::SkipsCommand) if self.chance.percent(5) => return,
            Some(Sabotage::ForgesHolder) => self.forge(&mut ask),
            _ => {}
        }
        self.lead(at, |c, desk| c.asked(desk, &ask));
    }

    /// The node is told that it is cut off.
    pub(crate) fn bus_down(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let node = &mut self.nodes[at];
        if !node.up || node.frozen_until > now_ms || node.told {
            return;
        }
        node.told = true;
        node.errand = None;
        // The workers of the session end with it.
        node.pending.clear();
        let attended = node.attention.advance(now_ms);
        node.attention.listen(false);
        let effects = node.roster.forget_connections(attended);
        node.election.step_down(now_ms);
        self.lead(at, Coordination::cut_off);
        self.roster_changed(at, &effects);
        self.settle(at);
    }
}

/// Whether a record tells somebody of a task that is its own now.
fn tells_of_work(letter: &Letter) -> bool {
    String::from_utf8_lossy(&letter.body).contains("task.assigned")
}
