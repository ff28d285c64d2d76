//! Judges a run by its log, its commands and what everybody did and was told: pure.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::{CauseType, Event, EventKind};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::{AgentId, CapabilityName, Id};

use super::account::{Account, Did, task_of, told};
use super::facts::{Answer, CommandLine, Deed, Facts, Submitted};

/// Of 100 tasks, so many are completed at least; the others were failed for good, or their last attempt was struck.
const COMPLETED_PERCENT_MIN: usize = 95;

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// Everything that was not as it must be.
    pub(super) violations: Vec<String>,
    pub(super) completed: usize,
    pub(super) failed: usize,
    /// Assignments and claims.
    pub(super) given: usize,
    /// Times that a task was taken from a holder that was lost or silent.
    pub(super) released: usize,
    /// Commands that were refused.
    pub(super) refused: usize,
    /// Times that somebody began to lead.
    pub(super) leaders: usize,
}

struct Judge<'f> {
    facts: &'f Facts,
    planned: BTreeMap<Id, &'f Submitted>,
    commands: BTreeMap<u64, &'f CommandLine>,
    accounts: BTreeMap<Id, Account>,
    decided: u64,
    found: Judgement,
}

/// Judges.
pub(super) fn judge(facts: &Facts) -> Judgement {
    let mut judge = Judge {
        facts,
        planned: facts.submitted.iter().map(|task| (task.id, task)).collect(),
        commands: facts
            .commands
            .iter()
            .map(|command| (command.seq, command))
            .collect(),
        accounts: BTreeMap::new(),
        decided: 0,
        found: Judgement::default(),
    };
    judge.lines();
    judge.ends();
    judge.deeds();
    judge.news();
    judge.found
}

