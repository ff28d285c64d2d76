//! When to look into a lane: hints, timers and polls, so that no mail is missed and few pulls come back empty.

use std::collections::BTreeSet;

use crate::effect::Shape;

/// Time between two looks into a lane that nothing announced, in milliseconds (DESIGN 3.6).
pub const SAFETY_POLL_MS: u64 = 15_000;
/// Time after which the server hands over again what was not settled, in milliseconds (DESIGN 3.6).
pub const ACK_WAIT_MS: u64 = 30_000;
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
    check: Check,
    look: Reasons,
    /// The reasons of the fetch that is under way.
    fetching: Option<Reasons>,
    /// Highest sequence that was delivered on this connection.
    delivered: u64,
    /// When messages come again that were given back with a delay.
    timers: BTreeSet<u64>,
    /// A fetch or check got no answer: nothing is asked before this time.
    not_before_ms: Option<u64>,
    /// As the server last said.
    pending: u64,
}

/// Whether the consumer was asked for lost hand-overs since the last (re)connect or failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Check {
    #[default]
    Due,
    UnderWay,
    Done,
}

/// Why to look into a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reasons {
    /// Something may be there.
    poll: bool,
    /// Something that was given back must be there in a moment.
    expected: bool,
    /// Highest sequence that a wake announced.
    hinted: u64,
}

impl Reasons {
    fn merge(&mut self, other: Self) {
        self.poll |= other.poll;
        self.expected |= other.expected;
        self.hinted = self.hinted.max(other.hinted);
    }
}

impl LaneWatch {
    /// The connection is there: ask for lost hand-overs, then look.
    pub fn connected(&mut self) {
        self.disconnected();
        self.not_before_ms = None;
        self.look.poll = true;
        // The stream may have been made anew, with lower sequences.
        self.delivered = 0;
    }

    /// The connection is gone, and with it every awaited answer.
    pub fn disconnected(&mut self) {
        self.check = Check::Due;
        if let Some(reasons) = self.fetching.take() {
            self.look.merge(reasons);
        }
    }

    /// Whether the consumer must be asked for lost hand-overs before the next fetch; marks it as being asked.
    pub fn begin_check(&mut self) -> bool {
        let due = self.check == Check::Due && self.fetching.is_none() && self.not_before_ms.is_none();
        if due {
            self.check = Check::UnderWay;
        }
        due
    }

    /// The consumer answered; with `lost`, a redelivery is on its way. Without an answer it is asked again in a moment.
    pub fn check_done(&mut self, now_ms: u64, pending: Option<u64>, lost: bool) {
        let Some(pending) = pending else {
            self.check = Check::Due;
            self.not_before_ms = Some(now_ms.saturating_add(RETRY_MS));
            return;
        };
        self.check = Check::Done;
        self.pending = pending;
        self.look.poll = true;
        self.look.expected |= lost;
    }

    /// The consumer must be asked again before the next fetch.
    pub fn recheck(&mut self) {
        if self.check == Check::Done {
            self.check = Check::Due;
        }
    }

    /// A wake announced a message.
    pub fn hint(&mut self, stream_seq: Option<u64>) {
        match stream_seq {
            Some(seq) => self.look.hinted = self.look.hinted.max(seq),
            None => self.expect(),
        }
    }

    /// A message was given back without delay.
    pub const fn expect(&mut self) {
        self.look.expected = true;
    }

    /// A message was given back until `at_ms`.
    pub fn expect_at(&mut self, at_ms: u64) {
        if self.timers.len() < TIMERS_MAX {
            self.timers.insert(at_ms);
        }
    }

    /// The safety poll.
    pub const fn poll(&mut self) {
        self.look.poll = true;
    }

    /// Lets due timers take effect.
    pub fn advance(&mut self, now_ms: u64) {
        let later = self.timers.split_off(&now_ms.saturating_add(1));
        let due = std::mem::replace(&mut self.timers, later);
        self.look.expected |= !due.is_empty();
        self.not_before_ms = self.not_before_ms.filter(|at_ms| *at_ms > now_ms);
    }

    /// The next time at which [`advance`](Self::advance) would change something.
    pub fn next_timer(&self) -> Option<u64> {
        let timer = self.timers.first().copied();
        timer.into_iter().chain(self.not_before_ms).min()
    }

