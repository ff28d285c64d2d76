//! Publishes that are stored, with their acks.

use std::error::Error as _;

use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use wagglebus_schemas::headers;

use super::JetStream;
use super::overtaking::Open;
use crate::bound::check_sizes;
use crate::bus::{Outgoing, PubAck, Stored};
use crate::connect::{ANSWER_WITHIN, Session};
use crate::error::{NoAnswer, PublishError, PublishFault};

pub(super) async fn send(bus: &JetStream, record: Outgoing) -> Result<PubAck, PublishError> {
    let Outgoing {
        subject,
        id,
        expected_stream,
        headers: further,
        payload,
        expected_last_subject_seq,
    } = record;
    let mut all = vec![(headers::MSG_ID, id.to_string())];
    all.extend(expected_stream.map(|stream| (headers::EXPECTED_STREAM, stream)));
    all.extend(
        expected_last_subject_seq.map(|seq| (headers::EXPECTED_LAST_SUBJECT_SEQUENCE, seq.to_string())),
    );
    all.extend(further);
    let handed_over = async {
        let session = bus.session()?;
        let open = bus.unsettled.enter(session.number())?;
        hand_over(session, &subject, all, payload, Some(open)).await
    };
    let handed_over = handed_over.await;
    handed_over.map_err(|fault| PublishError { subject, fault })
}

/// Publishes with exactly these headers, without regard to the order among publishes.
pub(super) async fn publish(
    bus: &JetStream,
    subject: &str,
    headers: Vec<(&'static str, String)>,
    payload: Bytes,
) -> Result<Stored, PublishError> {
    let handed_over = async {
        let session = bus.session()?;
        hand_over(session, subject, headers, payload, None).await
    };
    let ack = handed_over.await.map_err(|fault| PublishError {
        subject: subject.to_owned(),
        fault,
    })?;
    ack.await
}

/// Publishes a part of a batch, whose end alone is answered.
pub(super) async fn hand_over_silently(
    bus: &JetStream,
    subject: &str,
    headers: Vec<(&'static str, String)>,
    payload: Bytes,
) -> Result<(), PublishError> {
    let handed_over = async {
        let session = bus.session()?;
        check_sizes(&headers, payload.len(), session.server().max_payload)?;
        let headers = header_map(headers)?;
        let publishing = session
            .client()
            .publish_with_headers(subject.to_owned(), headers, payload);
        match tokio::time::timeout(ANSWER_WITHIN, publishing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NoAnswer::Disconnected.into()),
            Err(_) => Err(PublishFault::from(NoAnswer::Timeout)),
        }
    };
    handed_over.await.map_err(|fault| PublishError {
        subject: subject.to_owned(),
        fault,
    })
}

async fn hand_over(
    session: Session,
    subject: &str,
    headers: Vec<(&'static str, String)>,
    payload: Bytes,
    open: Option<Open>,
) -> Result<PubAck, PublishFault> {
    check_sizes(&headers, payload.len(), session.server().max_payload)?;
    let message = PublishMessage::build()
        .payload(payload)
        .headers(header_map(headers)?);
    let denial = session.denials().watch();
    let sending = session.jetstream().send_publish(subject.to_owned(), message);
    let sent = tokio::time::timeout(ANSWER_WITHIN, sending).await;
    let ack = sent
        .map_err(|_| NoAnswer::Timeout)?
        .map_err(|error| fault(&error))?;
    let subject = subject.to_owned();
    Ok(Box::pin(async move {
        let acked = tokio::select! {
            biased;
            ack = stored(ack) => ack,
            () = session.denials().refused(&subject, denial) => Err(NoAnswer::PermissionDenied.into()),
        };
        drop(open);
        acked.map_err(|fault| PublishError { subject, fault })
    }))
}

/// Values are checked before: converting a text with a line break would panic in the client library.
fn header_map(headers: Vec<(&'static str, String)>) -> Result<HeaderMap, PublishFault> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if value.contains(['\r', '\n']) {
            return Err(PublishFault::InvalidHeader { name });
        }
        map.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    Ok(map)
}

async fn stored(ack: PublishAckFuture) -> Result<Stored, PublishFault> {
    match ack.await {
        Ok(PublishAck {
            stream,
            sequence,
            duplicate,
            ..
        }) => Ok(Stored {
            stream,
            seq: sequence,
            duplicate,
        }),
        Err(error) => Err(fault(&error)),
    }
}

fn fault(error: &async_nats::jetstream::context::PublishError) -> PublishFault {
    if let Some(refusal) = error.source().and_then(|source| source.downcast_ref()) {
        return refused(refusal);
    }
    match error.kind() {
        PublishErrorKind::TimedOut => NoAnswer::Timeout.into(),
        PublishErrorKind::StreamNotFound => NoAnswer::NoResponders.into(),
        PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => NoAnswer::Disconnected.into(),
        // Only an invalid subject and a closed connection end here, an unreadable ack aside.
        PublishErrorKind::Other
        | PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::MaxPayloadExceeded => match error
            .source()
            .map(|source| source.is::<async_nats::SubjectError>())
        {
            Some(true) => PublishFault::InvalidSubject,
            Some(false) | None => NoAnswer::Disconnected.into(),
        },
    }
}

fn refused(error: &async_nats::jetstream::Error) -> PublishFault {
    let number = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    let code = number(error.error_code().0);
    let text = error.to_string();
    if PublishFault::WRONG_LAST_SEQUENCE.contains(&code) {
        // "wrong last sequence: 12 (code …)"
        let last = text.split_once("sequence: ").map(|(_, rest)| rest);
        let digits = last.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        return PublishFault::WrongLastSequence {
            last: digits.and_then(|digits| digits.parse().ok()),
        };
    }
    PublishFault::Refused {
        code,
        status: u16::try_from(error.code()).unwrap_or(u16::MAX),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_in_header_values_are_an_error() {
        for bad in ["a\r\nNats-Rollup: all", "a\nb", "\r"] {
            let fault = header_map(vec![("ce-subject", bad.to_owned())]).unwrap_err();
            assert_eq!(fault, PublishFault::InvalidHeader { name: "ce-subject" });
        }
        assert_eq!(
            header_map(vec![("ce-subject", "bob é".to_owned())])
                .unwrap()
                .len(),
            1
        );
    }
}