impl Judge<'_> {
    fn violation(&mut self, what: String) {
        self.found.violations.push(what);
    }

    fn lines(&mut self) {
        let mut last: Option<(u64, wagglebus_schemas::Timestamp)> = None;
        for line in &self.facts.lines {
            let (seq, event) = (line.seq, &line.event);
            let expected = last.map_or(1, |(seq, _)| seq + 1);
            if seq != expected {
                self.violation(format!("line {seq} of the log comes where {expected} is next"));
            }
            if last.is_some_and(|(_, at)| event.at < at) {
                self.violation(format!("line {seq} is older than the one before"));
            }
            last = Some((seq, event.at));
            self.found.leaders += usize::from(event.entity == EventKind::Leader);
            let command = self.command(seq, event);
            if event.entity == EventKind::Task {
                let (task, line) = (event.entity_id.clone(), seq);
                if let Err(what) = self.task(event, command) {
                    self.violation(format!("task {task}, line {line}: {what}"));
                }
            }
        }
        let known = self.commands.keys().next_back().copied().unwrap_or(0);
        if self.decided < known {
            self.violation(format!(
                "commands {} to {known} were never decided",
                self.decided + 1
            ));
        }
    }

    /// The command that an event decides: each is decided once, in their order.
    fn command(&mut self, line: u64, event: &Event) -> Option<CommandLine> {
        if event.cause.kind != CauseType::Command {
            return None;
        }
        // What only follows from it, such as where its agent stands then, names no place in the stream.
        let Some(seq) = event.cause.seq.filter(|seq| *seq > 0) else {
            if event.entity == EventKind::Task {
                self.violation(format!("line {line} decides a command that it does not name"));
            }
            return None;
        };
        let missed = self
            .commands
            .range(self.decided + 1..seq.max(self.decided + 1))
            .next()
            .map(|(seq, _)| *seq);
        if seq <= self.decided {
            self.violation(format!(
                "line {line}: command {seq} is decided again after {}",
                self.decided
            ));
        } else if let Some(missed) = missed {
            self.violation(format!(
                "line {line}: command {seq} is decided, and {missed} before it was not"
            ));
        }
        self.decided = self.decided.max(seq);
        let command = self.commands.get(&seq).map(|command| (*command).clone());
        match &command {
            None => self.violation(format!("line {line} decides command {seq}, which does not exist")),
            Some(command) => {
                let word = event.event == command.verb.as_str() || event.event == "refused";
                if event.actor != command.from || !word {
                    let (from, verb) = (&command.from, command.verb);
                    let told = told(event);
                    self.violation(format!("line {line}: {told} came of {verb} by {from}"));
                }
            }
        }
        self.found.refused += usize::from(event.event == "refused");
        command
    }

    fn task(&mut self, event: &Event, command: Option<CommandLine>) -> Result<(), String> {
        let Some(id) = task_of(event) else {
            return Err("it is no task's id".to_owned());
        };
        let Some(account) = self.accounts.get_mut(&id) else {
            if event.event == "refused" && event.seq == 0 {
                return Ok(());
            }
            self.accounts.insert(id, Account::new(event)?);
            return Ok(());
        };
        let did = account.advance(event, command.as_ref())?;
        let (state, holder) = (account.state, account.holder.clone());
        match did {
            Did::Given => {
                self.found.given += 1;
                self.fits(&id, holder.as_ref())
            }
            Did::Moved => {
                self.found.released += usize::from(event.event == "release");
                if event.event == "ready" {
                    self.ready(&id, state)
                } else {
                    Ok(())
                }
            }
            Did::Nothing => Ok(()),
        }
    }

    /// Who was given a task can do it.
    fn fits(&self, id: &Id, holder: Option<&AgentId>) -> Result<(), String> {
        let needed: &[CapabilityName] = self.planned.get(id).map_or(&[], |task| &task.capabilities);
        let able = holder.and_then(|holder| self.facts.able.get(holder));
        let lacks = needed
            .iter()
            .find(|name| !able.is_some_and(|able| able.contains(*name)));
        match lacks {
            None => self.ready(id, TaskState::Pending),
            Some(lacks) => Err(format!("was given to {holder:?}, who cannot do {lacks}")),
        }
    }

    /// What it depends on was completed before it goes on; or not, before it is given up for that.
    fn ready(&self, id: &Id, state: TaskState) -> Result<(), String> {
        let depends_on: &[Id] = self.planned.get(id).map_or(&[], |task| &task.depends_on);
        let state_of = |id: &Id| self.accounts.get(id).map(|account| account.state);
        let fits = if state == TaskState::Pending {
            depends_on
                .iter()
                .all(|id| state_of(id) == Some(TaskState::Completed))
        } else {
            let lost = [Some(TaskState::Failed), Some(TaskState::Cancelled)];
            depends_on.iter().any(|id| lost.contains(&state_of(id)))
        };
        fits.then_some(())
            .ok_or_else(|| format!("became {state} before what it depends on was settled"))
    }

    /// Every task came to an end, and nearly all to a good one.
    fn ends(&mut self) {
        let mut violations = Vec::new();
        for id in self.planned.keys() {
            match self.accounts.get(id).map(|account| account.state) {
                None => violations.push(format!("task {id} is not in the log")),
                Some(TaskState::Completed) => self.found.completed += 1,
                Some(TaskState::Failed | TaskState::Cancelled) => self.found.failed += 1,
                Some(state) => violations.push(format!("task {id} did not come to an end: it is {state}")),
            }
        }
        let (completed, all) = (self.found.completed, self.planned.len());
        if completed * 100 <= all * COMPLETED_PERCENT_MIN {
            violations.push(format!(
                "{completed} of {all} tasks were completed, which is not more than {COMPLETED_PERCENT_MIN} %"
            ));
        }
        self.found.violations.extend(violations);
    }

    /// Nobody was told that something was done which the log does not have, and results are what their holders gave.
    fn deeds(&mut self) {
        let mut gave: BTreeMap<Id, Vec<&Deed>> = BTreeMap::new();
        let mut violations = Vec::new();
        for deed in &self.facts.deeds {
            let completes = matches!(deed.verb, None | Some(TaskVerb::Complete));
            if !completes {
                continue;
            }
            gave.entry(deed.task).or_default().push(deed);
            let Answer::Done { state } = deed.answer else {
                continue;
            };
            let completed = self
                .accounts
                .get(&deed.task)
                .and_then(|account| account.completed.as_ref());
            let own = completed
                .is_some_and(|completed| completed.by == deed.agent && Some(completed.epoch) == deed.epoch);
            if !own || state != TaskState::Completed {
                violations.push(format!(
                    "task {}: {} was told that it completed it in epoch {:?}, and the log says {completed:?}",
                    deed.task, deed.agent, deed.epoch
                ));
            }
        }
        for (id, account) in &self.accounts {
            let Some(completed) = &account.completed else {
                continue;
            };
            let given = gave.get(id).into_iter().flatten().any(|deed| {
                deed.agent == completed.by
                    && deed.epoch == Some(completed.epoch)
                    && deed.result == completed.result
            });
            if !given {
                violations.push(format!(
                    "task {id} has a result that its holder never gave: {completed:?}"
                ));
            }
        }
        self.found.violations.extend(violations);
    }

    /// Each submitter was told once of each end.
    fn news(&mut self) {
        let mut told: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        for (task, notice) in &self.facts.told {
            told.entry(*task).or_default().insert(*notice);
        }
        let mut violations = Vec::new();
        for (id, account) in &self.accounts {
            let count = told.get(id).map_or(0, BTreeSet::len);
            if count != usize::from(account.state.is_terminal()) {
                violations.push(format!(
                    "{} was told {count} times that task {id} ended",
                    account.submitter
                ));
            }
        }
        self.found.violations.extend(violations);
    }
}
