//! Looks for mail that nobody read and that the stream is about to drop, and files it as dead letters.

mod file;

use std::sync::LazyLock;
use std::time::Duration;

use futures::TryStreamExt;
use uuid::Uuid;
use wagglebus_coordinator_core::expiry;
use wagglebus_nats::connect::Session;
use wagglebus_nats::head::lane_head;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::provision;
use wagglebus_schemas::stream::{Bucket, Stream};
use wagglebus_schemas::{AgentId, Hive, Priority};

use crate::clock;
use file::Lane;

/// The first look comes some time after the start, when everybody who lives has read what it wants to read.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(10);
/// When it is tried again after a look that did not come to its end; twice that after the next one, and so on.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Part of the ids of what is filed, drawn once: what is filed again is stored once, and nobody can guess the ids and
/// store something else under them before.
static SECRET: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

type LookError = Box<dyn std::error::Error + Send + Sync>;

/// What came of a look.
struct Looked {
    /// How often is to be looked.
    period: Duration,
    /// What went wrong at some lanes.
    failed: Vec<String>,
}

/// Looks again and again, until aborted.
pub(crate) async fn work(session: Session, bus: JetStream, hive: Hive) {
    let mut wait = FIRST_LOOK_AFTER;
    let mut failures = 0;
    loop {
        tokio::time::sleep(wait).await;
        wait = match look(&session, &bus, &hive).await {
            Ok(Looked { period, failed }) if failed.is_empty() => {
                failures = 0;
                period
            }
            Ok(Looked { period, failed }) => {
                let (error, lanes) = (failed.first(), failed.len());
                tracing::warn!(error, lanes, "unread mail cannot be looked for in some lanes");
                failures += 1;
                again_after(failures, period)
            }
            Err(error) => {
                tracing::warn!(%error, "unread mail cannot be looked for");
                RETRY_AFTER
            }
        };
    }
}

/// Each attempt takes the message out of its lane, and a lane gives none out without end: the waits grow to the usual one.
fn again_after(failures: u32, period: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    RETRY_AFTER.saturating_mul(doubled).min(period.max(RETRY_AFTER))
}

/// One look at everybody's lanes: one that cannot be looked at keeps nobody from the others.
async fn look(session: &Session, bus: &JetStream, hive: &Hive) -> Result<Looked, LookError> {
    let js = session.jetstream();
    let name = Stream::Messages.name(hive);
    let info = js.get_stream(&name).await?.info().await?.clone();
    let max_age_ms = u64::try_from(info.config.max_age.as_millis()).unwrap_or(u64::MAX);
    let mut looked = Looked {
        period: Duration::from_millis(expiry::period_ms(max_age_ms)),
        failed: Vec::new(),
    };
    if max_age_ms == 0 {
        looked.period = RETRY_AFTER;
        return Ok(looked);
    }
    let old_ms = max_age_ms.saturating_sub(expiry::margin_ms(max_age_ms));
    let now = match provision::server_time(js, &name).await? {
        Some(now) => now,
        None => clock::wall()?,
    };
    let cutoff_ms = now
        .unix_ms()
        .saturating_sub(i64::try_from(old_ms).unwrap_or(i64::MAX));
    let first_ms = i64::try_from(info.state.first_timestamp.unix_timestamp_nanos() / 1_000_000);
    if info.state.messages == 0 || first_ms.is_ok_and(|first| first >= cutoff_ms) {
        return Ok(looked);
    }
    for agent in agents(session, hive).await? {
        for &priority in Priority::ALL {
            let lane = Lane {
                bus,
                hive,
                agent: &agent,
                priority,
                secret: &SECRET,
            };
            if let Err(error) = clear(session, &lane, cutoff_ms).await {
                looked.failed.push(format!("{agent} {priority}: {error}"));
            }
        }
    }
    Ok(looked)
}

async fn agents(session: &Session, hive: &Hive) -> Result<Vec<AgentId>, LookError> {
    let store = session
        .jetstream()
        .get_key_value(Bucket::Enrolments.name(hive))
        .await?;
    let keys: Vec<String> = store.keys().await?.try_collect().await?;
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}

/// Files every message at the head of the lane that is older than the cutoff.
async fn clear(session: &Session, lane: &Lane<'_, JetStream>, cutoff_ms: i64) -> Result<(), LookError> {
    let js = session.jetstream();
    while let Some(head) = lane_head(js, lane.hive, lane.agent, lane.priority).await?
        && head.at.unix_ms() < cutoff_ms
    {
        // Only who fetches it may end it; if its agent was faster, it has been read.
        if !lane.file(cutoff_ms, clock::wall()?).await? {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_it_is_looked_again_soon_and_then_as_usual() {
        let hour = Duration::from_secs(3_600);
        let waits: Vec<u64> = (1..9).map(|n| again_after(n, hour).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(again_after(40, Duration::from_secs(3)), RETRY_AFTER);
    }
}
