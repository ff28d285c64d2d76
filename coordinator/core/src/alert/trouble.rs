//! Failures of an agent: those that the leader found and did not write down yet, and what the log says of them.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wagglebus_schemas::failure::{Component, Failure, FailureClass, Severity};
use wagglebus_schemas::limits::TASK_DEPTH_MAX;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use crate::log::Source;

/// Most lines about failures of one sweep.
const LINES_MAX: usize = 256;
/// What says in the evidence for how many reports a line stands, where these are more than one.
pub(super) const REPORTS: &str = "reports";
/// Longest detail of a failure that is written down, in characters.
const DETAIL_CHARS_MAX: usize = 1_000;
/// Longest evidence of one, as encoded.
const EVIDENCE_BYTES_MAX: usize = 16 * 1024;

/// What the log says of the failures of one class at one agent, since the last alert about them was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Whose.
    pub agent: AgentId,
    /// What failed.
    pub class: String,
    /// Whether a person is called.
    pub escalates: bool,
    /// How many.
    pub count: u64,
    /// The first.
    pub since: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// What was said of the last.
    pub detail: String,
}

/// How far the streams that tell of failures were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Read {
    /// Sequence of the last dead letter in `WB_DLQ`.
    pub dead_letters: u64,
    /// Sequence of the last report in `WB_TASKS`.
    pub reports: u64,
}

impl Read {
    /// A stream is another one, and was read up to here.
    pub(super) const fn renewed(&mut self, source: Source, read: u64) {
        match source {
            Source::DeadLetters => self.dead_letters = read,
            Source::Reports => self.reports = read,
            Source::Commands | Source::Messages | Source::Receipts => {}
        }
    }
}

/// What was found and is not written down. A thousand dead letters of one agent within one sweep are one line, and so are a
/// thousand reports of one class.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    letters: BTreeMap<AgentId, Letters>,
    reports: BTreeMap<(AgentId, FailureClass), Reports>,
    /// What was found up to some time, of which a part is written down.
    due: VecDeque<Failure>,
    /// How far was read by then.
    due_read: Read,
    /// How far was read.
    pub read: Read,
}

/// Reports of one agent about one class.
#[derive(Debug, Clone, PartialEq)]
struct Reports {
    count: u64,
    last: Failure,
}

/// Dead letters of one agent.
#[derive(Debug, Clone, PartialEq)]
struct Letters {
    count: u64,
    reasons: BTreeMap<&'static str, u64>,
    first: Timestamp,
}

impl Found {
    /// A dead letter.
    pub fn letter(&mut self, seq: u64, agent: AgentId, reason: DeadReason, at: Timestamp) {
        if seq <= self.read.dead_letters {
            return;
        }
        self.read.dead_letters = seq;
        // What the operator says about letters, and what nobody is to have: nothing was lost by these.
        if matches!(reason, DeadReason::Operator | DeadReason::Superseded) {
            return;
        }
        let letters = self.letters.entry(agent).or_insert_with(|| Letters {
            count: 0,
            reasons: BTreeMap::new(),
            first: at,
        });
        letters.count += 1;
        *letters.reasons.entry(reason.as_str()).or_default() += 1;
    }

    /// A report.
    pub fn report(&mut self, seq: u64, failure: Option<Failure>) {
        if seq <= self.read.reports {
            return;
        }
        self.read.reports = seq;
        let Some(failure) = failure else { return };
        let key = (failure.agent.clone(), failure.class);
        let before = self.reports.get(&key).map_or(0, |reports| reports.count);
        let reports = Reports {
            count: before + 1,
            last: failure,
        };
        self.reports.insert(key, reports);
    }

    /// A stream is another one, and was read up to here.
    pub fn renewed(&mut self, source: Source, read: u64) {
        self.read.renewed(source, read);
        self.due_read.renewed(source, read);
    }

