//! What becomes of a fetched message: handed over, acked away, given back, or dead.

use bytes::Bytes;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::limits::HAND_OVERS_MAX;
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::subject::{Subject, SubjectError};
use wagglebus_schemas::{Message, Priority, RoomName, decode};

use super::burial::Corpse;
use super::{Sidecar, later};
use crate::context::Context;
use crate::effect::{Effect, Settlement};
use crate::event::Fetched;
use crate::inbox::{Appetite, Hand, Holder, PROGRESS_MS, Taker};
use crate::journal::JournalError;
use crate::record::{HandOver, Key, Record};
use crate::settle::Follow;

/// The end of a lease that ends with its holder, as shown: the longest that a lease can be asked for.
const OPEN_LEASE_MS: u64 = 3_600_000;

type Parsed = Result<Subject, SubjectError>;

impl Sidecar {
    /// Decides about a fetched message.
    pub(super) fn take_in(&mut self, cx: &mut Context<'_>, lane: Priority, fetched: Fetched) {
        self.settlements.came(Some(lane), fetched.stream_seq);
        self.delayed.remove(&fetched.stream_seq);
        if let Err(error) = self.decide(cx, lane, &fetched) {
            self.park(cx, Some(lane), fetched, &error);
        }
    }

    /// Takes a message whose fetch had been given up. If another of its lane has come since, or may come any moment, it
    /// goes back to the head of its lane and comes again, marked as redelivered.
    pub(super) fn take_late(&mut self, cx: &mut Context<'_>, lane: Priority, fetched: Fetched) {
        if let Some(hand) = self.inbox.hand_at(fetched.stream_seq) {
            hand.ack = fetched.ack;
            return;
        }
        let overtaken = self.lane(lane).has_passed(fetched.stream_seq);
        if overtaken || self.is_fetching() || self.spool_wait.is_blocked() {
            return self.return_fetched(cx, lane, &fetched);
        }
        self.lane_mut(lane).came(fetched.stream_seq, fetched.pending);
        self.take_in(cx, lane, fetched);
    }

    fn return_fetched(&mut self, cx: &mut Context<'_>, lane: Priority, fetched: &Fetched) {
        let follow = Follow::Comes {
            lane: Some(lane),
            stream_seq: Some(fetched.stream_seq),
        };
        self.settle(cx, &fetched.ack, Settlement::Nak { delay_ms: 0 }, follow);
        self.lane_mut(lane).expect();
    }

    fn decide(
        &mut self,
        cx: &mut Context<'_>,
        lane: Priority,
        fetched: &Fetched,
    ) -> Result<(), JournalError> {
        let subject = Subject::parse(&self.settings.hive, &fetched.subject);
        let named = envelope_key(&subject, fetched);
        let ended = named.as_ref().is_some_and(|key| {
            let entry = self.ledger.received(key);
            entry.is_some_and(crate::ledger::InEntry::has_ended)
        });
        if ended || self.is_buried(Stream::Messages, fetched.stream_seq) {
            // It comes again when the server did not hear our ack, or its sender published it twice. While the record
            // of its end waits to be stored, the ack waits too.
            if let Some(key) = named.filter(|key| ended && !self.ledger.is_telling(key)) {
                if read(&subject, fetched).is_ok() {
                    self.keep_brought(cx, lane, fetched, &key)?;
                }
                self.settle(cx, &fetched.ack, Settlement::Ack, Follow::Acked(key));
            }
            return Ok(());
        }
        let message = match read(&subject, fetched) {
            Ok(message) => message,
            Err((reason, why)) => {
                let corpse = Corpse {
                    key: named,
                    ..Corpse::fetched(Stream::Messages, fetched)
                };
                return self.bury(cx, &corpse, reason, &why);
            }
        };
        if let Ok(Subject::Room { room, from, .. }) = &subject {
            let Some(joined) = self.joined.get(room).copied() else {
                // Joined since the lane was checked: its consumer knows from which sequence on the room counts.
                self.joined.insert(room.clone(), 0);
                self.lane_mut(lane).recheck();
                self.return_fetched(cx, lane, fetched);
                return Ok(());
            };
            if *from == self.settings.identity.agent || fetched.stream_seq <= joined {
                self.settle(cx, &fetched.ack, Settlement::Ack, Follow::Nothing);
                return Ok(());
            }
        }
        let key = Key {
            from: message.from_agent.clone(),
            id: message.id,
        };
        if let Some(hand) = self.inbox.hand_mut(&key) {
            if hand.stream_seq == fetched.stream_seq {
                // The server lost patience while it was in hand: the newer reply subject settles it.
                hand.ack.clone_from(&fetched.ack);
                hand.progress_at_ms = cx.now.mono_ms.saturating_add(PROGRESS_MS);
            } else {
                self.settle(cx, &fetched.ack, Settlement::Ack, Follow::Nothing);
            }
            return Ok(());
        }
        if self.is_superseded(cx, &message) {
            return self.supersede(cx, fetched, key);
        }
        self.hand_over(cx, lane, fetched, key, message)
    }

