//! From a draft to a record in the spool.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::message::metadata;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Draft, Id, Level};

use super::Sidecar;
use super::leasing::fenced;
use super::publishing::refusal;
use super::waiting::{self, Waiter};
use crate::context::Context;
use crate::effect::{Answer, Effect};
use crate::event::SendRequest;
use crate::journal::JournalError;
use crate::record::{Closed, DraftDigest, Out, OutKind, Record};

/// Most records that no stream has acknowledged.
pub(super) const UNSTORED_MAX: usize = 100_000;
/// Most bytes of records that no stream has acknowledged.
pub(super) const UNSTORED_BYTES_MAX: u64 = 256 * 1024 * 1024;

impl Sidecar {
    pub(super) fn send(&mut self, cx: &mut Context<'_>, request: SendRequest) {
        let token = request.token;
        if let Err(error) = self.try_send(cx, request) {
            cx.ask(Effect::Answer {
                token,
                answer: Answer::Error(error),
            });
        }
    }

    fn try_send(&mut self, cx: &mut Context<'_>, request: SendRequest) -> Result<(), ErrorDetail> {
        let SendRequest {
            token,
            mut draft,
            addressee,
            idempotency_key,
            unverified,
            wait,
            timeout_ms,
        } = request;
        let me = &self.settings.identity.agent;
        if let Some(from) = draft.from_agent.take().filter(|from| from != me) {
            let message = format!("this sidecar speaks for {me}, not for {from}");
            return Err(ErrorDetail::new(ErrorCode::SenderMismatch, message)
                .hint("leave from_agent out, or send through that agent's own sidecar"));
        }
        let deadline_ms = cx.now.mono_ms.saturating_add(timeout_ms);
        let mut waiter = Waiter {
            token,
            wait,
            since_ms: cx.now.mono_ms,
            deadline_ms,
            position: 0,
            duplicate: false,
            unverified,
            verdict: false,
        };
        let id = self.identify(cx, draft.id.take(), idempotency_key.as_deref())?;
        let digest = digest(&draft);
        if let Some(entry) = self.ledger.sent(&id) {
            let known = entry.head.as_ref().map(|head| head.digest);
            if known != Some(digest) {
                return Err(conflict(format!("id {id} was used before for another message")));
            }
            waiter.duplicate = true;
            waiter.position = self.waiters.position_of(&id);
            return self.answer_or_wait(cx, id, waiter);
        }
        self.check_accepting()?;
        if let Some(addressee) = addressee {
            address(&mut draft, addressee);
        }
        let out = self.outgoing(cx, id, &draft, digest, idempotency_key)?;
        let message = draft.into_message(id, self.settings.identity.agent.clone(), cx.now.wall);
        let body = encode(&message)?;
        self.check_room(body.len()).map_err(spool_full)?;
        waiter.position = self.accept(cx, out, body).map_err(spool_full)?;
        self.waiters.accepted(id, waiter.position);
        self.wait(cx, id, waiter);
        Ok(())
    }

    /// The id of what the agent sends: its own, that of its idempotency key, or a new one.
    pub(super) fn identify(
        &self,
        cx: &mut Context<'_>,
        given: Option<Id>,
        idempotency_key: Option<&str>,
    ) -> Result<Id, ErrorDetail> {
        let named = idempotency_key.and_then(|key| self.ledger.sent_under(key));
        match (given, named) {
            (Some(id), Some(named)) if id != named => Err(conflict(format!(
                "the idempotency key was used before for message {named}, not for {id}"
            ))),
            (Some(id), _) | (None, Some(id)) => Ok(id),
            (None, None) => Ok(cx.ids.fresh()),
        }
    }

    /// Whether anything new is accepted from the agent.
    pub(super) fn check_accepting(&self) -> Result<(), ErrorDetail> {
        if self.is_draining() {
            return Err(
                ErrorDetail::new(ErrorCode::Draining, "the sidecar is shutting down")
                    .hint("send again when it is back; nothing was accepted"),
            );
        }
        if self.fence.is_fenced() {
            return Err(fenced());
        }
        Ok(())
    }

    /// A message that is known already: its sender is told where it stands, at once if that is enough.
    fn answer_or_wait(&mut self, cx: &mut Context<'_>, id: Id, waiter: Waiter) -> Result<(), ErrorDetail> {
        let level = self.ledger.level(&id).unwrap_or(Level::Accepted);
        let closed = self.ledger.sent(&id).and_then(|entry| entry.closed);
        if closed == Some(Closed::Refused) {
            return Err(refusal("it was refused before"));
        }
        if self.waiters.is_content(&waiter, level) {
            let answer = waiting::answer(&self.ledger, id, &waiter, level);
            cx.ask(Effect::Answer {
                token: waiter.token,
                answer,
            });
        } else if closed == Some(Closed::Dead) {
            return Err(waiting::dead(&self.ledger, id, None));
        } else {
            self.wait(cx, id, waiter);
        }
        Ok(())
    }

