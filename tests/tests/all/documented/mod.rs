//! The documented configurations, as they stand in the repository, on real servers.

mod cluster;
mod login;
mod single;

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Home;

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

/// The agents of the hives here.
const AGENTS: [&str; 4] = ["--agent", "alice", "--agent", "bob"];

/// Exports a hive with the agents alice and bob, for a server that is somebody else's; says into which folder.
fn export(home: &Home, more: &[&str]) -> PathBuf {
    let out = home.path("export");
    let provision = [
        "provision",
        "--export",
        out.to_str().unwrap(),
        "--storage",
        "512MiB",
    ];
    home.json(&[&provision[..], &AGENTS, more].concat());
    out
}

/// Puts the accounts of an export beside a node's configuration, as the document says.
fn copy_accounts(export: &Path, node: &Path) {
    let beside = node.join("isolated");
    fs::create_dir(&beside).unwrap();
    for name in ["accounts.conf", "agents.conf"] {
        fs::copy(export.join("isolated").join(name), beside.join(name)).unwrap();
    }
}
