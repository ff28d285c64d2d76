//! A spool with flipped bits: what is damaged is said, and everything else is delivered.

use std::fs;
use std::path::{Path, PathBuf};

use super::{accept, arrive, numbered};
use crate::messages::hive;

/// Finds `text` in the only segment; the segment and the place.
fn find(spool: &Path, text: &str) -> (PathBuf, usize) {
    let mut found = Vec::new();
    for entry in fs::read_dir(spool).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let windows = bytes.windows(text.len());
        found.extend(
            windows
                .enumerate()
                .filter(|(_, window)| *window == text.as_bytes())
                .map(|(at, _)| (path.clone(), at)),
        );
    }
    let [one] = &found[..] else {
        panic!("{text}: {found:?}")
    };
    one.clone()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn one_flipped_bit_costs_one_message_and_is_reported() {
    let mut fleet = hive(&["alice", "bob"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let bob = fleet.sidecar("bob").unwrap().client();
    fleet.bus_mut().server_mut().kill().await.unwrap();
    let sent = numbered(6, 30);
    for draft in &sent {
        accept(&alice, draft).await.unwrap();
    }
    fleet.sidecar_mut("alice").unwrap().kill().await.unwrap();
    let spool = fleet.sidecar("alice").unwrap().state_dir().join("spool");
    let (segment, at) = find(&spool, &sent[7].content);
    flip(&segment, at);
    // The segment's format is written twice, and so is the header of each record: these cost nothing.
    flip(&segment, 8);
    fleet.bus_mut().server_mut().start().await.unwrap();
    fleet.sidecar_mut("alice").unwrap().start().await.unwrap();
    let whole: Vec<_> = sent.iter().filter(|draft| draft.id != sent[7].id).collect();
    arrive(&bob, &whole).await;
    let log = fleet.sidecar("alice").unwrap().log();
    assert!(log.contains("damage"), "{log}");
    // It was never delivered, and its sender can send it again under the same id.
    super::stored(&alice, &sent[7]).await;
    arrive(&bob, &[&sent[7]]).await;
}
