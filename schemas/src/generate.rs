//! Generates the files that other programs build on: JSON Schemas, the AsyncAPI and the OpenAPI document.
//!
//! They are checked in; a test compares them with what is generated, so that each change of the contract is reviewed.

mod asyncapi;
mod normalise;
mod openapi;
mod yaml;

use serde_json::Value;

use crate::registry::{RECORD_TYPES, RecordType};

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below `schemas/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The OpenAPI document of the sidecar's local API, as it is checked in.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The OpenAPI document of the coordinator's API, as it is checked in.
pub const OPENAPI_COORDINATOR: &str = include_str!("../openapi-coordinator.json");

/// What we accept as this record, as JSON Schema 2020-12.
pub fn accepted_schema(record_type: &RecordType) -> Value {
    let mut schema = record_type.accepted();
    normalise::accepted(&mut schema);
    identified(schema, record_type.name)
}

/// What we write as this record; `None` where it is not narrower than [`accepted_schema`].
pub fn produced_schema(record_type: &RecordType) -> Option<Value> {
    let mut schema = record_type.produced()?;
    normalise::produced(&mut schema);
    let unlike = identified(schema.clone(), record_type.name) != accepted_schema(record_type);
    unlike.then(|| identified(schema, &format!("{}:produced", record_type.name)))
}

/// Every generated file.
pub fn files() -> Vec<File> {
    let schema = |name: String, schema: &Value| File {
        path: format!("json/v1/{name}.json"),
        text: format!("{schema:#}\n"),
    };
    let mut files = Vec::new();
    for record_type in RECORD_TYPES {
        files.push(schema(record_type.name.to_owned(), &accepted_schema(record_type)));
        if let Some(produced) = produced_schema(record_type) {
            files.push(schema(format!("{}.produced", record_type.name), &produced));
        }
    }
    files.push(File {
        path: "openapi.json".to_owned(),
        text: format!("{:#}\n", openapi::document()),
    });
    files.push(File {
        path: "openapi-coordinator.json".to_owned(),
        text: format!("{:#}\n", openapi::coordinator::document()),
    });
    files.push(File {
        path: "asyncapi.yaml".to_owned(),
        text: yaml::document(
            "Generated from the registry of the crate wagglebus-schemas; do not edit.",
            &asyncapi::document(),
        ),
    });
    files
}

/// Names the schema. A URN, since a schema is found by its name and never fetched from a host.
fn identified(mut schema: Value, name: &str) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$id".to_owned(), format!("urn:wagglebus:schema:v1:{name}").into());
    }
    schema
}
