//! Reports of failures: as many, as long and as deep as agents may make them.

use std::collections::BTreeMap;

use serde_json::json;
use wagglebus_coordinator_core::alert::AlertNews;
use wagglebus_coordinator_core::task::FreshIds as _;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::failure::Failure;
use wagglebus_schemas::limits::JSON_DEPTH_MAX;

use crate::limits::nested;
use crate::node::WALL_MS;
use crate::sim::{Due, Sim, What};

/// Of which class they are here: one that the coordinator finds nothing of by itself.
const CLASS: &str = "refused";

/// Reports of each agent that the log tells of.
#[derive(Debug, Default)]
pub(crate) struct Written(BTreeMap<AgentId, u64>);

impl Written {
    /// A line about a failure.
    pub(crate) fn line(&mut self, event: &Event) {
        let failure = &event.data["failure"];
        if failure["class"] == CLASS {
            let agent = failure["agent"].as_str().unwrap().parse().unwrap();
            *self.0.entry(agent).or_default() += failure["evidence"]["reports"].as_u64().unwrap_or(1);
        }
    }

    /// Reports that the log does not tell of. What was written only in part is written again.
    pub(crate) fn missing(&self, reports: &[Failure]) -> Option<String> {
        let mut counts: BTreeMap<&AgentId, u64> = BTreeMap::new();
        for failure in reports {
            *counts.entry(&failure.agent).or_default() += 1;
        }
        let written = |agent: &AgentId| self.0.get(agent).copied().unwrap_or(0);
        let mut missing = counts
            .into_iter()
            .filter(|(agent, count)| written(agent) < *count);
        missing
            .next()
            .map(|(agent, count)| format!("{count} reports of {agent}, {} written", written(agent)))
    }
}

impl Sim {
    pub(crate) fn plan_reports(&mut self) {
        for _ in 0..self.chance.below(4) {
            let after = self.chance.between(1_000, 80_000);
            self.after(after, Due::Report);
        }
    }

    /// Somebody reports something, sometimes again and again.
    pub(crate) fn report(&mut self) {
        let at = self.chance.below(self.agents.len());
        let agent = self.agents[at].name.clone();
        let many = self.chance.pick(&[1, 1, 30]);
        self.note(|| format!("{many} reports of {agent}"));
        let (detail, evidence) = match self.chance.below(6) {
            0 => ("d".repeat(500_000), json!({})),
            1 => ("\u{1}".repeat(80_000), json!({})),
            2 => ("many".to_owned(), json!({"numbers": vec![1e15; 90_000]})),
            3 => ("deep".to_owned(), json!({"nested": nested(JSON_DEPTH_MAX - 2)})),
            _ => ("plain".to_owned(), json!({"reports": 1_000})),
        };
        for _ in 0..many {
            let report = json!({
                "id": self.ids.fresh(), "agent": agent, "component": "sidecar", "class": CLASS, "severity": "error",
                "detail": detail, "evidence": evidence,
                "at": wagglebus_schemas::Timestamp::from_unix_ms(WALL_MS).unwrap(),
            });
            self.bus.reports.push(serde_json::from_value(report).unwrap());
        }
        for at in 0..self.nodes.len() {
            if self.nodes[at].up {
                let delay = self.delay();
                self.node_in(at, delay, What::Letters);
            }
        }
    }

    pub(crate) fn read_reports(&mut self, at: usize) {
        while let Some(read) = self.nodes[at].reports
            && let Some(failure) = usize::try_from(read)
                .ok()
                .and_then(|n| self.bus.reports.get(n))
                .cloned()
        {
            self.nodes[at].reports = Some(read + 1);
            let news = AlertNews::Report {
                seq: read + 1,
                failure: Some(Box::new(failure)),
            };
            self.alert_news(at, news);
        }
    }
}
