//! Which dead letters are meant.

use wagglebus_schemas::AgentId;
use wagglebus_schemas::reason::DeadReason;

use super::letters::Found;
use crate::filter::{Moment, moment, now};
use crate::value;

/// Chooses dead letters; every option narrows the choice.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Choice {
    /// Only those of this recipient
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentId>,
    /// Only those that are dead for this reason
    #[arg(long, value_name = "REASON", value_parser = value::words::<DeadReason>(DeadReason::ALL.iter().map(|r| r.as_str())))]
    reason: Option<DeadReason>,
    /// Only those that were written before then: 7d ago, or a time such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    older: Option<Moment>,
}

impl Choice {
    /// Whether it is meant.
    pub(super) fn takes(&self, found: &Found) -> bool {
        let before = |older: Moment| found.letter.at < older.at(now());
        self.older.is_none_or(before)
            && self
                .agent
                .as_ref()
                .is_none_or(|agent| found.letter.agent == *agent)
            && self.reason.is_none_or(|reason| found.letter.reason == reason)
    }
}
