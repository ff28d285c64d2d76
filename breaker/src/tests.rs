//! Every state × event as a table, and what must hold whatever happens.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    failures: 3,
    within_ms: None,
    open_ms: 100,
    open_max_ms: 350,
};
const WINDOW: Limits = Limits {
    within_ms: Some(1_000),
    ..LIMITS
};

/// A breaker that failed as often as it takes, at time 0.
fn opened(limits: Limits) -> Breaker {
    let mut breaker = Breaker::new(limits);
    for _ in 0..limits.failures {
        breaker.failed(0, None);
    }
    breaker
}

fn half_open() -> Breaker {
    let mut breaker = opened(LIMITS);
    assert_eq!(breaker.ask(100), Leave::Probe);
    breaker
}

/// A breaker that one more failure opens.
fn failing() -> Breaker {
    let mut breaker = Breaker::new(LIMITS);
    breaker.failed(0, None);
    breaker.failed(0, None);
    breaker
}

#[test]
fn every_state_answers_every_event() {
    const OPEN: State = State::Open { until_ms: 100 };
    let breakers = [
        Breaker::new(LIMITS),
        failing(),
        opened(LIMITS),
        opened(LIMITS),
        half_open(),
    ];
    let times = [0, 50, 99, 100, 100];
    let no = |until_ms| Leave::No { until_ms };
    let asked = [
        (Leave::Go, State::Closed),
        (Leave::Go, State::Closed),
        (no(Some(100)), OPEN),
        (Leave::Probe, State::HalfOpen),
        (no(None), State::HalfOpen),
    ];
    let succeeded = [None, None, None, None, Some(State::Closed)];
    let later = |until_ms| Some(State::Open { until_ms });
    let failed = [None, later(150), None, None, later(300)];
    for (at, (breaker, now_ms)) in breakers.iter().zip(times).enumerate() {
        let mut one = breaker.clone();
        assert_eq!((one.ask(now_ms), one.state()), asked[at], "{breaker:?} is asked");
        let mut one = breaker.clone();
        assert_eq!(one.succeeded(), succeeded[at], "{breaker:?} hears of a success");
        assert_eq!(one.state(), succeeded[at].unwrap_or(breaker.state()));
        let mut one = breaker.clone();
        assert_eq!(
            one.failed(now_ms, None),
            failed[at],
            "{breaker:?} hears of a failure"
        );
        assert_eq!(one.state(), failed[at].unwrap_or(breaker.state()));
    }
}

#[test]
fn each_failed_probe_doubles_the_time_and_a_success_resets_it() {
    let mut breaker = opened(LIMITS);
    let mut now_ms = 0;
    for open_ms in [100, 200, 350, 350] {
        assert_eq!(
            breaker.state(),
            State::Open {
                until_ms: now_ms + open_ms
            }
        );
        now_ms += open_ms;
        assert_eq!(
            breaker.ask(now_ms - 1),
            Leave::No {
                until_ms: Some(now_ms)
            }
        );
        assert_eq!(breaker.ask(now_ms), Leave::Probe);
        breaker.failed(now_ms, None);
    }
    assert_eq!(breaker.ask(now_ms + 350), Leave::Probe);
    assert_eq!(breaker.succeeded(), Some(State::Closed));
    for _ in 0..2 {
        assert_eq!(breaker.failed(2_000, None), None, "it counts anew");
    }
    assert_eq!(breaker.failed(2_000, None), Some(State::Open { until_ms: 2_100 }));
}

#[test]
fn a_success_between_failures_keeps_it_closed() {
    let mut breaker = Breaker::new(LIMITS);
    for _ in 0..10 {
        breaker.failed(0, None);
        breaker.failed(0, None);
        breaker.succeeded();
    }
    assert!(breaker.is_closed());
}

#[test]
fn only_failures_within_the_time_count() {
    let mut breaker = Breaker::new(WINDOW);
    for now_ms in [0, 500, 1_000, 1_500, 2_000] {
        assert_eq!(breaker.failed(now_ms, None), None, "at most two in a second");
    }
    assert_eq!(breaker.failed(2_499, None), Some(State::Open { until_ms: 2_599 }));
}

