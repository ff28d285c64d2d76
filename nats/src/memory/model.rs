//! Streams and consumers together, as a pure machine.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use wagglebus_schemas::headers;

use super::consumer::{ConsumerModel, HandOver, Next};
use super::filter;
use super::stream::{Record, StreamModel};
use crate::bound::check_sizes;
use crate::bus::{ConsumerState, LaneRef, Note, Outgoing, Stored};
use crate::delivery::{AckHandle, AckMeta, Delivery, Settle};
use crate::error::{NoAnswer, PublishFault};
use crate::lease::LeaseRecord;
use crate::topology::{ConsumerSpec, StreamSpec};

/// A model of JetStream. `now` is the time since any fixed point, and must not go back.
#[derive(Debug, Default)]
pub struct Model {
    pub(super) streams: BTreeMap<String, StreamModel>,
    consumers: BTreeMap<LaneRef, ConsumerModel>,
}

/// What a pull finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled {
    /// A message; it is in flight now.
    HandedOver(Delivery),
    /// Nothing.
    Empty,
    /// Nothing until something in flight is settled or comes back; the server says nothing at all.
    Blocked,
    /// There is no such lane.
    NoLane,
}

impl Model {
    /// A server with these streams and consumers.
    pub fn new(streams: Vec<StreamSpec>, consumers: Vec<ConsumerSpec>) -> Self {
        let streams = streams
            .into_iter()
            .map(|spec| (spec.name.clone(), StreamModel::new(spec)));
        let consumers = consumers.into_iter().map(|spec| {
            let lane = LaneRef {
                stream: spec.stream.clone(),
                consumer: spec.durable_name.clone(),
            };
            (lane, ConsumerModel::new(spec))
        });
        Self {
            streams: streams.collect(),
            consumers: consumers.collect(),
        }
    }

    /// Stores a record, and returns with it the wake that a new one causes.
    ///
    /// # Errors
    /// [`PublishFault`], as the server would refuse it.
    pub fn publish(
        &mut self,
        now: Duration,
        record: Outgoing,
    ) -> Result<(Stored, Option<Note>), PublishFault> {
        let mut all = vec![(headers::MSG_ID.to_owned(), record.id.to_string())];
        let expected = record.expected_last_subject_seq.map(|seq| seq.to_string());
        let set = [
            (headers::EXPECTED_STREAM, record.expected_stream),
            (headers::EXPECTED_LAST_SUBJECT_SEQUENCE, expected),
        ];
        all.extend(
            set.into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        for (name, value) in record.headers {
            if value.contains(['\r', '\n']) {
                return Err(PublishFault::InvalidHeader { name });
            }
            all.push((name.to_owned(), value));
        }
        self.store(now, record.subject, all, record.payload)
    }

    /// Writes a lease.
    ///
    /// # Errors
    /// [`PublishFault::WrongLastSequence`] when the last write is another one.
    pub fn write_lease(
        &mut self,
        now: Duration,
        subject: &str,
        value: Bytes,
        expected: u64,
    ) -> Result<u64, PublishFault> {
        let headers = vec![(
            headers::EXPECTED_LAST_SUBJECT_SEQUENCE.to_owned(),
            expected.to_string(),
        )];
        let (stored, _) = self.store(now, subject.to_owned(), headers, value)?;
        Ok(stored.seq)
    }

    /// Reads a lease.
    pub fn read_lease(&mut self, now: Duration, stream: &str, subject: &str) -> Option<LeaseRecord> {
        let stream = self.streams.get_mut(stream)?;
        stream.age(now);
        stream.last(subject).map(|(seq, record)| LeaseRecord {
            value: record.payload.clone(),
            seq,
        })
    }

    /// Asks a lane for one message.
    pub fn pull(&mut self, now: Duration, lane: &LaneRef) -> Pulled {
        let (Some(consumer), Some(stream)) =
            (self.consumers.get_mut(lane), self.streams.get_mut(&lane.stream))
        else {
            return Pulled::NoLane;
        };
        stream.age(now);
        let hand_over = match consumer.next(now, stream) {
            Next::HandOver(hand_over) => hand_over,
            Next::Empty => return Pulled::Empty,
            Next::Blocked => return Pulled::Blocked,
        };
        let num_pending = consumer.state(stream).num_pending;
        let record = stream.records.get(&hand_over.stream_seq);
        record.map_or(Pulled::Empty, |record| {
            let subject = ack_subject(lane, hand_over, record.at, num_pending);
            AckHandle::parse(subject).map_or(Pulled::NoLane, |ack| {
                Pulled::HandedOver(Delivery {
                    subject: record.subject.clone(),
                    headers: record.headers.clone(),
                    payload: record.payload.clone(),
                    ack,
                })
            })
        })
    }

    /// Settles a hand-over, known or made up.
    ///
    /// # Errors
    /// [`NoAnswer::NoResponders`] when there is no such lane.
    pub fn settle(&mut self, now: Duration, meta: &AckMeta, settle: &Settle) -> Result<(), NoAnswer> {
        let consumer = self.consumers.get_mut(&meta.lane).ok_or(NoAnswer::NoResponders)?;
        consumer.settle(now, meta.stream_seq, meta.consumer_seq, settle);
        Ok(())
    }

    /// Where a lane stands; `None` when there is no such lane.
    pub fn state(&self, lane: &LaneRef) -> Option<ConsumerState> {
        let stream = self.streams.get(&lane.stream)?;
        Some(self.consumers.get(lane)?.state(stream))
    }

    /// When a message in flight comes back by itself, at the earliest.
    pub fn next_due(&self) -> Option<Duration> {
        self.consumers.values().filter_map(ConsumerModel::next_due).min()
    }

    fn store(
        &mut self,
        now: Duration,
        subject: String,
        headers: Vec<(String, String)>,
        payload: Bytes,
    ) -> Result<(Stored, Option<Note>), PublishFault> {
        check_sizes(&headers, payload.len(), usize::MAX)?;
        let stream = self.streams.values_mut().find(|stream| stream.serves(&subject));
        let stream = stream.ok_or(NoAnswer::NoResponders)?;
        stream.age(now);
        let wake = stream.spec.republish.as_ref().and_then(|republish| {
            let captures = filter::captures(&republish.src, &subject)?;
            Some(Note {
                subject: filter::expand(&republish.dest, &captures),
                payload: Bytes::new(),
                stream_seq: None,
            })
        });
        let record = Record {
            subject,
            headers,
            payload,
            at: now,
        };
        let stored = stream.store(record)?;
        let wake = wake.filter(|_| !stored.duplicate);
        let wake = wake.map(|wake| Note {
            stream_seq: Some(stored.seq),
            ..wake
        });
        Ok((stored, wake))
    }
}

fn ack_subject(lane: &LaneRef, hand_over: HandOver, stored: Duration, num_pending: u64) -> String {
    let LaneRef { stream, consumer } = lane;
    let HandOver {
        stream_seq,
        number,
        count,
    } = hand_over;
    let stored_ns = stored.as_nanos();
    format!("$JS.ACK.{stream}.{consumer}.{count}.{stream_seq}.{number}.{stored_ns}.{num_pending}")
}