    /// How to fetch, if something may be there and the consumer has been checked.
    pub fn wanted(&self) -> Option<Shape> {
        if self.check != Check::Done || self.fetching.is_some() || self.not_before_ms.is_some() {
            None
        } else if self.look.expected || self.look.hinted > self.delivered {
            Some(Shape::OneShot)
        } else {
            self.look.poll.then_some(Shape::NoWait)
        }
    }

    /// Whether it was found empty, and nothing was announced since.
    pub fn is_empty(&self) -> bool {
        let silent = !self.look.expected && !self.look.poll && self.look.hinted <= self.delivered;
        self.check == Check::Done && self.fetching.is_none() && silent
    }

    /// A fetch begins.
    pub fn begin_fetch(&mut self) {
        self.fetching = Some(std::mem::take(&mut self.look));
    }

    /// Whether a fetch is under way.
    pub const fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// A message came. Whatever else was a reason to look still is, until the lane is found empty: `pending` does not
    /// count redeliveries, and may lag behind a wake.
    pub fn got(&mut self, stream_seq: u64, pending: u64) {
        self.came(stream_seq, pending);
        if let Some(reasons) = self.fetching.take() {
            self.look.merge(reasons);
        }
    }

    /// A message came, be it by a fetch that had been given up.
    pub fn came(&mut self, stream_seq: u64, pending: u64) {
        self.delivered = self.delivered.max(stream_seq);
        self.pending = pending;
        self.look.poll |= pending > 0;
    }

    /// Whether this or a later message of the lane came on this connection.
    pub const fn has_passed(&self, stream_seq: u64) -> bool {
        self.delivered >= stream_seq
    }

    /// The server said that nothing waits: what was a reason when the fetch began is none any more.
    pub const fn empty(&mut self) {
        self.fetching = None;
        self.pending = 0;
    }

    /// No answer: a delivery may be lost, so ask the consumer before the next fetch.
    pub fn failed(&mut self, now_ms: u64) {
        self.disconnected();
        self.look.poll = true;
        self.not_before_ms = Some(now_ms.saturating_add(RETRY_MS));
    }

    /// Whether it is not yet known what the lane holds: the consumer is being asked, or about to be.
    pub fn is_unsettled(&self) -> bool {
        self.check != Check::Done
    }

    /// Whether something that was given back must be there, or something was announced that did not come yet.
    pub const fn is_expected(&self) -> bool {
        self.look.expected || self.look.hinted > self.delivered
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
        lane.got(5, 0);
        assert_eq!(lane.wanted(), Some(Shape::OneShot), "6 was announced");
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
    fn a_forged_wake_costs_one_look_and_hides_nothing() {
        let mut lane = ready();
        lane.hint(Some(u64::MAX));
        lane.begin_fetch();
        lane.empty();
        assert_eq!(lane.wanted(), None);
        lane.hint(Some(1));
        assert_eq!(lane.wanted(), Some(Shape::OneShot));
    }

    #[test]
    fn redeliveries_are_looked_for_until_the_lane_is_empty() {
        let mut lane = ready();
        lane.expect();
        for seq in [3, 4] {
            assert_eq!(
                lane.wanted(),
                Some(Shape::OneShot),
                "pending does not count {seq}"
            );
            lane.begin_fetch();
            lane.got(seq, 0);
        }
        lane.begin_fetch();
        lane.empty();
        assert_eq!(lane.wanted(), None);
    }

    #[test]
    fn what_is_expected_survives_a_reconnect() {
        let mut lane = ready();
        lane.expect();
        lane.begin_fetch();
        lane.connected();
        assert!(lane.begin_check());
        lane.check_done(0, Some(0), false);
        assert_eq!(lane.wanted(), Some(Shape::OneShot));
    }

    #[test]
    fn a_failed_fetch_checks_again_after_a_pause() {
        let mut lane = ready();
        lane.hint(Some(3));
        lane.begin_fetch();
        lane.failed(1_000);
        assert_eq!(lane.wanted(), None);
        assert!(!lane.begin_check());
        assert_eq!(lane.next_timer(), Some(1_000 + RETRY_MS));
        lane.advance(1_000 + RETRY_MS);
        assert!(lane.begin_check());
        lane.check_done(2_000, None, false);
        assert!(!lane.begin_check(), "no answer: a pause again");
        assert_eq!(lane.next_timer(), Some(2_000 + RETRY_MS));
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
