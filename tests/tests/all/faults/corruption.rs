//! A spool with flipped bits in bodies, headers, marker and format: what is damaged is said, and everything else is delivered.

use std::fs;
use std::path::{Path, PathBuf};

use super::{accept, arrive, numbered};
use crate::messages::hive;

/// Bytes of one copy of a record's header; its length stands behind a marker of 8 bytes.
const HEADER_COPY: usize = 20;
const LENGTH: usize = 8;

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

/// Where the header of the record begins that holds the byte at `at`: its two copies stand before the payload.
fn header(segment: &Path, at: usize) -> usize {
    let bytes = fs::read(segment).unwrap();
    let copy = |begin: usize| &bytes[begin..begin + HEADER_COPY];
    let mut begins = (0..at - HEADER_COPY).rev();
    begins
        .find(|begin| copy(*begin) == copy(begin + HEADER_COPY))
        .unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_spool_costs_the_damaged_messages_and_is_reported() {
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
    let record = |nth: usize| header(&segment, find(&spool, &sent[nth].content).1);
    flip(&segment, record(12));
    flip(&segment, record(17) + LENGTH);
    // Without any good header a record is not found; the next one is.
    let lost = record(21);
    flip(&segment, lost + LENGTH);
    flip(&segment, lost + HEADER_COPY + LENGTH);
    fleet.bus_mut().server_mut().start().await.unwrap();
    fleet.sidecar_mut("alice").unwrap().start().await.unwrap();
    let damaged = [sent[7].id, sent[21].id];
    let whole: Vec<_> = sent.iter().filter(|draft| !damaged.contains(&draft.id)).collect();
    arrive(&bob, &whole).await;
    let log = fleet.sidecar("alice").unwrap().log();
    assert!(log.contains("damage"), "{log}");
    // They were never delivered, and their sender can send them again under the same ids.
    for again in [&sent[7], &sent[21]] {
        super::stored(&alice, again).await;
        arrive(&bob, &[again]).await;
    }
}
