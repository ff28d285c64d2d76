//! Rules about crates: which may know which, and what a pure one may not know at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::tree::{programs, root};

/// Our crates and which of ours each may depend on (ARCHITECTURE.md). Test-only dependencies are free.
const ARROWS: [(&str, &[&str]); 13] = [
    ("wagglebus-schemas", &[]),
    ("wagglebus-breaker", &[]),
    ("wagglebus-sidecar-core", &["wagglebus-schemas"]),
    ("wagglebus-coordinator-core", &["wagglebus-schemas"]),
    ("wagglebus-nats", &["wagglebus-schemas"]),
    ("wagglebus-http", &["wagglebus-schemas"]),
    ("wagglebus-client", &["wagglebus-schemas"]),
    (
        "wagglebus-sidecar",
        &[
            "wagglebus-schemas",
            "wagglebus-breaker",
            "wagglebus-nats",
            "wagglebus-http",
            "wagglebus-sidecar-core",
        ],
    ),
    (
        "wagglebus-coordinator",
        &[
            "wagglebus-schemas",
            "wagglebus-breaker",
            "wagglebus-nats",
            "wagglebus-http",
            "wagglebus-coordinator-core",
        ],
    ),
    (
        "wagglebus-harness",
        &["wagglebus-schemas", "wagglebus-nats", "wagglebus-client"],
    ),
    (
        "wagglebus",
        &[
            "wagglebus-schemas",
            "wagglebus-nats",
            "wagglebus-client",
            "wagglebus-harness",
            "wagglebus-sidecar-core",
        ],
    ),
    (
        "wagglebus-example-worker",
        &["wagglebus-schemas", "wagglebus-client"],
    ),
    (
        "wagglebus-tests",
        &[
            "wagglebus-schemas",
            "wagglebus-nats",
            "wagglebus-client",
            "wagglebus-harness",
        ],
    ),
];

/// Folders of the crates that decide without doing: same input, same answer, on any machine at any time.
const PURE: [&str; 4] = ["schemas", "breaker", "sidecar/core", "coordinator/core"];

/// Crates that bring IO, a clock, threads or chance.
const IMPURE_CRATES: [&str; 14] = [
    "anyhow",
    "async-nats",
    "axum",
    "chrono",
    "fastrand",
    "futures",
    "getrandom",
    "hyper",
    "hyper-util",
    "jiff",
    "rand",
    "reqwest",
    "rustix",
    "tokio",
];

/// Words that do the same, and containers whose order is left to chance.
const IMPURE_WORDS: [&str; 12] = [
    "Instant::now",
    "SystemTime::now",
    "time::Instant",
    "OffsetDateTime::now_utc",
    "new_v4",
    "now_v7",
    "thread::spawn",
    "HashMap",
    "HashSet",
    "std::net",
    "std::process",
    "println!",
];

struct Package {
    name: String,
    folder: PathBuf,
    /// Without those for tests and builds.
    dependencies: Vec<String>,
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        folder: PathBuf::from(text(&package["manifest_path"]))
            .parent()
            .unwrap()
            .to_owned(),
        dependencies: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .collect(),
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
}

#[test]
fn crates_know_only_those_they_may_know() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut faults = Vec::new();
    for package in packages() {
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            faults.push(format!("{} is not in the table of arrows", package.name));
            continue;
        };
        let ours = package
            .dependencies
            .iter()
            .filter(|name| name.starts_with("wagglebus"));
        faults.extend(
            ours.filter(|name| !allowed.contains(&name.as_str()))
                .map(|name| format!("{} → {name}", package.name)),
        );
    }
    assert!(
        faults.is_empty(),
        "dependencies that are not allowed:\n{}",
        faults.join("\n")
    );
}

#[test]
fn pure_crates_depend_on_nothing_that_acts() {
    let packages = packages();
    let mut faults = Vec::new();
    for folder in PURE {
        let package = packages
            .iter()
            .find(|package| package.folder == root().join(folder))
            .expect(folder);
        let impure = package
            .dependencies
            .iter()
            .filter(|name| IMPURE_CRATES.contains(&name.as_str()));
        faults.extend(impure.map(|name| format!("{} → {name}", package.name)));
    }
    assert!(
        faults.is_empty(),
        "not allowed in a pure crate:\n{}",
        faults.join("\n")
    );
}

#[test]
fn pure_crates_ask_no_clock_and_take_no_chance() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for file in programs() {
        let pure = PURE.iter().any(|folder| {
            file.path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with("/src/"))
        });
        if !pure || is_test(&file.path) {
            continue;
        }
        seen += 1;
        for (number, line) in (1..).zip(file.text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let words = IMPURE_WORDS.iter().filter(|word| code.contains(**word));
            faults.extend(words.map(|word| format!("{}:{number}: {word}", file.path)));
        }
    }
    assert!(seen > 10, "only {seen} files were looked at");
    assert!(
        faults.is_empty(),
        "not allowed in a pure crate:\n{}",
        faults.join("\n")
    );
}

/// Unit tests may lie beside their code, in `tests.rs` or `tests/`, and may do what they need.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    for package in packages() {
        let manifest = fs::read_to_string(package.folder.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true\n"),
            "{} lacks `[lints] workspace = true`",
            package.name
        );
    }
}
