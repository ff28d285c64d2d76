//! Generated files are those that are checked in, and no others.

use std::collections::BTreeSet;

use wagglebus_schemas::generate;
use wagglebus_schemas::registry::{RECORD_TYPES, RecordType};

use crate::files;

#[test]
fn generated_files_are_checked_in() {
    for file in generate::files() {
        files::assert_golden(&file.path, &file.text);
    }
}

#[test]
fn no_schema_lies_about_that_is_not_generated() {
    let generated: BTreeSet<String> = generate::files().into_iter().map(|file| file.path).collect();
    for name in files::names_in("json/v1") {
        assert!(
            generated.contains(&format!("json/v1/{name}")),
            "json/v1/{name} has no type"
        );
    }
}

#[test]
fn record_types_have_names_of_their_own() {
    let names: BTreeSet<&str> = RECORD_TYPES.iter().map(|t| t.name).collect();
    assert_eq!(names.len(), RECORD_TYPES.len());
    assert_eq!(RecordType::find("message").unwrap().name, "message");
    assert!(RecordType::find("telegram").is_none());
}

#[test]
fn a_produced_message_has_all_ten_fields() {
    let schema = generate::produced_schema(RecordType::find("message").unwrap()).unwrap();
    assert_eq!(schema["required"].as_array().unwrap().len(), 10);
    assert_eq!(schema["properties"].as_object().unwrap().len(), 10);
}
