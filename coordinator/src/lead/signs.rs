//! What workers tell of the log beside events: metrics, and whether it takes lines.

use std::sync::Arc;

use tokio::sync::watch;

use crate::health::{Health, OK};
use crate::metrics::Metrics;

const FULL: &str = "full";
const INCOMPLETE: &str = "incomplete";
/// What makes a coordinator go on without lines that nobody can tell of.
pub(crate) const ACCEPT_LOSS: &str = "`wagglebus coordinator rebuild --accept-loss`";
const REFUSED: &str = "refuses what this coordinator writes";

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

    /// The log takes no line of ours, and will not; or it took one.
    pub(crate) fn log_refuses(&self, refuses: bool) {
        self.health.send_if_modified(|health| {
            if refuses {
                health.log(REFUSED)
            } else {
                health.checks.log == REFUSED && health.log(OK)
            }
        });
    }

    /// Lines are gone that no snapshot covers. It is said once.
    pub(crate) fn log_incomplete(&self, first: u64, last: u64) {
        let said = format!(
            "{INCOMPLETE}: lines {first} to {last} are gone, and no snapshot that this release can read tells of them; \
             {ACCEPT_LOSS} goes on without them"
        );
        if self.health.send_if_modified(|health| health.log(&said)) {
            tracing::error!("the log is {said}; until then this coordinator does not lead");
        }
    }

    /// No line is missing, or not any more.
    pub(crate) fn log_complete(&self) {
        self.health
            .send_if_modified(|health| health.checks.log.starts_with(INCOMPLETE) && health.log(OK));
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
