//! One machine under test: virtual time, a spool in memory, and what must hold after every single step.

use bytes::Bytes;
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::{AgentId, Draft, Hive, Id, Level, Message, Priority, Timestamp};

use super::effects::{answer, fetching};
use super::spool::{Sequence, Spool};
use crate::context::Context;
use crate::effect::{Answer, Effect, Handed, Settlement};
use crate::event::{
    ControlAnswer, Event, FetchOutcome, Fetched, Identity, LaneState, LeaseOutcome, PublishOutcome, ReaderId,
    ReaderKind, SendRequest, TakeRequest, Token, Verb,
};
use crate::machine::{Settings, Sidecar};
use crate::now::Now;
use crate::record::Key;

/// 2026-01-02T03:04:05Z, where every test begins.
pub(super) const WALL_MS: i64 = 1_767_323_045_000;

#[derive(Debug)]
pub(super) struct Rig {
    pub(super) sidecar: Sidecar,
    pub(super) settings: Settings,
    pub(super) spool: Spool,
    pub(super) ids: Sequence,
    pub(super) now_ms: u64,
    tokens: u64,
    /// What the coordinator says at once of how the agent stands; `None`: the test answers by itself.
    pub(super) stands: Option<ControlAnswer>,
    /// What the last step asked for.
    pub(super) effects: Vec<Effect>,
}

pub(super) fn id(n: u64) -> Id {
    Id::from_bytes((u128::from(n) | 0xf << 120).to_be_bytes())
}

pub(super) fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

pub(super) fn settings(name: &str, slots: usize) -> Settings {
    let byte = name.bytes().fold(1_u8, u8::wrapping_add);
    Settings {
        hive: Hive::default(),
        identity: Identity {
            agent: agent(name),
            instance: Id::from_bytes([byte; 16]),
            state_id: Id::from_bytes([byte; 16]),
            host: "here".into(),
            pid: 1,
        },
        slots,
        takeover: false,
    }
}

pub(super) fn now(mono_ms: u64) -> Now {
    let wall = Timestamp::from_unix_ms(WALL_MS + i64::try_from(mono_ms).unwrap()).unwrap();
    Now { mono_ms, wall }
}

impl Rig {
    pub(super) fn new(name: &str, slots: usize) -> Self {
        let settings = settings(name, slots);
        Self {
            sidecar: Sidecar::new(settings.clone(), crate::ledger::Ledger::default()),
            settings,
            spool: Spool::default(),
            ids: Sequence::default(),
            now_ms: 1_000,
            tokens: 0,
            stands: Some(ControlAnswer::Unsaid),
            effects: Vec::new(),
        }
    }

    /// Connected, with the lease held, all lanes checked and found empty.
    pub(super) fn up(name: &str, slots: usize) -> Self {
        let mut rig = Self::new(name, slots);
        rig.connect();
        let (_, effects) = rig.take(1, 0);
        rig.answer_empty(effects);
        rig
    }

    /// The process is killed and started again.
    pub(super) fn restart(&mut self) {
        self.settings.identity.instance = self.ids_fresh();
        self.sidecar = Sidecar::new(self.settings.clone(), self.spool.ledger());
    }

    fn ids_fresh(&mut self) -> Id {
        crate::context::FreshIds::fresh(&mut self.ids)
    }

    /// One event; returns what it caused.
    pub(super) fn step(&mut self, event: Event) -> Vec<Effect> {
        let shown = format!("{event:?}");
        let mut effects = Vec::new();
        let mut cx = Context {
            now: now(self.now_ms),
            journal: &mut self.spool,
            ids: &mut self.ids,
            effects: &mut effects,
        };
        self.sidecar.step(&mut cx, event);
        let syncs = effects.iter().filter(|e| matches!(e, Effect::Sync)).count();
        assert!(syncs <= 1, "{shown}: synced {syncs} times");
        let wake = self.sidecar.next_wake(self.now_ms);
        assert!(
            wake > self.now_ms,
            "{shown} at {}: wakes at {wake}: {effects:?}",
            self.now_ms
        );
        if let Some(answer) = self.stands.filter(|_| effects.contains(&Effect::AskControl)) {
            effects.retain(|effect| *effect != Effect::AskControl);
            effects.extend(self.step(Event::ControlAsked { answer }));
        }
        self.effects.clone_from(&effects);
        effects
    }

