//! The documented configurations, as they stand in the repository, on real servers.

mod cluster;
mod login;
mod single;

use std::fs;
use std::path::Path;

/// A file of the documented configurations.
fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nats/src/conf/documented");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Puts one value in the place of another one that must be there.
fn put(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in:\n{text}");
    text.replace(from, to)
}

/// Puts the accounts of an export beside a node's configuration, as the document says.
fn copy_accounts(export: &Path, node: &Path) {
    let beside = node.join("isolated");
    fs::create_dir(&beside).unwrap();
    for name in ["accounts.conf", "agents.conf"] {
        fs::copy(export.join("isolated").join(name), beside.join(name)).unwrap();
    }
}
