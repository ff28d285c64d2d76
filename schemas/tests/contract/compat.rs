//! Compatibility within the major version: what was or is written can be read, by old readers and by new ones.
//!
//! A release copies `json/v1/` to `released/<version>/`, which then never changes.

use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::{Value, json};

use crate::files;
use crate::inclusion::{NARROWER_PATTERNS, violations};

/// The schemas of one folder by record type: what is read and what is written.
fn schemas(folder: &str) -> Vec<(String, Value, Value)> {
    let names = files::names_in(folder);
    let load = |name: &str| files::json(&format!("{folder}/{name}"));
    let accepted = names
        .iter()
        .filter_map(|name| Some((name, name.strip_suffix(".json")?)));
    accepted
        .filter(|(_, record)| !record.ends_with(".produced"))
        .map(|(name, record)| {
            let produced = format!("{record}.produced.json");
            let produced = if names.contains(&produced) {
                load(&produced)
            } else {
                load(name)
            };
            (record.to_owned(), load(name), produced)
        })
        .collect()
}

/// What breaks between a released folder and the present one.
fn breaks(released: &str, present: &str) -> Vec<String> {
    let new = schemas(present);
    let mut found = Vec::new();
    for (record, old_accepted, old_produced) in schemas(released) {
        let Some((_, new_accepted, new_produced)) = new.iter().find(|(name, ..)| *name == record) else {
            found.push(format!("{record}: the type is gone"));
            continue;
        };
        for (what, narrow, wide) in [
            ("an old reader meets a new writer", new_produced, &old_accepted),
            ("a new reader meets stored records", &old_produced, new_accepted),
            ("a new reader meets foreign writers", &old_accepted, new_accepted),
        ] {
            let violations = violations(narrow, wide);
            found.extend(violations.iter().map(|v| format!("{record}: {what}: {v}")));
        }
    }
    found
}

#[test]
fn every_release_is_still_understood_and_understands_us() {
    // The present is compared with itself too: what we write is what we read, before the first release as well.
    let releases = files::names_in("released")
        .into_iter()
        .map(|version| format!("released/{version}"));
    for folder in releases.chain(["json/v1".to_owned()]) {
        assert!(!schemas(&folder).is_empty(), "{folder} holds no schemas");
        let found = breaks(&folder, "json/v1");
        assert!(
            found.is_empty(),
            "incompatible with {folder}:\n{}",
            found.join("\n")
        );
    }
}

#[test]
fn the_check_finds_what_it_must_find() {
    let cases = files::names_in("fixtures/compat");
    assert!(cases.len() > 20, "cases are missing: {cases:?}");
    for name in cases {
        let case = files::json(&format!("fixtures/compat/{name}"));
        let found = violations(&case["narrow"], &case["wide"]);
        assert_eq!(json!(found), case["violations"], "fixtures/compat/{name}");
    }
}

#[test]
fn a_change_of_a_real_schema_is_found() {
    let message = files::json("json/v1/message.json");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut schema = message.clone();
        change(&mut schema);
        schema
    };
    let required = changed(&|s| s["required"].as_array_mut().unwrap().push("priority".into()));
    let fewer_words = changed(&|s| _ = s["properties"]["priority"]["enum"].as_array_mut().unwrap().pop());
    let shorter = changed(&|s| s["properties"]["content"]["maxLength"] = 1.into());
    let retyped = changed(&|s| s["properties"]["acknowledged"]["type"] = "string".into());
    for narrowed in [&required, &fewer_words, &shorter, &retyped] {
        assert_eq!(violations(&message, narrowed).len(), 1);
    }
    let optional = changed(&|s| s["properties"]["colour"] = json!({"type": "string"}));
    assert!(violations(&message, &optional).is_empty() && violations(&optional, &message).is_empty());
}

proptest! {
    #[test]
    fn a_narrower_pattern_admits_nothing_more(
        (narrow, wide, text) in proptest::sample::select(NARROWER_PATTERNS).prop_flat_map(|(narrow, wide)| {
            let body = narrow.trim_start_matches('^').trim_end_matches('$');
            (Just(narrow), Just(wide), string_regex(body).unwrap())
        })
    ) {
        let matches = |pattern: &str| {
            jsonschema::draft202012::new(&json!({"pattern": pattern})).unwrap().is_valid(&json!(text))
        };
        prop_assert!(matches(narrow), "{text} was sampled wrongly");
        prop_assert!(matches(wide), "{text} is not within the wide pattern");
    }
}
