//! Fixtures: the witnesses of what each record may and may not be, for us and for programs in other languages.

use serde_json::Value;
use wagglebus_schemas::decode::DecodeError;
use wagglebus_schemas::registry::{RECORD_TYPES, RecordType};

use crate::files;

/// The fixtures of a record type by name, without `.json`.
pub(crate) fn of(record_type: &RecordType) -> Vec<(String, Vec<u8>)> {
    let folder = format!("fixtures/v1/{}", record_type.name);
    let load = |name: String| {
        let bytes = files::bytes(&format!("{folder}/{name}"));
        (
            name.strip_suffix(".json").expect("a .json file").to_owned(),
            bytes,
        )
    };
    files::names_in(&folder).into_iter().map(load).collect()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn every_record_type_has_its_witnesses_and_no_folder_is_left_over() {
    for record_type in RECORD_TYPES {
        let names: Vec<String> = of(record_type).into_iter().map(|(name, _)| name).collect();
        let count = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
        assert_eq!(
            (count("minimal"), count("full")),
            (1, 1),
            "{}: {names:?}",
            record_type.name
        );
        assert!(count("invalid-") >= 3, "{}: {names:?}", record_type.name);
        assert_eq!(
            names.len(),
            2 + count("invalid-"),
            "{}: {names:?}",
            record_type.name
        );
    }
    for name in files::names_in("fixtures/v1") {
        assert!(
            RecordType::find(&name).is_some(),
            "fixtures/v1/{name} has no type"
        );
    }
}

#[test]
fn valid_ones_are_read_and_written_again_within_the_schemas() {
    for record_type in RECORD_TYPES {
        let (accepting, producing) = (files::accepting(record_type), files::producing(record_type));
        for (name, bytes) in of(record_type)
            .iter()
            .filter(|(name, _)| !name.starts_with("invalid-"))
        {
            let at = format!("{}/{name}", record_type.name);
            let written = record_type.recode(bytes).unwrap_or_else(|e| panic!("{at}: {e}"));
            accepting
                .validate(&value(bytes))
                .unwrap_or_else(|e| panic!("{at}: {e}"));
            producing
                .validate(&written)
                .unwrap_or_else(|e| panic!("{at} as written: {e}"));
            let again = record_type.recode(written.to_string().as_bytes()).unwrap();
            assert_eq!(again, written, "{at}");
        }
    }
}

#[test]
fn a_full_one_has_every_property_and_is_written_as_it_was_read() {
    for record_type in RECORD_TYPES {
        let full = files::json(&format!("fixtures/v1/{}/full.json", record_type.name));
        let written = record_type.recode(full.to_string().as_bytes()).unwrap();
        assert_eq!(written, full, "{}", record_type.name);
        let schema = wagglebus_schemas::generate::accepted_schema(record_type);
        for name in schema["properties"].as_object().unwrap().keys() {
            assert!(
                full.get(name).is_some(),
                "{}/full has no {name}",
                record_type.name
            );
        }
    }
}

#[test]
fn invalid_ones_are_refused_by_decoder_and_schema_alike() {
    for record_type in RECORD_TYPES {
        let accepting = files::accepting(record_type);
        for (name, bytes) in of(record_type)
            .iter()
            .filter(|(name, _)| name.starts_with("invalid-"))
        {
            let at = format!("{}/{name}", record_type.name);
            let refusal = record_type.recode(bytes).expect_err(&at);
            let named = matches!(&refusal, DecodeError::Record { record, .. } if *record == record_type.name);
            assert!(named, "{at}: {refusal}");
            assert!(!accepting.is_valid(&value(bytes)), "{at} is within the schema");
        }
    }
}
