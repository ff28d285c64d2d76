//! Old records for one reader, out of the streams: bounded in what waits for it, and in how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{sleep, timeout};
use wagglebus_coordinator_core::feed::{Gap, Item, Position, Source, resume};

use super::hub::Hub;
use super::past::Past;
use super::streams::{ReadError, kept};

/// Records that wait for the reader.
const WAITING_MAX: usize = 32;
/// How long a reader may take none before its turn goes to another one.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// How long a session is waited for.
const SESSION_WITHIN: Duration = Duration::from_secs(60);
/// Pause after a reading that failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What a reader is given.
#[derive(Debug)]
pub(super) enum Replayed {
    /// A record; the item is what is shown of it, if anything.
    Record(Source, u64, Option<Arc<Item>>),
    /// Records are missing: reading goes on behind this sequence.
    Gap(Source, u64, Gap),
    /// The rest is kept by the hub.
    Done,
}

/// Nobody takes what is given.
struct Left;

/// Begins to read what lies behind a position. An end without [`Replayed::Done`] is none: the reader begins anew from
/// where it is.
pub(super) fn start(hub: Arc<Hub>, after: Position) -> Receiver<Replayed> {
    let (out, receiver) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        let left = out.clone();
        tokio::select! {
            () = work(&hub, after, &out) => {}
            () = left.closed() => {}
        }
    });
    receiver
}

async fn work(hub: &Hub, after: Position, out: &Sender<Replayed>) {
    let Ok(_turn) = hub.replays.acquire().await else {
        return;
    };
    match replay(hub, after, out).await {
        Ok(Ok(()) | Err(Left)) => {}
        Err(error) => {
            tracing::debug!(%error, "old records are read anew");
            sleep(RETRY_AFTER).await;
        }
    }
}

async fn replay(hub: &Hub, after: Position, out: &Sender<Replayed>) -> Result<Result<(), Left>, ReadError> {
    let session = hub.connection.session_within(SESSION_WITHIN).await;
    let session = session.ok_or("not connected")?;
    let js = session.jetstream();
    let to = hub.head().ok_or("nobody reads the streams")?;
    let mut from = after;
    for source in Source::ALL {
        let (seq, gap) = resume(source, after.of(source), kept(js, &hub.hive, source).await?);
        from.set(source, seq);
        if let Some(gap) = gap
            && give(out, Replayed::Gap(source, seq, gap)).await.is_err()
        {
            return Ok(Err(Left));
        }
    }
    let mut past = Past::open(js, &hub.hive, from, to, false).await?;
    while let Some(stored) = past.next().await? {
        let record = Replayed::Record(stored.source, stored.seq, stored.item);
        if give(out, record).await.is_err() {
            return Ok(Err(Left));
        }
    }
    Ok(give(out, Replayed::Done).await)
}

async fn give(out: &Sender<Replayed>, replayed: Replayed) -> Result<(), Left> {
    match timeout(TAKES_WITHIN, out.send(replayed)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Left),
    }
}
