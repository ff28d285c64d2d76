//! What must hold in every world after every step. It keeps its own account of the log, by a table of its own.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_coordinator_core::lead::Coordination;
use wagglebus_coordinator_core::log::data::{Follow, FollowKind};
use wagglebus_coordinator_core::log::{Letter, TaskData, TaskEntry, World};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, CapabilityName, Id, Timestamp};

use crate::account::Account;
use crate::alerts::Episodes;
use crate::bus::{Bus, Line};
use crate::chance::Chance;
use crate::judge;
use crate::machines::Machines;
use crate::node::instance;
use crate::sabotage::Rule;
use crate::sim::Tally;

/// A rule does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    pub(crate) rule: Rule,
    pub(crate) what: String,
}

/// What is known of the log.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The first rule that was broken.
    pub(crate) broken: Option<Broken>,
    accounts: BTreeMap<Id, Account>,
    pub(crate) machines: Machines,
    /// Who wrote the latest `leader` line.
    writer: Option<(usize, u64)>,
    /// Lines and commands seen so far.
    pub(crate) seen: u64,
    decided: u64,
    /// The last messages and receipts that an event came of.
    told: u64,
    noted: BTreeSet<u64>,
    at: Option<Timestamp>,
    /// What follows from the log, with the first text that was published of it.
    follows: BTreeMap<Id, (Follow, Option<Vec<u8>>)>,
    /// The fold of the log as a standby reads it, and the task of each line after that line.
    pub(crate) world: World,
    /// The same, through snapshots again and again.
    pub(crate) again: World,
    pub(crate) entries: Vec<Option<TaskEntry>>,
    pub(crate) episodes: Episodes,
    tally: Tally,
}

impl Checker {
    pub(crate) fn broken(&mut self, rule: Rule, what: String) {
        self.broken.get_or_insert(Broken { rule, what });
    }

    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    /// New lines are in the log.
    pub(crate) fn look(&mut self, bus: &Bus) {
        while let Some(line) = usize::try_from(self.seen).ok().and_then(|n| bus.log.get(n)) {
            self.seen += 1;
            if let Err(broken) = self.line(bus, line) {
                let what = format!("line {}: {}", self.seen, broken.what);
                self.broken(broken.rule, what);
            }
            if let Err(error) = self.world.apply(self.seen, &line.event) {
                self.broken(Rule::Folds, error.to_string());
            }
            self.fold_again(&line.event);
            let task = line.event.entity_id.parse().ok();
            self.entries
                .push(task.and_then(|id| self.world.task(&id)).cloned());
        }
    }

    fn line(&mut self, bus: &Bus, line: &Line) -> Result<(), Broken> {
        let event = &line.event;
        if event.entity == EventKind::Leader {
            self.writer = Some(line.by);
            self.tally.leaders += 1;
            check(Rule::Fencing, event.to == instance(line.by), || event.to.clone())?;
        }
        check(Rule::Fencing, self.writer == Some(line.by), || {
            format!("{:?} wrote after {:?} began to lead", line.by, self.writer)
        })?;
        check(Rule::Stamps, self.at.is_none_or(|at| at <= event.at), || {
            format!("{} comes after {:?}", event.at, self.at)
        })?;
        self.at = Some(event.at);
        let command = self.command(bus, event)?;
        match event.entity {
            EventKind::Task => self.task(bus, event, command)?,
            EventKind::Agent | EventKind::Swarm => self.machine(bus, event, command)?,
            _ => self.answer(bus, event)?,
        }
        let follows = self.episodes.line(event)?;
        self.register(&follows)
    }

