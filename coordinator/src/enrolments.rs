//! Follows the bucket of enrolments: a listing first, then each change.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::kv::{Entry, Operation};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;
use wagglebus_coordinator_core::effect::Ignored;
use wagglebus_coordinator_core::{Event, inbound};
use wagglebus_nats::connect::Session;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::enrolment::Enrolment;

/// Pause before a watch that ended is begun anew.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the watch tells.
#[derive(Debug)]
pub(crate) enum Change {
    /// An event for the machine: a listing, an enrolment or a removal.
    Event(Event),
    /// A record that cannot be used.
    Ignored(Ignored),
    /// The bucket cannot be followed; tried again after a pause.
    Failed(String),
}

type WatchError = Box<dyn Error + Send + Sync>;

/// Follows the bucket until aborted or nobody listens. Each (re)start begins with a complete listing, so nothing that was
/// missed in between stays wrong.
pub(crate) async fn follow(session: Session, bucket: String, out: Sender<Change>) {
    loop {
        let Err(error) = watch(&session, &bucket, &out).await else {
            return;
        };
        let reason = format!("{bucket} cannot be read: {error}; `wagglebus provision` creates it");
        if out.send(Change::Failed(reason)).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Returns `Ok` only when nobody listens.
async fn watch(session: &Session, bucket: &str, out: &Sender<Change>) -> Result<(), WatchError> {
    let store = session.jetstream().get_key_value(bucket).await?;
    let mut entries = store.watch_with_history(">").await?;
    let mut listing = Listing::default();
    // An empty bucket tells nothing: without this its listing would never end.
    if store.status().await?.values() == 0 && out.send(listing.end()).await.is_err() {
        return Ok(());
    }
    while let Some(entry) = entries.next().await {
        for change in listing.take(&entry?) {
            if out.send(change).await.is_err() {
                return Ok(());
            }
        }
    }
    Err("the watch ended".into())
}

/// Collects entries up to the end of the listing; passes them on afterwards.
#[derive(Debug, Default)]
struct Listing {
    enrolments: Vec<Enrolment>,
    ended: bool,
}

impl Listing {
    fn take(&mut self, entry: &Entry) -> Vec<Change> {
        let mut changes = Vec::new();
        match (read(entry), self.ended) {
            (Ok(Record::Enrolled(enrolment)), false) => self.enrolments.push(enrolment),
            (Ok(Record::Enrolled(enrolment)), true) => {
                changes.push(Change::Event(Event::Enrolled(enrolment)))
            }
            (Ok(Record::Removed(_)), false) => {}
            (Ok(Record::Removed(agent)), true) => changes.push(Change::Event(Event::Removed(agent))),
            (Err(ignored), _) => changes.push(Change::Ignored(ignored)),
        }
        if !self.ended && entry.delta == 0 {
            changes.push(self.end());
        }
        changes
    }

    fn end(&mut self) -> Change {
        self.ended = true;
        Change::Event(Event::Listed(std::mem::take(&mut self.enrolments)))
    }
}

enum Record {
    Enrolled(Enrolment),
    Removed(AgentId),
}

fn read(entry: &Entry) -> Result<Record, Ignored> {
    match entry.operation {
        Operation::Put => inbound::enrolment(&entry.key, &entry.value).map(Record::Enrolled),
        Operation::Delete | Operation::Purge => inbound::agent_key(&entry.key).map(Record::Removed),
    }
}