    /// Lets time pass up to `ms`, waking whenever the machine asked for it. Returns what that caused.
    pub(super) fn until(&mut self, ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        loop {
            let wake = self.sidecar.next_wake(self.now_ms);
            self.now_ms = wake.min(ms);
            let caused = self.step(Event::Tick);
            if caused
                .iter()
                .any(|effect| matches!(effect, Effect::WriteLease { .. }))
            {
                effects.extend(self.step(Event::Lease(LeaseOutcome::Written(8))));
            }
            effects.extend(caused);
            if wake >= ms {
                return effects;
            }
        }
    }

    pub(super) fn pass(&mut self, ms: u64) -> Vec<Effect> {
        self.until(self.now_ms + ms)
    }

    /// Connects, takes the lease, and answers every question of an empty server until none is left.
    pub(super) fn connect(&mut self) -> Vec<Effect> {
        let effects = self.step(Event::BusUp);
        self.answer_empty(effects)
    }

    /// Answers as a server does that has no mail and stores whatever it is given. Returns all effects.
    pub(super) fn answer_empty(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut todo = std::collections::VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            let reply = match &effect {
                Effect::ReadLease => Some(Event::Lease(LeaseOutcome::Read(None))),
                Effect::WriteLease { .. } => Some(Event::Lease(LeaseOutcome::Written(7))),
                Effect::CheckLane { lane, .. } => Some(Event::LaneChecked {
                    lane: *lane,
                    state: Some(lane_state()),
                }),
                Effect::CheckReceipts => Some(Event::ReceiptsChecked {
                    state: Some(lane_state()),
                }),
                Effect::FetchLane { lane, .. } => Some(Event::LaneFetched {
                    lane: *lane,
                    outcome: FetchOutcome::Empty,
                }),
                Effect::FetchReceipt { .. } => Some(Event::ReceiptFetched {
                    outcome: FetchOutcome::Empty,
                }),
                _ => None,
            };
            all.push(effect);
            if let Some(reply) = reply {
                todo.extend(self.step(reply));
            }
        }
        all
    }

    pub(super) fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    pub(super) fn send(&mut self, draft: Draft, wait: Option<Level>) -> (Token, Vec<Effect>) {
        self.send_as(draft, wait, None)
    }

    pub(super) fn send_as(
        &mut self,
        draft: Draft,
        wait: Option<Level>,
        idempotency_key: Option<&str>,
    ) -> (Token, Vec<Effect>) {
        let token = self.token();
        let request = SendRequest {
            addressee: None,
            token,
            draft,
            idempotency_key: idempotency_key.map(str::to_owned),
            unverified: false,
            wait,
            timeout_ms: 5_000,
        };
        (token, self.step(Event::Send(Box::new(request))))
    }

    pub(super) fn take(&mut self, max: usize, timeout_ms: u64) -> (Token, Vec<Effect>) {
        let token = self.token();
        let take = TakeRequest {
            token,
            max,
            timeout_ms,
            lease_ms: 60_000,
        };
        (token, self.step(Event::Take(take)))
    }

    pub(super) fn open(&mut self, reader: u64, auto: bool, slots: usize) -> Vec<Effect> {
        let kind = ReaderKind {
            bridge: Bridge::Stdio,
            slots,
            auto,
            lease_ms: None,
            pane: None,
        };
        self.step(Event::ReaderOpened {
            reader: ReaderId(reader),
            kind,
        })
    }

    pub(super) fn verb(&mut self, id: Id, lease: Option<&str>, verb: Verb) -> Answer {
        let token = self.token();
        let effects = self.step(Event::Verb {
            token,
            id,
            lease: lease.map(str::to_owned),
            verb,
        });
        answer(&effects, token).expect("a verb is answered at once")
    }

    pub(super) fn ack(&mut self, id: Id, lease: &str) -> Answer {
        self.verb(id, Some(lease), Verb::Ack { done: true })
    }

    pub(super) fn nak(&mut self, id: Id, lease: &str, delay_ms: u64) -> Answer {
        self.verb(
            id,
            Some(lease),
            Verb::Nak {
                delay_ms,
                reason: None,
            },
        )
    }

    /// A wake announces something.
    pub(super) fn announce(&mut self, lane: Priority) -> Vec<Effect> {
        let stream_seq = None;
        self.step(Event::Woken { lane, stream_seq })
    }

    pub(super) fn got(&mut self, fetched: Fetched) -> Vec<Effect> {
        let lane = lane_of(&fetched);
        let outcome = FetchOutcome::Got(Box::new(fetched));
        self.step(Event::LaneFetched { lane, outcome })
    }

    /// A long poll that gets this one message: returns it as it was handed over.
    pub(super) fn take_one(&mut self, fetched: Fetched) -> Handed {
        let lane = lane_of(&fetched);
        // A redelivery is announced by nobody; the machine expects it.
        let stream_seq = (fetched.num_delivered == 1).then_some(fetched.stream_seq);
        let effects = self.step(Event::Woken { lane, stream_seq });
        if effects
            .iter()
            .any(|effect| matches!(effect, Effect::CheckLane { .. }))
        {
            let state = Some(lane_state());
            self.step(Event::LaneChecked { lane, state });
        }
        let (token, mut effects) = self.take(1, 10_000);
        while let Some(other) = fetching(&effects).filter(|other| *other != lane) {
            let outcome = FetchOutcome::Empty;
            effects = self.step(Event::LaneFetched { lane: other, outcome });
        }
        assert_eq!(fetching(&effects), Some(lane), "{effects:?}");
        let effects = self.got(fetched);
        match answer(&effects, token) {
            Some(Answer::Messages(messages)) if messages.len() == 1 => messages[0].clone(),
            other => panic!("{other:?} {effects:?}"),
        }
    }

    pub(super) fn stored(&mut self, id: Id, seq: u64) -> Vec<Effect> {
        let outcome = PublishOutcome::Stored {
            seq,
            duplicate: false,
        };
        self.step(Event::Published { id, outcome })
    }

    pub(super) fn settled(&mut self, ack: &str, settlement: Settlement) -> Vec<Effect> {
        self.step(Event::Settled {
            ack: ack.to_owned(),
            settlement,
            confirmed: true,
        })
    }

    pub(super) fn deliveries(&self, key: &Key) -> u32 {
        self.sidecar
            .ledger()
            .received(key)
            .map_or(0, crate::ledger::InEntry::deliveries)
    }
}

