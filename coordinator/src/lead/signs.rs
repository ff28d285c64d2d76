//! What workers tell of the log beside events: metrics, and whether it takes lines.

use std::sync::Arc;

use tokio::sync::watch;

use crate::health::{Health, OK};
use crate::metrics::Metrics;

const FULL: &str = "full";

/// Where workers tell it.
#[derive(Debug, Clone)]
pub(crate) struct Signs {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: watch::Sender<Health>,
}

impl Signs {
    pub(crate) fn new(metrics: &Arc<Metrics>, health: &watch::Sender<Health>) -> Self {
        Self {
            metrics: metrics.clone(),
            health: health.clone(),
        }
    }

    /// The log takes no lines, or takes them again.
    pub(crate) fn log_full(&self, full: bool) {
        self.metrics.log_full(full);
        self.health.send_if_modified(|health| {
            if full {
                health.log(FULL)
            } else {
                health.checks.log == FULL && health.log(OK)
            }
        });
    }

    /// Lines are gone that no snapshot covers.
    pub(crate) fn log_incomplete(&self, first: u64, last: u64) {
        tracing::error!(
            first,
            last,
            "lines of the log are gone and no snapshot tells of them: what they said is lost"
        );
        self.health
            .send_if_modified(|health| health.log("incomplete: lines are gone that no snapshot covers"));
    }

    /// A snapshot cannot be used.
    pub(crate) fn snapshot_refused(&self, name: &str, reason: &str) {
        self.metrics.snapshot_refused();
        tracing::error!(
            snapshot = name,
            reason,
            "this snapshot of the log cannot be used; the next older one is tried"
        );
    }
}
