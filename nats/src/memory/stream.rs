//! A stream of the model.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use wagglebus_schemas::headers;

use super::filter;
use crate::bus::Stored;
use crate::error::PublishFault;
use crate::topology::{Discard, StreamSpec};

/// A stored message.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) subject: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload: Bytes,
    pub(super) at: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct StreamModel {
    pub(super) spec: StreamSpec,
    pub(super) records: BTreeMap<u64, Record>,
    pub(super) last_seq: u64,
    bytes: usize,
    /// Id → sequence and time of its first publish.
    ids: BTreeMap<String, (u64, Duration)>,
}

impl StreamModel {
    pub(super) fn new(spec: StreamSpec) -> Self {
        Self {
            spec,
            records: BTreeMap::new(),
            last_seq: 0,
            bytes: 0,
            ids: BTreeMap::new(),
        }
    }

    pub(super) fn serves(&self, subject: &str) -> bool {
        self.spec
            .subjects
            .iter()
            .any(|filter| filter::matches(filter, subject))
    }

    /// Lets go of what is too old.
    pub(super) fn age(&mut self, now: Duration) {
        let max_age = self.spec.max_age.0;
        let window = self.spec.duplicate_window.0;
        self.ids.retain(|_, (_, at)| *at + window > now);
        if !max_age.is_zero() {
            while self
                .records
                .first_key_value()
                .is_some_and(|(_, record)| record.at + max_age <= now)
            {
                self.drop_first();
            }
        }
    }

    /// The newest record of a subject.
    pub(super) fn last(&self, subject: &str) -> Option<(u64, &Record)> {
        let newest = self
            .records
            .iter()
            .rev()
            .find(|(_, record)| record.subject == subject);
        newest.map(|(seq, record)| (*seq, record))
    }

    /// Stores a record, in the server's order of checks.
    pub(super) fn store(&mut self, record: Record) -> Result<Stored, PublishFault> {
        let header = |name: &str| {
            record
                .headers
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let refused = |code: u16, status: u16, text: &str| PublishFault::Refused {
            code,
            status,
            text: text.to_owned(),
        };
        let stream = self.spec.name.clone();
        if header(headers::EXPECTED_STREAM).is_some_and(|expected| expected != stream) {
            return Err(refused(
                PublishFault::OTHER_STREAM,
                400,
                "expected stream does not match",
            ));
        }
        let expected =
            header(headers::EXPECTED_LAST_SUBJECT_SEQUENCE).and_then(|seq| seq.parse::<u64>().ok());
        let last = self.last(&record.subject).map_or(0, |(seq, _)| seq);
        if expected.is_some_and(|expected| expected != last) {
            return Err(PublishFault::WrongLastSequence { last: Some(last) });
        }
        let id = header(headers::MSG_ID).map(str::to_owned);
        if let Some(&(seq, _)) = id.as_ref().and_then(|id| self.ids.get(id)) {
            return Ok(Stored {
                stream,
                seq,
                duplicate: true,
            });
        }
        let size = record.size();
        if usize::try_from(self.spec.max_msg_size).is_ok_and(|max| size > max) {
            return Err(refused(
                PublishFault::MESSAGE_TOO_LARGE,
                400,
                "message size exceeds maximum allowed",
            ));
        }
        while self.is_full_with(size) {
            match self.spec.discard {
                Discard::Old if !self.records.is_empty() => self.drop_first(),
                Discard::Old | Discard::New => {
                    return Err(refused(
                        PublishFault::STREAM_FULL,
                        503,
                        "maximum messages or bytes exceeded",
                    ));
                }
            }
        }
        self.last_seq += 1;
        let (seq, at) = (self.last_seq, record.at);
        self.bytes += size;
        if let Some(id) = id {
            self.ids.insert(id, (seq, at));
        }
        let subject = record.subject.clone();
        self.records.insert(seq, record);
        self.keep_per_subject(&subject);
        Ok(Stored {
            stream,
            seq,
            duplicate: false,
        })
    }

    fn is_full_with(&self, size: usize) -> bool {
        let over = |max: i64, used: usize| usize::try_from(max).is_ok_and(|max| used > max);
        over(self.spec.max_msgs, self.records.len() + 1) || over(self.spec.max_bytes, self.bytes + size)
    }

    fn keep_per_subject(&mut self, subject: &str) {
        let Ok(max) = usize::try_from(self.spec.max_msgs_per_subject) else {
            return;
        };
        let of_subject = self
            .records
            .iter()
            .filter(|(_, record)| record.subject == subject);
        let seqs: Vec<u64> = of_subject.map(|(seq, _)| *seq).collect();
        let surplus = seqs.len().saturating_sub(max);
        for seq in seqs.into_iter().take(surplus) {
            if let Some(record) = self.records.remove(&seq) {
                self.bytes -= record.size();
            }
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, record)) = self.records.pop_first() {
            self.bytes -= record.size();
        }
    }
}

impl Record {
    fn size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        self.subject.len() + headers + self.payload.len()
    }
}
