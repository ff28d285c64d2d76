//! When to fetch, from which lane, and for whom.

use wagglebus_schemas::Priority;
use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;

use super::Sidecar;
use super::leasing::fenced;
use crate::context::Context;
use crate::effect::{Answer, Effect, Handed, Settlement};
use crate::event::{FetchOutcome, LaneState, TakeRequest, Token};
use crate::inbox::{Appetite, Taker};
use crate::lanes::LaneSet;
use crate::now::Now;
use crate::receipt::Report;
use crate::record::Key;
use crate::settle::Follow;
use crate::wake::LaneWatch;

impl Sidecar {
    /// Asks consumers for lost hand-overs where that is due, and fetches one message if one can be handed over.
    ///
    /// Only who holds the lease asks for anything: what another sidecar has in its hands would look lost.
    pub(super) fn fetch(&mut self, cx: &mut Context<'_>) {
        if !self.may_fetch(cx.now) {
            return;
        }
        for lane in Priority::ALL.iter().copied() {
            if self.lane_mut(lane).begin_check() {
                let held = self.held_sequences(lane);
                cx.ask(Effect::CheckLane { lane, held });
            }
        }
        if self.receipts.begin_check() {
            cx.ask(Effect::CheckReceipts);
        }
        if let Some(shape) = self.receipts.wanted() {
            self.receipts.begin_fetch();
            cx.ask(Effect::FetchReceipt { shape });
        }
        if !self.may_hand_over(cx.now) {
            return;
        }
        if self.is_fetching() {
            return self.fetch_urgent_beside(cx);
        }
        let (appetite, waiting) = self.fetchable();
        let Some(lane) = self.turns.next(waiting) else {
            return;
        };
        if let Some(shape) = self.lane(lane).wanted() {
            self.lane_mut(lane).begin_fetch();
            self.fetching_for = appetite;
            cx.ask(Effect::FetchLane { lane, shape });
        }
    }

    /// A fetch of another lane may wait a while for a message that does not come: an urgent one must not wait with it. It
    /// goes into the slot that only `urgent` may use, so that a reader has room for both, whichever comes first. A request may
    /// have room for one only, and what goes back unseen comes again marked as redelivered: its urgent waits for the end of
    /// the other fetch.
    fn fetch_urgent_beside(&mut self, cx: &mut Context<'_>) {
        let lane = Priority::Urgent;
        if self.settlements.is_bringing_back(lane) {
            return;
        }
        let (_, taker) = self.inbox.appetite();
        // A pane is looked at anew before each message.
        let Some(taker) = taker.filter(|taker| matches!(taker, Taker::Reader(_)) && !self.is_pane(*taker))
        else {
            return;
        };
        let Some(shape) = self.lane(lane).wanted() else {
            return;
        };
        if !self.inbox.is_urgent_slot_free(taker) {
            return;
        }
        self.lane_mut(lane).begin_fetch();
        self.fetching_for = Appetite::UrgentOnly;
        cx.ask(Effect::FetchLane { lane, shape });
    }

    pub(super) fn may_fetch(&self, now: Now) -> bool {
        self.bus_up && self.spool_failure.is_none() && !self.spool_wait.is_blocked() && self.fence.holds(now)
    }

    /// Whether messages may be fetched for the agent: nobody is shutting down, and the operator lets it work.
    pub(super) fn may_hand_over(&self, now: Now) -> bool {
        self.may_fetch(now) && !self.is_draining() && self.is_let()
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.lanes.iter().any(LaneWatch::is_fetching)
    }

    /// Lanes that may have mail and may be fetched from.
    pub(super) fn waiting(&self, appetite: Appetite) -> LaneSet {
        let allowed = |lane: &Priority| match appetite {
            Appetite::None => false,
            Appetite::UrgentOnly => *lane == Priority::Urgent,
            Appetite::Any => true,
        };
        let lanes = Priority::ALL.iter().copied();
        lanes
            .filter(|lane| allowed(lane) && self.lane(*lane).wanted().is_some())
            .filter(|lane| !self.settlements.is_bringing_back(*lane))
            .collect()
    }

    /// Lanes that are not known to be empty.
    fn with_mail(&self) -> LaneSet {
        let lanes = Priority::ALL.iter().copied();
        lanes
            .filter(|lane| !self.lane(*lane).is_empty() || self.settlements.is_bringing_back(*lane))
            .collect()
    }

    pub(super) fn lane_fetched(&mut self, cx: &mut Context<'_>, lane: Priority, outcome: FetchOutcome) {
        match outcome {
            FetchOutcome::Got(fetched) => {
                // The turn counts when it was taken: the lanes that had mail besides this one were passed over, also
                // those that could not be fetched from.
                let mut with_mail = self.with_mail();
                with_mail.set(lane, true);
                // What must go back because an urgent took its place has had no turn.
                if self.taker(lane).is_some() {
                    self.turns.take(lane, with_mail);
                }
                self.lane_mut(lane).got(fetched.stream_seq, fetched.pending);
                self.take_in(cx, lane, *fetched);
            }
            FetchOutcome::Empty => self.lane_mut(lane).empty(),
            FetchOutcome::Failed => self.lane_mut(lane).failed(cx.now.mono_ms),
        }
    }

    pub(super) fn lane_checked(&mut self, cx: &mut Context<'_>, lane: Priority, state: Option<LaneState>) {
        let now_ms = cx.now.mono_ms;
        let Some(LaneState {
            pending,
            lost,
            joined,
            server_time,
        }) = state
        else {
            return self.lane_mut(lane).check_done(now_ms, None, false);
        };
        self.refused.remove(&Some(lane));
        if let Some(server) = server_time {
            self.server_ahead_ms = server.unix_ms().saturating_sub(cx.now.wall.unix_ms());
        }
        self.joined.extend(joined);
        self.lane_mut(lane)
            .check_done(now_ms, Some(pending), !lost.is_empty());
        self.bring_back_lost(cx, Some(lane), lost);
    }

