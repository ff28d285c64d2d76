//! What can go wrong between us and the bus, one enum per call.

use crate::bus::LaneRef;

/// Why a call got no answer. Whether it had an effect is unknown, but for the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing came in time. It may have happened all the same, now or later.
    #[error("no answer in time")]
    Timeout,
    /// There is no session, or it ended while we waited.
    #[error("not connected")]
    Disconnected,
    /// Nobody serves that subject: no such stream, consumer or service, or the server is just reloading its accounts.
    #[error("nobody serves this subject (no responders)")]
    NoResponders,
    /// The server forbids the subject; it will until an administrator changes that.
    #[error("permission denied; ask the administrator of the bus for this subject")]
    PermissionDenied,
}

/// What to do about a publish that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Publish again under the same id, for ever, with growing pauses.
    SameId,
    /// It would fail again.
    Never,
}

/// A publish that was not stored, or not provably so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("publish to {subject}: {fault}")]
pub struct PublishError {
    /// Where to.
    pub subject: String,
    /// What happened.
    pub fault: PublishFault,
}

/// What happened to a publish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishFault {
    /// No ack.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// It exceeds a bound. Never sent: the server would cut the connection without an answer.
    #[error("{what} of {bytes} bytes exceeds {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A header's name or value cannot be sent (CR, LF). Never sent.
    #[error("header {name} has a value with a line break")]
    InvalidHeader {
        /// The header.
        name: &'static str,
    },
    /// The subject cannot be sent (empty, white space). Never sent.
    #[error("this is no subject to publish to")]
    InvalidSubject,
    /// Compare-and-set failed: somebody else wrote this subject.
    #[error("the last sequence of the subject is {}, not the expected one", last.map_or_else(|| "another".to_owned(), |n| n.to_string()))]
    WrongLastSequence {
        /// The sequence it has, where the server says so.
        last: Option<u64>,
    },
    /// The stream did not take it for another reason.
    #[error("refused by the stream: {text} ({code})")]
    Refused {
        /// JetStream's error code, such as [`STREAM_FULL`](Self::STREAM_FULL).
        code: u16,
        /// JetStream's status; 503 means that it may work later.
        status: u16,
        /// JetStream's words.
        text: String,
    },
}

impl PublishFault {
    /// The stream has reached its bounds.
    pub const STREAM_FULL: u16 = 10077;
    /// The message exceeds the stream's own bound.
    pub const MESSAGE_TOO_LARGE: u16 = 10054;
    /// The stream behind the subject is not the expected one.
    pub const OTHER_STREAM: u16 = 10060;
    /// The account has used up what it may store; it can be given more.
    pub const ACCOUNT_EXHAUSTED: u16 = 10002;
    pub(crate) const WRONG_LAST_SEQUENCE: [u16; 2] = [10071, 10164];
}

impl PublishError {
    /// What to do about it.
    pub const fn retry(&self) -> Retry {
        match &self.fault {
            PublishFault::NoAnswer(NoAnswer::Timeout | NoAnswer::Disconnected | NoAnswer::NoResponders) => {
                Retry::SameId
            }
            PublishFault::Refused { code, status, .. }
                if *status >= 500
                    || *code == PublishFault::STREAM_FULL
                    || *code == PublishFault::ACCOUNT_EXHAUSTED =>
            {
                Retry::SameId
            }
            PublishFault::NoAnswer(NoAnswer::PermissionDenied)
            | PublishFault::TooLarge { .. }
            | PublishFault::InvalidHeader { .. }
            | PublishFault::InvalidSubject
            | PublishFault::WrongLastSequence { .. }
            | PublishFault::Refused { .. } => Retry::Never,
        }
    }
}

/// A fetch that brought neither a message nor the certainty that there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fetch from {lane}: {fault}")]
pub struct FetchError {
    /// From where.
    pub lane: LaneRef,
    /// What happened.
    pub fault: FetchFault,
}

