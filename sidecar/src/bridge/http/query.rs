//! Query parameters: each known, given once and within its bounds, or refused.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wagglebus_schemas::Id;
use wagglebus_schemas::error::ErrorCode;

use super::answer::Refusal;

/// Items of a page unless said otherwise.
pub(super) const PAGE_SIZE: usize = 50;
/// How many items a page may be asked for.
pub(super) const PAGE_LIMITS: RangeInclusive<usize> = 1..=500;

/// The parameters of a request. `T` must deny unknown fields.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

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
pub(super) struct NoParams {}

/// The message that the path names.
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

/// A time in seconds, decimals allowed, with the precision of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub(super) struct Seconds(Duration);

/// Digits with at most one point between them: a sign, an exponent, `inf` and `nan` are no times.
impl TryFrom<Cow<'_, str>> for Seconds {
    type Error = String;

    fn try_from(text: Cow<'_, str>) -> Result<Self, String> {
        let error = || {
            format!(
                "{:?} is no time: use seconds such as 5 or 2.5",
                text.chars().take(40).collect::<String>()
            )
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let seconds: u64 = whole.parse().map_err(|_| error())?;
        let ms: String = fraction.chars().chain("00".chars()).take(3).collect();
        let ms: u64 = ms.parse().map_err(|_| error())?;
        Ok(Self(Duration::from_millis(
            seconds.saturating_mul(1_000).saturating_add(ms),
        )))
    }
}

/// A yes or no: `true`, `false`, `1` or `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
pub(super) struct Flag(pub(super) bool);

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

/// The value of a parameter that is a time within bounds, in seconds.
pub(super) fn time(
    name: &str,
    given: Option<Seconds>,
    default: u64,
    bounds: RangeInclusive<u64>,
) -> Result<Duration, Refusal> {
    let Some(Seconds(time)) = given else {
        return Ok(Duration::from_secs(default));
    };
    let (least, most) = (
        Duration::from_secs(*bounds.start()),
        Duration::from_secs(*bounds.end()),
    );
    if (least..=most).contains(&time) {
        Ok(time)
    } else {
        Err(out_of_bounds(name, &bounds, " seconds"))
    }
}

/// The value of a parameter that is a number within bounds.
pub(super) fn number(
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

fn out_of_bounds<T: std::fmt::Display>(name: &str, bounds: &RangeInclusive<T>, unit: &str) -> Refusal {
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

    fn seconds(text: &str) -> Result<Seconds, String> {
        Seconds::try_from(Cow::Borrowed(text))
    }

    #[test]
    fn seconds_may_have_decimals() {
        for (text, ms) in [
            ("0", 0),
            ("5", 5_000),
            ("2.5", 2_500),
            ("0.001", 1),
            ("1.23456", 1_234),
            ("60.", 0),
        ] {
            match seconds(text) {
                Ok(Seconds(time)) => assert_eq!(time, Duration::from_millis(ms), "{text}"),
                Err(_) => assert_eq!(text, "60."),
            }
        }
        for bad in [
            "",
            ".",
            ".5",
            "-1",
            "+1",
            "1e3",
            "nan",
            "inf",
            "1.5.2",
            "9999999999",
            " 1",
            "1s",
        ] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let lease = |text| time("lease", Some(seconds(text).unwrap()), 60, 5..=3_600);
        assert_eq!(lease("5").unwrap(), Duration::from_secs(5));
        assert_eq!(lease("3600").unwrap(), Duration::from_secs(3_600));
        assert_eq!(lease("4.999").unwrap_err().code(), ErrorCode::InvalidQuery);
        assert_eq!(lease("3600.001").unwrap_err().code(), ErrorCode::InvalidQuery);
        assert_eq!(
            time("lease", None, 60, 5..=3_600).unwrap(),
            Duration::from_secs(60)
        );
        assert_eq!(number("max", Some(32), 1, 1..=32).unwrap(), 32);
        assert!(number("max", Some(0), 1, 1..=32).is_err());
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        timeout: Option<Seconds>,
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
        let example = parse("timeout=2.5&park=true").await.unwrap();
        assert_eq!(
            (example.timeout, example.park),
            (Some(Seconds(Duration::from_millis(2_500))), Flag(true))
        );
        assert_eq!(parse("park=0").await.unwrap().park, Flag(false));
        for bad in [
            "tiemout=1",
            "timeout=1&timeout=2",
            "timeout=x",
            "park=yes",
            "park",
        ] {
            assert_eq!(
                parse(bad).await.unwrap_err().code(),
                ErrorCode::InvalidQuery,
                "{bad}"
            );
        }
    }
}
