//! The rules, as data.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use wagglebus_schemas::event::EventKind;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// An agent is gone, or was not heard of for too long.
    AgentLost,
    /// An urgent message lies unread.
    UrgentUnread,
    /// Messages to an agent were given up.
    DeadLetter,
    /// A program reported a failure for which there is no better plan than a person.
    Failure,
    /// The holder of a task says nothing about it.
    TaskStuck,
    /// A deadline is past.
    TaskOverdue,
    /// A deadline will be missed at the usual pace.
    TaskAtRisk,
    /// A task waits, and nobody is there who could do it.
    TaskUnassigned,
}

/// A rule with its numbers, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// What kind of thing it is about.
    pub about: EventKind,
    /// What must hold, with `limit`.
    pub condition: &'static str,
    /// The number in the condition.
    pub limit_ms: u64,
    /// How long it must hold before it is told.
    pub for_ms: u64,
    /// How long it must not hold before it is over: what comes and goes faster is one episode.
    pub resolve_after_ms: u64,
}

/// Every rule with its numbers, in the order of [`Rule`].
const SPECS: [(Rule, Spec); 8] = [
    (
        Rule::AgentLost,
        Spec {
            name: "agent_lost",
            about: EventKind::Agent,
            condition: "lost for longer than the limit, and its sidecar did not say that it ends",
            limit_ms: 0,
            for_ms: 0,
            resolve_after_ms: 10_000,
        },
    ),
    (
        Rule::UrgentUnread,
        Spec {
            name: "urgent_unread",
            about: EventKind::Agent,
            condition: "its oldest unread urgent message is older than the limit",
            limit_ms: 60_000,
            for_ms: 0,
            resolve_after_ms: 5_000,
        },
    ),
    (
        Rule::DeadLetter,
        Spec {
            name: "dead_letter",
            about: EventKind::Agent,
            condition: "mail to it became a dead letter within the limit",
            limit_ms: 600_000,
            for_ms: 0,
            resolve_after_ms: 0,
        },
    ),
    (
        Rule::Failure,
        Spec {
            name: "failure",
            about: EventKind::Agent,
            condition: "it reported a failure within the limit that only a person can mend",
            limit_ms: 600_000,
            for_ms: 0,
            resolve_after_ms: 0,
        },
    ),
    (
        Rule::TaskStuck,
        Spec {
            name: "task_stuck",
            about: EventKind::Task,
            condition: "its holder has said nothing for the task's stall_ms and the limit",
            limit_ms: 0,
            for_ms: 0,
            resolve_after_ms: 0,
        },
    ),
    (
        Rule::TaskOverdue,
        Spec {
            name: "task_overdue",
            about: EventKind::Task,
            condition: "its deadline is past by the limit, and it is not at its end",
            limit_ms: 0,
            for_ms: 0,
            resolve_after_ms: 0,
        },
    ),
    (
        Rule::TaskAtRisk,
        Spec {
            name: "task_at_risk",
            about: EventKind::Task,
            condition: "what is left to do takes longer than the time to its deadline, less the limit",
            limit_ms: 0,
            for_ms: 2_000,
            resolve_after_ms: 5_000,
        },
    ),
    (
        Rule::TaskUnassigned,
        Spec {
            name: "task_unassigned",
            about: EventKind::Task,
            condition: "pending for longer than the limit, and nobody who could do it is there",
            limit_ms: 60_000,
            for_ms: 0,
            resolve_after_ms: 5_000,
        },
    ),
];

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 8] = [
        Self::AgentLost,
        Self::UrgentUnread,
        Self::DeadLetter,
        Self::Failure,
        Self::TaskStuck,
        Self::TaskOverdue,
        Self::TaskAtRisk,
        Self::TaskUnassigned,
    ];

    /// The rule with its numbers, as built in.
    pub const fn spec(self) -> &'static Spec {
        let [
            (_, lost),
            (_, urgent),
            (_, dead),
            (_, failure),
            (_, stuck),
            (_, overdue),
            (_, at_risk),
            (_, unassigned),
        ] = &SPECS;
        match self {
            Self::AgentLost => lost,
            Self::UrgentUnread => urgent,
            Self::DeadLetter => dead,
            Self::Failure => failure,
            Self::TaskStuck => stuck,
            Self::TaskOverdue => overdue,
            Self::TaskAtRisk => at_risk,
            Self::TaskUnassigned => unassigned,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        self.spec().name
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that no rule has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no alert rule {0:?}: the rules are {all}", all = Rule::ALL.map(Rule::as_str).join(", "))]
pub struct UnknownRule(String);

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or_else(|| UnknownRule(text.chars().take(80).collect()))
    }
}

/// What an operator chose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Limits that differ from the built-in ones, in milliseconds.
    pub limits_ms: BTreeMap<Rule, u64>,
    /// Whether the operator gets a message of each change.
    pub message: bool,
    /// Whether there is somebody else to be told: a webhook, a command.
    pub sinks: bool,
}

impl Settings {
    /// The number in a rule's condition.
    pub fn limit_ms(&self, rule: Rule) -> u64 {
        let chosen = self.limits_ms.get(&rule).copied();
        chosen.unwrap_or(rule.spec().limit_ms)
    }

    /// The same, for sums with times.
    pub fn limit(&self, rule: Rule) -> i64 {
        i64::try_from(self.limit_ms(rule)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_options_know_the_same_rules() {
        assert_eq!(
            Rule::ALL.map(Rule::as_str),
            wagglebus_schemas::alert_settings::RULES
        );
    }
}
