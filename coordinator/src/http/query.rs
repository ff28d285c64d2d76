//! Query parameters and paths: each known, given once and within its bounds, or refused.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wagglebus_schemas::Id;
use wagglebus_schemas::error::ErrorCode;

use super::answer::Refusal;

/// Parameters that are numbers.
const NUMBERS: [&str; 1] = ["limit"];

/// The parameters of a request. `T` must deny unknown fields.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Refusal::new(ErrorCode::InvalidQuery, rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// A path that takes no parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParams {}

/// The task or message that the path names.
#[derive(Debug)]
pub(super) struct PathId(pub(super) Id);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let not_found = |why: String| Refusal::new(ErrorCode::NotFound, why);
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| not_found(rejection.body_text()))?;
        text.parse()
            .map(Self)
            .map_err(|error: wagglebus_schemas::id::IdError| not_found(error.to_string()))
    }
}

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
