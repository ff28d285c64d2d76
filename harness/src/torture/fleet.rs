//! Many senders, many receivers, processes killed and stopped all the while, and every promise checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use wagglebus_schemas::AgentId;

use super::{Report, count, millis};
use crate::checker::{Verdict, check};
use crate::faults::{cut_while_asking, schedule, strike_all};
use crate::fleet::{Fleet, Options};
use crate::ledger::Ledger;
use crate::load::Load;
use crate::load::pipe::Pipe;
use crate::load::receiver::{Habits, Receiver};
use crate::load::sender::send_all;
use crate::load::traffic::Traffic;
use crate::rng::Rng;

/// Who takes part in the whole run.
const EVERYBODY: Cast = Cast {
    over_http: &["s0", "s1", "s2", "s3", "s4"],
    over_stdio: &["s5", "s6", "s7"],
    receivers: &["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"],
};
/// How many of them send.
const SENDERS: u64 = 8;
/// One fault by the schedule for so many messages; the cut connections come on top.
const MESSAGES_PER_STRIKE: u64 = 833;
/// Fewest faults by the schedule: with these every kind strikes the server and sidecars.
const STRIKES_MIN: u64 = 8;
/// After each so many faults, a connection is cut while the server is stopped.
const STRIKES_PER_CUT: usize = 6;
/// Whose connection that is, in turn.
const CUT: [&str; 4] = ["r0", "r2", "r4", "r6"];
/// How receivers of the whole run behave.
const HABITS: Habits = Habits {
    max: 4,
    give_back: 10,
    put_off: 10,
    forget: 1,
};
/// Most messages on their way: enough that every lane of every receiver has a backlog.
const BACKLOG_MAX: u64 = 600;
/// How long what is left after the last fault may take before something is taken to hang.
const WITHIN: Duration = Duration::from_secs(240);
/// How long the last message may take after the last fault.
const DRAIN: Duration = Duration::from_secs(60);

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many messages, rounded up to the same number for each of eight senders.
    pub messages: u64,
    /// Decides what is sent, who misbehaves, and what is struck when.
    pub seed: u64,
}

/// Who takes part.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    /// Who sends over HTTP.
    pub over_http: &'static [&'static str],
    /// Who sends as a sidecar's child.
    pub over_stdio: &'static [&'static str],
    /// Who receives.
    pub receivers: &'static [&'static str],
}

/// Senders and receivers in full swing.
#[derive(Debug)]
pub struct Run {
    /// Their processes.
    pub fleet: Fleet,
    /// What they have done so far.
    pub ledger: Arc<Ledger>,
    cast: Cast,
    load: Load,
    rng: Rng,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The judgement about its history.
    pub verdict: Verdict,
    /// What the bus says was left undone. Empty: nothing.
    pub unsettled: Vec<String>,
}

impl Plan {
    /// Messages of each sender.
    const fn each(&self) -> u64 {
        self.messages.div_ceil(SENDERS)
    }

    fn strikes(&self) -> u64 {
        (self.messages / MESSAGES_PER_STRIKE).max(STRIKES_MIN)
    }
}

/// Carries out the whole run and writes it into `ledger`, which so has it also when this fails; `progress` is told how
/// far it is.
///
/// # Errors
/// When there is no nats-server, a program does not start or does not come back after a fault, or senders do not end.
pub async fn run(plan: &Plan, ledger: &Arc<Ledger>, mut progress: impl FnMut(&str)) -> Result<Outcome> {
    let mut run = Run::start(EVERYBODY, plan.seed, plan.each(), HABITS, Arc::clone(ledger)).await?;
    let sidecars = [EVERYBODY.over_http, EVERYBODY.over_stdio, EVERYBODY.receivers].concat();
    let total = plan.each() * SENDERS;
    let strikes = schedule(&mut run.rng, &sidecars, total, plan.strikes());
    let mut struck = 0;
    for (agent, strikes) in CUT.iter().cycle().zip(strikes.chunks(STRIKES_PER_CUT)) {
        strike_all(&mut run.fleet, ledger, strikes).await?;
        cut_while_asking(&mut run.fleet, ledger, agent).await?;
        struck += strikes.len() + 1;
        let counts = ledger.counts();
        progress(&format!(
            "{} of {total} messages accepted, {} done, {struck} faults",
            counts.accepted, counts.done
        ));
    }
    run.finish().await
}

