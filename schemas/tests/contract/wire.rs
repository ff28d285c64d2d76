//! What a schema can't see: bytes that are no JSON, keys twice, depth, byte bounds, calendars.

use std::collections::BTreeSet;

use serde_json::Value;
use wagglebus_schemas::decode::DecodeError;
use wagglebus_schemas::registry::RecordType;
use wagglebus_schemas::strict_json::StrictJsonError;

use crate::files;

/// The columns of each line of a table that is no comment.
fn table<const N: usize>(below: &str) -> Vec<[String; N]> {
    let columns = |line: &str| -> [String; N] {
        let columns: Vec<String> = line.split('|').map(|column| column.trim().to_owned()).collect();
        columns.try_into().unwrap_or_else(|_| panic!("{below}: {line}"))
    };
    files::text(below)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(columns)
        .collect()
}

fn verdict(record: &str, bytes: &[u8]) -> &'static str {
    match RecordType::find(record).unwrap().recode(bytes) {
        Ok(_) => "ok",
        Err(DecodeError::TooLarge { .. }) => "too_large",
        Err(DecodeError::Record { .. }) => "record",
        Err(DecodeError::Json(error)) => match error {
            StrictJsonError::NotUtf8 { .. } => "not_utf8",
            StrictJsonError::Syntax { .. } => "syntax",
            StrictJsonError::DuplicateKey { .. } => "duplicate_key",
            StrictJsonError::TooDeep => "too_deep",
        },
    }
}

#[test]
fn raw_bytes_get_their_verdict() {
    let mut listed = BTreeSet::new();
    for [file, record, expected, why] in table("fixtures/wire/expectations.txt") {
        let bytes = files::bytes(&format!("fixtures/wire/{file}"));
        assert_eq!(verdict(&record, &bytes), expected, "{file}: {why}");
        listed.insert(file);
    }
    let present = files::names_in("fixtures/wire")
        .into_iter()
        .filter(|name| name.ends_with(".json"));
    assert_eq!(
        listed,
        present.collect::<BTreeSet<_>>(),
        "every file is listed and every line has its file"
    );
}

#[test]
fn byte_bounds_are_exact() {
    for [record, text, times, expected] in table("fixtures/wire/sizes.txt") {
        let text = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap();
        let base = files::json(&format!("fixtures/v1/{record}/minimal.json")).to_string();
        let content = text.repeat(times.parse().unwrap());
        let bytes = base.replace(r#""content":"""#, &format!(r#""content":"{content}""#));
        assert!(
            bytes.len() > content.len() + base.len() - 1,
            "the content was put in"
        );
        assert_eq!(
            verdict(&record, bytes.as_bytes()),
            expected,
            "{record} of {times} times {text}"
        );
    }
}

#[test]
fn what_a_pattern_refuses_a_decoder_refuses_without_echoing_it() {
    // A hostile value may be long: an error message shows only its beginning.
    let mut message = files::json("fixtures/v1/message/full.json");
    message["from_agent"] = Value::from("x".repeat(100_000));
    let error = RecordType::find("message")
        .unwrap()
        .recode(message.to_string().as_bytes())
        .unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
    assert!(
        error.to_string().starts_with("not a message: from_agent: "),
        "{error}"
    );
}