/// What happened to a fetch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// No answer. After [`NoAnswer::Timeout`] the fetch stays open: what it brings comes as [`Late`](crate::bus::Late).
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The consumer was deleted.
    #[error("the consumer was deleted; enrol the agent again")]
    ConsumerDeleted,
    /// Too many fetches wait at the server.
    #[error("too many fetches wait at the server")]
    MaxWaiting,
    /// Too many fetches of ours are open.
    #[error("{0} fetches are open already")]
    TooManyOpen(usize),
    /// Another status.
    #[error("{text} ({status})")]
    Other {
        /// The status.
        status: u16,
        /// The server's words.
        text: String,
    },
}

/// A settlement that was not confirmed. Repeating it is harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// No confirmation.
    #[error("settle at {subject}: {fault}")]
    NoAnswer {
        /// The ack subject.
        subject: String,
        /// What happened.
        fault: NoAnswer,
    },
    /// The text is no ack subject; nothing was sent.
    #[error(transparent)]
    Subject(#[from] crate::delivery::AckSubjectError),
}

/// A question about a consumer that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// No answer.
    #[error("ask about {lane}: {fault}")]
    NoAnswer {
        /// Which lane.
        lane: LaneRef,
        /// What happened.
        fault: NoAnswer,
    },
    /// JetStream's refusal, such as 10014 "consumer not found".
    #[error("ask about {lane}: {text} ({code})")]
    Refused {
        /// Which lane.
        lane: LaneRef,
        /// JetStream's error code.
        code: u16,
        /// JetStream's words.
        text: String,
    },
    /// An answer that cannot be read.
    #[error("ask about {lane}: the answer cannot be read: {reason}")]
    Malformed {
        /// Which lane.
        lane: LaneRef,
        /// What is wrong with it.
        reason: String,
    },
}

/// A lease that was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else wrote it meanwhile: read it, and compare the instance.
    #[error("lease {subject} was written by somebody else")]
    Conflict {
        /// The key's subject.
        subject: String,
        /// The sequence it has now, where the server says so.
        last: Option<u64>,
    },
    /// The write failed otherwise. After a missing answer it may have happened: read and compare.
    #[error("lease not written")]
    Write(#[from] PublishError),
    /// The read failed.
    #[error("read lease {subject}: {fault}")]
    Read {
        /// The key's subject.
        subject: String,
        /// What happened.
        fault: NoAnswer,
    },
    /// An answer that cannot be read.
    #[error("read lease {subject}: the answer cannot be read: {reason}")]
    Malformed {
        /// The key's subject.
        subject: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A request without a useful answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No answer.
    #[error("ask {subject}: {fault}")]
    NoAnswer {
        /// Whom.
        subject: String,
        /// What happened; [`NoAnswer::NoResponders`] means that there is no coordinator.
        fault: NoAnswer,
    },
    /// The service said no.
    #[error("ask {subject}: {text} ({code})")]
    Service {
        /// Whom.
        subject: String,
        /// Its code (`Nats-Service-Error-Code`).
        code: String,
        /// Its words (`Nats-Service-Error`).
        text: String,
        /// Its body: an [`ErrorBody`](wagglebus_schemas::ErrorBody) where the service is ours.
        body: bytes::Bytes,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_repeated_and_what_is_wrong_is_not() {
        for (code, status, retry) in [
            (PublishFault::STREAM_FULL, 503, Retry::SameId),
            (PublishFault::STREAM_FULL, 400, Retry::SameId),
            (10047, 500, Retry::SameId),
            (PublishFault::ACCOUNT_EXHAUSTED, 400, Retry::SameId),
            (PublishFault::MESSAGE_TOO_LARGE, 400, Retry::Never),
            (PublishFault::OTHER_STREAM, 400, Retry::Never),
            (10111, 400, Retry::Never),
        ] {
            let fault = PublishFault::Refused {
                code,
                status,
                text: String::new(),
            };
            let subject = "wb.msg.bob.low.alice".to_owned();
            assert_eq!(PublishError { subject, fault }.retry(), retry, "{code} {status}");
        }
    }
}
