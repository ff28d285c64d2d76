//! Leases: one key of the lease bucket, read and written without the client library's bucket handle, which would need
//! rights that agents do not have.

use async_nats::header::NATS_SEQUENCE;
use bytes::Bytes;
use wagglebus_schemas::headers;

use super::JetStream;
use super::publish::publish;
use crate::connect::ANSWER_WITHIN;
use crate::error::{LeaseError, PublishFault};
use crate::lease::{LeaseRecord, LeaseRef};
use crate::request::request;

pub(super) async fn read(bus: &JetStream, key: &LeaseRef) -> Result<Option<LeaseRecord>, LeaseError> {
    let subject = bus.api(&format!("DIRECT.GET.{}.{}", key.stream, key.subject));
    let asked = async {
        let session = bus.session()?;
        request(&session, &subject, None, Bytes::new(), ANSWER_WITHIN).await
    };
    let answer = asked.await.map_err(|fault| LeaseError::Read {
        subject: key.subject.clone(),
        fault,
    })?;
    let malformed = |reason: String| LeaseError::Malformed {
        subject: key.subject.clone(),
        reason,
    };
    match answer.status.map(|status| status.as_u16()) {
        Some(404) => return Ok(None),
        Some(status) => {
            let text = answer.description.unwrap_or_default();
            return Err(malformed(format!("status {status} {text}")));
        }
        None => {}
    }
    let seq = answer
        .headers
        .as_ref()
        .and_then(|headers| headers.get(NATS_SEQUENCE));
    let seq = seq.and_then(|seq| seq.as_str().parse().ok());
    Ok(Some(LeaseRecord {
        value: answer.payload,
        seq: seq.ok_or_else(|| malformed("no sequence".to_owned()))?,
    }))
}

/// Without `Nats-Msg-Id`: a repeat would be answered as a duplicate although another holder wrote in between.
pub(super) async fn write(
    bus: &JetStream,
    key: &LeaseRef,
    value: Bytes,
    expected: u64,
) -> Result<u64, LeaseError> {
    let headers = vec![
        (headers::EXPECTED_STREAM, key.stream.clone()),
        (headers::EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string()),
    ];
    match publish(bus, &key.subject, headers, value).await {
        Ok(stored) => Ok(stored.seq),
        Err(error) => match error.fault {
            PublishFault::WrongLastSequence { last } => Err(LeaseError::Conflict {
                subject: error.subject,
                last,
            }),
            PublishFault::NoAnswer(_)
            | PublishFault::TooLarge { .. }
            | PublishFault::InvalidHeader { .. }
            | PublishFault::InvalidSubject
            | PublishFault::Refused { .. } => Err(error.into()),
        },
    }
}
