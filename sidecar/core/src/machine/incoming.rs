//! What becomes of a fetched message: handed over, acked away, given back, or dead.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::{HAND_OVERS_MAX, MESSAGE_BYTES_MAX};
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::receipt::ReceiptReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Draft, Id, Message, Priority, decode};

use super::sending::encode;
use super::{Sidecar, later};
use crate::context::Context;
use crate::effect::{Effect, Settlement};
use crate::event::Fetched;
use crate::inbox::{Appetite, Hand, Holder, PROGRESS_MS, Taker};
use crate::journal::JournalError;
use crate::receipt::Report;
use crate::record::{HandOver, Key, Out, OutKind, Outcome, Record, ThenAck};

/// How long a message is put off that cannot be counted because the spool is full, in milliseconds.
const SPOOL_FULL_DELAY_MS: u64 = 5_000;
/// The end of a lease that ends with its holder, as shown: the longest that a lease can be asked for.
const OPEN_LEASE_MS: u64 = 3_600_000;

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
    /// Nobody is told: it is itself such a notice.
    pub(super) silent: bool,
}

impl Sidecar {
    /// Decides about a fetched message.
    pub(super) fn take_in(&mut self, cx: &mut Context<'_>, lane: Priority, fetched: Fetched) {
        let subject = Subject::parse(&self.settings.hive, &fetched.subject);
        let envelope_key = || -> Option<Key> {
            let from = subject.as_ref().ok()?.from()?.clone();
            Some(Key {
                from,
                id: fetched.msg_id.as_deref()?.parse().ok()?,
            })
        };
        let decoded = match &subject {
            Ok(subject) => decode::message(subject, fetched.msg_id.as_deref(), &fetched.payload)
                .map_err(|refusal| (refusal.dead_reason(), refusal.to_string())),
            Err(error) => Err((DeadReason::Undecodable, error.to_string())),
        };
        let message = match decoded {
            Ok(message) => message,
            Err((reason, why)) => {
                let corpse = Corpse {
                    key: envelope_key(),
                    ..corpse(&fetched, 0)
                };
                return self.bury(cx, &corpse, reason, &why);
            }
        };
        let key = Key {
            from: message.from_agent.clone(),
            id: message.id,
        };
        // What ended before comes again when the server did not hear our ack, or its sender published it twice.
        let ended = self
            .ledger
            .received(&key)
            .is_some_and(|entry| entry.ended.is_some());
        if ended || self.is_not_ours(&subject, &fetched) {
            return self.settle(cx, &fetched.ack, Settlement::Ack, Some(key));
        }
        if let Some(hand) = self.inbox.hand_mut(&key) {
            if hand.stream_seq == fetched.stream_seq {
                // The server lost patience while it was in hand: the newer reply subject settles it.
                hand.ack = fetched.ack;
            } else {
                self.settle(cx, &fetched.ack, Settlement::Ack, None);
            }
            return;
        }
        self.hand_over(cx, lane, fetched, key, message);
    }

    /// A post of our own, or one from before we joined the room.
    fn is_not_ours<E>(&self, subject: &Result<Subject, E>, fetched: &Fetched) -> bool {
        let Ok(Subject::Room { room, from, .. }) = subject else {
            return false;
        };
        let joined = self.joined.get(room).copied().unwrap_or(0);
        *from == self.settings.identity.agent || fetched.stream_seq <= joined
    }

    fn hand_over(
        &mut self,
        cx: &mut Context<'_>,
        lane: Priority,
        fetched: Fetched,
        key: Key,
        message: Message,
    ) {
        let before = self.ledger.received(&key);
        let delivery = before
            .map_or(0, crate::ledger::InEntry::deliveries)
            .saturating_add(1);
        let bodiless = before.is_some_and(|entry| entry.body.is_some());
        let redelivered = delivery > 1 || fetched.num_delivered > 1;
        let silent = is_notice(&message);
        let expired = message.expires_at().is_some_and(|at| at <= cx.now.wall);
        if expired || delivery > HAND_OVERS_MAX {
            let corpse = Corpse {
                key: Some(key),
                silent,
                ..corpse(&fetched, delivery.saturating_sub(1))
            };
            if expired {
                return self.bury(cx, &corpse, DeadReason::Expired, "its expires_at has passed");
            }
            let why = format!("handed over {HAND_OVERS_MAX} times without success");
            return self.bury(cx, &corpse, DeadReason::MaxDeliver, &why);
        }
        let Some((taker, appetite)) = self
            .taker(lane)
            .filter(|_| self.fence.holds(cx.now) && !self.is_draining())
        else {
            return self.bring_back(cx, lane, &fetched.ack);
        };
        let record = Record::HandOver(HandOver {
            key: key.clone(),
            priority: lane,
            stream_seq: fetched.stream_seq,
            ack: fetched.ack.clone(),
            delivery,
            at: cx.now.wall,
            bodiless,
        });
        let body = if bodiless {
            Bytes::new()
        } else {
            fetched.payload.clone()
        };
        if let Err(error) = cx.record(&mut self.ledger, record, &body) {
            cx.warn(Some(key.id), format!("cannot count a hand-over: {error}"));
            return self.put_off(cx, lane, &fetched);
        }
        self.wrote(false);
        let hand = self.hand(cx, lane, fetched, key, message, (taker, delivery, redelivered));
        self.give(cx, taker, hand, appetite);
    }