    /// The failures that are to be written down now, each with how far was read once it is: before the last of those that
    /// were found together that is as far as `before`, for what is written only in part is read again.
    pub fn take(
        &mut self,
        mut fresh: impl FnMut() -> Id,
        at: Timestamp,
        before: Read,
    ) -> Vec<(Failure, Read)> {
        if self.due.is_empty() {
            let letters = std::mem::take(&mut self.letters).into_iter();
            self.due
                .extend(letters.map(|(agent, letters)| letters.failure(agent, fresh(), at)));
            let reports = std::mem::take(&mut self.reports).into_values();
            self.due.extend(reports.map(Reports::failure));
            self.due_read = self.read;
        }
        let mut failures = Vec::new();
        while failures.len() < LINES_MAX
            && let Some(failure) = self.due.pop_front()
        {
            let last = self.due.is_empty();
            failures.push((failure, if last { self.due_read } else { before }));
        }
        failures
    }
}

impl Reports {
    /// The last of them stands for all.
    fn failure(self) -> Failure {
        let mut failure = bounded(self.last);
        // How many it stands for is ours to say.
        failure.evidence.remove(REPORTS);
        if self.count > 1 {
            failure.evidence.insert(REPORTS.to_owned(), json!(self.count));
        }
        failure
    }
}

impl Letters {
    fn failure(self, agent: AgentId, id: Id, at: Timestamp) -> Failure {
        let count = self.count;
        let messages = if count == 1 { "message" } else { "messages" };
        let reasons: Vec<&str> = self.reasons.keys().copied().collect();
        let evidence = [
            ("letters", json!(count)),
            ("reasons", json!(self.reasons)),
            ("first_at", json!(self.first)),
        ];
        Failure {
            id,
            component: Component::Agent,
            class: FailureClass::DeadLetter,
            severity: Severity::Error,
            detail: format!(
                "{count} {messages} to {agent} became dead letters: {}",
                reasons.join(", ")
            ),
            agent,
            evidence: evidence
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
            correlation: None,
            at,
        }
    }
}

/// A failure as it may stand in the log: what an agent says of itself must make no line that the log does not take, or that
/// nobody can read. Evidence is for programs, and half of it is none.
fn bounded(failure: Failure) -> Failure {
    let bytes = serde_json::to_vec(&failure.evidence).map_or(usize::MAX, |bytes| bytes.len());
    let depth = failure.evidence.values().map(wagglebus_schemas::depth).max();
    let fits = bytes <= EVIDENCE_BYTES_MAX && depth.is_none_or(|depth| depth < TASK_DEPTH_MAX);
    let evidence = if fits {
        failure.evidence
    } else {
        [("left_out_bytes".to_owned(), json!(bytes))]
            .into_iter()
            .collect()
    };
    Failure {
        detail: shortened(&failure.detail),
        evidence,
        ..failure
    }
}

fn shortened(detail: &str) -> String {
    let mut chars = detail.chars();
    let mut short: String = chars.by_ref().take(DETAIL_CHARS_MAX).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// An agent that is lost.
pub fn lost(
    agent: &AgentId,
    summary: &str,
    evidence: &serde_json::Map<String, Value>,
    id: Id,
    at: Timestamp,
) -> Failure {
    Failure {
        id,
        agent: agent.clone(),
        component: Component::Agent,
        class: FailureClass::AgentLost,
        severity: Severity::Error,
        detail: summary.to_owned(),
        evidence: evidence.clone(),
        correlation: None,
        at,
    }
}

/// A task that was given up by, or taken from, this agent at the last attempt.
pub fn given_up(task: Id, agent: &AgentId, why: &str, id: Id, at: Timestamp) -> Failure {
    Failure {
        id,
        agent: agent.clone(),
        component: Component::Agent,
        class: FailureClass::TaskFailed,
        severity: Severity::Error,
        detail: shortened(why),
        evidence: serde_json::Map::new(),
        correlation: Some(task),
        at,
    }
}
