//! Keeps one nats-server running: starts it, watches it, starts it again. The rules are in [`Watchdog`].

use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::monitor::{Health, Scope};
use super::ports::Ports;
use super::process::{Launch, ServerProcess, StartError};
use super::watchdog::{Limits, Watchdog};

/// A process that ends closes its ports a moment before it has ended; that is no illness.
const ENDING: Duration = Duration::from_millis(100);

/// What happens to a supervised server.
#[derive(Debug)]
pub enum Event {
    /// It is ready. From the second time on the ports are those of the first.
    Started {
        /// Process id of nats-server.
        pid: u32,
        /// Where it listens.
        ports: Ports,
    },
    /// A start failed; there will be another one.
    StartFailed(StartError),
    /// It ended without being asked to.
    Ended(ExitStatus),
    /// It is not well; told once per reason. It is replaced if this lasts.
    Ill(String),
    /// It is well again by itself.
    Recovered,
    /// It is ended because it is not well.
    Replacing,
    /// It is started again after this time.
    Restarting(Duration),
}

/// The server never came up; nothing runs.
#[derive(Debug, thiserror::Error)]
#[error("nats-server could not be started in {starts} attempts")]
pub struct GaveUp {
    /// How often it was tried.
    pub starts: u32,
    /// Why the last one failed.
    #[source]
    pub last: StartError,
}

/// Runs a server until `stop` is ready, and ends it in good order then.
///
/// After the first start its ports stay. `report` is called from inside and must not block. Dropping the future leaves
/// or kills the server as [`Launch::bound`] says.
///
/// # Errors
/// When the server cannot be started at all. A server that ran once is started again for as long as it takes.
pub async fn supervise(
    launch: Launch,
    limits: Limits,
    stop: impl Future<Output = ()>,
    report: impl FnMut(Event),
) -> Result<(), GaveUp> {
    let watchdog = Watchdog::new(limits);
    let mut supervisor = Supervisor {
        launch,
        limits,
        watchdog,
        began: Instant::now(),
        report,
    };
    let mut stop = pin!(stop);
    let mut next_start = Duration::ZERO;
    loop {
        let mut process = select! {
            () = &mut stop => return Ok(()),
            started = supervisor.start(next_start) => started?,
        };
        let over = select! {
            () = &mut stop => None,
            over = supervisor.watch(&mut process) => Some(over),
        };
        match over {
            Some(Over::Ended) => next_start = supervisor.restart(),
            Some(Over::Ill) => {
                end(process, limits).await;
                next_start = supervisor.elapsed();
            }
            None => {
                end(process, limits).await;
                return Ok(());
            }
        }
    }
}

struct Supervisor<R> {
    launch: Launch,
    limits: Limits,
    watchdog: Watchdog,
    began: Instant,
    report: R,
}

/// Why watching a process came to its end.
enum Over {
    Ended,
    Ill,
}

impl<R: FnMut(Event)> Supervisor<R> {
    async fn start(&mut self, mut at: Duration) -> Result<ServerProcess, GaveUp> {
        let mut starts = 0_u32;
        loop {
            sleep_until(self.began + at).await;
            self.watchdog.starting(self.elapsed());
            starts = starts.saturating_add(1);
            match self.launch.start().await {
                Ok(process) => {
                    self.watchdog.ready();
                    self.launch.ports = Some(process.ports());
                    (self.report)(Event::Started {
                        pid: process.pid(),
                        ports: process.ports(),
                    });
                    return Ok(process);
                }
                Err(last) => {
                    let now = self.elapsed();
                    let Some(next) = self.watchdog.start_failed(now) else {
                        return Err(GaveUp { starts, last });
                    };
                    at = next;
                    (self.report)(Event::StartFailed(last));
                    (self.report)(Event::Restarting(next.saturating_sub(now)));
                }
            }
        }
    }

    async fn watch(&mut self, process: &mut ServerProcess) -> Over {
        let monitor = process.monitor();
        let mut ticks = interval(self.limits.check_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = Health::Well;
        loop {
            let health = select! {
                status = process.wait() => return self.ended(status),
                health = async {
                    ticks.tick().await;
                    monitor.health(Scope::Everything).await
                } => health,
            };
            if health != Health::Well
                && let Ok(status) = timeout(ENDING, process.wait()).await
            {
                return self.ended(status);
            }
            if health != known {
                (self.report)(match &health {
                    Health::Well => Event::Recovered,
                    Health::Ill(reason) => Event::Ill(reason.clone()),
                });
            }
            if self.watchdog.checked(self.elapsed(), &health) {
                (self.report)(Event::Replacing);
                return Over::Ill;
            }
            known = health;
        }
    }

    fn ended(&mut self, status: io::Result<ExitStatus>) -> Over {
        (self.report)(match status {
            Ok(status) => Event::Ended(status),
            Err(error) => Event::Ill(format!("it cannot be waited for: {error}")),
        });
        Over::Ended
    }

    fn restart(&mut self) -> Duration {
        let now = self.elapsed();
        let next = self.watchdog.ended(now);
        (self.report)(Event::Restarting(next.saturating_sub(now)));
        next
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

async fn end(process: ServerProcess, limits: Limits) {
    let pid = process.pid();
    match process.terminate(limits.stop_within).await {
        Ok(status) => tracing::debug!(pid, %status, "nats-server was ended"),
        Err(error) => tracing::warn!(pid, %error, "how nats-server ended is not known"),
    }
}
