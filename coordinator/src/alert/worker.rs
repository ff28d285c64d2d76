//! The worker of one sink: tells it everything in order, tries again, and leaves it alone while it keeps failing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::time::{Instant, sleep};
use wagglebus_breaker::{Breaker, Leave, Limits, State};

use super::notice::Notice;
use super::{Untold, Way};
use crate::metrics::Metrics;

/// How often one change is tried.
const ATTEMPTS_MAX: u32 = 7;
/// Pause before the second attempt. It doubles up to the last: about a minute in all.
const RETRY_AFTER: Duration = Duration::from_millis(500);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// When a sink is left alone: after so many changes in a row that were given up. One may be to blame itself; what is
/// tried after that is a single attempt at a time.
const DEAD: Limits = Limits {
    failures: 2,
    within_ms: None,
    open_ms: 30_000,
    open_max_ms: 300_000,
};

/// The worker of one sink.
#[derive(Debug)]
pub(super) struct Worker {
    way: Way,
    breaker: Breaker,
    /// What the breaker counts time from.
    began: Instant,
    metrics: Arc<Metrics>,
}

impl Worker {
    pub(super) fn new(way: Way, metrics: Arc<Metrics>) -> Self {
        metrics.breaker_open(way.name(), false);
        Self {
            way,
            breaker: Breaker::new(DEAD),
            began: Instant::now(),
            metrics,
        }
    }

    /// Tells everything, in order. `done` hears of each change that was told or given up.
    pub(super) async fn serve(
        mut self,
        mut waiting: Receiver<(u64, Arc<Notice>)>,
        done: UnboundedSender<u64>,
    ) {
        while let Some((seq, notice)) = waiting.recv().await {
            let told = self.tell(&notice).await;
            self.metrics.alert_told(self.way.name(), told);
            if done.send(seq).is_err() {
                return;
            }
        }
    }

    /// Tries until it is told, or given up. While the sink is left alone that takes longer, and no more attempts.
    async fn tell(&mut self, notice: &Notice) -> bool {
        let (sink, event) = (self.way.name(), notice.id);
        let mut pause = RETRY_AFTER;
        for attempt in 1..=ATTEMPTS_MAX {
            self.leave().await;
            match self.way.tell(notice).await {
                Ok(()) => {
                    self.answered();
                    tracing::info!(sink, %event, rule = notice.alert.rule, transition = %notice.transition, "told");
                    return true;
                }
                Err(Untold::Again(why)) if attempt < ATTEMPTS_MAX => {
                    tracing::info!(sink, %event, attempt, why, "not told; trying again");
                    if self.breaker.is_closed() {
                        sleep(pause).await;
                        pause = RETRY_AFTER_MAX.min(pause * 2);
                    } else {
                        self.failed();
                    }
                }
                Err(error) => {
                    match &error {
                        Untold::Again(_) => self.failed(),
                        // It refuses this one, and is there.
                        Untold::Never(_) => self.answered(),
                    }
                    tracing::warn!(sink, %event, attempt, why = %error, "given up: a change of an alert is not told");
                    return false;
                }
            }
        }
        false
    }

    /// Waits until the sink may be tried.
    async fn leave(&mut self) {
        while let Leave::No { until_ms } = self.breaker.ask(self.now_ms()) {
            // Nobody but this worker probes.
            let pause_ms = until_ms.map_or(0, |until_ms| until_ms.saturating_sub(self.now_ms()));
            sleep(Duration::from_millis(pause_ms.max(1))).await;
        }
    }

    fn answered(&mut self) {
        if self.breaker.succeeded().is_some() {
            let sink = self.way.name();
            self.metrics.breaker_open(sink, false);
            tracing::info!(sink, "a sink of alerts works again");
        }
    }

    fn failed(&mut self) {
        let now_ms = self.now_ms();
        if let Some(State::Open { until_ms }) = self.breaker.failed(now_ms, None) {
            let (sink, pause_ms) = (self.way.name(), until_ms.saturating_sub(now_ms));
            self.metrics.breaker_open(sink, true);
            tracing::warn!(sink, pause_ms, "a sink of alerts keeps failing and is left alone");
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use wagglebus_coordinator_core::alert::Told;

    use super::*;

    /// A sink that fails so often, and then tells; each attempt is noted.
    #[derive(Debug, Clone)]
    pub(crate) struct Script {
        state: Arc<Mutex<(u32, Vec<Duration>)>>,
        began: Instant,
        refuses: bool,
    }

    impl Script {
        pub(crate) fn failing(times: u32) -> Self {
            Self {
                state: Arc::new(Mutex::new((times, Vec::new()))),
                began: Instant::now(),
                refuses: false,
            }
        }

        pub(in crate::alert) fn tell(&self, _: &Notice) -> Result<(), Untold> {
            let mut state = self.state.lock().unwrap();
            state.1.push(self.began.elapsed());
            if state.0 == 0 {
                return if self.refuses {
                    Err(Untold::Never("no".to_owned()))
                } else {
                    Ok(())
                };
            }
            state.0 -= 1;
            Err(Untold::Again("it is dead".to_owned()))
        }

        fn attempts(&self) -> Vec<Duration> {
            self.state.lock().unwrap().1.clone()
        }
    }

    pub(crate) fn told(seq: u64) -> Told {
        let alert = include_str!("../../../schemas/fixtures/v1/alert/full.json");
        Told {
            seq,
            alert: serde_json::from_str(alert).unwrap(),
        }
    }

    fn notice() -> Notice {
        Notice::of(&"wb".parse().unwrap(), told(1).alert)
    }

    fn worker(script: &Script) -> (Worker, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        (Worker::new(Way::Script(script.clone()), metrics.clone()), metrics)
    }

    fn is_open(metrics: &Metrics) -> bool {
        metrics.render().contains("breaker_open{sink=\"script\"} 1")
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_sink_is_left_alone_after_two_changes_and_then_tried_once_at_a_time() {
        // Two changes that are given up, three probes, and an answer.
        let script = Script::failing(2 * ATTEMPTS_MAX + 3);
        let (mut worker, metrics) = worker(&script);
        assert!(!worker.tell(&notice()).await);
        assert!(!is_open(&metrics), "one may be to blame itself");
        assert!(!worker.tell(&notice()).await);
        assert!(is_open(&metrics));
        let opened = script.began.elapsed();
        assert!(worker.tell(&notice()).await, "it waited");
        assert!(!is_open(&metrics));
        let probes: Vec<u64> = script.attempts()[14..]
            .iter()
            .map(|at| (*at - opened).as_secs())
            .collect();
        assert_eq!(probes, [30, 90, 210, 450]);
        let before = script.began.elapsed();
        assert!(worker.tell(&notice()).await);
        assert_eq!(script.began.elapsed(), before, "and then all is as before");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_tried_seven_times_however_long_that_takes() {
        let script = Script::failing(u32::MAX);
        let (mut worker, metrics) = worker(&script);
        for number in 1..=4 {
            assert!(!worker.tell(&notice()).await);
            assert_eq!(script.attempts().len(), number * 7);
        }
        assert!(is_open(&metrics));
    }

    #[tokio::test(start_paused = true)]
    async fn who_refuses_is_there() {
        let mut script = Script::failing(2 * ATTEMPTS_MAX);
        script.refuses = true;
        let (mut worker, metrics) = worker(&script);
        worker.tell(&notice()).await;
        worker.tell(&notice()).await;
        assert!(is_open(&metrics));
        assert!(!worker.tell(&notice()).await);
        assert!(!is_open(&metrics));
    }
}
