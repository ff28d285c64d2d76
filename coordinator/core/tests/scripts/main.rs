//! Text scripts against the machine: readable input, readable output, one file per subject.
//!
//! Each paragraph of a file is prose (`#`), or commands, a line of dashes and what they print. After a wanted change
//! run with `UPDATE_SCRIPTS=1` and read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod world;

use std::path::Path;

use world::World;

const DASHES: &str = "----";

fn replay(text: &str) -> String {
    let mut world = World::default();
    let paragraphs = text.trim_end().split("\n\n").map(|paragraph| {
        if paragraph.starts_with('#') {
            return paragraph.to_owned();
        }
        let commands: Vec<&str> = paragraph.lines().take_while(|line| *line != DASHES).collect();
        let printed: Vec<String> = commands.iter().flat_map(|command| world.run(command)).collect();
        let mut lines = commands.iter().map(ToString::to_string).collect::<Vec<_>>();
        lines.push(DASHES.to_owned());
        lines.extend(printed);
        lines.join("\n")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n") + "\n"
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/scripts/testdata/{name}.txt"));
    let expected = std::fs::read_to_string(&path).unwrap();
    let actual = replay(&expected);
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        std::fs::write(&path, &actual).unwrap();
    } else {
        assert_eq!(
            actual, expected,
            "{name}: read it, then run with UPDATE_SCRIPTS=1"
        );
    }
}

#[test]
fn liveness() {
    check("liveness");
}

#[test]
fn order_of_heartbeats() {
    check("order_of_heartbeats");
}

#[test]
fn connections() {
    check("connections");
}

#[test]
fn enrolment() {
    check("enrolment");
}

#[test]
fn resolve() {
    check("resolve");
}

#[test]
fn queries() {
    check("queries");
}

#[test]
fn rooms() {
    check("rooms");
}

#[test]
fn holds() {
    check("holds");
}

#[test]
fn standby() {
    check("standby");
}