pub(super) fn lane_state() -> LaneState {
    LaneState {
        pending: 0,
        lost: Vec::new(),
        joined: std::collections::BTreeMap::new(),
        server_time: None,
    }
}

pub(super) fn lane_of(fetched: &Fetched) -> Priority {
    fetched.subject.split('.').nth(3).unwrap().parse().unwrap()
}

pub(super) fn draft(to: &str, content: &str) -> Draft {
    Draft::text(to.parse().unwrap(), content.into())
}

pub(super) fn key(from: &str, n: u64) -> Key {
    Key {
        from: agent(from),
        id: id(n),
    }
}

/// Message `n` of `from` to `to`, as it is fetched from sequence `n` on its first delivery.
pub(super) fn message(from: &str, to: &str, priority: Priority, n: u64) -> Fetched {
    message_with(from, to, priority, n, |_| {})
}

pub(super) fn message_with(
    from: &str,
    to: &str,
    priority: Priority,
    n: u64,
    change: impl FnOnce(&mut Message),
) -> Fetched {
    let mut draft = draft(to, &format!("message {n}"));
    draft.priority = priority;
    let mut message = draft.into_message(id(n), agent(from), now(0).wall);
    change(&mut message);
    Fetched {
        subject: format!("wb.msg.{to}.{priority}.{from}"),
        msg_id: Some(id(n).to_string()),
        payload: Bytes::from(serde_json::to_vec(&message).unwrap()),
        ack: format!("ack.{n}.1"),
        num_delivered: 1,
        stream_seq: n,
        pending: 0,
    }
}

/// The same message, delivered once more.
pub(super) fn again(fetched: &Fetched) -> Fetched {
    let num_delivered = fetched.num_delivered + 1;
    Fetched {
        ack: format!("ack.{}.{num_delivered}", fetched.stream_seq),
        num_delivered,
        ..fetched.clone()
    }
}
