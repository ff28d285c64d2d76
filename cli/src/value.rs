//! Parsers of values on the command line.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use wagglebus_schemas::Recipient;
use wagglebus_schemas::id::Id;

use crate::failure::Failure;

/// Longest duration that any option takes.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A parser for a closed vocabulary: help lists its words, a typing error gets the closest one.
pub(crate) fn words<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|word| word.parse::<T>())
}

/// `5s`, `1m 30s`, `200ms`; a bare number counts seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bare = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let value = match bare {
        Some(value) => value,
        None => humantime::parse_duration(text).map_err(|error| format!("{error}; write 5s, 200ms or 1m"))?,
    };
    if value > DURATION_MAX {
        return Err("more than a day".into());
    }
    Ok(value)
}

/// To whom a message goes. A malformed name is invalid data (exit 6), as it is on the API.
pub(crate) fn recipient(text: &str) -> Result<Recipient, Failure> {
    text.parse()
        .map_err(|error: wagglebus_schemas::id::NameError| Failure::invalid(error.to_string()))
}

/// The id of a message. A malformed one is invalid data (exit 6), as it is on the API.
pub(crate) fn id(text: &str) -> Result<Id, Failure> {
    text.parse()
        .map_err(|error: wagglebus_schemas::id::IdError| Failure::invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_bounded_and_bare_numbers_are_seconds() {
        for (text, ms) in [
            ("5s", 5_000),
            ("200ms", 200),
            ("1m 30s", 90_000),
            ("2", 2_000),
            ("0.5", 500),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "-1", "5 bananas", "NaN", "inf", "1e300", "25h", "s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
