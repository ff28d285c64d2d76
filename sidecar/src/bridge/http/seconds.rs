//! Times among query parameters.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use wagglebus_http::Refusal;
use wagglebus_http::query::out_of_bounds;

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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;
    use axum::http::Request;
    use wagglebus_http::Params;
    use wagglebus_schemas::error::ErrorCode;

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
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        timeout: Option<Seconds>,
    }

    #[tokio::test]
    async fn a_time_is_read_from_the_parameters() {
        let parse = async |query: &str| {
            let request = Request::get(format!("/x?{query}")).body(()).unwrap();
            let params = Params::<Example>::from_request_parts(&mut request.into_parts().0, &()).await;
            params.map(|Params(example)| example.timeout)
        };
        let timeout = parse("timeout=2.5").await.unwrap();
        assert_eq!(timeout, Some(Seconds(Duration::from_millis(2_500))));
        for bad in ["timeout=1&timeout=2", "timeout=x"] {
            let refusal = parse(bad).await.unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidQuery, "{bad}");
        }
    }
}
