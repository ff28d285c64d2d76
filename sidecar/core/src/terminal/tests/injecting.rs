//! One text into one pane, step by step.

use wagglebus_schemas::reason::HoldReason;

use crate::terminal::inject::{Act, ENTERS_MAX, End, Injection};
use crate::terminal::screen::{Condition, Input, Sight};

pub(super) const fn sight(condition: Condition, input: Input) -> Sight {
    Sight {
        condition,
        input,
        submitted: false,
    }
}

const EMPTY: Sight = sight(Condition::Idle, Input::Empty);
const OURS: Sight = sight(Condition::Idle, Input::Ours);

fn injection() -> Injection {
    Injection::new(0, false, 200, false)
}

fn pasted() -> Injection {
    let mut injection = injection();
    assert_eq!(injection.seen(0, &EMPTY), Act::Paste);
    injection.pasted(0, Some(true));
    injection
}

fn entered() -> Injection {
    let mut injection = pasted();
    assert_eq!(
        injection.seen(10, &OURS),
        Act::LookAt(200),
        "the program needs a moment"
    );
    assert_eq!(injection.seen(200, &OURS), Act::Enter);
    injection.entered(200, Some(true));
    injection
}

#[test]
fn a_text_is_pasted_entered_and_verified() {
    let mut injection = entered();
    assert!(
        matches!(injection.seen(210, &OURS), Act::LookAt(_)),
        "drawn a moment later"
    );
    assert_eq!(injection.seen(240, &EMPTY), Act::End(End::Injected));
}

#[test]
fn nothing_is_pasted_where_anything_is_in_the_way() {
    for (condition, input, reason) in [
        (Condition::Busy, Input::Empty, HoldReason::Busy),
        (Condition::Occupied, Input::Empty, HoldReason::Busy),
        (Condition::DialogOpen, Input::Hidden, HoldReason::DialogOpen),
        (Condition::DialogOpen, Input::Empty, HoldReason::DialogOpen),
        (Condition::Unclear, Input::Hidden, HoldReason::DialogOpen),
        (Condition::HumanTyping, Input::Foreign, HoldReason::HumanTyping),
        (Condition::HumanTyping, Input::Empty, HoldReason::HumanTyping),
        (Condition::RateLimited, Input::Empty, HoldReason::RateLimited),
        (Condition::CannotWake, Input::Empty, HoldReason::CannotWake),
        (Condition::Unreachable, Input::Hidden, HoldReason::CannotWake),
    ] {
        let mut injection = injection();
        assert_eq!(injection.seen(0, &sight(condition, input)), Act::LookAt(500));
        assert_eq!(injection.hold(10), None, "it may pass");
        injection.seen(500, &sight(condition, input));
        assert_eq!(injection.hold(1_000), Some(reason));
        assert_eq!(injection.seen(1_500, &EMPTY), Act::Paste);
        assert_eq!(injection.hold(1_500), None);
    }
}

#[test]
fn only_an_urgent_text_interrupts_work() {
    let mut urgent = Injection::new(0, true, 0, false);
    assert_eq!(urgent.seen(0, &sight(Condition::Busy, Input::Empty)), Act::Paste);
    urgent.pasted(0, Some(true));
    assert_eq!(urgent.seen(0, &sight(Condition::Busy, Input::Ours)), Act::Enter);
    for never in [
        Condition::DialogOpen,
        Condition::HumanTyping,
        Condition::CannotWake,
        Condition::Unreachable,
        Condition::Occupied,
    ] {
        let mut urgent = Injection::new(0, true, 0, false);
        assert!(matches!(
            urgent.seen(0, &sight(never, Input::Empty)),
            Act::LookAt(_)
        ));
    }
}

#[test]
fn what_is_half_done_is_finished_when_something_urgent_waits_behind_it() {
    let mut half_done = pasted();
    let busy = sight(Condition::Busy, Input::Ours);
    assert!(matches!(half_done.seen(300, &busy), Act::LookAt(_)));
    half_done.hasten();
    assert_eq!(half_done.seen(400, &busy), Act::Enter);
    let mut unbegun = injection();
    unbegun.hasten();
    assert!(matches!(
        unbegun.seen(0, &sight(Condition::Busy, Input::Empty)),
        Act::LookAt(_)
    ));
}

#[test]
fn a_dialog_between_paste_and_enter_stops_enter() {
    let mut injection = pasted();
    for at_ms in [300, 900, 1_500] {
        let dialog = sight(Condition::DialogOpen, Input::Hidden);
        assert!(matches!(injection.seen(at_ms, &dialog), Act::LookAt(_)));
    }
    assert_eq!(injection.hold(1_500), Some(HoldReason::DialogOpen));
    assert_eq!(injection.seen(2_000, &OURS), Act::Enter, "only Enter");
}

#[test]
fn what_was_given_to_a_tmux_that_hangs_is_waited_for_once_it_goes_on() {
    let away = sight(Condition::Unreachable, Input::Hidden);
    let mut injection = injection();
    assert_eq!(injection.seen(0, &EMPTY), Act::Paste);
    injection.pasted(5_000, None);
    for at_ms in (5_000..60_000).step_by(500) {
        assert!(matches!(injection.seen(at_ms, &away), Act::LookAt(_)));
    }
    assert_eq!(injection.hold(60_000), Some(HoldReason::CannotWake));
    assert!(
        matches!(injection.seen(60_000, &EMPTY), Act::LookAt(_)),
        "not drawn yet, and not lost"
    );
    assert_eq!(injection.seen(60_100, &OURS), Act::Enter);
    injection.entered(65_000, None);
    injection.seen(120_000, &away);
    assert!(
        matches!(injection.seen(120_001, &OURS), Act::LookAt(_)),
        "not drawn yet"
    );
    assert_eq!(injection.seen(120_100, &EMPTY), Act::End(End::Injected));
}

