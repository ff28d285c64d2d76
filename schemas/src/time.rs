//! Points in time as they are on the wire.

use std::str::FromStr;

use ::time::format_description::well_known::Rfc3339;
use ::time::{OffsetDateTime, UtcOffset};

use crate::newtype::string_newtype;

/// A UTC time with millisecond precision, written `2026-01-02T03:04:05.678Z` with always three digits.
///
/// Wire times are for display and a sanity window only: order comes from stream sequences, liveness from the
/// receiver's clock (DESIGN 3.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
    // The text is kept so that serialising borrows it; 24 bytes for the years 0000 to 9999.
    text: [u8; Timestamp::TEXT_BYTES],
}

/// Why a text or number is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time: use RFC 3339 such as 2026-01-02T03:04:05.678Z, years 0000 to 9999")]
pub struct TimestampError {
    text: String,
}

impl Timestamp {
    const TEXT_BYTES: usize = 24;

    /// From milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// When the year is outside 0000 to 9999.
    pub fn from_unix_ms(unix_ms: i64) -> Result<Self, TimestampError> {
        let error = || TimestampError {
            text: unix_ms.to_string(),
        };
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
            .map_err(|_| error())?;
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        );
        let text = text.as_bytes().try_into().map_err(|_| error())?;
        Ok(Self { unix_ms, text })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The wire form.
    pub fn as_str(&self) -> &str {
        // The bytes come from `format!` above and are ASCII.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Accepts any RFC 3339 time and converts it to UTC milliseconds (digits beyond are cut off).
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let error = || TimestampError {
            text: text.chars().take(80).collect(),
        };
        let at = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| error())?
            .to_offset(UtcOffset::UTC);
        let unix_ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
        Self::from_unix_ms(i64::try_from(unix_ms).map_err(|_| error())?).map_err(|_| error())
    }
}

string_newtype!(
    Timestamp,
    "timestamp",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    "RFC 3339 time; we write UTC with three digits, 2026-01-02T03:04:05.678Z."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_has_always_three_digits() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
        ] {
            assert_eq!(Timestamp::from_unix_ms(ms).unwrap().as_str(), text);
            assert_eq!(text.parse::<Timestamp>().unwrap().unix_ms(), ms);
        }
    }

    #[test]
    fn other_offsets_and_precisions_are_read() {
        let at: Timestamp = "2026-01-02T04:04:05.678999+01:00".parse().unwrap();
        assert_eq!(at.as_str(), "2026-01-02T03:04:05.678Z");
        for bad in [
            "",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "yesterday",
            "2026-13-02T03:04:05Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn years_beyond_the_wire_form_are_refused() {
        assert!(Timestamp::from_unix_ms(i64::MAX).is_err());
        assert!(Timestamp::from_unix_ms(i64::MIN).is_err());
    }
}
