//! Looks at the snapshots of the log, for answers about a past whose lines are gone.

use async_nats::jetstream::Context;
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::fsm::past::{KeptLog, Moment};
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{Hive, Timestamp};

use super::shelf::{Kept, Shelf, ShelfError};
use super::signs::Signs;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Reads the newest snapshot that can be used and covers nothing after `at`, and tells which others there are.
pub(super) async fn read(js: Context, hive: Hive, (number, at): (u64, Timestamp), signs: &Signs) -> Event {
    let kept = look(&js, &hive, at, signs).await;
    Event::KeptRead {
        number,
        kept: kept.map_err(|error| error.to_string()),
    }
}

async fn look(js: &Context, hive: &Hive, at: Timestamp, signs: &Signs) -> Result<KeptLog, Error> {
    let shelf = Shelf::open(js, hive).await?;
    let mut log = KeptLog::default();
    for kept in shelf.kept().await? {
        if kept.at_ms <= at.unix_ms() && log.base.is_none() {
            match shelf.usable(&kept).await {
                Ok((_, world)) => log.base = Some(Box::new(world)),
                Err(ShelfError::Unusable(reason)) => {
                    signs.snapshot_refused(&kept.name, &reason);
                    continue;
                }
                Err(ShelfError::Bus(error)) => return Err(error),
            }
        }
        log.moments.extend(moment(&kept));
    }
    log.moments.reverse();
    // Asked for last: what was purged meanwhile is not promised.
    let stream = js.get_stream(Stream::Events.name(hive)).await?;
    log.first = stream.cached_info().state.first_sequence;
    Ok(log)
}

fn moment(kept: &Kept) -> Option<Moment> {
    let at = Timestamp::from_unix_ms(kept.at_ms).ok()?;
    Some(Moment { seq: kept.seq, at })
}