#[test]
fn a_refused_act_is_followed_by_a_look() {
    let mut injection = injection();
    assert_eq!(injection.seen(0, &EMPTY), Act::Paste);
    injection.pasted(0, Some(false));
    assert!(injection.is_unbegun());
    assert_eq!(injection.seen(10, &EMPTY), Act::Paste);
    injection.pasted(10, Some(true));
    assert_eq!(injection.seen(300, &OURS), Act::Enter);
    injection.entered(300, Some(false));
    assert_eq!(injection.seen(310, &OURS), Act::Enter, "it was not pressed");
}

#[test]
fn a_lost_enter_is_pressed_again_and_never_without_end() {
    let mut injection = entered();
    let mut presses = 1;
    let mut now_ms = 200;
    while now_ms < 60_000 {
        match injection.seen(now_ms, &OURS) {
            Act::Enter => {
                presses += 1;
                injection.entered(now_ms, Some(true));
            }
            Act::LookAt(at_ms) => now_ms = at_ms,
            other @ (Act::Paste | Act::LeaveMode | Act::End(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!(presses, ENTERS_MAX);
    assert_eq!(injection.hold(now_ms), Some(HoldReason::CannotWake));
    assert_eq!(
        injection.seen(now_ms, &EMPTY),
        Act::End(End::Injected),
        "a person pressed it"
    );
}

#[test]
fn what_a_former_process_pasted_gets_enter_only() {
    let submitted = Sight {
        submitted: true,
        ..EMPTY
    };
    for entered in [false, true] {
        let resumed = || Injection::resumed(0, false, entered);
        assert_eq!(resumed().seen(0, &OURS), Act::Enter);
        assert_eq!(
            resumed().seen(0, &submitted),
            Act::End(End::Injected),
            "it was entered"
        );
        let busy = sight(Condition::Busy, Input::Ours);
        assert!(matches!(resumed().seen(0, &busy), Act::LookAt(_)));
    }
    let mut pasted = Injection::resumed(0, false, false);
    assert!(
        matches!(pasted.seen(0, &EMPTY), Act::LookAt(_)),
        "it may not be drawn yet"
    );
    assert_eq!(
        pasted.seen(1_000, &EMPTY),
        Act::End(End::Lost),
        "it never was pasted"
    );
    let mut entered = Injection::resumed(0, false, true);
    assert_eq!(entered.seen(0, &EMPTY), Act::End(End::Injected));
}

#[test]
fn a_mode_is_left_before_anything_is_typed_and_not_for_ever() {
    let mut injection = injection();
    let in_mode = sight(Condition::InMode, Input::Empty);
    let mut leaves = 0;
    for at_ms in 0..20 {
        if injection.seen(at_ms * 500, &in_mode) == Act::LeaveMode {
            leaves += 1;
        }
    }
    assert_eq!(leaves, 5);
    assert_eq!(injection.hold(10_000), Some(HoldReason::CannotWake));
    assert_eq!(injection.seen(10_000, &EMPTY), Act::Paste);
}

#[test]
fn a_program_that_is_gone_gets_nothing_until_it_is_back() {
    let gone = sight(Condition::Gone, Input::Hidden);
    for mut injection in [injection(), pasted(), entered()] {
        for at_ms in [300, 3_000, 60_000] {
            assert!(matches!(injection.seen(at_ms, &gone), Act::LookAt(_)));
        }
        assert_eq!(injection.hold(60_000), Some(HoldReason::AgentGone));
    }
    let mut stopped = pasted();
    stopped.seen(300, &gone);
    assert_eq!(stopped.seen(9_000, &OURS), Act::Enter, "it was only stopped");
    let mut line = Injection::new(0, false, 0, true);
    line.seen(0, &EMPTY);
    line.pasted(0, Some(true));
    line.seen(0, &OURS);
    line.entered(0, Some(true));
    assert_eq!(
        line.seen(10, &gone),
        Act::End(End::Injected),
        "it read its line and ended"
    );
}

#[test]
fn a_paste_of_which_tmux_said_nothing_is_not_repeated() {
    let mut injection = injection();
    injection.seen(0, &EMPTY);
    injection.pasted(0, None);
    for at_ms in (0..5_000).step_by(100) {
        assert!(matches!(injection.seen(at_ms, &EMPTY), Act::LookAt(_)));
    }
    assert_eq!(
        injection.seen(5_000, &EMPTY),
        Act::End(End::Lost),
        "it never arrived"
    );
    let mut injection = pasted();
    assert!(
        matches!(injection.seen(9_000, &EMPTY), Act::LookAt(_)),
        "tmux did paste it"
    );
    assert!(matches!(injection.seen(10_000, &EMPTY), Act::LookAt(_)));
    assert_eq!(injection.hold(10_000), Some(HoldReason::CannotWake));
}

#[test]
fn a_half_typed_line_beside_our_text_stops_enter() {
    let mixed = sight(Condition::HumanTyping, Input::Mixed);
    for mut injection in [pasted(), entered()] {
        assert!(matches!(injection.seen(300, &mixed), Act::LookAt(_)));
        assert!(matches!(injection.seen(1_300, &mixed), Act::LookAt(_)));
        assert_eq!(injection.hold(1_300), Some(HoldReason::HumanTyping));
    }
}
