//! How long the coordinator took, by the server's own stamps: from a stored command to the stored event, without the way
//! to and from whoever asks.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::StreamExt as _;
use wagglebus_schemas::event::{CauseType, Event};

use crate::bench::pair::Latencies;

/// When something was stored, in nanoseconds since 1970.
type StoredNs = i128;

/// The log and the commands from one place of each on.
#[derive(Debug)]
pub(super) struct Stored {
    commands: BTreeMap<u64, StoredNs>,
    events: Vec<(Event, StoredNs)>,
}

/// Where the two streams end now.
pub(super) async fn ends(js: &Context) -> Result<[u64; 2]> {
    let mut ends = [0; 2];
    for (end, name) in ends.iter_mut().zip(["WB_TASKS", "WB_EVENTS"]) {
        *end = js.get_stream(name).await?.cached_info().state.last_sequence;
    }
    Ok(ends)
}

impl Stored {
    /// Everything after these ends.
    pub(super) async fn since(js: &Context, [commands, events]: [u64; 2]) -> Result<Self> {
        let mut read = Self {
            commands: BTreeMap::new(),
            events: Vec::new(),
        };
        let [last_command, last_event] = ends(js).await?;
        for (name, after, last) in [
            ("WB_TASKS", commands, last_command),
            ("WB_EVENTS", events, last_event),
        ] {
            if after >= last {
                continue;
            }
            let config = pull::OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence {
                    start_sequence: after + 1,
                },
                ..Default::default()
            };
            let consumer = js.get_stream(name).await?.create_consumer(config).await?;
            let mut messages = consumer.messages().await?;
            loop {
                let message = messages.next().await.context("the stream ended early")??;
                let info = message.info().map_err(|error| anyhow::anyhow!("{error}"))?;
                let (seq, at) = (info.stream_sequence, info.published.unix_timestamp_nanos());
                if name == "WB_TASKS" {
                    read.commands.insert(seq, at);
                } else {
                    read.events.push((serde_json::from_slice(&message.payload)?, at));
                }
                if seq >= last {
                    break;
                }
            }
        }
        Ok(read)
    }

    /// From the stored command to the stored event, of commands that became this event.
    pub(super) fn transitions(&self, event: &str) -> Latencies {
        let mut latencies = Latencies::default();
        for (line, at) in self.events.iter().filter(|(line, _)| line.event == event) {
            let command = line.cause.seq.filter(|_| line.cause.kind == CauseType::Command);
            if let Some(from) = command.and_then(|seq| self.commands.get(&seq)) {
                latencies.add(between(*from, *at));
            }
        }
        latencies
    }

    /// From the stored submission to the stored assignment of each task.
    pub(super) fn decisions(&self) -> Latencies {
        let mut submitted: BTreeMap<&str, StoredNs> = BTreeMap::new();
        let mut latencies = Latencies::default();
        for (line, at) in &self.events {
            let stored = line.cause.seq.and_then(|seq| self.commands.get(&seq));
            match (line.event.as_str(), stored) {
                ("submit", Some(stored)) => drop(submitted.insert(&line.entity_id, *stored)),
                ("assign", _) => {
                    if let Some(from) = submitted.remove(line.entity_id.as_str()) {
                        latencies.add(between(from, *at));
                    }
                }
                _ => {}
            }
        }
        latencies
    }
}

fn between(from: StoredNs, to: StoredNs) -> Duration {
    u64::try_from(to - from).map_or(Duration::ZERO, Duration::from_nanos)
}
