//! When to look into a lane: hints, timers and polls, so that no mail is missed and few pulls come back empty.

use std::collections::BTreeSet;

use crate::effect::Shape;

/// Time between two looks into a lane that nothing announced, in milliseconds (DESIGN 3.6).
pub const SAFETY_POLL_MS: u64 = 15_000;
/// Time after which a lane is looked at again when a fetch got no answer, in milliseconds.
const RETRY_MS: u64 = 250;
/// Most redelivery times remembered for one lane; beyond, the safety poll finds the message.
const TIMERS_MAX: usize = 512;

/// What is known of one pull consumer's backlog.
///
/// A wake is only a hint and may be forged, lost or late: it can cause a look, never prevent one. The safety poll and
/// the poll at each reconnect find what no hint announced; timers find redeliveries, which announce nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneWatch {
    /// The consumer was asked for lost hand-overs since the last (re)connect.
    checked: bool,
    checking: bool,
    /// Highest sequence that a wake announced.
    hinted: u64,
    /// Highest sequence that was delivered.
    delivered: u64,
    /// Something may be there although nothing above `delivered` was announced.
    look: Option<Look>,
    /// When messages come again that were given back with a delay.
    timers: BTreeSet<u64>,
    fetching: Option<Fetching>,
    /// As the server last said.
    pending: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// A poll: something may be there.
    Poll,
    /// Something must be there in a moment.
    Expected,
    /// A fetch failed: ask the consumer first, but not before this time.
    After(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fetching {
    hinted: u64,
}

impl LaneWatch {
    /// The connection is there: ask for lost hand-overs, then look.
    pub fn connected(&mut self) {
        self.checked = false;
        self.checking = false;
        self.fetching = None;
        self.look = Some(Look::Poll);
    }

    /// Whether the consumer must be asked for lost hand-overs before the next fetch; marks it as being asked.
    pub fn begin_check(&mut self) -> bool {
        let due = !self.checked && !self.checking && self.fetching.is_none();
        self.checking |= due;
        due
    }

    /// The consumer answered; with `lost`, a redelivery is on its way.
    pub fn check_done(&mut self, now_ms: u64, pending: Option<u64>, lost: bool) {
        self.checking = false;
        match pending {
            Some(pending) => {
                self.checked = true;
                self.pending = pending;
                self.look = Some(if lost { Look::Expected } else { Look::Poll });
            }
            None => self.look = Some(Look::After(now_ms.saturating_add(RETRY_MS))),
        }
    }

    /// A wake announced a message.
    pub fn hint(&mut self, stream_seq: Option<u64>) {
        match stream_seq {
            Some(seq) => self.hinted = self.hinted.max(seq),
            None => self.expect(),
        }
    }

    /// A message was given back without delay.
    pub fn expect(&mut self) {
        self.look = Some(Look::Expected);
    }

    /// A message was given back until `at_ms`.
    pub fn expect_at(&mut self, at_ms: u64) {
        if self.timers.len() < TIMERS_MAX {
            self.timers.insert(at_ms);
        }
    }

    /// How many messages are given back and not yet due.
    pub fn delayed(&self) -> usize {
        self.timers.len()
    }

    /// The safety poll.
    pub fn poll(&mut self) {
        self.look.get_or_insert(Look::Poll);
    }

    /// Lets due timers take effect.
    pub fn advance(&mut self, now_ms: u64) {
        let later = self.timers.split_off(&now_ms.saturating_add(1));
        let due = std::mem::replace(&mut self.timers, later);
        if !due.is_empty() {
            self.expect();
        }
        if matches!(self.look, Some(Look::After(at)) if at <= now_ms) {
            self.look = Some(Look::Poll);
        }
    }

    /// The next time at which [`advance`](Self::advance) would change something.
    pub fn next_timer(&self) -> Option<u64> {
        let retry = match self.look {
            Some(Look::After(at)) => Some(at),
            Some(Look::Poll | Look::Expected) | None => None,
        };
        self.timers.first().copied().into_iter().chain(retry).min()
    }

    /// How to fetch, if something may be there and the consumer has been checked.
    pub fn wanted(&self) -> Option<Shape> {
        if !self.checked || self.fetching.is_some() {
            return None;
        }
        match self.look {
            Some(Look::Expected) => Some(Shape::OneShot),
            Some(Look::After(_)) => None,
            Some(Look::Poll) | None if self.hinted > self.delivered => Some(Shape::OneShot),
            Some(Look::Poll) => Some(Shape::NoWait),
            None => None,
        }
    }

    /// A fetch begins.
    pub fn begin_fetch(&mut self) {
        self.fetching = Some(Fetching { hinted: self.hinted });
        self.look = None;
    }

    /// Whether a fetch is under way.
    pub const fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// A message came.
    pub fn got(&mut self, stream_seq: u64, pending: u64) {
        self.fetching = None;
        self.delivered = self.delivered.max(stream_seq);
        self.pending = pending;
        if pending > 0 {
            self.poll();
        }
    }

    /// The server said that nothing waits.
    pub fn empty(&mut self) {
        if let Some(fetching) = self.fetching.take() {
            self.pending = 0;
            // What was announced up to the begin of the fetch is not there any more.
            self.delivered = self.delivered.max(fetching.hinted);
        }
    }

    /// No answer: a delivery may be lost, so ask the consumer before the next fetch.
    pub fn failed(&mut self, now_ms: u64) {
        self.fetching = None;
        self.checked = false;
        self.look = Some(Look::After(now_ms.saturating_add(RETRY_MS)));
    }

    /// Whether the check must wait because a fetch failed a moment ago.
    pub fn is_backing_off(&self) -> bool {
        matches!(self.look, Some(Look::After(_)))
    }

    /// Whether it is not yet known what the lane holds: the consumer is being asked, or about to be.
    pub const fn is_unsettled(&self) -> bool {
        !self.checked
    }

    /// How many messages wait, as the server last said.
    pub const fn pending(&self) -> u64 {
        self.pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> LaneWatch {
        let mut lane = LaneWatch::default();
        lane.connected();
        assert!(lane.begin_check());
        lane.check_done(0, Some(0), false);
        lane.begin_fetch();
        lane.empty();
        lane
    }

    #[test]
    fn a_connect_checks_before_it_polls() {
        let mut lane = LaneWatch::default();
        lane.connected();
        assert_eq!(lane.wanted(), None);
        assert!(lane.begin_check() && !lane.begin_check());
        lane.check_done(0, Some(0), false);
        assert_eq!(lane.wanted(), Some(Shape::NoWait));
    }

    #[test]
    fn a_wake_of_something_delivered_causes_no_pull() {
        let mut lane = ready();
        assert_eq!(lane.wanted(), None);
        lane.hint(Some(5));
        lane.hint(Some(6));
        assert_eq!(lane.wanted(), Some(Shape::OneShot));
        lane.begin_fetch();
        lane.got(5, 1);
        lane.begin_fetch();
        lane.got(6, 0);
        assert_eq!(lane.wanted(), None);
        lane.hint(Some(6));
        assert_eq!(lane.wanted(), None, "a late wake");
    }

    #[test]
    fn a_wake_during_a_fetch_that_finds_nothing_is_kept() {
        let mut lane = ready();
        lane.poll();
        lane.begin_fetch();
        lane.hint(Some(9));
        lane.empty();
        assert_eq!(lane.wanted(), Some(Shape::OneShot));
    }

    #[test]
    fn a_failed_fetch_checks_again_after_a_pause() {
        let mut lane = ready();
        lane.hint(Some(3));
        lane.begin_fetch();
        lane.failed(1_000);
        assert_eq!(lane.wanted(), None);
        assert!(lane.is_backing_off());
        assert_eq!(lane.next_timer(), Some(1_000 + RETRY_MS));
        lane.advance(1_000 + RETRY_MS);
        assert!(!lane.is_backing_off() && lane.begin_check());
    }

    #[test]
    fn a_redelivery_is_expected_at_its_time() {
        let mut lane = ready();
        lane.expect_at(2_000);
        lane.advance(1_999);
        assert_eq!(lane.wanted(), None);
        assert_eq!(lane.next_timer(), Some(2_000));
        lane.advance(2_000);
        assert_eq!(lane.wanted(), Some(Shape::OneShot));
    }
}
