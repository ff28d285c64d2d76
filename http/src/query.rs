//! Query parameters and ids in paths: each known, given once and within its bounds, or refused.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wagglebus_schemas::Id;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::id::IdError;

use crate::answer::Refusal;

/// Items of a page unless said otherwise.
pub const PAGE_SIZE: usize = 50;
/// How many items a page may be asked for.
pub const PAGE_LIMITS: RangeInclusive<usize> = 1..=500;

/// The parameters of a request. `T` must deny unknown fields.
#[derive(Debug)]
pub struct Params<T>(pub T);

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
pub struct NoParams {}

/// The message, task or conversation that the path names.
#[derive(Debug)]
pub struct PathId(pub Id);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let not_found = |why: String| Refusal::new(ErrorCode::NotFound, why);
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| not_found(rejection.body_text()))?;
        text.parse()
            .map(Self)
            .map_err(|error: IdError| not_found(error.to_string()))
    }
}

/// A yes or no: `true`, `false`, `1` or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub struct Flag(pub bool);

impl TryFrom<Cow<'_, str>> for Flag {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        match &*text {
            "true" | "1" => Ok(Self(true)),
            "false" | "0" => Ok(Self(false)),
            _ => Err("use true or false"),
        }
    }
}

/// The value of a parameter that is a number within bounds.
///
/// # Errors
/// When it is out of them.
pub fn number(
    name: &str,
    given: Option<usize>,
    default: usize,
    bounds: RangeInclusive<usize>,
) -> Result<usize, Refusal> {
    let number = given.unwrap_or(default);
    if bounds.contains(&number) {
        Ok(number)
    } else {
        Err(out_of_bounds(name, &bounds, ""))
    }
}

/// That a parameter is out of bounds; `unit` is what stands behind a number of it.
pub fn out_of_bounds<T: Display>(name: &str, bounds: &RangeInclusive<T>, unit: &str) -> Refusal {
    let message = format!(
        "{name} is out of bounds: use {} to {}{unit}",
        bounds.start(),
        bounds.end()
    );
    Refusal::new(ErrorCode::InvalidQuery, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        assert_eq!(number("max", Some(32), 1, 1..=32).unwrap(), 32);
        assert_eq!(number("max", None, 1, 1..=32).unwrap(), 1);
        for bad in [0, 33] {
            let refusal = number("max", Some(bad), 1, 1..=32).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidQuery);
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        limit: Option<usize>,
        #[serde(default)]
        park: Flag,
    }

    async fn parse(query: &str) -> Result<Example, Refusal> {
        let request = axum::http::Request::get(format!("/x?{query}")).body(()).unwrap();
        Params::from_request_parts(&mut request.into_parts().0, &())
            .await
            .map(|Params(example)| example)
    }

    #[tokio::test]
    async fn unknown_doubled_and_malformed_parameters_are_refused() {
        let example = parse("limit=2&park=true").await.unwrap();
        assert_eq!((example.limit, example.park), (Some(2), Flag(true)));
        assert_eq!(parse("park=0").await.unwrap().park, Flag(false));
        for bad in [
            "lmit=1",
            "limit=1&limit=2",
            "limit=x",
            "limit=-1",
            "park=yes",
            "park",
        ] {
            let refusal = parse(bad).await.unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidQuery, "{bad}");
        }
    }
}