    pub(super) fn wait(&mut self, cx: &Context<'_>, id: Id, waiter: Waiter) {
        if waiter.is_content_with_accepted() {
            self.syncing.awaited(cx.now.mono_ms);
        }
        self.waiters.add(id, waiter);
    }

    /// Whether `bytes` more may wait to be stored.
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), JournalError> {
        if let Some(why) = &self.spool_failure {
            return Err(JournalError::Io(why.clone()));
        }
        let (records, unstored) = self.ledger.unstored_depth();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if records >= UNSTORED_MAX || unstored.saturating_add(bytes) > UNSTORED_BYTES_MAX {
            let why = format!("{records} records ({unstored} bytes) wait to be stored, which is the bound");
            return Err(JournalError::Full(why));
        }
        Ok(())
    }

    fn outgoing(
        &self,
        cx: &Context<'_>,
        id: Id,
        draft: &Draft,
        digest: DraftDigest,
        idempotency_key: Option<String>,
    ) -> Result<Out, ErrorDetail> {
        let (priority, from) = (draft.priority, self.settings.identity.agent.clone());
        let (kind, subject) = match draft.to_agent.kind() {
            RecipientKind::Agent(to) => (
                OutKind::Message,
                Subject::Message {
                    to: to.clone(),
                    priority,
                    from,
                },
            ),
            RecipientKind::Room(room) => (
                OutKind::Room,
                Subject::Room {
                    room: room.clone(),
                    priority,
                    from,
                },
            ),
            RecipientKind::Capability(name) => {
                return Err(ErrorDetail::new(
                    ErrorCode::CoordinatorUnavailable,
                    format!("nobody could be asked who has capability {name}"),
                )
                .hint("name an agent, or start the coordinator with `wagglebus up`"));
            }
        };
        Ok(Out {
            id,
            kind,
            subject: subject.build(&self.settings.hive),
            priority,
            conversation: Some(draft.conversation_id.unwrap_or(id)),
            event_type: format!("io.wagglebus.message.v1.{}", draft.message_type),
            digest,
            order: self.ledger.next_order(),
            at: cx.now.wall,
            then_ack: None,
            idempotency_key,
            forgotten: false,
        })
    }

    /// Writes an outgoing record and puts it on its way. Returns where it ends in the spool.
    pub(super) fn accept(
        &mut self,
        cx: &mut Context<'_>,
        out: Out,
        body: Bytes,
    ) -> Result<u64, JournalError> {
        let (lane, order, id) = (out.priority, out.order, out.id);
        let written = self.record(cx, Record::Out(out.into()), &body)?;
        self.outbox.push(lane, order, id, Some(body));
        Ok(written.position)
    }
}

/// Addresses a draft to the agent that its recipient turned out to be.
fn address(draft: &mut Draft, addressee: AgentId) {
    if let RecipientKind::Capability(name) = draft.to_agent.kind() {
        let name = name.to_string();
        draft.metadata.insert(metadata::CAPABILITY.into(), name.into());
    }
    draft.to_agent = addressee.into();
}

pub(super) fn conflict(message: String) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::IdempotencyConflict, message)
        .hint("use a new id for a new message, or repeat the first one unchanged")
}

/// Digest of what makes two drafts the same message: everything but id and sender, as the agent gave it. To whom a
/// capability is resolved may differ from one attempt to the next.
pub(super) fn digest<T: serde::Serialize>(draft: &T) -> DraftDigest {
    let text = serde_json::to_vec(draft).unwrap_or_default();
    let mut digest = DraftDigest::default();
    for (byte, full) in digest.iter_mut().zip(Sha256::digest(text)) {
        *byte = full;
    }
    digest
}

/// A record's bytes for the bus, within the bound that the account's `max_payload` needs.
pub(super) fn encode<T: serde::Serialize>(record: &T) -> Result<Bytes, ErrorDetail> {
    let bytes = serde_json::to_vec(record).map_err(|e| {
        ErrorDetail::new(
            ErrorCode::InvalidMessage,
            format!("cannot be written as JSON: {e}"),
        )
    })?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        let message = format!(
            "the message has {} bytes as JSON, over the bound of {MESSAGE_BYTES_MAX}; escaped characters count in full",
            bytes.len()
        );
        return Err(
            ErrorDetail::new(ErrorCode::TooLarge, message).hint("send a reference to the text instead")
        );
    }
    Ok(bytes.into())
}

pub(super) fn spool_full(error: JournalError) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::SpoolFull, error.to_string())
        .hint("free disk space, or bring NATS back so that the spool can drain; nothing was accepted")
}
