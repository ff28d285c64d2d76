//! The checked-in files of the contract: reading them, and comparing them with what is generated.

use std::path::{Path, PathBuf};

use serde_json::Value;
use wagglebus_schemas::generate;
use wagglebus_schemas::registry::RecordType;

/// The command that rewrites every generated file.
const UPDATE: &str = "WAGGLEBUS_UPDATE_GOLDEN=1 cargo test -p wagglebus-schemas --test contract";

/// The folder `schemas/`, or something in it.
pub(crate) fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

pub(crate) fn bytes(below: &str) -> Vec<u8> {
    std::fs::read(path(below)).unwrap_or_else(|e| panic!("{below}: {e}"))
}

pub(crate) fn text(below: &str) -> String {
    String::from_utf8(bytes(below)).unwrap()
}

pub(crate) fn json(below: &str) -> Value {
    serde_json::from_slice(&bytes(below)).unwrap_or_else(|e| panic!("{below}: {e}"))
}

/// The names in a folder, sorted; empty when it does not exist.
pub(crate) fn names_in(below: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path(below)) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// The validator of what we accept as a record.
pub(crate) fn accepting(record_type: &RecordType) -> jsonschema::Validator {
    validator(&generate::accepted_schema(record_type))
}

/// The validator of what we write as a record.
pub(crate) fn producing(record_type: &RecordType) -> jsonschema::Validator {
    let produced = generate::produced_schema(record_type);
    validator(&produced.unwrap_or_else(|| generate::accepted_schema(record_type)))
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// Asserts that a checked-in file has the generated text; JSON is compared as values.
///
/// `WAGGLEBUS_UPDATE_GOLDEN=1` rewrites it instead, except where `CI` is set: there nobody would review the change.
pub(crate) fn assert_golden(below: &str, generated: &str) {
    let file = path(below);
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("WAGGLEBUS_UPDATE_GOLDEN") && !set("CI") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, generated).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let as_json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let equal = match (as_json(&found), as_json(generated)) {
        (Some(found), Some(generated)) => found == generated,
        _ => found == generated,
    };
    assert!(
        equal,
        "schemas/{below} is not what the types say; {}\nto update it: {UPDATE}",
        first_difference(&found, generated)
    );
}

fn first_difference(found: &str, generated: &str) -> String {
    let (mut found, mut generated) = (found.lines(), generated.lines());
    for line in 1.. {
        match (found.next(), generated.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => return format!("line {line} is {old:?}, generated {new:?}"),
        }
    }
    "the same lines in other bytes".to_owned()
}
