//! A durable pull consumer of the model.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::filter;
use super::stream::StreamModel;
use crate::bus::ConsumerState;
use crate::delivery::Settle;
use crate::topology::ConsumerSpec;

#[derive(Debug)]
pub(super) struct ConsumerModel {
    spec: ConsumerSpec,
    /// The stream sequence to look at next.
    next_seq: u64,
    /// The number of the next hand-over.
    next_hand_over: u64,
    in_flight: BTreeMap<u64, InFlight>,
    /// To be handed over again, in this order, before anything new.
    again: VecDeque<u64>,
    floor: Floor,
}

#[derive(Debug)]
struct InFlight {
    hand_over: u64,
    count: u64,
    due: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Floor {
    hand_over: u64,
    stream_seq: u64,
}

/// One hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HandOver {
    pub(super) stream_seq: u64,
    pub(super) number: u64,
    pub(super) count: u64,
}

pub(super) enum Next {
    HandOver(HandOver),
    Empty,
    /// `max_ack_pending` is reached: no new message, and no word about it.
    Blocked,
}

impl ConsumerModel {
    pub(super) fn new(spec: ConsumerSpec) -> Self {
        Self {
            spec,
            next_seq: 1,
            next_hand_over: 1,
            in_flight: BTreeMap::new(),
            again: VecDeque::new(),
            floor: Floor::default(),
        }
    }

    pub(super) fn next(&mut self, now: Duration, stream: &StreamModel) -> Next {
        self.expire(now);
        if let Some(seq) = self.next_again(stream) {
            return Next::HandOver(self.hand_over(now, seq));
        }
        let new = stream
            .records
            .range(self.next_seq..)
            .find(|(_, record)| self.wants(&record.subject));
        let Some(seq) = new.map(|(seq, _)| *seq) else {
            return Next::Empty;
        };
        if usize::try_from(self.spec.max_ack_pending).is_ok_and(|max| self.in_flight.len() >= max) {
            return Next::Blocked;
        }
        self.next_seq = seq + 1;
        Next::HandOver(self.hand_over(now, seq))
    }

    /// When the next message in flight comes back by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let waiting = self.in_flight.iter().filter(|(seq, _)| !self.again.contains(seq));
        waiting.map(|(_, flight)| flight.due).min()
    }

    pub(super) fn settle(&mut self, now: Duration, stream_seq: u64, hand_over: u64, settle: &Settle) {
        match settle {
            Settle::Ack | Settle::Term { .. } => self.done(stream_seq, hand_over),
            Settle::Progress => self.wait_until(stream_seq, now + self.spec.ack_wait.0),
            Settle::Nak { delay } => {
                let in_range = hand_over > self.floor.hand_over && hand_over < self.next_hand_over;
                if !in_range || !self.in_flight.contains_key(&stream_seq) {
                    return;
                }
                match delay {
                    Some(delay) => self.wait_until(stream_seq, now + *delay),
                    None if self.again.contains(&stream_seq) => {}
                    None => self.again.push_back(stream_seq),
                }
            }
        }
    }

    pub(super) fn state(&self, stream: &StreamModel) -> ConsumerState {
        let new = stream
            .records
            .range(self.next_seq..)
            .filter(|(_, record)| self.wants(&record.subject));
        ConsumerState {
            delivered_stream_seq: self.next_seq - 1,
            delivered_consumer_seq: self.next_hand_over - 1,
            ack_floor_stream_seq: self.floor.stream_seq,
            ack_floor_consumer_seq: self.floor.hand_over,
            num_pending: new.count() as u64,
            num_ack_pending: self.in_flight.len() as u64,
            num_redelivered: self.in_flight.values().filter(|flight| flight.count > 1).count() as u64,
            metadata: self.spec.metadata.clone(),
            server_time: None,
        }
    }

    fn wants(&self, subject: &str) -> bool {
        self.spec
            .filter_subjects
            .iter()
            .any(|filter| filter::matches(filter, subject))
    }

    fn expire(&mut self, now: Duration) {
        for (seq, flight) in &mut self.in_flight {
            if flight.due <= now && !self.again.contains(seq) {
                self.again.push_back(*seq);
            }
        }
    }

    fn next_again(&mut self, stream: &StreamModel) -> Option<u64> {
        while let Some(seq) = self.again.pop_front() {
            let count = self.in_flight.get(&seq).map_or(0, |flight| flight.count);
            let exhausted = u64::try_from(self.spec.max_deliver).is_ok_and(|max| count >= max);
            if stream.records.contains_key(&seq) && !exhausted {
                return Some(seq);
            }
            let number = self.in_flight.get(&seq).map_or(0, |flight| flight.hand_over);
            self.done(seq, number);
        }
        None
    }

    fn hand_over(&mut self, now: Duration, stream_seq: u64) -> HandOver {
        let number = self.next_hand_over;
        self.next_hand_over += 1;
        let due = now + self.spec.ack_wait.0;
        let flight = self.in_flight.entry(stream_seq).or_insert(InFlight {
            hand_over: number,
            count: 0,
            due,
        });
        flight.hand_over = number;
        flight.count += 1;
        flight.due = due;
        HandOver {
            stream_seq,
            number,
            count: flight.count,
        }
    }

    fn wait_until(&mut self, stream_seq: u64, due: Duration) {
        if let Some(flight) = self.in_flight.get_mut(&stream_seq) {
            flight.due = due;
        }
    }

    fn done(&mut self, stream_seq: u64, hand_over: u64) {
        let hand_over = self
            .in_flight
            .remove(&stream_seq)
            .map_or(hand_over, |flight| flight.hand_over);
        self.again.retain(|seq| *seq != stream_seq);
        if self.in_flight.is_empty() {
            self.floor = Floor {
                hand_over: self.next_hand_over - 1,
                stream_seq: self.next_seq - 1,
            };
        } else if hand_over == self.floor.hand_over + 1 {
            // Up to just before the next one that is in flight, counted from here.
            let next = self.in_flight.range(stream_seq..).next();
            self.floor = next.map_or(
                Floor {
                    hand_over,
                    stream_seq,
                },
                |(seq, flight)| Floor {
                    hand_over: flight.hand_over - 1,
                    stream_seq: seq - 1,
                },
            );
        }
    }
}
