//! A world: several coordinators, their bus, agents, one clock, and chance. One seed decides everything.

use std::collections::BTreeMap;

use wagglebus_coordinator_core::alert::AlertNews;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::{Id, Message};

use crate::agent::Agent;
use crate::bus::{Bus, Command};
use crate::chance::Chance;
use crate::checker::{Broken, Checker};
use crate::faults::Weather;
use crate::node::{Answer, Ids, Node, Request, Source};
use crate::sabotage::{Rule, Sabotage};

/// Time within which all must be well after the last fault, in milliseconds.
const MENDED_WITHIN_MS: u64 = 600_000;
/// How long all must stay well then, in milliseconds.
const STAYS_MS: u64 = 6_000;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum What {
    Wake,
    ReadLog {
        number: u64,
    },
    Read {
        source: Source,
        number: u64,
    },
    ToServer {
        token: u64,
        request: Request,
    },
    Answered {
        token: u64,
        answer: Answer,
    },
    TimeOut {
        token: u64,
    },
    Enrolments,
    /// Dead letters may have come.
    Letters,
    Alerts(AlertNews),
    Beat(Box<Heartbeat>),
    Reconnect,
}

/// To whom.
#[derive(Debug)]
pub(crate) enum Due {
    /// A coordinator, in one of its lives.
    Node {
        at: usize,
        life: u64,
        what: What,
    },
    Restart(usize),
    /// An agent's heartbeat, its next deed, its mail.
    Pulse(usize),
    Act(usize),
    Mail {
        agent: usize,
        letter: usize,
    },
    Command(Command),
    Message(Box<Message>),
    Receipt(Id, Id, ReceiptLevel, Bridge),
    DeadLetter,
    Report,
    Fault,
    Heal,
    Look,
}

/// The world.
#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) now_ms: u64,
    queue: BTreeMap<(u64, u64), Due>,
    counter: u64,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    pub(crate) bus: Bus,
    pub(crate) nodes: Vec<Node>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) ids: Ids,
    pub(crate) checker: Checker,
    pub(crate) sabotage: Option<Sabotage>,
    /// Tasks that somebody submitted or tried to.
    pub(crate) tasks: Vec<Id>,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    healed_ms: u64,
    done_ms: Option<u64>,
    over: bool,
    /// What happened, if somebody wants to know.
    trace: Option<Vec<String>>,
}

/// What a world that went well had in it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) lines: u64,
    pub(crate) commands: u64,
    pub(crate) leaders: u64,
    pub(crate) refused: u64,
    pub(crate) completed: u64,
    pub(crate) virtual_ms: u64,
}

