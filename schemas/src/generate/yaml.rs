//! Writes a JSON value as YAML in block style: enough for a document that people read.

use std::fmt::Write as _;

use serde_json::Value;

/// The document, below a comment.
pub(super) fn document(comment: &str, value: &Value) -> String {
    let mut text = format!("# {comment}");
    block(&mut text, value, 0);
    text.push('\n');
    text
}

/// Appends a value; the text so far ends after `key:`, `-` or the comment.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                line(text, indent);
                text.push_str(&key(name));
                text.push(':');
                block(text, value, indent + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                line(text, indent);
                text.push('-');
                block(text, item, indent + 1);
            }
        }
        // A JSON scalar, and an empty container, is YAML as it is.
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            text.push(' ');
            text.push_str(&value.to_string());
        }
    }
}

fn line(text: &mut String, indent: usize) {
    // Writing to a String cannot fail.
    _ = write!(text, "\n{:width$}", "", width = indent * 2);
}

/// A key, quoted unless it is plainly a word.
fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && !matches!(
            name,
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_are_blocks_and_leaves_are_json() {
        let value = json!({"a": {"$b": ["x: y", 1, {"c": null}]}, "e": {}, "f": []});
        let expected = "# c\na:\n  \"$b\":\n    - \"x: y\"\n    - 1\n    -\n      c: null\ne: {}\nf: []\n";
        assert_eq!(document("c", &value), expected);
    }
}
