//! How far the streams of the feed were read.

use std::fmt;
use std::str::FromStr;

use wagglebus_schemas::stream::Stream;

/// A stream that the feed is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The log.
    Events,
    /// Messages to agents and rooms.
    Messages,
    /// Receipts about messages and commands.
    Receipts,
}

impl Source {
    /// All of them, in the order in which a [`Position`] names them.
    pub const ALL: [Self; 3] = [Self::Events, Self::Messages, Self::Receipts];

    /// The stream.
    pub const fn stream(self) -> Stream {
        match self {
            Self::Events => Stream::Events,
            Self::Messages => Stream::Messages,
            Self::Receipts => Stream::Receipts,
        }
    }

    /// What it is called to readers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Messages => "messages",
            Self::Receipts => "receipts",
        }
    }
}

/// Up to which sequence each stream was read; 0 is before the first. As text: `<events>.<messages>.<receipts>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Position {
    events: u64,
    messages: u64,
    receipts: u64,
}

/// Why a text is no [`Position`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no id of this feed: they are three numbers such as 120.4311.9024")]
pub struct PositionError {
    /// The text, shortened.
    text: String,
}

impl Position {
    /// A position.
    pub const fn new(events: u64, messages: u64, receipts: u64) -> Self {
        Self {
            events,
            messages,
            receipts,
        }
    }

    /// Up to which sequence a stream was read.
    pub const fn of(&self, source: Source) -> u64 {
        match source {
            Source::Events => self.events,
            Source::Messages => self.messages,
            Source::Receipts => self.receipts,
        }
    }

    /// Sets how far a stream was read.
    pub const fn set(&mut self, source: Source, seq: u64) {
        match source {
            Source::Events => self.events = seq,
            Source::Messages => self.messages = seq,
            Source::Receipts => self.receipts = seq,
        }
    }

    /// Takes a record for read. False when it was before.
    pub const fn advance(&mut self, source: Source, seq: u64) -> bool {
        let is_new = seq > self.of(source);
        if is_new {
            self.set(source, seq);
        }
        is_new
    }

    /// Whether everything up to `other` was read, in each stream.
    pub fn reaches(&self, other: &Self) -> bool {
        Source::ALL
            .into_iter()
            .all(|source| self.of(source) >= other.of(source))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.events, self.messages, self.receipts)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let bad = || PositionError {
            text: text.chars().take(80).collect(),
        };
        // The parser of numbers would take a plus.
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten().ok_or_else(bad)
        };
        let parts: Vec<&str> = text.split('.').take(4).collect();
        let &[events, messages, receipts] = &parts[..] else {
            return Err(bad());
        };
        Ok(Self::new(number(events)?, number(messages)?, number(receipts)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_a_position_and_nothing_else_is() {
        let largest = "18446744073709551615.0.7";
        assert_eq!(largest.parse(), Ok(Position::new(u64::MAX, 0, 7)));
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.",
            ".1.2",
            "1.2.3.4",
            "1.2.x",
            "+1.2.3",
            "-1.2.3",
            " 1.2.3",
            "1.2.3 ",
            "1..3",
            "18446744073709551616.0.0",
            "7-3",
            "1,2,3",
            "٣.1.1",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_hostile_text_is_shown_in_part() {
        let error = "x".repeat(100_000).parse::<Position>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
