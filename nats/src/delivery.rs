//! A message in our hands, and how it leaves them.

use std::time::Duration;

use bytes::Bytes;
use wagglebus_schemas::headers;

use crate::bus::{Bus, LaneRef};
use crate::error::SettleError;

/// A message that the server handed over. It is settled once, through its [`AckHandle`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a delivery that is not settled blocks its place until ack_wait has passed"]
pub struct Delivery {
    /// Where it was published.
    pub subject: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its bytes as published.
    pub payload: Bytes,
    /// How to settle it.
    pub ack: AckHandle,
}

impl Delivery {
    /// The first value of a header, spelled exactly.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The id under which it was published.
    pub fn msg_id(&self) -> Option<&str> {
        self.header(headers::MSG_ID)
    }
}

/// The right to settle one delivery. Taking `self` makes twice impossible; to settle after a restart, save
/// [`AckHandle::subject`] and use [`Bus::settle`].
#[derive(Debug, PartialEq, Eq)]
pub struct AckHandle {
    subject: String,
    meta: AckMeta,
}

impl AckHandle {
    pub(crate) fn parse(subject: String) -> Result<Self, AckSubjectError> {
        let meta = subject.parse()?;
        Ok(Self { subject, meta })
    }

    /// The ack subject.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What the server says about this delivery.
    pub fn meta(&self) -> &AckMeta {
        &self.meta
    }

    /// Settles the delivery and waits for the confirmation.
    ///
    /// # Errors
    /// When no confirmation came. The subject stays good for [`Bus::settle`].
    pub async fn settle(self, bus: &impl Bus, settle: Settle) -> Result<(), SettleError> {
        bus.settle(&self.subject, settle).await
    }
}

/// What to say about a delivery. All are confirmed by the server, [`Settle::Progress`] too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// Done with it.
    Ack,
    /// Hand it over again: at once and ahead of its lane, or after a delay and behind what comes meanwhile.
    Nak {
        /// The delay; at most [`NAK_DELAY_MS_MAX`](wagglebus_schemas::limits::NAK_DELAY_MS_MAX).
        delay: Option<Duration>,
    },
    /// Never hand it over again.
    Term {
        /// Why, for the server's advisory.
        reason: String,
    },
    /// Still working on it: `ack_wait` begins anew.
    Progress,
}

impl Settle {
    /// The body of the ack, as JetStream reads it.
    pub(crate) fn body(&self) -> Bytes {
        match self {
            Self::Ack => Bytes::from_static(b"+ACK"),
            Self::Nak { delay: None } => Bytes::from_static(b"-NAK"),
            Self::Nak { delay: Some(delay) } => format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into(),
            Self::Term { reason } => format!("+TERM {reason}").into(),
            Self::Progress => Bytes::from_static(b"+WPI"),
        }
    }
}

/// What an ack subject says about its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckMeta {
    /// The stream and consumer.
    pub lane: LaneRef,
    /// How often the server has handed it over, this time included.
    pub num_delivered: u64,
    /// Its place in the stream.
    pub stream_seq: u64,
    /// The number of this hand-over on its consumer.
    pub consumer_seq: u64,
    /// When it was stored, by the server's clock, in nanoseconds since 1970.
    pub stored_ns: u64,
    /// How many messages of the lane were waiting behind it.
    pub num_pending: u64,
}

/// A text that is no ack subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no ack subject ($JS.ACK.<stream>.<consumer>.<…>)")]
pub struct AckSubjectError {
    text: String,
}

impl std::str::FromStr for AckMeta {
    type Err = AckSubjectError;

    /// Reads both forms of NATS ADR-15: 9 tokens, and 11 or more with domain and account hash.
    fn from_str(text: &str) -> Result<Self, AckSubjectError> {
        let error = || AckSubjectError {
            text: text.chars().take(120).collect(),
        };
        let tokens: Vec<&str> = text.split('.').take(13).collect();
        let (stream, consumer, numbers) = match *tokens.as_slice() {
            ["$JS", "ACK", stream, consumer, ref numbers @ ..] if numbers.len() == 5 => {
                (stream, consumer, numbers)
            }
            [
                "$JS",
                "ACK",
                _domain,
                _account,
                stream,
                consumer,
                ref numbers @ ..,
            ] if numbers.len() >= 5 => (stream, consumer, numbers),
            _ => return Err(error()),
        };
        let safe = |name: &str| {
            !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || matches!(c, '*' | '>'))
        };
        if !safe(stream) || !safe(consumer) {
            return Err(error());
        }
        let number = |at: usize| {
            numbers
                .get(at)
                .and_then(|n| n.parse::<u64>().ok())
                .ok_or_else(error)
        };
        Ok(Self {
            lane: LaneRef {
                stream: stream.to_owned(),
                consumer: consumer.to_owned(),
            },
            num_delivered: number(0)?,
            stream_seq: number(1)?,
            consumer_seq: number(2)?,
            stored_ns: number(3)?,
            num_pending: number(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_ack_subjects_are_read() {
        for text in [
            "$JS.ACK.WB_MESSAGES.alice_low.2.17.5.1700000000000000001.3",
            "$JS.ACK._.XYZ.WB_MESSAGES.alice_low.2.17.5.1700000000000000001.3",
            "$JS.ACK.hub.XYZ.WB_MESSAGES.alice_low.2.17.5.1700000000000000001.3.token",
        ] {
            let meta: AckMeta = text.parse().unwrap();
            assert_eq!(meta.lane.consumer, "alice_low", "{text}");
            assert_eq!(
                (meta.num_delivered, meta.stream_seq, meta.consumer_seq),
                (2, 17, 5)
            );
            assert_eq!((meta.stored_ns, meta.num_pending), (1_700_000_000_000_000_001, 3));
        }
    }

    #[test]
    fn other_subjects_are_no_ack_subjects() {
        for text in [
            "",
            "$JS.ACK",
            "$JS.ACK.S.c.1.2.3.4",
            "$JS.ACK.S.c.1.2.3.4.x",
            "$JS.ACK.S.c.1.2.3.4.5.6",
            "$JS.ACK.S.c.-1.2.3.4.5",
            "$JS.ACK.*.c.1.2.3.4.5",
            "$JS.ACK.S\r\nPUB.c.1.2.3.4.5",
            "$JS.API.STREAM.DELETE.S",
            "wb.msg.bob.low.alice",
        ] {
            assert!(text.parse::<AckMeta>().is_err(), "{text}");
        }
    }

    #[test]
    fn acks_are_written_as_jetstream_reads_them() {
        let delay = Some(Duration::from_millis(1_500));
        assert_eq!(Settle::Nak { delay }.body(), "-NAK {\"delay\":1500000000}");
        assert_eq!(Settle::Nak { delay: None }.body(), "-NAK");
        let reason = "poison".to_owned();
        assert_eq!(Settle::Term { reason }.body(), "+TERM poison");
    }
}
