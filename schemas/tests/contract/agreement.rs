//! Decoder and schema agree not only on the fixtures: every part of each is replaced by every odd value.

use serde_json::{Value, json};
use wagglebus_schemas::registry::RECORD_TYPES;

use crate::{files, fixtures};

/// Values that are wrong, or almost right, somewhere.
fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(11),
        json!(0.5),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
        json!(18_446_744_073_709_551_616.0),
        json!(""),
        json!("a"),
        json!("a.b"),
        json!("*"),
        json!("room:all"),
        json!("done"),
        json!("2026-01-02t03:04:05z"),
        json!("2026-01-02 03:04:05Z"),
        json!("0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d"),
        json!("0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"done": null}),
    ]
}

/// Pointers to every part of a value, the whole first.
fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, value)| (n.to_string(), value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let below = |(name, value): (String, &Value)| {
        let extend = move |pointer: String| format!("/{name}{pointer}");
        pointers(value).into_iter().map(extend).collect::<Vec<_>>()
    };
    std::iter::once(String::new())
        .chain(inner.into_iter().flat_map(below))
        .collect()
}

/// The value without the part at `pointer`; `None` when that is no field of an object.
fn without(value: &Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let mut value = value.clone();
    value.pointer_mut(parent)?.as_object_mut()?.remove(name)?;
    Some(value)
}

/// The values of an object's fields as a list: what a reader by position would take for the object.
fn by_position(value: &Value) -> Option<Value> {
    Some(value.as_object()?.values().cloned().collect())
}

#[test]
fn decoder_and_schema_refuse_the_same() {
    let mut seen = [0, 0];
    for record_type in RECORD_TYPES {
        let accepting = files::accepting(record_type);
        let mut check = |altered: Value, what: &str| {
            let decoded = record_type.recode(altered.to_string().as_bytes());
            let admitted = accepting.is_valid(&altered);
            assert_eq!(
                decoded.is_ok(),
                admitted,
                "{}: {what}\ndecoder: {:?}\nrecord: {altered}",
                record_type.name,
                decoded.err()
            );
            seen[usize::from(admitted)] += 1;
        };
        for (name, bytes) in fixtures::of(record_type)
            .iter()
            .filter(|(name, _)| !name.starts_with("invalid-"))
        {
            let value: Value = serde_json::from_slice(bytes).unwrap();
            for pointer in pointers(&value) {
                let part = value.pointer(&pointer).unwrap();
                for odd in odd_values().into_iter().chain(by_position(part)) {
                    let mut altered = value.clone();
                    *altered.pointer_mut(&pointer).unwrap() = odd.clone();
                    check(altered, &format!("{name}{pointer} = {odd}"));
                }
                if let Some(altered) = without(&value, &pointer) {
                    check(altered, &format!("{name}{pointer} removed"));
                }
            }
        }
    }
    assert!(
        seen[0] > 1_000 && seen[1] > 500,
        "too few cases to mean anything: {seen:?}"
    );
}
