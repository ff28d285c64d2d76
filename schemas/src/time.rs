//! Points in time as they are on the wire.

use std::str::FromStr;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

use crate::newtype::string_newtype;

/// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: what four digits of a year can say, in UTC.
const UNIX_MS_RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

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

    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self {
        unix_ms: 0,
        text: *b"1970-01-01T00:00:00.000Z",
    };

    /// From milliseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// When the year is outside 0000 to 9999.
    pub fn from_unix_ms(unix_ms: i64) -> Result<Self, TimestampError> {
        let error = || TimestampError {
            text: unix_ms.to_string(),
        };
        if !UNIX_MS_RANGE.contains(&unix_ms) {
            return Err(error());
        }
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
            .map_err(|_| error())?;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (begin, digits, value) in [
            (0, 4, at.year().unsigned_abs()),
            (5, 2, u8::from(at.month()).into()),
            (8, 2, at.day().into()),
            (11, 2, at.hour().into()),
            (14, 2, at.minute().into()),
            (17, 2, at.second().into()),
            (20, 3, at.millisecond().into()),
        ] {
            write_number(&mut text, begin, digits, value);
        }
        Ok(Self { unix_ms, text })
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The wire form.
    pub fn as_str(&self) -> &str {
        // The bytes come from `from_unix_ms` and are ASCII.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// Writes the last `digits` digits of a number. Without `format!`, as each step of a sidecar takes the time.
fn write_number(text: &mut [u8; Timestamp::TEXT_BYTES], begin: usize, digits: usize, mut value: u32) {
    for byte in text.iter_mut().skip(begin).take(digits).rev() {
        *byte = u8::try_from(value % 10).map_or(b'0', |digit| b'0' + digit);
        value /= 10;
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
    ///
    /// Between date and time stands a `T`: the RFC lets applications choose another character, our schema does not.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let error = || TimestampError {
            text: text.chars().take(80).collect(),
        };
        if !text.get(10..11).is_some_and(|t| t.eq_ignore_ascii_case("t")) {
            return Err(error());
        }
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| error())?;
        // Not by `to_offset`: it panics where the shifted year leaves the range of the library.
        let unix_ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
        Self::from_unix_ms(i64::try_from(unix_ms).map_err(|_| error())?).map_err(|_| error())
    }
}

string_newtype!(
    Timestamp,
    "timestamp",
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
    produced "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z$",
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
            "2026-02-30T03:04:05Z",
            "2026-01-02 03:04:05Z",
            "2026-01-02_03:04:05Z",
            "2026-01-02T24:00:00Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn years_beyond_the_wire_form_are_refused() {
        assert!(Timestamp::from_unix_ms(i64::MAX).is_err());
        assert!(Timestamp::from_unix_ms(i64::MIN).is_err());
        for ms in [*UNIX_MS_RANGE.start(), *UNIX_MS_RANGE.end()] {
            let at = Timestamp::from_unix_ms(ms).unwrap();
            assert_eq!(at.as_str().parse::<Timestamp>(), Ok(at));
        }
    }

    #[test]
    fn an_offset_that_leaves_the_years_of_the_wire_form_is_refused() {
        for bad in ["0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-01:00"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?}");
        }
    }
}