    fn put_off(&mut self, cx: &mut Context<'_>, lane: Priority, fetched: &Fetched) {
        let until_ms = cx.now.mono_ms.saturating_add(SPOOL_FULL_DELAY_MS);
        self.delayed.insert(fetched.stream_seq, (lane, until_ms));
        self.lane_mut(lane).expect_at(until_ms);
        self.settle(
            cx,
            &fetched.ack,
            Settlement::Nak {
                delay_ms: SPOOL_FULL_DELAY_MS,
            },
            None,
        );
    }

    fn hand(
        &self,
        cx: &Context<'_>,
        lane: Priority,
        fetched: Fetched,
        key: Key,
        message: Message,
        (taker, delivery, redelivered): (Taker, u32, bool),
    ) -> Hand {
        let now_ms = cx.now.mono_ms;
        let (holder, bridge, lease_ms) = match taker {
            Taker::Request(token) => (Holder::Lease, Bridge::Http, self.inbox.lease_ms(token)),
            Taker::Reader(reader) => {
                let kind = self.inbox.reader(reader);
                let bridge = kind.map_or(Bridge::Stdio, |kind| kind.bridge);
                (
                    Holder::Reader(reader),
                    bridge,
                    kind.and_then(|kind| kind.lease_ms),
                )
            }
        };
        Hand {
            key,
            message,
            raw: fetched.payload,
            subject: fetched.subject,
            priority: lane,
            stream_seq: fetched.stream_seq,
            ack: fetched.ack,
            delivery,
            redelivered,
            holder,
            bridge,
            lease: format!("{}.{delivery}", fetched.stream_seq),
            lease_until_ms: lease_ms.map(|ms| now_ms.saturating_add(ms)),
            lease_expires_at: later(cx.now.wall, lease_ms.unwrap_or(OPEN_LEASE_MS)),
            injected: false,
            seen: false,
            progress_at_ms: now_ms.saturating_add(PROGRESS_MS),
            taken_at_ms: now_ms,
        }
    }

    fn give(&mut self, cx: &mut Context<'_>, taker: Taker, hand: Hand, appetite: Appetite) {
        let (key, handed) = (hand.key.clone(), hand.handed());
        self.inbox.hold(taker, hand, appetite);
        if let Taker::Reader(reader) = taker {
            cx.ask(Effect::HandOver {
                reader,
                key,
                handed: Box::new(handed),
            });
        }
    }

    /// Files a dead letter; the message is acked once the dead letter is stored. The sender gets a receipt and a notice.
    pub(super) fn bury(&mut self, cx: &mut Context<'_>, corpse: &Corpse<'_>, reason: DeadReason, why: &str) {
        if let Err(error) = self.try_bury(cx, corpse, reason, why) {
            // Nothing vanishes: without its dead letter the message stays in the stream and comes again.
            cx.warn(
                corpse.key.as_ref().map(|key| key.id),
                format!("cannot file a dead letter: {error}"),
            );
            self.settle(
                cx,
                corpse.ack,
                Settlement::Nak {
                    delay_ms: SPOOL_FULL_DELAY_MS,
                },
                None,
            );
        }
    }

    fn try_bury(
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
        let subject = Subject::Dlq { reason, from: me };
        let body = serde_json::to_vec(&letter).unwrap_or_default();
        let then_ack = Some(ThenAck {
            ack: corpse.ack.to_owned(),
            key: corpse.key.clone(),
        });
        let mut out = self.bus_record(cx, id, OutKind::DeadLetter, &subject, "dead_letter");
        out.then_ack = then_ack;
        self.accept(cx, out, body.into())?;
        let Some(key) = &corpse.key else { return Ok(()) };
        if corpse.stream == Stream::Messages {
            if !corpse.silent {
                self.report_dead(cx, key, corpse.delivery, reason);
                self.notify_sender(cx, key, reason, why);
            }
            let ended = Record::Ended {
                key: key.clone(),
                outcome: Outcome::Dead,
                at: cx.now.wall,
            };
            self.note(cx, ended, Some(key.id));
        }
        Ok(())
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
        self.report(cx, &report, None);
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
        if let Err(error) = self.accept(cx, out, body) {
            cx.warn(
                Some(dead.id),
                format!("cannot tell the sender of a dead message: {error}"),
            );
        }
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

fn corpse(fetched: &Fetched, delivery: u32) -> Corpse<'_> {
    Corpse {
        stream: Stream::Messages,
        subject: &fetched.subject,
        stream_seq: fetched.stream_seq,
        ack: &fetched.ack,
        raw: &fetched.payload,
        key: None,
        delivery,
        silent: false,
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
