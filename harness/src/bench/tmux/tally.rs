//! What became of messages that were sent to a pane: which texts came whole, which twice, and which ran together.

use crate::terminal::Submit;

/// Printable signs that shells, tmux and terminals take for something else, several lines of them.
const SIGNS: &str = "$(x) `y` \" ' \\ ; # { } #{pane_id} & | < é 漢 🚀 \ttab\n@bob !urgent\n\n> line\n";

/// What bodies are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 256 bytes of plain text.
    Short,
    /// 10 KiB of plain text.
    Long,
    /// Some lines of signs that mean something to shells and terminals.
    Signs,
}

impl Kind {
    /// As it is called in a report.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "256 B",
            Self::Long => "10 KB",
            Self::Signs => "lines and signs",
        }
    }

    /// The body of a message, different for each number.
    pub(super) fn body(self, number: usize) -> String {
        let (begin, end) = (begin(number), format!("</{number}>"));
        let plain = |bytes: usize| "x".repeat(bytes.saturating_sub(begin.len() + end.len()));
        let inside = match self {
            Self::Short => plain(256),
            Self::Long => plain(10_240),
            Self::Signs => SIGNS.repeat(8),
        };
        format!("{begin}{inside}{end}")
    }
}

/// What every body begins with, up to its number.
const BEGIN: &str = "<message ";

fn begin(number: usize) -> String {
    format!("{BEGIN}{number}>")
}

/// The number of the first message in a submit, whole or not.
pub(super) fn number(submit: &Submit) -> Option<usize> {
    let (_, rest) = submit.text.split_once(BEGIN)?;
    rest.split_once('>')?.0.parse().ok()
}

/// How many messages did not arrive as they should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Messages sent.
    sent: u32,
    /// Messages that came whole in no submit.
    lost: u32,
    /// How often a message came that had come before.
    doubled: u32,
    /// How often a message came in one submit with another.
    joined: u32,
}

impl Tally {
    /// Counts what came of these texts, each as it is to be seen in its submit.
    pub(super) fn add(&mut self, texts: &[String], submits: &[Submit]) {
        for text in texts {
            let times: usize = submits.iter().map(|submit| count(&submit.text, text)).sum();
            self.sent += 1;
            self.lost += u32::from(times == 0);
            self.doubled += u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX);
        }
        for submit in submits {
            let together = count(&submit.text, BEGIN).saturating_sub(1);
            self.joined += u32::try_from(together).unwrap_or(u32::MAX);
        }
    }

    /// Lost, doubled and joined, each with its name, in percent of what was sent.
    pub(super) fn percents(self) -> [(&'static str, f64); 3] {
        let percent = |count: u32| f64::from(count) * 100.0 / f64::from(self.sent.max(1));
        [
            ("lost", percent(self.lost)),
            ("doubled", percent(self.doubled)),
            ("joined", percent(self.joined)),
        ]
    }
}

fn count(text: &str, of: &str) -> usize {
    text.matches(of).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn submit(text: &str) -> Submit {
        Submit {
            at: Duration::ZERO,
            text: text.to_owned(),
        }
    }

    #[test]
    fn lost_doubled_and_joined_are_told_apart() {
        let texts: Vec<String> = (0..4).map(|number| Kind::Short.body(number)).collect();
        let [a, b, c, d] = [0, 1, 2, 3].map(|at: usize| texts[at].as_str());
        let mut fine = Tally::default();
        fine.add(&texts, &[a, b, c, d].map(submit));
        assert_eq!(fine.percents().map(|(_, percent)| percent), [0.0, 0.0, 0.0]);
        let mut bad = Tally::default();
        // The second came twice, the third together with the first, the fourth not whole.
        let together = format!("{a}{c}");
        bad.add(&texts, &[together.as_str(), b, b, &d[..100], ""].map(submit));
        assert_eq!(
            bad,
            Tally {
                sent: 4,
                lost: 1,
                doubled: 1,
                joined: 1
            }
        );
        assert_eq!(
            bad.percents(),
            [("lost", 25.0), ("doubled", 25.0), ("joined", 25.0)]
        );
    }

    #[test]
    fn bodies_have_their_size_and_their_number() {
        assert_eq!(Kind::Short.body(7).len(), 256);
        assert_eq!(Kind::Long.body(123).len(), 10_240);
        for kind in [Kind::Short, Kind::Long, Kind::Signs] {
            assert_eq!(number(&submit(&kind.body(42))), Some(42));
        }
    }
}