    /// The next post of the room asks its lane since when it counts.
    pub(super) fn forget_room(&mut self, room: &RoomName) {
        self.joined.remove(room);
    }

    fn hand_over(
        &mut self,
        cx: &mut Context<'_>,
        lane: Priority,
        fetched: &Fetched,
        key: Key,
        message: Message,
    ) -> Result<(), JournalError> {
        let before = self.ledger.received(&key);
        let delivery = before
            .map_or(0, crate::ledger::InEntry::deliveries)
            .saturating_add(1);
        let bodiless = before.is_some_and(|entry| entry.body.is_some());
        // By the server's clock: ours may be wrong (DESIGN 3.6).
        let server_ms = cx.now.wall.unix_ms().saturating_add(self.server_ahead_ms);
        let dead = if message.expires_at().is_some_and(|at| at.unix_ms() <= server_ms) {
            let why = "its expires_at has passed".to_owned();
            Some((DeadReason::Expired, why))
        } else {
            let why = format!("handed over {HAND_OVERS_MAX} times without success");
            let attempts = before.map_or(0, crate::ledger::InEntry::attempts);
            (attempts >= HAND_OVERS_MAX).then_some((DeadReason::MaxDeliver, why))
        };
        if let Some((reason, why)) = dead {
            let corpse = Corpse {
                key: Some(key),
                delivery: delivery.saturating_sub(1),
                silent: super::burial::is_notice(&message),
                ..Corpse::fetched(Stream::Messages, fetched)
            };
            return self.bury(cx, &corpse, reason, &why);
        }
        let willing = self.fence.holds(cx.now) && !self.is_draining() && !self.is_stopped();
        let Some((taker, appetite)) = self.taker(lane).filter(|_| willing) else {
            self.return_fetched(cx, lane, fetched);
            return Ok(());
        };
        if let Some(pane) = self.inbox.pane_mut() {
            if taker == Taker::Reader(pane.reader()) && !pane.fits(&message) {
                pane.leave(lane, fetched.stream_seq);
                self.return_fetched(cx, lane, fetched);
                return Ok(());
            }
            pane.was_taken(fetched.stream_seq);
        }
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
        self.record(cx, record, &body)?;
        let hand = self.hand(cx, lane, fetched, key, message, (taker, delivery));
        self.give(cx, taker, hand, appetite);
        Ok(())
    }

    fn hand(
        &self,
        cx: &Context<'_>,
        lane: Priority,
        fetched: &Fetched,
        key: Key,
        message: Message,
        (taker, delivery): (Taker, u32),
    ) -> Hand {
        let now_ms = cx.now.mono_ms;
        let fallback = self
            .inbox
            .pane()
            .is_some_and(|pane| taker == Taker::Reader(pane.reader()) && pane.is_fallback());
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
            raw: fetched.payload.clone(),
            subject: fetched.subject.clone(),
            priority: lane,
            stream_seq: fetched.stream_seq,
            ack: fetched.ack.clone(),
            delivery,
            redelivered: delivery > 1 || fetched.num_delivered > 1,
            holder,
            bridge,
            lease: format!("{}.{delivery}", fetched.stream_seq),
            lease_until_ms: lease_ms.map(|ms| now_ms.saturating_add(ms)),
            lease_expires_at: later(cx.now.wall, lease_ms.unwrap_or(OPEN_LEASE_MS)),
            injected: false,
            seen: false,
            in_urgent_slot: false,
            unwritten_end: false,
            fallback,
            held: None,
            progress_at_ms: now_ms.saturating_add(PROGRESS_MS),
            taken_at_ms: now_ms,
        }
    }

    fn give(&mut self, cx: &mut Context<'_>, taker: Taker, hand: Hand, appetite: Appetite) {
        let (key, handed) = (hand.key.clone(), hand.handed());
        self.inbox.hold(cx.now.mono_ms, taker, hand, appetite);
        if let Taker::Reader(reader) = taker {
            if let Some(pane) = self.inbox.pane_mut() {
                pane.look_first();
            }
            cx.ask(Effect::HandOver {
                reader,
                key,
                handed: Box::new(handed),
            });
        }
    }
}

/// Who wrote a message and under which id, as its envelope says: the server vouches for the sender, the sender for the id.
fn envelope_key(subject: &Parsed, fetched: &Fetched) -> Option<Key> {
    let from = subject.as_ref().ok()?.from()?.clone();
    let id = fetched.msg_id.as_deref()?.parse().ok()?;
    Some(Key { from, id })
}

fn read(subject: &Parsed, fetched: &Fetched) -> Result<Message, (DeadReason, String)> {
    let subject = subject
        .as_ref()
        .map_err(|error| (DeadReason::Undecodable, error.to_string()))?;
    decode::message(subject, fetched.msg_id.as_deref(), &fetched.payload)
        .map_err(|refusal| (refusal.dead_reason(), refusal.to_string()))
}
