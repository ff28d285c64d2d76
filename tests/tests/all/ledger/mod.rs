//! The ledger: many senders, many receivers, processes killed and stopped all the while, and every promise checked.

use std::sync::Arc;
use std::time::Duration;

use wagglebus_harness::checker::{Verdict, check};
use wagglebus_harness::faults::{cut_while_asking, schedule, strike_all};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_harness::ledger::{FaultKind, Ledger, Op};
use wagglebus_harness::load::Load;
use wagglebus_harness::load::pipe::Pipe;
use wagglebus_harness::load::receiver::{Habits, Receiver};
use wagglebus_harness::load::sender::send_all;
use wagglebus_harness::load::traffic::Traffic;
use wagglebus_harness::rng::Rng;
use wagglebus_schemas::AgentId;

/// The same run each time, unless `WAGGLEBUS_SEED` asks for another one.
const SEED: u64 = 20_261_120;
/// Who sends over HTTP, and who as a sidecar's child.
const OVER_HTTP: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];
const OVER_STDIO: [&str; 3] = ["s5", "s6", "s7"];
const RECEIVERS: [&str; 8] = ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"];
/// Messages of each sender.
const EACH: u64 = 2_500;
/// Faults by the schedule; the cut connections come on top.
const STRIKES: u64 = 24;
/// Whose connection is cut while the server is stopped.
const CUT: [&str; 4] = ["r0", "r2", "r4", "r6"];
/// Most messages on their way: enough that every lane of every receiver has a backlog.
const BACKLOG_MAX: u64 = 600;
/// How long the whole run may take before something is taken to hang.
const WITHIN: Duration = Duration::from_secs(240);
/// How long the last message may take after the last fault.
const DRAIN: Duration = Duration::from_secs(60);

const HABITS: Habits = Habits {
    max: 4,
    give_back: 10,
    put_off: 10,
    forget: 1,
};

fn seed() -> u64 {
    std::env::var("WAGGLEBUS_SEED").map_or(SEED, |seed| seed.parse().unwrap())
}

fn agents(names: &[&str]) -> Vec<AgentId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Senders and receivers in full swing.
struct Run {
    fleet: Fleet,
    ledger: Arc<Ledger>,
    load: Load,
    rng: Rng,
}

impl Run {
    async fn start(
        over_http: &[&str],
        over_stdio: &[&str],
        receivers: &[&str],
        each: u64,
        habits: Habits,
    ) -> Self {
        let rng = Rng::new(seed());
        let mut fleet = Fleet::open().await.unwrap();
        let everybody = [over_http, over_stdio, receivers].concat();
        fleet.enrol(&everybody).await.unwrap();
        fleet.start_coordinator().await.unwrap();
        let ledger = Arc::new(Ledger::default());
        let mut load = Load::new(Arc::clone(&ledger));
        for (part, name) in (0..).zip(receivers) {
            let client = fleet.start(name, &Options::http()).await.unwrap().client();
            load.receiver(Receiver {
                agent: name.parse().unwrap(),
                client,
                ledger: Arc::clone(&ledger),
                habits,
                rng: rng.fork(part),
            });
        }
        let traffic = Traffic {
            seed: seed(),
            receivers: agents(receivers),
            each,
            parts_max: 200,
        };
        for name in over_http {
            let client = fleet.start(name, &Options::http()).await.unwrap().client();
            let planned = traffic.of(&name.parse().unwrap());
            load.sender(send_all(client, planned, Arc::clone(&ledger), BACKLOG_MAX));
        }
        for name in over_stdio {
            let pipe = Pipe::open(&fleet.bus().home().join(format!("{name}.pipe"))).unwrap();
            fleet.start(name, &pipe.options()).await.unwrap();
            let planned = traffic.of(&name.parse().unwrap());
            load.sender(pipe.send_all(planned, Arc::clone(&ledger), BACKLOG_MAX));
        }
        Self {
            fleet,
            ledger,
            load,
            rng,
        }
    }

    /// Waits for the end, asks the bus what is left, and judges.
    async fn finish(mut self, receivers: &[&str]) -> Verdict {
        self.load.done(WITHIN).await.unwrap();
        // The receivers go on asking meanwhile: a sidecar fetches for who asks, and so finds what the server took for
        // unacked when it was killed.
        for name in receivers {
            self.fleet.until_settled(name, DRAIN).await.unwrap();
        }
        self.load.close(WITHIN).await.unwrap();
        self.fleet.dead_letters(Some(&self.ledger)).await.unwrap();
        let verdict = check(&self.ledger.history(), DRAIN);
        println!("seed {}\n{verdict}", seed());
        if let Some(path) = std::env::var_os("WAGGLEBUS_LEDGER") {
            let lines = self.ledger.history();
            let lines = lines
                .iter()
                .map(|entry| serde_json::to_string(entry).unwrap() + "\n");
            std::fs::write(path, lines.collect::<String>()).unwrap();
        }
        assert!(verdict.is_clean(), "{verdict}");
        for name in receivers {
            assert_eq!(self.fleet.unsettled(name).await.unwrap(), 0, "{name}");
        }
        verdict
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_messages_through_killed_and_stopped_processes() {
    let mut run = Run::start(&OVER_HTTP, &OVER_STDIO, &RECEIVERS, EACH, HABITS).await;
    let sidecars = [&OVER_HTTP[..], &OVER_STDIO, &RECEIVERS].concat();
    let total = EACH * 8;
    let strikes = schedule(&mut run.rng, &sidecars, total, STRIKES);
    let share = strikes.len().div_ceil(CUT.len());
    for (agent, strikes) in CUT.iter().zip(strikes.chunks(share)) {
        strike_all(&mut run.fleet, &run.ledger, strikes).await.unwrap();
        cut_while_asking(&mut run.fleet, &run.ledger, agent)
            .await
            .unwrap();
    }
    let verdict = run.finish(&RECEIVERS).await;
    let summary = &verdict.summary;
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
    let mut run = Run::start(&["s0"], &[], &["r0"], 1_000, habits).await;
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
        let verdict = check(&run.ledger.history(), DRAIN);
        caught = verdict
            .lost_hand_overs
            .iter()
            .filter(|lost| lost.delivery == 1)
            .count();
    }
    let verdict = run.finish(&["r0"]).await;
    assert!(caught > 0, "{verdict}");
}