impl Run {
    /// Starts a hive of these agents, with a coordinator; each sender begins to send `each` messages.
    ///
    /// # Errors
    /// When there is no nats-server, or a program does not start.
    pub async fn start(
        cast: Cast,
        seed: u64,
        each: u64,
        habits: Habits,
        ledger: Arc<Ledger>,
    ) -> Result<Self> {
        let rng = Rng::new(seed);
        let mut fleet = Fleet::open().await?;
        let everybody = [cast.over_http, cast.over_stdio, cast.receivers].concat();
        fleet.enrol(&everybody).await?;
        fleet.start_coordinator().await?;
        let mut load = Load::new(Arc::clone(&ledger));
        for (part, name) in (0..).zip(cast.receivers) {
            let client = fleet.start(name, &Options::http()).await?.client();
            load.receiver(Receiver {
                agent: name.parse()?,
                client,
                ledger: Arc::clone(&ledger),
                habits,
                rng: rng.fork(part),
            });
        }
        let receivers: Result<Vec<AgentId>, _> = cast.receivers.iter().map(|name| name.parse()).collect();
        let traffic = Traffic {
            seed,
            receivers: receivers?,
            each,
            parts_max: 200,
        };
        for name in cast.over_http {
            let client = fleet.start(name, &Options::http()).await?.client();
            let planned = traffic.of(&name.parse()?);
            load.sender(send_all(client, planned, Arc::clone(&ledger), BACKLOG_MAX));
        }
        for name in cast.over_stdio {
            let pipe = Pipe::open(&fleet.bus().home().join(format!("{name}.pipe")))?;
            fleet.start(name, &pipe.options()).await?;
            let planned = traffic.of(&name.parse()?);
            load.sender(pipe.send_all(planned, Arc::clone(&ledger), BACKLOG_MAX));
        }
        Ok(Self {
            fleet,
            ledger,
            cast,
            load,
            rng,
        })
    }

    /// What the history so far comes to.
    #[must_use]
    pub fn judged_so_far(&self) -> Verdict {
        check(&self.ledger.history(), DRAIN)
    }

    /// Waits for the end, asks the bus what is left, and judges.
    ///
    /// # Errors
    /// When the senders or receivers do not end, or the bus does not tell.
    pub async fn finish(mut self) -> Result<Outcome> {
        self.load.done(WITHIN).await?;
        let mut unsettled = Vec::new();
        // The receivers go on asking meanwhile: a sidecar fetches for who asks, and so finds what the server took for
        // unacked when it was killed.
        for name in self.cast.receivers {
            let settled = self.fleet.until_settled(name, DRAIN).await;
            unsettled.extend(settled.err().map(|error| format!("{error:#}")));
        }
        self.load.close(WITHIN).await?;
        self.fleet.dead_letters(Some(&self.ledger)).await?;
        let verdict = check(&self.ledger.history(), DRAIN);
        for name in self.cast.receivers {
            let left = self.fleet.unsettled(name).await?;
            unsettled
                .extend((left > 0).then(|| format!("{left} messages to {name} are unsettled in the end")));
        }
        Ok(Outcome { verdict, unsettled })
    }
}

impl Outcome {
    /// The report about a run after this plan that began then.
    #[must_use]
    pub fn report(self, plan: &Plan, begun: Instant) -> Report {
        let Self { verdict, unsettled } = self;
        let told = verdict.violations.iter();
        let mut violations: Vec<String> = told
            .map(|told| format!("{}: {} {}", told.invariant, told.id, told.what))
            .collect();
        violations.extend(unsettled);
        let (accepted, messages) = (count(verdict.summary.accepted), plan.each() * SENDERS);
        if accepted != messages {
            violations.push(format!("{accepted} of {messages} messages were accepted"));
        }
        Report {
            case: "fleet",
            seed: Some(plan.seed),
            figures: vec![
                ("messages", messages),
                ("faults", count(verdict.summary.killed + verdict.summary.stopped)),
                ("elapsed_ms", millis(begun)),
            ],
            verdict: Some(verdict),
            violations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_grow_with_the_messages() {
        let strikes = |messages| Plan { messages, seed: 1 }.strikes();
        assert_eq!([1, 20_000, 200_000].map(strikes), [8, 24, 240]);
    }

    #[test]
    fn what_was_not_accepted_or_settled_is_a_violation() {
        let plan = Plan { messages: 9, seed: 1 };
        let outcome = |accepted, unsettled: &[&str]| {
            let mut verdict = check(&[], DRAIN);
            verdict.summary.accepted = accepted;
            let unsettled = unsettled.iter().map(|text| (*text).to_owned()).collect();
            Outcome { verdict, unsettled }.report(&plan, Instant::now())
        };
        assert!(outcome(16, &[]).is_clean(), "two of each sender");
        assert_eq!(outcome(15, &[]).violations.len(), 1);
        let report = outcome(16, &["3 messages to r0"]);
        assert!(!report.is_clean() && report.to_string().contains("  3 messages to r0\n"));
    }
}
