//! What is sent: decided by the seed, message by message.

use std::collections::BTreeMap;

use wagglebus_schemas::{AgentId, Draft, Priority};

use crate::ledger::{ContentDigest, Offer};
use crate::rng::Rng;

/// Parts of contents: what JSON escapes, what lines end with, what tools choke on.
const PARTS: [&str; 12] = [
    "bee ",
    "waggle",
    "\"",
    "\\",
    "\n",
    "\t",
    "\u{1}",
    "é",
    "🐝",
    "{\"$\":\"ack\"}",
    "@all ",
    "\u{202e}",
];

/// How often each priority occurs, of 10.
const MIX: [Priority; 10] = [
    Priority::Urgent,
    Priority::High,
    Priority::High,
    Priority::Normal,
    Priority::Normal,
    Priority::Normal,
    Priority::Normal,
    Priority::Normal,
    Priority::Low,
    Priority::Low,
];

/// Messages from some agents to others.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Decides everything.
    pub seed: u64,
    /// Who is written to.
    pub receivers: Vec<AgentId>,
    /// How many messages each sender sends.
    pub each: u64,
    /// Longest content in [`PARTS`]: most are short, few reach it.
    pub parts_max: u64,
}

/// A message to be sent, and what its recipient must see.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// For the ledger.
    pub offer: Offer,
    /// For the sidecar. It has an id, so that a repeat is the same message.
    pub draft: Draft,
}

impl Traffic {
    /// What this sender sends, in order.
    pub fn of(&self, sender: &AgentId) -> impl Iterator<Item = Planned> + use<> {
        let part = sender.as_str().bytes().fold(0_u64, |hash, byte| {
            hash.wrapping_mul(257).wrapping_add(u64::from(byte))
        });
        let mut rng = Rng::new(self.seed).fork(part);
        let mut next: BTreeMap<(AgentId, Priority), u64> = BTreeMap::new();
        let (from, receivers, parts_max) = (sender.clone(), self.receivers.clone(), self.parts_max);
        (0..self.each).map_while(move |_| {
            let to = rng.pick(&receivers)?.clone();
            let priority = *rng.pick(&MIX)?;
            let seq = next.entry((to.clone(), priority)).or_default();
            let offer = Offer {
                id: rng.id(),
                from: from.clone(),
                to: to.clone(),
                priority,
                seq: *seq,
                digest: ContentDigest::of(""),
            };
            *seq += 1;
            let content = format!(
                "{from} {to} {priority} {}: {}",
                offer.seq,
                filler(&mut rng, parts_max)
            );
            let digest = ContentDigest::of(&content);
            let mut draft = Draft::text(to.into(), content);
            (draft.id, draft.priority) = (Some(offer.id), priority);
            Some(Planned {
                offer: Offer { digest, ..offer },
                draft,
            })
        })
    }
}

fn filler(rng: &mut Rng, parts_max: u64) -> String {
    // Twice below: short ones are more frequent, as in real life.
    let bound = rng.below(parts_max.saturating_add(1));
    let parts = rng.below(bound.saturating_add(1));
    (0..parts).filter_map(|_| rng.pick(&PARTS).copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_seed_decides_what_is_sent_and_every_line_counts_up() {
        let traffic = |seed| Traffic {
            seed,
            receivers: vec!["x".parse().unwrap(), "y".parse().unwrap()],
            each: 500,
            parts_max: 50,
        };
        let of =
            |seed, sender: &str| -> Vec<Planned> { traffic(seed).of(&sender.parse().unwrap()).collect() };
        let planned = of(1, "a");
        assert_eq!(planned, of(1, "a"));
        assert_ne!(planned, of(2, "a"));
        let ids: BTreeSet<_> = planned
            .iter()
            .chain(&of(1, "b"))
            .map(|one| one.offer.id)
            .collect();
        assert_eq!(ids.len(), 1_000);
        let mut next: BTreeMap<_, u64> = BTreeMap::new();
        for one in &planned {
            let line = next.entry((&one.offer.to, one.offer.priority)).or_default();
            assert_eq!(one.offer.seq, *line);
            *line += 1;
            assert_eq!(one.offer.digest, ContentDigest::of(&one.draft.content));
        }
        assert_eq!(next.len(), 2 * Priority::COUNT);
    }
}
