//! Under which name a line of the log is shown.

use wagglebus_schemas::event::EventKind;
use wagglebus_schemas::feed::FeedKind;

/// The name of a line of the log; `None` where it is shown as what it is about already.
pub const fn of_log(kind: EventKind) -> Option<FeedKind> {
    Some(match kind {
        EventKind::Task => FeedKind::Task,
        EventKind::Agent | EventKind::Migration => FeedKind::Agent,
        EventKind::Contract => FeedKind::Contract,
        EventKind::Decision | EventKind::Outcome => FeedKind::Decision,
        EventKind::Alert | EventKind::Failure | EventKind::Compliance => FeedKind::Alert,
        EventKind::Swarm | EventKind::Leader | EventKind::Config => FeedKind::Swarm,
        // Its messages are shown themselves.
        EventKind::Conversation => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_log_that_are_names_of_the_feed_are_kept() {
        for kind in EventKind::ALL {
            let same = FeedKind::ALL.iter().find(|name| name.as_str() == kind.as_str());
            assert!(same.is_none() || of_log(*kind).as_ref() == same, "{kind}");
        }
    }

    #[test]
    fn what_lies_in_other_streams_is_never_taken_from_the_log() {
        for kind in EventKind::ALL {
            let shown = of_log(*kind);
            let elsewhere = [FeedKind::Message, FeedKind::Receipt, FeedKind::Metric];
            assert!(shown.is_none_or(|shown| !elsewhere.contains(&shown)), "{kind}");
        }
    }
}
