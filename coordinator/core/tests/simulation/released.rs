//! Snapshots of every form that there was: each later version must read them, or a hive forgets what it did before an upgrade.
//!
//! `WAGGLEBUS_SNAPSHOT=FILE` writes one of the present form: it is added to `released/` beside the others when something in
//! it is new, and none is ever changed.

use std::path::Path;

use serde_json::Value;
use wagglebus_coordinator_core::log::snapshot;

use crate::sim::Sim;

/// A world in which there is something of everything.
const SEED: u64 = 7;

#[test]
fn a_snapshot_of_each_form_is_read_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/released");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let name = path.display();
        let (head, world) = snapshot::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (_, again) = snapshot::encode(&world, head.last_id.clone()).unwrap();
        let then: Value = serde_json::from_slice(&bytes).unwrap();
        let now: Value = serde_json::from_slice(&again).unwrap();
        if let Some(lost) = lost(&then["world"], &now["world"]) {
            panic!("{name}: world{lost} is not kept");
        }
        seen += 1;
    }
    assert!(seen > 0);
}

/// The first thing in `then` that is not in `now`.
fn lost(then: &Value, now: &Value) -> Option<String> {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => then.iter().find_map(|(key, value)| {
            let there = now
                .get(key)
                .map_or(Some(String::new()), |there| lost(value, there));
            there.map(|lost| format!(".{key}{lost}"))
        }),
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            let mut pairs = then.iter().zip(now).enumerate();
            pairs.find_map(|(n, (then, now))| lost(then, now).map(|lost| format!("[{n}]{lost}")))
        }
        (then, now) => (then != now).then(String::new),
    }
}

#[test]
fn one_of_the_present_form_is_written_where_it_is_wanted() {
    let Some(path) = std::env::var_os("WAGGLEBUS_SNAPSHOT") else {
        return;
    };
    let mut sim = Sim::new(SEED, None, false);
    sim.run().unwrap();
    let (_, bytes) = snapshot::encode(&sim.checker.world, None).unwrap();
    std::fs::write(path, bytes).unwrap();
}
