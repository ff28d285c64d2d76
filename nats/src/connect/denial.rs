//! Refused subjects, so that the call that waits in vain learns why.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::watch;

/// Refusals remembered; a waiting call looks at once, so few are enough.
const KEPT: usize = 64;

/// The refusals of one session.
///
/// NATS tells a refused publish only by an error beside the stream of answers: the publish itself would wait for its
/// time to run out (RELIABILITY 1.5).
#[derive(Debug)]
pub(crate) struct Denials {
    recent: Mutex<VecDeque<(u64, String)>>,
    count: watch::Sender<u64>,
}

impl Denials {
    pub(super) fn new() -> Self {
        Self {
            recent: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    pub(super) fn record(&self, subject: &str) {
        let number = *self.count.borrow() + 1;
        if let Ok(mut recent) = self.recent.lock() {
            recent.push_back((number, subject.to_owned()));
            if recent.len() > KEPT {
                recent.pop_front();
            }
        }
        self.count.send_replace(number);
    }

    /// A watch that sees refusals from now on. Taken before the call is sent.
    pub(crate) fn watch(&self) -> DenialWatch {
        let receiver = self.count.subscribe();
        let since = *receiver.borrow();
        DenialWatch { receiver, since }
    }

    /// Resolves once `subject` is refused after `watch` was taken; never, if it is not.
    pub(crate) async fn refused(&self, subject: &str, mut watch: DenialWatch) {
        let mut seen = watch.since;
        loop {
            if *watch.receiver.borrow_and_update() != seen {
                seen = *watch.receiver.borrow();
                let hit = self.recent.lock().is_ok_and(|recent| {
                    recent
                        .iter()
                        .any(|(number, refused)| *number > watch.since && refused == subject)
                });
                if hit {
                    return;
                }
            }
            if watch.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// A place in the sequence of refusals.
#[derive(Debug)]
pub(crate) struct DenialWatch {
    receiver: watch::Receiver<u64>,
    since: u64,
}

/// The subject in the server's text about a refused operation, such as
/// `Permissions Violation for Publish to "wb.msg.bob.urgent.alice"`.
pub(super) fn refused_subject(said: &str) -> Option<&str> {
    let lower = said.get(.."Permissions Violation".len())?;
    if !lower.eq_ignore_ascii_case("Permissions Violation") {
        return None;
    }
    said.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_found_in_the_servers_text() {
        for (said, subject) in [
            ("Permissions Violation for Publish to \"a.b\"", Some("a.b")),
            (
                "permissions violation for Subscription to \"a.>\" using queue \"q\"",
                Some("a.>"),
            ),
            (
                "Permissions Violation for Publish with Reply of \"$JS.x\"",
                Some("$JS.x"),
            ),
            ("Permissions Violation", None),
            ("Unknown Protocol Operation \"x\"", None),
            ("", None),
        ] {
            assert_eq!(refused_subject(said), subject, "{said}");
        }
    }

    #[tokio::test]
    async fn only_the_refused_subject_is_told() {
        let denials = Denials::new();
        let early = denials.watch();
        denials.record("mine");
        denials.record("other");
        denials.refused("mine", early).await;
        let late = denials.watch();
        denials.record("other");
        let waiting = tokio::time::timeout(std::time::Duration::ZERO, denials.refused("mine", late)).await;
        assert!(waiting.is_err(), "a refusal from before the call does not count");
    }
}
