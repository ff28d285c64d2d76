//! Writes what the log says into the buckets where others look it up, and tells what is there (ADR 0042).

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use wagglebus_coordinator_core::Event;
use wagglebus_coordinator_core::lead::{News, Place, Row};
use wagglebus_nats::jetstream::JetStream;
use wagglebus_nats::repository::{CoordinationRepository, CoordinationState, Repository, StateError};
use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::{Hive, headers};

use super::news;

/// Most writes under way.
const UNDER_WAY_MAX: usize = 32;
/// Keys that are told of at once.
const TOLD_AT_ONCE: usize = 256;
/// Pause before a survey that did not work is made again.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The buckets that are views of the log.
pub(crate) const VIEWS: [Bucket; 3] = [Bucket::Tasks, Bucket::Agents, Bucket::Fsm];

/// What a bucket's client writes instead of a value when a key is deleted.
const KV_OPERATION: &str = "KV-Operation";
const DELETE: &str = "DEL";

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Something to be done, in which reading of the log.
#[derive(Debug)]
pub(super) enum Job {
    Survey,
    Project(Vec<Row>),
}

/// The buckets, and the last revision of each key as far as it is known.
pub(crate) struct Views {
    js: Context,
    hive: Hive,
    repository: Repository<JetStream>,
    revisions: BTreeMap<Place, u64>,
}

/// Works until nobody orders or listens.
pub(super) async fn work(mut views: Views, mut jobs: UnboundedReceiver<(u64, Job)>, out: Sender<Event>) {
    while let Some((reading, job)) = jobs.recv().await {
        let told = match job {
            Job::Survey => views.survey(reading, &out).await,
            Job::Project(rows) => {
                let failed = views.write(rows).await;
                out.send(news(News::Projected { reading, failed })).await.is_ok()
            }
        };
        if !told {
            return;
        }
    }
}

impl Views {
    pub(crate) fn new(js: Context, bus: JetStream, hive: Hive) -> Self {
        Self {
            js,
            repository: Repository::new(bus, hive.clone()),
            hive,
            revisions: BTreeMap::new(),
        }
    }

    /// Tells of every key. False when nobody listens.
    async fn survey(&mut self, reading: u64, out: &Sender<Event>) -> bool {
        for bucket in VIEWS {
            loop {
                match self.list(bucket).await {
                    Ok(found) => {
                        for some in found.chunks(TOLD_AT_ONCE) {
                            let found = some.to_vec();
                            let ended = false;
                            let told = News::Surveyed {
                                reading,
                                found,
                                ended,
                            };
                            if out.send(news(told)).await.is_err() {
                                return false;
                            }
                        }
                        break;
                    }
                    Err(error) => {
                        let bucket = bucket.name(&self.hive);
                        tracing::warn!(
                            error,
                            bucket,
                            "a view of the log cannot be read; `wagglebus provision` creates it"
                        );
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
            }
        }
        let (found, ended) = (Vec::new(), true);
        out.send(news(News::Surveyed {
            reading,
            found,
            ended,
        }))
        .await
        .is_ok()
    }

    /// Each key of a bucket, with the event of which its record is; 0 where that cannot be read.
    pub(crate) async fn list(&mut self, bucket: Bucket) -> Result<Vec<(Place, u64)>, Error> {
        #[derive(Deserialize)]
        struct Of {
            event_seq: u64,
        }
        let stream = self.js.get_stream(bucket.stream_name(&self.hive)).await?;
        let mut found = Vec::new();
        if stream.cached_info().state.messages == 0 {
            return Ok(found);
        }
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: bucket.subject_of(&self.hive, ">"),
            ..Default::default()
        };
        let head = bucket.subject_of(&self.hive, "");
        let mut records = stream.create_consumer(config).await?.messages().await?;
        while let Some(record) = records.next().await {
            let record = record?;
            let info = record.info().map_err(|error| error.to_string())?;
            let (revision, pending) = (info.stream_sequence, info.pending);
            if let Some(key) = record.subject.strip_prefix(&head) {
                let place = (bucket, key.to_owned());
                self.revisions.insert(place.clone(), revision);
                if !record.payload.is_empty() {
                    let of: Option<Of> = serde_json::from_slice(&record.payload).ok();
                    found.push((place, of.map_or(0, |of| of.event_seq)));
                }
            }
            if pending == 0 {
                return Ok(found);
            }
        }
        Err("the reading ended".into())
    }

    /// What is at a key; `None` where there is nothing, or nothing that can be read.
    pub(crate) async fn read(&self, place: &Place) -> Result<Option<CoordinationState>, StateError> {
        let read = self.repository.retrieve_coordination_state(place.0, &place.1);
        match read.await {
            Ok(there) => Ok(there.and_then(|there| there.state)),
            Err(StateError::Unreadable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes records, and returns those that were not.
    pub(crate) async fn write(&mut self, rows: Vec<Row>) -> Vec<Place> {
        let writes: Vec<_> = rows
            .into_iter()
            .map(|row| {
                let known = self.revisions.get(&row.place).copied();
                (row, known)
            })
            .collect();
        let (repository, js, hive) = (&self.repository, &self.js, &self.hive);
        let write = |(row, known): (Row, Option<u64>)| async move {
            let written = match row.record {
                Some(record) => {
                    let state = CoordinationState {
                        event_seq: row.event_seq,
                        record,
                    };
                    let settled = repository
                        .settle((row.place.0, &row.place.1), &state, known, row.force)
                        .await;
                    settled
                        .map(|settled| settled.revision())
                        .map_err(|error| error.to_string())
                }
                None => remove(js, hive, &row.place, known)
                    .await
                    .map_err(|error| error.to_string()),
            };
            (row.place, written)
        };
        let mut done = stream::iter(writes.into_iter().map(write)).buffer_unordered(UNDER_WAY_MAX);
        let (mut revisions, mut failed) = (Vec::new(), Vec::new());
        while let Some((place, written)) = done.next().await {
            match written {
                Ok(revision) => revisions.push((place, revision)),
                Err(error) => {
                    tracing::debug!(error, key = place.1, "a record was not written");
                    failed.push(place);
                }
            }
        }
        drop(done);
        self.revisions.extend(revisions);
        if let Some((bucket, _)) = failed.first() {
            let (count, bucket) = (failed.len(), bucket.name(&self.hive));
            tracing::warn!(
                count,
                bucket,
                "records of the log's views were not written; trying again"
            );
        }
        failed
    }
}

/// Deletes a key, and returns the revision of that.
async fn remove(js: &Context, hive: &Hive, place: &Place, known: Option<u64>) -> Result<u64, Error> {
    let Some(known) = known else {
        return Ok(0); // There never was one.
    };
    let mut all = HeaderMap::new();
    all.insert(KV_OPERATION, DELETE);
    all.insert(headers::EXPECTED_LAST_SUBJECT_SEQUENCE, HeaderValue::from(known));
    let subject = place.0.subject_of(hive, &place.1);
    let stored = js.publish_with_headers(subject, all, Bytes::new()).await?.await?;
    Ok(stored.sequence)
}
