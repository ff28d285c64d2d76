//! Records of the API's callers, stored in their streams: nothing is answered as done before the server has it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use wagglebus_http::IdempotencyKey;
use wagglebus_nats::bus::{Bus, Outgoing, Stored};
use wagglebus_nats::error::{NoAnswer, PublishError, PublishFault, Retry};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Id, Timestamp, headers};

use super::state::Api;

/// A record that is to be stored.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) stream: Stream,
    pub(super) subject: Subject,
    pub(super) id: Id,
    pub(super) from: AgentId,
    pub(super) at: Timestamp,
    pub(super) event_type: String,
    /// Value of `ce-subject`, for messages.
    pub(super) to: Option<String>,
    pub(super) body: Bytes,
}

/// Stores a record.
///
/// # Errors
/// When it is not stored, or that is not known; a repeat under the same id is harmless.
pub(super) async fn store(api: &Api, record: &Record) -> Result<Stored, ErrorDetail> {
    let mut fields = vec![
        (headers::CE_SPECVERSION, headers::CE_SPECVERSION_VALUE.to_owned()),
        (headers::CE_ID, record.id.to_string()),
        (headers::CE_TYPE, record.event_type.clone()),
        (headers::CE_SOURCE, format!("/{}/{}", api.hive, record.from)),
        (headers::CE_TIME, record.at.to_string()),
    ];
    fields.extend(record.to.clone().map(|to| (headers::CE_SUBJECT, to)));
    let outgoing = Outgoing {
        subject: record.subject.build(&api.hive),
        id: record.id,
        expected_stream: Some(record.stream.name(&api.hive)),
        headers: fields,
        payload: record.body.clone(),
        expected_last_subject_seq: None,
    };
    let stored = match api.bus.send(outgoing).await {
        Ok(ack) => ack.await,
        Err(error) => Err(error),
    };
    stored.map_err(|error| refusal(&error, record.id))
}

fn refusal(error: &PublishError, id: Id) -> ErrorDetail {
    let code = match &error.fault {
        PublishFault::TooLarge { .. } => ErrorCode::TooLarge,
        PublishFault::NoAnswer(NoAnswer::PermissionDenied) => ErrorCode::Forbidden,
        PublishFault::NoAnswer(_)
        | PublishFault::InvalidHeader { .. }
        | PublishFault::InvalidSubject
        | PublishFault::WrongLastSequence { .. }
        | PublishFault::Refused { .. } => ErrorCode::BusUnreachable,
    };
    let refused = ErrorDetail::new(code, format!("not stored: {error}"));
    match error.retry() {
        Retry::SameId => refused
            .hint("send it again under this id: should it be stored all the same, it is stored once")
            .retry_after_ms(1_000)
            .details(json!({ "id": id })),
        _ => refused,
    }
}

/// What was stored before under the same id: its subject and its bytes.
///
/// # Errors
/// When the server does not tell.
pub(super) async fn stored_before(
    api: &Api,
    stream: Stream,
    seq: u64,
) -> Result<(Option<Subject>, Bytes), ErrorDetail> {
    let reading = async {
        let session = api.bus.connection().session()?;
        let stream = session
            .jetstream()
            .get_stream_no_info(stream.name(&api.hive))
            .await
            .ok()?;
        stream.get_raw_message(seq).await.ok()
    };
    let Some(message) = reading.await else {
        let error = "this id was stored before, and what was stored under it cannot be read now";
        return Err(ErrorDetail::new(ErrorCode::BusUnreachable, error).retry_after_ms(1_000));
    };
    let subject = Subject::parse(&api.hive, &message.subject).ok();
    Ok((subject, message.payload))
}

/// That an id stands for something else.
pub(super) fn conflict(id: Id) -> ErrorDetail {
    let message = format!("id {id} was used before for something else");
    ErrorDetail::new(ErrorCode::IdempotencyConflict, message)
        .hint("use a new id for something new, or repeat the first one unchanged")
}

/// A record's bytes for the bus, within the bound that the account's `max_payload` needs.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Bytes, ErrorDetail> {
    let bytes = serde_json::to_vec(record).map_err(|error| {
        ErrorDetail::new(
            ErrorCode::InvalidMessage,
            format!("cannot be written as JSON: {error}"),
        )
    })?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        let message = format!("{} bytes are over the bound of {MESSAGE_BYTES_MAX}", bytes.len());
        return Err(ErrorDetail::new(ErrorCode::TooLarge, message).hint("send a reference instead"));
    }
    Ok(Bytes::from(bytes))
}

/// The id of what a caller sends: its own, that of its key, or a new one. A key gives the same id at every coordinator of
/// this user, which nobody can guess who does not have the operator's token.
///
/// # Errors
/// When both are given: which one counts would be a guess.
pub(super) fn identify(
    api: &Api,
    from: &AgentId,
    given: Option<Id>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Id, ErrorDetail> {
    match (given, key) {
        (Some(id), None) => Ok(id),
        (None, None) => Ok(Id::from_uuid(uuid::Uuid::now_v7())),
        (None, Some(key)) => api.auth.id_of_key(from, &key).ok_or_else(|| {
            let message = "there is no operator's token, without which keys have no ids";
            ErrorDetail::new(ErrorCode::CoordinatorUnavailable, message)
        }),
        (Some(_), Some(_)) => Err(ErrorDetail::new(
            ErrorCode::InvalidMessage,
            "give either an id or an Idempotency-Key",
        )),
    }
}
