//! Appends to a log of the model: all lines or none, and only at the place where they are expected (ADR 0034).

use std::time::Duration;

use wagglebus_schemas::{Id, headers};

use super::bus::Memory;
use super::fault::Fault;
use super::model::Model;
use super::stream::Record;
use crate::bound::check_sizes;
use crate::error::{NoAnswer, PublishError, PublishFault};
use crate::jetstream::append::{AppendError, LINES_MAX, Line, judge};

/// JetStream's number for an id that the stream knows, or that comes twice, in an append of several lines.
const DUPLICATE_IN_BATCH: u16 = 10201;

impl Model {
    /// Appends lines to `stream` if its last sequence is `after`, and returns the sequence of the last one.
    ///
    /// # Errors
    /// [`PublishFault`], as the server would refuse all of them.
    fn append(
        &mut self,
        now: Duration,
        stream: &str,
        after: u64,
        lines: &[Line],
    ) -> Result<u64, PublishFault> {
        let model = self.streams.get_mut(stream).ok_or(NoAnswer::NoResponders)?;
        model.age(now);
        if model.last_seq != after {
            return Err(PublishFault::WrongLastSequence {
                last: Some(model.last_seq),
            });
        }
        // Tried on a copy: a line that is refused takes all others along.
        let mut trial = model.clone();
        for line in lines {
            let own = [
                (headers::MSG_ID, line.id.to_string()),
                (headers::EXPECTED_STREAM, stream.to_owned()),
            ];
            let all = own.into_iter().chain(line.headers.iter().cloned());
            let headers: Vec<(String, String)> = all.map(|(name, value)| (name.to_owned(), value)).collect();
            check_sizes(&headers, line.payload.len(), usize::MAX)?;
            if !trial.serves(&line.subject) {
                return Err(NoAnswer::NoResponders.into());
            }
            let stored = trial.store(Record {
                subject: line.subject.clone(),
                headers,
                payload: line.payload.clone(),
                at: now,
            })?;
            if stored.duplicate && lines.len() == 1 {
                return Ok(stored.seq);
            }
            if stored.duplicate {
                return Err(PublishFault::Refused {
                    code: DUPLICATE_IN_BATCH,
                    status: 400,
                    text: "atomic publish batch contains duplicate message id".to_owned(),
                });
            }
        }
        *model = trial;
        Ok(model.last_seq)
    }

    /// Place and id of the last line of a stream.
    fn tip(&self, stream: &str) -> Option<(u64, String)> {
        let model = self.streams.get(stream)?;
        let id = model.records.get(&model.last_seq).and_then(Record::id);
        Some((model.last_seq, id.unwrap_or_default().to_owned()))
    }
}

impl Record {
    fn id(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, id) = headers.find(|(name, _)| name == headers::MSG_ID)?;
        Some(id)
    }
}

impl Memory {
    /// Appends lines to `stream` if its last sequence is `after`, and returns the sequence of the last one; as
    /// [`append`](crate::jetstream::append::append) does it over NATS.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&self, stream: &str, after: u64, lines: &[Line]) -> Result<u64, AppendError> {
        let Some(last) = lines.last().filter(|_| lines.len() <= LINES_MAX) else {
            return Err(AppendError::Lines(lines.len()));
        };
        let failed = |fault| PublishError {
            subject: last.subject.clone(),
            fault,
        };
        let mut world = self.connected().map_err(|fault| failed(fault.into()))?;
        let stored = if world.take(Fault::Publish) {
            Err(NoAnswer::Timeout.into())
        } else {
            let stored = world.model.append(self.now(), stream, after, lines);
            if world.take(Fault::PubAck) {
                Err(NoAnswer::Timeout.into())
            } else {
                stored
            }
        };
        stored.or_else(|fault| judge(failed(fault), world.model.tip(stream), after, last.id))
    }

    /// Place and id of each line of a stream.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn lines(&self, stream: &str) -> Result<Vec<(u64, Option<Id>)>, NoAnswer> {
        let world = self.connected()?;
        let records = world.model.streams.get(stream).map(|model| &model.records);
        let id = |record: &Record| record.id().and_then(|id| id.parse().ok());
        Ok(records
            .into_iter()
            .flatten()
            .map(|(seq, record)| (*seq, id(record)))
            .collect())
    }
}
