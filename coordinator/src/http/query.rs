//! Query parameters as the fields of a question.

use serde_json::{Map, Value};
use wagglebus_http::Refusal;
use wagglebus_schemas::error::ErrorCode;

/// Parameters that are numbers.
const NUMBERS: [&str; 1] = ["limit"];

/// Parameters as the fields of a question: numbers are numbers, all else is text. Which ones are known is for whoever
/// answers the question to say.
pub(super) fn fields(pairs: Vec<(String, String)>) -> Result<Map<String, Value>, Refusal> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        let refuse = |what: &str| {
            let name: String = name.chars().take(40).collect();
            Refusal::new(ErrorCode::InvalidQuery, format!("{name} {what}"))
        };
        let value = if NUMBERS.contains(&name.as_str()) {
            let number: u32 = text.parse().map_err(|_| refuse("is a number"))?;
            Value::from(number)
        } else {
            Value::from(text)
        };
        if fields.insert(name.clone(), value).is_some() {
            return Err(refuse("was given twice"));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_become_fields() {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            fields(pairs.collect()).map(Value::Object)
        };
        assert_eq!(
            pairs(&[("limit", "5"), ("state", "pending")]).unwrap(),
            json!({"limit": 5, "state": "pending"})
        );
        for bad in [
            &[("limit", "x")][..],
            &[("limit", "-1")],
            &[("a", "1"), ("a", "2")],
        ] {
            assert_eq!(pairs(bad).unwrap_err().code(), ErrorCode::InvalidQuery);
        }
    }
}
