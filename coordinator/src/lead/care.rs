//! The leader's care for its log: snapshots when it has grown, and then the lines go that they cover (ADR 0042).

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::Context;
use wagglebus_coordinator_core::log::snapshot::{Care, Covered, LogSize};
use wagglebus_schemas::Hive;
use wagglebus_schemas::stream::Stream;

use super::shelf::{Kept, Shelf, ShelfError};
use super::signs::Signs;
use super::story::Story;

/// Time between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pause after something that did not work.
const RETRY_AFTER: Duration = Duration::from_secs(10);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Looks after the log until aborted.
pub(super) async fn work(js: Context, hive: Hive, signs: Signs) {
    let mut keeper = Keeper {
        js,
        hive,
        signs,
        kept: None,
        refused: BTreeSet::new(),
    };
    loop {
        let pause = match keeper.look().await {
            // What is due next may be due at once.
            Ok(true) => continue,
            Ok(false) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(error, "the log is not looked after; trying again");
                keeper.kept = None;
                RETRY_AFTER
            }
        };
        tokio::time::sleep(pause).await;
    }
}

struct Keeper {
    js: Context,
    hive: Hive,
    signs: Signs,
    /// The snapshots that are there, as far as that is known.
    kept: Option<Vec<Kept>>,
    /// Those that cannot be used.
    refused: BTreeSet<String>,
}

impl Keeper {
    /// Does what is due. Whether something was.
    async fn look(&mut self) -> Result<bool, Error> {
        let size = self.size().await?;
        self.signs.metrics.log_size(size.bytes, size.max_bytes);
        let kept = match self.kept.take() {
            Some(kept) => kept,
            None => Shelf::open(&self.js, &self.hive).await?.kept().await?,
        };
        let now_ms = now_ms();
        let usable = kept
            .iter()
            .filter(|kept| kept.seq <= size.last && !self.refused.contains(&kept.name));
        let covered = usable.map(|kept| Covered {
            seq: kept.seq,
            age_ms: now_ms - kept.at_ms,
        });
        let covered: Vec<Covered> = covered.collect();
        self.signs
            .metrics
            .snapshots(covered.len(), covered.first().map_or(0, |newest| newest.seq));
        match size.care(&covered) {
            Care::Rest => {
                self.kept = Some(kept);
                Ok(false)
            }
            Care::Snapshot => self.snapshot().await.map(|()| true),
            Care::Purge(upto) => self.purge(&kept, upto).await.map(|()| true),
        }
    }

    async fn size(&self) -> Result<LogSize, Error> {
        let stream = self.js.get_stream(Stream::Events.name(&self.hive)).await?;
        let info = stream.cached_info();
        let first_ms = i64::try_from(info.state.first_timestamp.unix_timestamp_nanos() / 1_000_000)?;
        let oldest_ms = if info.state.messages == 0 {
            0
        } else {
            now_ms() - first_ms
        };
        Ok(LogSize {
            first: info.state.first_sequence,
            last: info.state.last_sequence,
            bytes: info.state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).ok(),
            oldest_ms,
        })
    }

    async fn snapshot(&self) -> Result<(), Error> {
        let shelf = Shelf::open(&self.js, &self.hive).await?;
        let mut story = Story::begin(&shelf, &self.signs).await?;
        story.read_on(&self.js, &self.hive, |_, _| {}).await?;
        let head = shelf.put(story.world, story.last_id).await?;
        tracing::info!(seq = head.seq, "a snapshot of the log is stored");
        Ok(())
    }

    /// Lets lines go. Each snapshot that shall stand for them is read first.
    async fn purge(&mut self, kept: &[Kept], upto: u64) -> Result<(), Error> {
        let shelf = Shelf::open(&self.js, &self.hive).await?;
        let mut readable = 0;
        for kept in kept.iter().filter(|kept| kept.seq >= upto) {
            if self.refused.contains(&kept.name) {
                continue;
            }
            match shelf.usable(kept).await {
                Ok(_) => readable += 1,
                Err(ShelfError::Unusable(reason)) => {
                    self.signs.snapshot_refused(&kept.name, &reason);
                    self.refused.insert(kept.name.clone());
                }
                Err(ShelfError::Bus(error)) => return Err(error),
            }
        }
        if readable < 2 {
            return Ok(()); // Looked at anew, without those.
        }
        let stream = self.js.get_stream(Stream::Events.name(&self.hive)).await?;
        let purged = stream.purge().sequence(upto.saturating_add(1)).await?.purged;
        tracing::info!(upto, purged, "lines of the log that snapshots cover are gone");
        Ok(())
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