impl Sim {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>, traced: bool) -> Self {
        let mut chance = Chance::new(seed);
        let weather = Weather::new(&mut chance);
        let nodes = 1 + chance.below(3);
        let agents = 2 + chance.below(4);
        let mut sim = Self {
            now_ms: 1_000,
            queue: BTreeMap::new(),
            counter: 0,
            agents: (0..agents).map(|n| Agent::new(n, &mut chance)).collect(),
            chance,
            weather,
            bus: Bus::default(),
            nodes: (0..nodes).map(|_| Node::new()).collect(),
            ids: Ids::default(),
            checker: Checker::default(),
            sabotage,
            tasks: Vec::new(),
            calm: false,
            healed_ms: 0,
            done_ms: None,
            over: false,
            trace: traced.then(Vec::new),
        };
        sim.agents.push(Agent::operator());
        for at in 0..nodes {
            if sim.weather.narrow {
                sim.nodes[at].waiting_max = Some(1 + sim.chance.below(8));
            }
            let after = sim.chance.between(0, 3_000);
            sim.after(after, Due::Restart(at));
        }
        for at in 0..sim.agents.len() {
            let after = sim.chance.between(0, 3_000);
            sim.after(after, Due::Pulse(at));
            sim.after(after, Due::Act(at));
        }
        sim.plan_dead_letters();
        sim.plan_reports();
        sim.after(500, Due::Fault);
        let long_ms = if sim.weather.full { 150_000 } else { 0 };
        let chaos_ms = sim.chance.between(15_000, 90_000) + long_ms;
        sim.after(chaos_ms, Due::Heal);
        sim
    }

    /// Runs to the end, and says what there was or what was broken.
    pub(crate) fn run(&mut self) -> Result<Tally, Broken> {
        while let Some(((at_ms, _), due)) = self.queue.pop_first() {
            self.now_ms = self.now_ms.max(at_ms);
            self.dispatch(due);
            if let Some(broken) = self.checker.broken.take() {
                self.note(|| format!("BROKEN {:?}: {}", broken.rule, broken.what));
                return Err(broken);
            }
            if self.over {
                self.check_the_end();
                return match self.checker.broken.take() {
                    Some(broken) => Err(broken),
                    None => Ok(self.tally()),
                };
            }
        }
        unreachable!("nodes always have something to do")
    }

    /// What happened.
    pub(crate) fn story(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now_ms = self.now_ms;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now_ms:>7} {}", what()));
        }
    }

    pub(crate) fn after(&mut self, ms: u64, due: Due) {
        self.at(self.now_ms + ms, due);
    }

    pub(crate) fn at(&mut self, at_ms: u64, due: Due) {
        self.counter += 1;
        self.queue.insert((at_ms, self.counter), due);
    }

    /// A number that no other request has.
    pub(crate) const fn token(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// How long something is on its way.
    pub(crate) fn delay(&mut self) -> u64 {
        let slow = self.weather.slow && !self.calm && self.chance.percent(5);
        if slow {
            self.chance.between(100, 12_000)
        } else {
            self.chance.between(1, 30)
        }
    }

    /// Whether something is lost on its way.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.weather.lost && !self.calm && self.chance.percent(6)
    }

    fn dispatch(&mut self, due: Due) {
        match due {
            Due::Node { at, life, what } => self.node_event(at, life, what),
            Due::Restart(at) => self.restart(at),
            Due::Pulse(at) => self.pulse(at),
            Due::Act(at) => self.act(at),
            Due::Mail { agent, letter } => self.mail(agent, letter),
            Due::Command(command) => self.command(command),
            // Its sender tries again.
            Due::Message(message) if self.now_ms < self.bus.full_until.messages => {
                self.after(3_000, Due::Message(message));
            }
            Due::Message(message) => {
                self.note(|| format!("message {} of {}", message.id, message.from_agent));
                self.bus.messages.push(*message);
                self.wake_readers(Some(Source::Messages));
            }
            Due::Receipt(id, notice, level, bridge) => {
                self.bus.receipts.push((id, notice, level, bridge));
                self.wake_readers(Some(Source::Receipts));
            }
            Due::DeadLetter => self.dead_letter(),
            Due::Report => self.report(),
            Due::Fault if self.calm => {}
            Due::Fault => {
                self.fault();
                self.keep();
                let after = self.chance.between(200, 4_000);
                self.after(after, Due::Fault);
            }
            Due::Heal => {
                self.note(|| "everything is mended".to_owned());
                self.heal();
                self.healed_ms = self.now_ms;
                self.after(1_000, Due::Look);
            }
            Due::Look => {
                if !self.is_done() {
                    self.done_ms = None;
                } else if self.done_ms.is_none() {
                    self.note(|| "everything is done".to_owned());
                    self.done_ms = Some(self.now_ms);
                }
                let stays = self.done_ms.is_some_and(|done| self.now_ms >= done + STAYS_MS);
                self.over = stays || self.now_ms > self.healed_ms + MENDED_WITHIN_MS;
                self.after(1_000, Due::Look);
            }
        }
    }

    /// A command arrives at the server.
    fn command(&mut self, command: Command) {
        let stored = self.bus.command(self.now_ms, command);
        if stored {
            self.note_last_command();
            self.wake_readers(Some(Source::Commands));
        }
    }

    fn note_last_command(&mut self) {
        if self.trace.is_some() {
            let seq = self.bus.commands.len();
            let command = self.bus.commands.last().unwrap();
            let body = String::from_utf8_lossy(&command.body).into_owned();
            let line = format!("command {seq} {} by {}: {body}", command.verb, command.from);
            self.note(|| line);
        }
    }

    /// Whoever reads this stream, or with `None` the log, gets what is new.
    pub(crate) fn wake_readers(&mut self, source: Option<Source>) {
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            let what = match source {
                None => Some(What::ReadLog {
                    number: node.log.number,
                }),
                Some(source) => node.streams[source as usize].as_ref().map(|reader| What::Read {
                    source,
                    number: reader.number,
                }),
            };
            if let Some(what) = what.filter(|_| node.up) {
                let delay = self.delay();
                self.node_in(at, delay, what);
            }
        }
    }

    /// Whether all commands are decided, all tasks at rest, and all letters published.
    fn is_done(&self) -> bool {
        let mut nodes = self.nodes.iter().map(|node| &node.coordination);
        self.leaders() == 1
            && nodes.all(|node| node.world().last() == self.bus.last())
            && self.unrest().is_none()
            && self.alert_unrest().is_none()
            && self.checker.unpublished(&self.bus).is_none()
            && self.bus.unburied().is_none()
            && self.checker.unshown(&self.bus).is_none()
    }

    fn leaders(&self) -> usize {
        self.nodes.iter().filter(|node| node.coordination.leads()).count()
    }

    fn unrest(&self) -> Option<String> {
        let declared = self
            .agents
            .iter()
            .map(|agent| (&agent.name, &agent.capabilities[..]));
        self.checker
            .unrest(self.bus.commands.len() as u64, &declared.collect::<Vec<_>>())
    }

    fn check_the_end(&mut self) {
        if self.leaders() != 1 {
            let what = format!("{} lead in the end", self.leaders());
            return self.checker.broken(Rule::Leader, what);
        }
        if let Some(what) = self.unrest() {
            return self.checker.broken(Rule::Tasks, what);
        }
        if let Some(what) = self.alert_unrest() {
            return self.checker.broken(Rule::Alerts, what);
        }
        if let Some(what) = self.checker.unpublished(&self.bus) {
            return self.checker.broken(Rule::Published, what);
        }
        if let Some(what) = self.bus.unburied() {
            return self.checker.broken(Rule::DeadLetters, what);
        }
        if let Some(what) = self.checker.unshown(&self.bus) {
            return self.checker.broken(Rule::Views, what);
        }
        for at in 0..self.nodes.len() {
            let world = self.nodes[at].coordination.world();
            if world.last() != self.bus.last() {
                let what = format!(
                    "node {at} is at {} of {} in the end",
                    world.last(),
                    self.bus.last()
                );
                return self.checker.broken(Rule::Folds, what);
            }
            self.checker.compare(world);
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            lines: self.bus.last(),
            commands: self.bus.commands.len() as u64,
            virtual_ms: self.now_ms,
            ..self.checker.tally()
        }
    }
}