#[test]
fn limits_that_make_no_sense_do_no_harm() {
    let nothing = Limits {
        failures: 0,
        within_ms: Some(0),
        open_ms: 10,
        open_max_ms: 0,
    };
    let mut breaker = Breaker::new(nothing);
    assert_eq!(breaker.ask(0), Leave::Go);
    assert_eq!(breaker.failed(0, None), Some(State::Open { until_ms: 10 }));
    let huge = Limits {
        open_ms: u64::MAX,
        open_max_ms: u64::MAX,
        ..LIMITS
    };
    let until_ms = |breaker: &Breaker| match breaker.state() {
        State::Open { until_ms } => until_ms,
        State::Closed | State::HalfOpen => 0,
    };
    assert_eq!(until_ms(&opened(huge)), u64::MAX);
}

/// What a user of a breaker does.
#[derive(Debug, Clone, Copy)]
enum Move {
    Wait(u64),
    Ask,
    Succeed,
    Fail(Option<[u8; 2]>),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0..400_u64).prop_map(Move::Wait),
        4 => Just(Move::Ask),
        2 => Just(Move::Succeed),
        4 => prop::option::of(any::<[u8; 2]>()).prop_map(Move::Fail),
    ];
    prop::collection::vec(one, 0..200)
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..6_u32, prop::option::of(1..500_u64), 1..200_u64, 1..2_000_u64).prop_map(
        |(failures, within_ms, open_ms, open_max_ms)| Limits {
            failures,
            within_ms,
            open_ms,
            open_max_ms,
        },
    )
}

proptest! {
    /// Against a model that remembers everything: it opens after exactly so many failures, half-opens exactly when
    /// scheduled, never has two probes under way, and begins anew after a probe that succeeded.
    #[test]
    fn it_does_what_it_says(limits in limits(), moves in moves()) {
        let mut breaker = Breaker::new(limits);
        let mut now_ms = 0_u64;
        // Since the last success, while closed.
        let mut failures: Vec<u64> = Vec::new();
        let (mut until_ms, mut probes, mut opened) = (None, 0_u32, 0_u32);
        for step in moves {
            let (changed, chance) = match step {
                Move::Wait(ms) => {
                    now_ms += ms;
                    continue;
                }
                Move::Ask => {
                    let leave = breaker.ask(now_ms);
                    match until_ms {
                        None => prop_assert_eq!(leave, Leave::Go),
                        Some(_) if probes > 0 => prop_assert_eq!(leave, Leave::No { until_ms: None }),
                        Some(until_ms) if now_ms < until_ms => {
                            prop_assert_eq!(leave, Leave::No { until_ms: Some(until_ms) });
                        }
                        Some(_) => {
                            prop_assert_eq!(leave, Leave::Probe);
                            probes += 1;
                        }
                    }
                    prop_assert!(probes <= 1);
                    continue;
                }
                Move::Succeed => {
                    let changed = breaker.succeeded();
                    prop_assert_eq!(changed, (probes > 0).then_some(State::Closed));
                    if until_ms.is_none() || probes > 0 {
                        (failures, until_ms, probes, opened) = (Vec::new(), None, 0, 0);
                    }
                    continue;
                }
                Move::Fail(chance) => (breaker.failed(now_ms, chance), chance),
            };
            let opens = match until_ms {
                None => {
                    failures.push(now_ms);
                    let counts = |at_ms: &&u64| limits.within_ms.is_none_or(|within_ms| now_ms - **at_ms < within_ms);
                    failures.iter().filter(counts).count() >= limits.failures as usize
                }
                Some(_) => probes > 0,
            };
            prop_assert_eq!(changed.is_some(), opens);
            if !opens {
                continue;
            }
            let Some(State::Open { until_ms: next_ms }) = changed else {
                return Err(TestCaseError::fail("it did not open"));
            };
            let step_ms = (limits.open_ms * 2_u64.pow(opened.min(30))).min(limits.open_max_ms.max(limits.open_ms));
            let wait_ms = next_ms - now_ms;
            prop_assert!(wait_ms <= step_ms && wait_ms >= step_ms / 2);
            prop_assert!(chance.is_some() || wait_ms == step_ms);
            (failures, until_ms, probes, opened) = (Vec::new(), Some(next_ms), 0, opened + 1);
        }
    }
}
