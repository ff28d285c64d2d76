//! The schemas are product text: every property is described, for readers who know no Rust.

use serde_json::Value;
use wagglebus_schemas::generate;
use wagglebus_schemas::registry::RECORD_TYPES;

/// Calls `visit` with each property of a schema and its path.
fn each_property(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            let path = format!("{path}.{name}");
            visit(&path, property);
            each_property(property, &path, visit);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(keyword) {
            each_property(inner, &format!("{path}.{keyword}"), visit);
        }
    }
}

#[test]
fn every_property_is_described() {
    let mut seen = 0;
    for record_type in RECORD_TYPES {
        let schemas = [
            Some(generate::accepted_schema(record_type)),
            generate::produced_schema(record_type),
        ];
        for schema in schemas.into_iter().flatten() {
            for keyword in ["$id", "$schema", "title", "description"] {
                assert!(
                    schema[keyword].is_string(),
                    "{} has no {keyword}",
                    record_type.name
                );
            }
            each_property(&schema, record_type.name, &mut |path, property| {
                let description = property["description"].as_str().unwrap_or_default();
                assert!(description.len() > 4, "{path} has no description");
                assert!(
                    !description.contains("[`") && !description.contains("::"),
                    "{path}: {description}"
                );
                seen += 1;
            });
        }
    }
    assert!(seen > 200, "the walk saw only {seen} properties");
}

#[test]
fn every_word_of_an_enum_is_explained() {
    for record_type in RECORD_TYPES {
        let schema = generate::accepted_schema(record_type);
        each_property(&schema, record_type.name, &mut |path, property| {
            let description = property["description"].as_str().unwrap_or_default();
            for word in property["enum"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                assert!(
                    description.contains(&format!("\n- {word}: ")),
                    "{path}: {word} is not explained"
                );
            }
        });
    }
}
