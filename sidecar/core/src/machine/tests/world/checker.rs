//! What must hold in every world after every step. A broken rule is a panic that names it.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::limits::HAND_OVERS_MAX;
use wagglebus_schemas::{AgentId, Id, Priority};

use crate::effect::{Effect, Handed, Settlement};
use crate::inbox::{Hand, Holder};
use crate::machine::Sidecar;
use crate::machine::tests::rig::Rig;
use crate::record::Key;

/// Who sends to whom, and how urgently: messages of one story come in the order of acceptance.
type Story = (AgentId, AgentId, Priority);

/// An accepted message.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) story: Story,
    /// Its place in its story.
    pub(super) order: usize,
    /// Its sender was told that it is accepted.
    pub(super) promised: bool,
}

#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) sent: BTreeMap<Id, Sent>,
    lengths: BTreeMap<Story, usize>,
    /// The farthest message of a story that was handed over.
    farthest: BTreeMap<Story, usize>,
    /// What became of an agent's messages.
    ended: BTreeSet<(AgentId, Key)>,
    pub(super) delivered: BTreeMap<(AgentId, Key), u32>,
    settled: BTreeMap<AgentId, BTreeMap<String, bool>>,
    pub(super) hand_overs: usize,
}

impl Checker {
    /// A message is in its sender's spool.
    pub(super) fn accepted(&mut self, id: Id, story: Story) {
        if self.sent.contains_key(&id) {
            return;
        }
        let order = self.lengths.entry(story.clone()).or_default();
        let sent = Sent {
            story,
            order: *order,
            promised: false,
        };
        *order += 1;
        self.sent.insert(id, sent);
    }

    /// After any step.
    pub(super) fn look(&mut self, rig: &Rig, max_take: usize, effects: &[Effect]) {
        let me = &rig.settings.identity.agent;
        for effect in effects {
            if let Effect::Settle { ack, settlement } = effect {
                self.settles(me, ack, *settlement);
            }
        }
        let slots = rig.settings.slots;
        let leased = |hand: &&Hand| matches!(hand.holder, Holder::Lease);
        check_slots(&rig.sidecar, leased, slots - 1 + max_take.max(1));
        check_slots(&rig.sidecar, |hand| !leased(hand), slots);
        let (publishes, settlements) = rig.sidecar.view(super::now(rig.now_ms)).under_way;
        assert!(
            publishes <= crate::outbox::WINDOW_MAX && settlements <= 2_000,
            "queues are bounded"
        );
    }

    /// A delivery is settled once: acked or given back, never both, and then never reported as being worked on.
    fn settles(&mut self, me: &AgentId, ack: &str, settlement: Settlement) {
        let settled = self.settled.entry(me.clone()).or_default();
        let is_ack = match settlement {
            Settlement::Ack => true,
            Settlement::Nak { .. } => false,
            Settlement::Progress => {
                assert!(
                    !settled.contains_key(ack),
                    "settle once: {ack} is in progress after its end"
                );
                return;
            }
        };
        let before = settled.insert(ack.to_owned(), is_ack);
        assert!(
            before.is_none_or(|before| before == is_ack),
            "settle once: {ack} both acked and given back"
        );
    }

    pub(super) fn handed_over(&mut self, rig: &Rig, handed: &Handed) {
        let me = &rig.settings.identity.agent;
        let message: wagglebus_schemas::Message = serde_json::from_slice(&handed.raw).unwrap();
        let key = Key {
            from: message.from_agent,
            id: message.id,
        };
        self.hand_overs += 1;
        let stopped = rig.sidecar.ledger().controls().stopped_since(me);
        assert_eq!(
            stopped, None,
            "nothing is handed over while the operator does not let it: {key:?}"
        );
        let named = (me.clone(), key.clone());
        assert!(!self.ended.contains(&named), "never again after its end: {key:?}");
        let before = self.delivered.insert(named, handed.delivery).unwrap_or(0);
        assert!(
            handed.delivery > before,
            "every hand-over is counted: {key:?} {} {before}",
            handed.delivery
        );
        assert!(
            handed.delivery <= HAND_OVERS_MAX,
            "dead after {HAND_OVERS_MAX} hand-overs"
        );
        assert_eq!(
            rig.deliveries(&key),
            handed.delivery,
            "counted in the spool before the hand-over"
        );
        let Some(sent) = self.sent.get(&key.id) else {
            let kind = message.metadata.get("kind").and_then(|kind| kind.as_str());
            assert_eq!(kind, Some("undeliverable"), "nobody sent {key:?}");
            return;
        };
        let farthest = self.farthest.entry(sent.story.clone()).or_default();
        assert!(
            handed.redelivered || sent.order >= *farthest,
            "order: {:?} number {} comes after number {farthest}",
            sent.story,
            sent.order
        );
        *farthest = sent.order.max(*farthest);
    }

    pub(super) fn has_ended(&mut self, me: &AgentId, key: Key) {
        self.ended.insert((me.clone(), key));
    }

    /// The machine lost what its disk had not confirmed: it may repeat what it does not know any more.
    pub(super) fn power_cut(&mut self, rig: &Rig) {
        let me = &rig.settings.identity.agent;
        let ledger = rig.sidecar.ledger();
        self.settled.remove(me);
        self.ended.retain(|(of, key)| {
            of != me
                || ledger
                    .received(key)
                    .is_some_and(crate::ledger::InEntry::has_ended)
        });
        for ((of, key), delivered) in &mut self.delivered {
            if of == me {
                *delivered = rig.deliveries(key);
            }
        }
    }
}

fn check_slots(sidecar: &Sidecar, of: impl Fn(&&Hand) -> bool, regular_max: usize) {
    let hands: Vec<_> = sidecar.in_hand().filter(of).collect();
    let extra: Vec<_> = hands.iter().filter(|hand| hand.in_urgent_slot).collect();
    assert!(extra.len() <= 1, "one slot for urgent messages: {extra:?}");
    assert!(extra.iter().all(|hand| hand.priority == Priority::Urgent));
    assert!(
        hands.len() - extra.len() <= regular_max,
        "slots: {} over {regular_max}",
        hands.len()
    );
}
