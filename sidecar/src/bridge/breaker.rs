//! The breaker of a bridge: asked by our clock, with a jitter, and told of in the log and in `/metrics`.

use prometheus_client::metrics::gauge::Gauge;
use wagglebus_breaker::{Breaker, Leave, Limits, State};

use crate::clock;

/// The breaker of a bridge.
#[derive(Debug)]
pub(super) struct BridgeBreaker {
    /// What it is around, for people.
    around: &'static str,
    breaker: Breaker,
    /// 1 while it is not closed.
    shown: Gauge,
}

impl BridgeBreaker {
    /// A closed breaker around something.
    pub(super) fn new(around: &'static str, limits: Limits, shown: Gauge) -> Self {
        shown.set(0);
        Self {
            around,
            breaker: Breaker::new(limits),
            shown,
        }
    }

    /// Whether everything is let through.
    pub(super) const fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Asks whether to try now.
    pub(super) fn ask(&mut self) -> Leave {
        let leave = self.breaker.ask(clock::now().mono_ms);
        if leave == Leave::Probe {
            tracing::info!("{} is tried once", self.around);
        }
        leave
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        if self.breaker.succeeded().is_some() {
            self.shown.set(0);
            tracing::info!("{} works again", self.around);
        }
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, why: &str) {
        let now_ms = clock::now().mono_ms;
        if let Some(State::Open { until_ms }) = self.breaker.failed(now_ms, Some(chance())) {
            self.shown.set(1);
            let pause_ms = until_ms.saturating_sub(now_ms);
            tracing::warn!(why, pause_ms, "{} keeps failing and is left alone", self.around);
        }
    }
}

/// Two random bytes: of a version 4 id the first ones.
fn chance() -> [u8; 2] {
    let [first, second, ..] = *uuid::Uuid::new_v4().as_bytes();
    [first, second]
}