    pub(super) fn receipts_checked(&mut self, cx: &mut Context<'_>, state: Option<LaneState>) {
        if state.is_some() {
            self.refused.remove(&None);
        }
        let (pending, lost) = state.map_or((None, Vec::new()), |state| (Some(state.pending), state.lost));
        self.receipts
            .check_done(cx.now.mono_ms, pending, !lost.is_empty());
        self.bring_back_lost(cx, None, lost);
    }

    /// Nothing comes out of this consumer until somebody puts it right: said once, and in the readiness.
    pub(super) fn consumer_refused(&mut self, cx: &mut Context<'_>, lane: Option<Priority>, why: String) {
        self.watch_mut(lane).check_done(cx.now.mono_ms, None, false);
        if self.refused.get(&lane) != Some(&why) {
            cx.warn(None, format!("a consumer cannot be used: {why}"));
            self.refused.insert(lane, why);
        }
    }

    fn bring_back_lost(&mut self, cx: &mut Context<'_>, lane: Option<Priority>, lost: Vec<String>) {
        if !lost.is_empty() {
            // How many there are cannot be told: the sequences between two positions are also those of other agents.
            cx.warn(
                None,
                "the server may have handed messages to a connection that was gone; they are asked for again",
            );
        }
        for ack in lost {
            let follow = Follow::Comes {
                lane,
                stream_seq: None,
            };
            self.settle(cx, &ack, Settlement::Nak { delay_ms: 0 }, follow);
        }
    }

    /// For whom a message that was just fetched is.
    pub(super) fn taker(&self, lane: Priority) -> Option<(Taker, Appetite)> {
        let (appetite, taker) = self.inbox.appetite();
        let allowed = match appetite {
            Appetite::None => false,
            Appetite::UrgentOnly => lane == Priority::Urgent,
            Appetite::Any => true,
        };
        let taker = taker.filter(|_| allowed)?;
        // A slot that became free during the fetch is for the lane whose turn it is, not for a further urgent.
        let as_one_more = lane == Priority::Urgent
            && self.fetching_for == Appetite::UrgentOnly
            && self.inbox.is_urgent_slot_free(taker);
        Some((
            taker,
            if as_one_more {
                Appetite::UrgentOnly
            } else {
                appetite
            },
        ))
    }

    pub(super) fn take(&mut self, cx: &mut Context<'_>, take: TakeRequest) {
        let token = take.token;
        let refusal = if self.is_draining() {
            Some(ErrorDetail::new(
                ErrorCode::Draining,
                "the sidecar is shutting down",
            ))
        } else if self.fence.is_fenced() {
            Some(fenced())
        } else {
            let asked = self.inbox.ask(cx.now.mono_ms, take);
            asked.err().map(|_| {
                ErrorDetail::new(
                    ErrorCode::RateLimited,
                    "too many requests for messages wait at once",
                )
                .retry_after_ms(1_000)
                .hint("keep one long poll open instead of many")
            })
        };
        if let Some(error) = refusal {
            return cx.ask(Effect::Answer {
                token,
                answer: Answer::Error(error),
            });
        }
        if take.timeout_ms == 0 {
            // A wake may still be on its way: who does not wait wants to know what is in the stream now.
            self.lanes.iter_mut().for_each(LaneWatch::poll);
        }
    }

    pub(super) fn gone(&mut self, cx: &mut Context<'_>, token: Token) {
        self.waiters.forget(token);
        let keys = self.inbox.forget(token);
        self.return_all(cx, keys, "its reader is gone");
    }

    /// Answers the long polls that can be answered.
    pub(super) fn answer_requests(&mut self, cx: &mut Context<'_>) {
        let may_fetch = self.may_fetch(cx.now) && !self.is_draining() && !self.is_stopped();
        loop {
            let (_, fetchable) = self.fetchable();
            let checking = self.lanes.iter().any(LaneWatch::is_unsettled);
            let returning = |lane: &Priority| self.settlements.is_bringing_back(*lane);
            let coming = self.is_fetching() || Priority::ALL.iter().any(returning);
            let busy =
                may_fetch && (coming || checking || self.is_about_to_be_let() || !fetchable.is_empty());
            let Some((token, keys)) = self.inbox.answerable(cx.now.mono_ms, !busy) else {
                return;
            };
            let items = if self.fence.holds(cx.now) {
                keys.iter()
                    .filter_map(|key| self.hand_over_leased(cx, key))
                    .collect()
            } else {
                self.return_all(cx, keys, "the agent's lease was lost before the hand-over");
                Vec::new()
            };
            cx.ask(Effect::Answer {
                token,
                answer: Answer::Messages(items),
            });
        }
    }

    fn hand_over_leased(&mut self, cx: &mut Context<'_>, key: &Key) -> Option<Handed> {
        let hand = self.inbox.hand_mut(key)?;
        hand.injected = true;
        let (handed, delivery) = (hand.handed(), hand.delivery);
        let report = Report {
            key,
            levels: &[ReceiptLevel::Fetched, ReceiptLevel::Injected],
            bridge: Some(Bridge::Http),
            proof: Proof::Read,
            delivery,
            reason: None,
        };
        self.report(cx, &report);
        self.inbox
            .pane_mut()
            .into_iter()
            .for_each(crate::inbox::pane::Pane::takes_itself);
        Some(handed)
    }
}
