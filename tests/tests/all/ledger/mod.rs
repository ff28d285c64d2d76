//! The ledger: many senders, many receivers, processes killed and stopped all the while, and every promise checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wagglebus_harness::faults::cut_while_asking;
use wagglebus_harness::ledger::{FaultKind, Ledger, Op};
use wagglebus_harness::load::receiver::Habits;
use wagglebus_harness::torture::fleet::{Cast, Plan, Run, run};

/// The same run each time; others by `wagglebus torture fleet --seed N`.
const SEED: u64 = 20_261_120;
/// How long anything may take before it is taken to hang.
const WITHIN: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_messages_through_killed_and_stopped_processes() {
    let plan = Plan {
        messages: 20_000,
        seed: SEED,
    };
    let (ledger, begun) = (Arc::new(Ledger::default()), Instant::now());
    let ended = run(&plan, &ledger, |what| println!("{what}")).await.unwrap();
    let report = ended.report(&plan, begun);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    let summary = report.verdict.unwrap().summary;
    assert_eq!((summary.accepted, summary.delivered), (20_000, 20_000));
    assert!(summary.killed >= 10 && summary.stopped >= 10, "{summary:?}");
    // What the run is for: without these it would have shown nothing.
    assert!(
        summary.repeated_sends > 0 && summary.redeliveries > 0 && summary.returned > 0,
        "{summary:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_by_a_stopped_server_to_a_gone_connection_is_caught() {
    let habits = Habits {
        max: 1,
        ..Habits::default()
    };
    let cast = Cast {
        over_http: &["s0"],
        over_stdio: &[],
        receivers: &["r0"],
    };
    let ledger = Arc::new(Ledger::default());
    let mut run = Run::start(cast, SEED, 1_000, habits, ledger).await.unwrap();
    let stopped = |run: &Run| {
        let history = run.ledger.history();
        let faults = history.iter().filter(|entry| {
            matches!(
                entry.op,
                Op::Fault {
                    kind: FaultKind::Stopped,
                    ..
                }
            )
        });
        faults.count() / 2
    };
    let mut caught = 0;
    while caught == 0 && stopped(&run) < 10 {
        let before = run.ledger.counts().done;
        run.ledger.until(WITHIN, |counts| counts.done > before + 20).await;
        cut_while_asking(&mut run.fleet, &run.ledger, "r0").await.unwrap();
        let after = run.ledger.counts().done;
        run.ledger.until(WITHIN, |counts| counts.done > after + 20).await;
        let verdict = run.judged_so_far();
        caught = verdict
            .lost_hand_overs
            .iter()
            .filter(|lost| lost.delivery == 1)
            .count();
    }
    let ended = run.finish().await.unwrap();
    assert!(
        ended.verdict.is_clean() && ended.unsettled.is_empty(),
        "{}\n{:?}",
        ended.verdict,
        ended.unsettled
    );
    assert!(caught > 0, "{}", ended.verdict);
}
