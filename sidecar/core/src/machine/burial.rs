//! Dead letters: what cannot be delivered is filed, and its sender is told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use wagglebus_schemas::bridge::Proof;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::ReceiptReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Draft, Id, Message, Priority};

use super::Sidecar;
use super::sending::encode;
use crate::context::Context;
use crate::event::Fetched;
use crate::inbox::Hand;
use crate::journal::JournalError;
use crate::receipt::Report;
use crate::record::{Key, Out, OutKind, Outcome, ThenAck};

/// A message that is dead, as far as it could be read.
pub(super) struct Corpse<'a> {
    pub(super) stream: Stream,
    pub(super) subject: &'a str,
    pub(super) stream_seq: u64,
    pub(super) ack: &'a str,
    pub(super) raw: &'a Bytes,
    /// Who wrote it, and under which id, where the envelope says so.
    pub(super) key: Option<Key>,
    pub(super) delivery: u32,
    /// Nobody is told: it is itself such a notice, or no message.
    pub(super) silent: bool,
}

impl<'a> Corpse<'a> {
    /// A fetched message that was not handed over this time.
    pub(super) const fn fetched(stream: Stream, fetched: &'a Fetched) -> Self {
        Self {
            stream,
            subject: fetched.subject.as_str(),
            stream_seq: fetched.stream_seq,
            ack: fetched.ack.as_str(),
            raw: &fetched.payload,
            key: None,
            delivery: 0,
            silent: false,
        }
    }

    /// A message that was in the agent's hands.
    pub(super) fn in_hand(hand: &'a Hand) -> Self {
        Self {
            stream: Stream::Messages,
            subject: &hand.subject,
            stream_seq: hand.stream_seq,
            ack: &hand.ack,
            raw: &hand.raw,
            key: Some(hand.key.clone()),
            delivery: hand.delivery,
            silent: is_notice(&hand.message),
        }
    }
}

/// Where a dead message lies whose letter is not stored yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grave {
    pub(super) stream: Stream,
    pub(super) stream_seq: u64,
}

impl Sidecar {
    /// Files a dead letter, which ends the message; it is acked once the letter is stored. The sender gets a receipt and
    /// a notice.
    ///
    /// # Errors
    /// When the spool has no room: nothing happened, and the message must come again.
    pub(super) fn bury(
        &mut self,
        cx: &mut Context<'_>,
        corpse: &Corpse<'_>,
        reason: DeadReason,
        why: &str,
    ) -> Result<(), JournalError> {
        let me = self.settings.identity.agent.clone();
        let id = cx.ids.fresh();
        let letter = DeadLetter {
            id,
            message_id: corpse.key.as_ref().map(|key| key.id),
            stream: corpse.stream.name(&self.settings.hive),
            stream_seq: corpse.stream_seq,
            subject: corpse.subject.to_owned(),
            agent: me.clone(),
            reason,
            delivery: corpse.delivery,
            detail: why.to_owned(),
            body_base64: (corpse.raw.len() <= MESSAGE_BYTES_MAX).then(|| STANDARD.encode(corpse.raw)),
            at: cx.now.wall,
        };
        let body = Bytes::from(serde_json::to_vec(&letter).unwrap_or_default());
        self.check_room(body.len())?;
        let subject = Subject::Dlq { reason, from: me };
        let mut out = self.bus_record(cx, id, OutKind::DeadLetter, &subject, "dead_letter");
        out.then_ack = Some(ThenAck {
            ack: corpse.ack.to_owned(),
            key: corpse.key.clone(),
            outcome: corpse.key.is_some().then_some(Outcome::Dead),
        });
        self.accept(cx, out, body)?;
        let Corpse {
            stream, stream_seq, ..
        } = *corpse;
        self.graves.insert(id, Grave { stream, stream_seq });
        if let Some(key) = corpse.key.as_ref().filter(|_| !corpse.silent) {
            self.report_dead(cx, key, corpse.delivery, reason);
            self.notify_sender(cx, key, reason, why);
        }
        Ok(())
    }

    /// Whether a message was filed as a dead letter that is not stored yet.
    pub(super) fn is_buried(&self, stream: Stream, stream_seq: u64) -> bool {
        let grave = Grave { stream, stream_seq };
        self.graves.values().any(|known| *known == grave)
    }

    fn report_dead(&mut self, cx: &mut Context<'_>, key: &Key, delivery: u32, reason: DeadReason) {
        let report = Report {
            key,
            levels: &[ReceiptLevel::Dead],
            bridge: None,
            proof: Proof::None,
            delivery,
            reason: Some(ReceiptReason::Dead(reason)),
        };
        self.report(cx, &report);
    }

    /// A message to the sender's inbox that says what was not delivered, and why.
    fn notify_sender(&mut self, cx: &mut Context<'_>, dead: &Key, reason: DeadReason, why: &str) {
        if dead.from == AgentId::coordinator() || dead.from == self.settings.identity.agent {
            return;
        }
        let me = self.settings.identity.agent.clone();
        let mut notice = Draft::text(
            dead.from.clone().into(),
            format!(
                "Your message {} to {me} was not delivered: {reason} ({why}).",
                dead.id
            ),
        );
        notice.message_type = MessageType::Status;
        notice
            .metadata
            .insert(metadata::KIND.into(), metadata::KIND_UNDELIVERABLE.into());
        notice
            .metadata
            .insert(metadata::IN_REPLY_TO.into(), dead.id.to_string().into());
        let id = cx.ids.fresh();
        let subject = Subject::Message {
            to: dead.from.clone(),
            priority: notice.priority,
            from: me.clone(),
        };
        let mut out = self.bus_record(cx, id, OutKind::Message, &subject, "message");
        out.priority = notice.priority;
        out.conversation = Some(id);
        out.event_type = format!("io.wagglebus.message.v1.{}", notice.message_type);
        let Ok(body) = encode(&notice.into_message(id, me, cx.now.wall)) else {
            return;
        };
        self.owe(cx, out, body);
    }

    /// An outgoing record of the bus itself, which leaves with the urgent ones.
    pub(super) fn bus_record(
        &self,
        cx: &Context<'_>,
        id: Id,
        kind: OutKind,
        subject: &Subject,
        category: &str,
    ) -> Out {
        Out {
            id,
            kind,
            subject: subject.build(&self.settings.hive),
            priority: Priority::Urgent,
            conversation: None,
            event_type: format!("io.wagglebus.{category}.v1.{category}"),
            digest: Default::default(),
            order: self.ledger.next_order(),
            at: cx.now.wall,
            then_ack: None,
            idempotency_key: None,
            forgotten: false,
        }
    }
}

/// Whether a message is itself the notice of a dead one: its death is not announced, or two dead inboxes would notify
/// each other for ever.
pub(super) fn is_notice(message: &Message) -> bool {
    message
        .metadata
        .get(metadata::KIND)
        .and_then(|kind| kind.as_str())
        == Some(metadata::KIND_UNDELIVERABLE)
}
