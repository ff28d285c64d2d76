//! Values on the command line that are JSON, or text that is easier to write.

use std::io::{self, Read};

use serde_json::Value;
use wagglebus_schemas::Timestamp;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::LINE_BYTES_MAX;

use crate::failure::Failure;
use crate::filter::now;
use crate::value;

/// JSON as it was given, or from standard input for `-`. Other text is a text, unless it looks like JSON with a mistake.
pub(super) fn json(given: &str, what: &str) -> Result<Value, Failure> {
    let text = if given == "-" {
        read(io::stdin().lock(), what)?
    } else {
        given.to_owned()
    };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(value),
        Err(error) if text.trim_start().starts_with(['{', '[', '"']) => {
            Err(Failure::invalid(format!("the {what} is no JSON: {error}"))
                .fix("mind the quotes of the shell, or pipe it in and write - for it"))
        }
        Err(_) => Ok(text.strip_suffix('\n').unwrap_or(&text).into()),
    }
}

fn read(input: impl Read, what: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    input
        .take(LINE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed("standard input cannot be read").why(error.to_string()))?;
    if bytes.len() > LINE_BYTES_MAX {
        let told = format!("the {what} on standard input has more than {LINE_BYTES_MAX} bytes");
        return Err(Failure::contract(ErrorCode::TooLarge, told)
            .fix("put it where the agent can read it, and give its address"));
    }
    String::from_utf8(bytes).map_err(|error| {
        Failure::invalid(format!("the {what} on standard input is no text in UTF-8")).why(error.to_string())
    })
}

/// A time, or a duration from now.
pub(super) fn deadline(given: &str) -> Result<Timestamp, Failure> {
    if let Ok(at) = given.parse() {
        return Ok(at);
    }
    let no_time = |why: String| {
        Failure::invalid(format!("{given:?} is no time: {why}")).fix("write 2h, or 2026-01-02T03:04:05Z")
    };
    let ahead = value::duration(given).map_err(no_time)?;
    let ahead = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(now().unix_ms().saturating_add(ahead)).map_err(|error| no_time(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_json_is_text_unless_it_tries_to_be() {
        for (given, value) in [
            ("{\"a\":1}", json!({ "a": 1 })),
            ("7", json!(7)),
            ("null", json!(null)),
            ("done, see the log", json!("done, see the log")),
            ("", json!("")),
        ] {
            assert_eq!(json(given, "result").unwrap(), value, "{given}");
        }
        for bad in ["{a:1}", "[1,", "\"open"] {
            assert_eq!(json(bad, "result").unwrap_err().exit_code(), 6, "{bad}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        let exact = vec![b'x'; LINE_BYTES_MAX];
        assert_eq!(read(&exact[..], "input").unwrap().len(), LINE_BYTES_MAX);
        let more = vec![b'x'; LINE_BYTES_MAX + 1];
        let refused = read(&more[..], "input").unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::TooLarge));
        assert_eq!(read(&b"\xff"[..], "input").unwrap_err().exit_code(), 6);
    }

    #[test]
    fn a_deadline_is_a_time_or_a_while() {
        let at = deadline("2026-01-02T03:04:05Z").unwrap();
        assert_eq!(at.as_str(), "2026-01-02T03:04:05.000Z");
        assert!(deadline("2h").unwrap().unix_ms() > now().unix_ms() + 7_000_000);
        assert_eq!(deadline("soon").unwrap_err().exit_code(), 6);
    }
}
