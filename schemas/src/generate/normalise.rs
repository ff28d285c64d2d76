//! Brings what schemars derives into the small vocabulary that we publish and that our compatibility check knows.
//!
//! - A list of documented words becomes one `enum`, its words explained in the description.
//! - A nullable schema is a `type` with `null` in it, never an `anyOf`.
//! - `format` becomes the bounds that it means: a validator need not know it.
//! - A description is one line a paragraph.

use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// Normalises the schema of what we accept.
pub(super) fn accepted(schema: &mut Value) {
    walk(schema, &|_| ());
}

/// Normalises the schema of what we write: an optional field is absent rather than null.
pub(super) fn produced(schema: &mut Value) {
    walk(schema, &forbid_optional_null);
}

/// Applies the rules to a schema and then to those inside it, the innermost first.
fn walk(schema: &mut Value, last: &dyn Fn(&mut Fields)) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    for (keyword, value) in fields.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(|s| walk(s, last)),
            ("anyOf" | "oneOf", Value::Array(choices)) => choices.iter_mut().for_each(|s| walk(s, last)),
            ("items" | "additionalProperties", inner) => walk(inner, last),
            _ => (),
        }
    }
    merge_choices(fields);
    bound_integer(fields);
    fields.retain(|keyword, value| !(keyword == "default" && value.is_null()));
    if let Some(description) = fields.get_mut("description") {
        *description = unwrapped(description.as_str().unwrap_or_default()).into();
    }
    last(fields);
}

/// Merges `anyOf` and `oneOf` where every choice is a word, a list of words or null; others are left as they are, and
/// the compatibility check names them.
fn merge_choices(fields: &mut Fields) {
    let keyword = if fields.contains_key("oneOf") {
        "oneOf"
    } else {
        "anyOf"
    };
    let Some(choices) = fields.get(keyword).and_then(Value::as_array) else {
        return;
    };
    let (nulls, choices): (Vec<&Value>, Vec<&Value>) = choices
        .iter()
        .partition(|choice| **choice == json!({"type": "null"}));
    let mut words: Vec<Value> = choices.iter().flat_map(|choice| words(choice)).collect();
    if choices.iter().any(|choice| self::words(choice).is_empty()) {
        return;
    }
    let mut types = json!("string");
    if !nulls.is_empty() {
        words.push(Value::Null);
        types = json!(["string", "null"]);
    }
    let explained: Vec<String> = choices.iter().flat_map(|choice| explained(choice)).collect();
    let description = fields
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let description = format!("{description}\n\n{}", explained.join("\n"));
    fields.remove(keyword);
    fields.insert("description".to_owned(), description.into());
    fields.insert("type".to_owned(), types);
    fields.insert("enum".to_owned(), words.into());
}

fn words(choice: &Value) -> Vec<Value> {
    let listed = choice.get("enum").and_then(Value::as_array).cloned();
    listed.unwrap_or_else(|| choice.get("const").cloned().into_iter().collect())
}

/// The lines that explain the words of a choice: `- word: what it means`.
fn explained(choice: &Value) -> Vec<String> {
    let description = choice
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match choice.get("const").and_then(Value::as_str) {
        Some(word) => vec![format!("- {word}: {description}")],
        None => lines_of_words(description).map(str::to_owned).collect(),
    }
}

fn lines_of_words(description: &str) -> impl Iterator<Item = &str> {
    description.lines().filter(|line| line.starts_with("- "))
}

/// Replaces `format` of an integer by its bounds.
fn bound_integer(fields: &mut Fields) {
    let Some(format) = fields.remove("format") else {
        return;
    };
    let maximum = match format.as_str() {
        Some("uint8") => u64::from(u8::MAX),
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        Some("uint64") => u64::MAX,
        // Left as it is: the compatibility check names what it does not know.
        _ => {
            fields.insert("format".to_owned(), format);
            return;
        }
    };
    fields.entry("minimum").or_insert_with(|| 0.into());
    fields.entry("maximum").or_insert_with(|| maximum.into());
}

/// Joins the lines of each paragraph, but not those of a list.
fn unwrapped(description: &str) -> String {
    let mut text = String::with_capacity(description.len());
    let mut previous_ends_paragraph = true;
    for line in description.lines() {
        let begins = line.is_empty() || line.starts_with("- ");
        if !text.is_empty() {
            text.push_str(if begins || previous_ends_paragraph {
                "\n"
            } else {
                " "
            });
        }
        text.push_str(line);
        previous_ends_paragraph = line.is_empty();
    }
    text
}

fn forbid_optional_null(fields: &mut Fields) {
    let required = fields
        .get("required")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, schema) in properties {
        if required.iter().any(|r| r == name) {
            continue;
        }
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.retain(|word| !word.is_null());
        }
        let types = schema.get("type").and_then(Value::as_array);
        let remaining = types
            .and_then(|types| types.iter().find(|t| *t != "null"))
            .cloned();
        if let (Some(remaining), Some(schema)) = (remaining, schema.as_object_mut()) {
            schema.insert("type".to_owned(), remaining);
        }
    }
}