    /// The command that an event decides.
    fn command<'a>(
        &mut self,
        bus: &'a Bus,
        event: &Event,
    ) -> Result<Option<&'a crate::bus::Command>, Broken> {
        // What only follows from a decision names no place.
        if event.cause.kind != CauseType::Command || event.cause.seq.is_none() {
            return Ok(None);
        }
        self.decided += 1;
        let (seq, expected) = (event.cause.seq, self.decided);
        check(Rule::Decisions, seq == Some(expected), || {
            format!("command {seq:?} is decided where {expected} is next")
        })?;
        let command = usize::try_from(expected - 1)
            .ok()
            .and_then(|n| bus.commands.get(n));
        let Some(command) = command else {
            return fail(Rule::Decisions, format!("there is no command {expected}"));
        };
        let rule = if command.verb == TaskVerb::Complete {
            Rule::Completion
        } else {
            Rule::Decisions
        };
        check(rule, event.actor == command.from, || {
            format!("{} is said to have done what {} asked", event.actor, command.from)
        })?;
        let id = command.msg_id.parse().ok();
        let word = command.verb.as_str();
        let controls = command.verb == TaskVerb::Control && event.entity != EventKind::Task;
        let same = event.cause.id == id && (event.event == word || event.event == "refused" || controls);
        check(Rule::Decisions, same, || {
            format!("{} {:?} became {} {:?}", word, id, event.event, event.cause.id)
        })?;
        Ok(Some(command))
    }

    fn task(
        &mut self,
        bus: &Bus,
        event: &Event,
        command: Option<&crate::bus::Command>,
    ) -> Result<(), Broken> {
        let Ok(data) = TaskData::decode(&event.data) else {
            return fail(Rule::Folds, "its data cannot be read".to_owned());
        };
        self.machines.may_get(&data)?;
        let id: Option<Id> = event.entity_id.parse().ok();
        let verdicts = data
            .follows
            .iter()
            .filter(|follow| follow.kind == FollowKind::Verdict);
        let verdicts: Vec<&AgentId> = verdicts.map(|follow| &follow.to).collect();
        let asker = command.filter(|command| command.msg_id.parse::<Id>().is_ok());
        let asker = asker.map(|command| &command.from);
        let replier = self.replier(bus, event)?;
        let known = id.and_then(|id| self.accounts.get(&id));
        let asker: Vec<&AgentId> = asker.or(replier.map(|(from, _)| from)).into_iter().collect();
        let judged = command.map(|command| judge::judge(known, command, self.decided));
        // The holder of an epoch, before all that is said of the answer.
        if event.event == "complete" {
            let before = known.filter(|account| account.state != TaskState::Completed);
            if let Some(account) = before {
                let epoch = judged.as_ref().and_then(|judged| judged.epoch);
                let held = account.state.is_held() && account.holder.as_ref() == Some(&event.actor);
                let named = match replier {
                    Some((from, notice)) => account.notice == notice && *from == event.actor,
                    None => epoch == Some(account.epoch),
                };
                check(Rule::Completion, held && named, || {
                    format!("{} completed it with epoch {epoch:?}: {account:?}", event.actor)
                })?;
            }
        }
        let mut account = match known {
            Some(account) => account.clone(),
            None if data.draft.is_some() => Account::new(event, &data),
            None => {
                let blank = event.event == "refused" && event.seq == 0 && event.from.is_none();
                check(Rule::Chain, blank, || format!("{event:?} is about no task"))?;
                check(Rule::Verdicts, verdicts == asker, || {
                    format!("{verdicts:?} {asker:?}")
                })?;
                judge::compare(judged, &event.event, &data, None)?;
                return self.register(&data.follows);
            }
        };
        account.was_told(event, bus)?;
        account.advance(event, &data, known.is_some())?;
        let state = known.map(|known| known.state);
        judge::compare(judged, &event.event, &data, state)?;
        let answered = || format!("{verdicts:?} {asker:?}");
        check(Rule::Verdicts, verdicts == asker, answered)?;
        account.check_follows(known, &data)?;
        self.tally.refused += u64::from(data.error.is_some());
        self.tally.completed +=
            u64::from(account.state == TaskState::Completed && state != Some(account.state));
        self.settled(&account, event)?;
        self.accounts.extend(id.map(|id| (id, account)));
        self.register(&data.follows)
    }

    /// Who wrote the message of which an event came, and to which notice it replies. Messages and receipts count once,
    /// messages in order.
    pub(crate) fn replier<'a>(
        &mut self,
        bus: &'a Bus,
        event: &Event,
    ) -> Result<Option<(&'a AgentId, Option<Id>)>, Broken> {
        let seq = event.cause.seq.unwrap_or_default();
        let fresh = match event.cause.kind {
            CauseType::Message => seq > std::mem::replace(&mut self.told, seq),
            CauseType::Receipt => self.noted.insert(seq),
            _ => return Ok(None),
        };
        check(Rule::Decisions, fresh, || format!("{seq} counts again"))?;
        let n = usize::try_from(seq - 1).unwrap();
        if event.cause.kind == CauseType::Receipt {
            let known = bus.receipts.get(n).map(|(id, ..)| *id);
            check(Rule::Decisions, known == event.cause.id, || {
                format!("receipt {seq} is {known:?}")
            })?;
            return Ok(None);
        }
        let message = bus.messages.get(n);
        let Some(message) = message.filter(|message| Some(message.id) == event.cause.id) else {
            return fail(Rule::Decisions, format!("message {seq} is {message:?}"));
        };
        Ok(Some((&message.from_agent, message.in_reply_to())))
    }

    /// What became of that on which it depends.
    fn settled(&self, account: &Account, event: &Event) -> Result<(), Broken> {
        if event.event != "ready" {
            return Ok(());
        }
        let state = |id: &Id| self.accounts.get(id).map(|account| account.state);
        let done = account
            .depends_on
            .iter()
            .all(|id| state(id) == Some(TaskState::Completed));
        let failed = account
            .depends_on
            .iter()
            .any(|id| matches!(state(id), Some(TaskState::Failed | TaskState::Cancelled)));
        let fits = if account.state == TaskState::Pending {
            done
        } else {
            failed
        };
        check(Rule::Table, fits, || format!("ready too early: {account:?}"))
    }

    pub(crate) fn register(&mut self, follows: &[Follow]) -> Result<(), Broken> {
        for follow in follows {
            let before = self.follows.insert(follow.id, (follow.clone(), None));
            check(Rule::Verdicts, before.is_none(), || {
                format!("{follow:?} {before:?}")
            })?;
        }
        Ok(())
    }

    /// A letter arrived at the server.
    pub(crate) fn published(&mut self, bus: &Bus, letter: &Letter) {
        let Some((follow, text)) = self.follows.get_mut(&letter.id) else {
            if bus.tells_of_reading(letter) {
                return;
            }
            let what = format!("{} follows from nothing in the log", letter.id);
            return self.broken(Rule::Unfounded, what);
        };
        let to = match &letter.subject {
            Subject::Message { to, from, .. } | Subject::Receipt { to, from, .. } => {
                (*from == AgentId::coordinator()).then_some(to)
            }
            Subject::Control { to } => Some(to),
            _ => None,
        };
        if to != Some(&follow.to) {
            let what = format!("{follow:?} went to {:?}", letter.subject);
            return self.broken(Rule::Unfounded, what);
        }
        if text.get_or_insert_with(|| letter.body.to_vec())[..] != letter.body[..] {
            let what = format!("{follow:?} was another letter before");
            self.broken(Rule::Bodies, what);
        }
    }

    /// What follows from the log and was never published.
    pub(crate) fn unpublished(&self, bus: &Bus) -> Option<String> {
        let mut missing = self
            .follows
            .values()
            .filter(|(follow, _)| !bus.was_published(&follow.id));
        missing
            .next()
            .map(|(follow, _)| format!("{follow:?} was never published"))
    }

    /// Why it is not all over: commands that wait, tasks that could go on.
    pub(crate) fn unrest(&self, commands: u64, declared: &[(&AgentId, &[CapabilityName])]) -> Option<String> {
        if self.decided < commands {
            return Some(format!("{} of {commands} commands are decided", self.decided));
        }
        let waits = |id: &Id| {
            self.accounts
                .get(id)
                .is_some_and(|account| !account.state.is_terminal())
        };
        let mut restless = self.accounts.iter().filter(|(_, account)| match account.state {
            TaskState::Pending => account.has_somebody(declared),
            TaskState::WaitingDependency => !account.depends_on.iter().any(waits),
            state => !state.is_terminal(),
        });
        let restless = restless
            .next()
            .map(|(id, account)| format!("task {id} does not go on: {account:?}"));
        restless.or_else(|| self.machines.unrest())
    }

    /// Whom the log says to hold a task.
    pub(crate) fn holder(&self, task: &Id) -> Option<AgentId> {
        self.accounts.get(task)?.holder.clone()
    }

    /// What somebody holds, with the number of the assignment.
    pub(crate) fn held_by(&self, agent: &AgentId) -> Vec<(Id, u64)> {
        let held = self
            .accounts
            .iter()
            .filter(|(_, account)| account.state.is_held() && account.holder.as_ref() == Some(agent));
        held.map(|(id, account)| (*id, account.epoch)).collect()
    }

    /// A standby has just read a line.
    pub(crate) fn compare_entry(&mut self, coordination: &Coordination, seq: u64) {
        let world = coordination.world();
        let entry = usize::try_from(seq - 1).ok().and_then(|n| self.entries.get(n));
        let Some(Some(entry)) = entry.filter(|_| world.last() == seq && !coordination.leads()) else {
            return;
        };
        if world.task(&entry.task.id) != Some(entry) {
            let what = format!("line {seq}: {entry:?} is {:?}", world.task(&entry.task.id));
            self.broken(Rule::Folds, what);
        }
    }

    /// Somebody who has read everything and decided nothing since knows what the log says; now and then all of it.
    pub(crate) fn compare_tip(&mut self, by: (usize, u64), coordination: &Coordination, chance: &mut Chance) {
        let world = coordination.world();
        // What a former leader decided was not stored.
        let is_true = !coordination.leads() || self.writer == Some(by);
        if is_true && world.last() == self.world.last() && chance.percent(3) {
            self.compare(world);
        }
    }

    pub(crate) fn compare(&mut self, world: &World) {
        let same = world.tasks().eq(self.world.tasks())
            && decided(world) == decided(&self.world)
            && world.at() == self.world.at()
            && (world.crew(), world.index()) == (self.world.crew(), self.world.index())
            && world.alerts() == self.world.alerts()
            && TaskState::ALL
                .iter()
                .all(|state| world.in_state(*state).eq(self.world.in_state(*state)));
        if !same {
            let pairs = world.tasks().zip(self.world.tasks());
            let differs = pairs.filter(|(one, other)| one != other).min_by_key(|_| 0);
            let heads = [world, &self.world].map(|w| (decided(w), w.at()));
            self.broken(Rule::Folds, format!("at {}: {heads:?} {differs:?}", world.last()));
        }
    }
}

pub(crate) fn check(rule: Rule, holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { fail(rule, what()) }
}

pub(crate) const fn fail<T>(rule: Rule, what: String) -> Result<T, Broken> {
    Err(Broken { rule, what })
}

fn decided(world: &World) -> [u64; 3] {
    ["WB_TASKS", "WB_MESSAGES", "WB_RECEIPTS"].map(|stream| world.last_decided(stream))
}
