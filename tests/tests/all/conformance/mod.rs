//! One suite for every bus: the model in memory, a real server without accounts, and one that keeps agents apart.
//!
//! If they disagree, the model is wrong, and what simulations say is void until it is right again.

mod connection;
mod logs;
mod lost;
mod order;
mod suite;
mod world;

use logs::{Accounts, InMemory, Keeper, Unguarded};
use suite::{appends, lanes, leases, outages, publishing, records, settling, wakes};
use world::{Isolated, Model, Open, Setup, World};

/// Runs each case of the suite in each world. The model's time is tokio's, paused: its waits cost nothing.
macro_rules! conformance {
    ($($part:ident::$case:ident $setup:expr;)*) => {
        mod model {
            use super::*;
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                $part::$case(Model::open($setup).await).await;
            })*
        }
        mod open {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                $part::$case(Open::open($setup).await).await;
            })*
        }
        mod isolated {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                $part::$case(Isolated::open($setup).await).await;
            })*
        }
    };
}

conformance! {
    publishing::an_id_is_stored_once Setup::default();
    publishing::nobody_serves_an_unknown_priority Setup::default();
    publishing::what_cannot_be_sent_is_refused_and_harms_nothing Setup::default();
    publishing::a_full_stream_takes_nothing_and_says_so Setup { messages_max: 3, ..Setup::default() };
    publishing::the_last_sequence_can_be_demanded Setup::default();
    lanes::an_empty_lane_says_so Setup::default();
    lanes::each_lane_has_its_own_messages_as_published Setup::default();
    lanes::messages_come_in_the_order_of_the_calls Setup::default();
    lanes::a_missing_lane_is_not_an_empty_one Setup::default();
    settling::given_back_at_once_comes_first Setup::default();
    settling::given_back_with_a_delay_comes_later Setup::default();
    settling::an_unanswered_message_comes_back Setup { ack_wait_ms: 400, ..Setup::default() };
    settling::progress_keeps_a_message Setup { ack_wait_ms: 2_000, ..Setup::default() };
    settling::what_is_settled_stays_settled Setup::default();
    settling::the_state_of_a_lane_is_told_exactly Setup::default();
    settling::a_hand_over_that_nobody_holds_is_brought_back Setup::default();
    leases::a_lease_is_written_by_one Setup::default();
    leases::a_lease_ends_by_itself Setup { lease_ms: 500, ..Setup::default() };
    wakes::a_wake_is_followed_by_its_message Setup::default();
    wakes::duplicates_and_others_do_not_wake Setup::default();
    outages::a_late_message_reaches_us_all_the_same Setup::default();
    outages::a_saved_ack_subject_outlives_the_session Setup::default();
    outages::without_a_session_every_call_fails_at_once Setup::default();
}

/// Runs each case about the log in each world, with the coordinator's rights where there are rights.
macro_rules! of_the_log {
    ($($case:ident $setup:expr;)*) => {
        mod model_log {
            use super::*;
            $(#[tokio::test(start_paused = true)]
            async fn $case() {
                appends::$case(InMemory::open($setup).await).await;
            })*
        }
        mod open_log {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                appends::$case(Unguarded::open($setup).await).await;
            })*
        }
        mod isolated_log {
            use super::*;
            $(#[tokio::test]
            async fn $case() {
                appends::$case(Accounts::open($setup).await).await;
            })*
        }
    };
}

of_the_log! {
    lines_are_appended_in_order Setup::default();
    where_somebody_else_wrote_nothing_is_appended Setup::default();
    a_repeat_is_known_by_its_last_line Setup::default();
    one_line_that_is_refused_takes_all_along Setup::default();
    a_full_log_takes_nothing_and_says_so Setup { events_max: 3, ..Setup::default() };
    neither_none_nor_too_many_are_an_append Setup::default();
}

/// Records of the coordinator: no agent can reach them, so not in the world that keeps agents apart.
mod coordination {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_two_writers_one_wins_in_the_model() {
        records::of_two_writers_one_wins(Model::open(Setup::default()).await).await;
    }

    #[tokio::test]
    async fn of_two_writers_one_wins_on_a_server() {
        records::of_two_writers_one_wins(Open::open(Setup::default()).await).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_knows_more_wins_in_the_model() {
        records::who_knows_more_wins(Model::open(Setup::default()).await).await;
    }

    #[tokio::test]
    async fn who_knows_more_wins_on_a_server() {
        records::who_knows_more_wins(Open::open(Setup::default()).await).await;
    }
}
