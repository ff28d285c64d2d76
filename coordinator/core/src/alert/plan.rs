//! What is done about failures, as data: a class and its plan. A class that nobody planned for goes to a person.

use serde::Serialize;

/// Version of the table: part of what is stored, so that an old line says by which plan it was dealt with.
pub const PLANS_VERSION: u32 = 1;

/// A plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Version of the table that it is from.
    pub version: u32,
    /// Its name.
    pub name: &'static str,
    /// What is done, in order.
    pub steps: &'static [&'static str],
    /// Whether a person is called, by the rule `failure`.
    pub escalates: bool,
}

/// Its tasks go on elsewhere.
const RELEASE: Plan = Plan {
    version: PLANS_VERSION,
    name: "release",
    steps: &[
        "alert agent_lost",
        "release its tasks: pending again, or failed at the last attempt",
        "assign them to others",
        "keep its mail in its inbox until it is back",
    ],
    escalates: false,
};

/// Who asked for it decides.
const RETURN: Plan = Plan {
    version: PLANS_VERSION,
    name: "return",
    steps: &["tell the submitter: task.failed", "fail what depends on it"],
    escalates: false,
};

/// Nothing is lost: the letter keeps the message.
const KEEP: Plan = Plan {
    version: PLANS_VERSION,
    name: "keep",
    steps: &[
        "alert dead_letter",
        "keep the message in WB_DLQ until the operator retries or drops it",
    ],
    escalates: false,
};

/// Nobody planned for it.
const ESCALATE: Plan = Plan {
    version: PLANS_VERSION,
    name: "escalate",
    steps: &["alert failure"],
    escalates: true,
};

/// The plan for a class of failures.
pub fn plan(class: &str) -> Plan {
    match class {
        "agent_lost" => RELEASE,
        "task_failed" => RETURN,
        "dead_letter" => KEEP,
        _ => ESCALATE,
    }
}
