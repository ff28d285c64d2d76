//! Request targets: paths with percent-encoded query parameters.

use std::fmt::Write;
use std::time::Duration;

/// A request target under construction.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    text: String,
    separator: char,
}

impl Target {
    /// A target without parameters. `path` is ours, or made of parsed names and ids.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self {
            text: path.into(),
            separator: '?',
        }
    }

    /// Adds `name=value`; `name` is ours.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push(self.separator);
        self.text.push_str(name);
        self.text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                write!(self.text, "%{byte:02X}").ok();
            }
        }
        self.separator = '&';
        self
    }

    /// Adds a duration in seconds with milliseconds, as queries carry them (WIRE, Common).
    #[must_use]
    pub(crate) fn with_seconds(self, name: &str, value: Duration) -> Self {
        let text = format!("{:.3}", value.as_secs_f64());
        let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
        self.with(name, &text)
    }

    /// The finished text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded_and_durations_are_seconds() {
        let target = Target::new("/v1/x")
            .with("cursor", "a b&c=é")
            .with_seconds("timeout", Duration::from_millis(2_500))
            .with_seconds("lease", Duration::from_secs(60))
            .with_seconds("zero", Duration::ZERO);
        assert_eq!(
            target.as_str(),
            "/v1/x?cursor=a%20b%26c%3D%C3%A9&timeout=2.5&lease=60&zero=0"
        );
    }
}
