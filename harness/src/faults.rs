//! Faults on a schedule: which process is struck when, decided by the seed and by how far the load has come.
//!
//! No fault waits for time to pass: it begins when so many messages were accepted and ends when so many more were. Only
//! where a fault itself stops the progress that it waits for, [`STALLED`] ends it.

use std::time::Duration;

use anyhow::Result;

use crate::fleet::Fleet;
use crate::ledger::{FaultKind, Ledger, Op, Phase};
use crate::rng::Rng;

/// How long a fault may stop all progress. Over twice the ping interval: a sidecar has noticed by then.
const STALLED: Duration = Duration::from_secs(8);
/// How long a receiver may take to ask again: it has nothing else to do.
const ASKED: Duration = Duration::from_millis(300);
/// How long the load may take from one fault to the next.
const PATIENCE: Duration = Duration::from_secs(120);
/// The name of the server in the ledger.
const SERVER: &str = "nats-server";

/// What is struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// nats-server.
    Server,
    /// The sidecar of this agent.
    Sidecar(String),
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// It begins when so many messages were accepted.
    pub at: u64,
    /// It ends when so many more were.
    pub lasts: u64,
    /// What happens.
    pub kind: FaultKind,
    /// To whom.
    pub target: Target,
}

/// Faults spread evenly over `messages`: each kind and target in turn, details by chance.
#[must_use]
pub fn schedule(rng: &mut Rng, sidecars: &[&str], messages: u64, strikes: u64) -> Vec<Strike> {
    let gap = messages / strikes.saturating_add(1).max(1);
    (1..=strikes)
        .map(|nth| {
            // The server is struck once for every three sidecars.
            let target = match rng.pick(sidecars) {
                Some(agent) if nth % 4 != 0 => Target::Sidecar((*agent).to_owned()),
                Some(_) | None => Target::Server,
            };
            let kind = if nth / 4 % 2 == 0 {
                FaultKind::Killed
            } else {
                FaultKind::Stopped
            };
            Strike {
                at: nth * gap + rng.below(gap / 2 + 1),
                lasts: rng.below(gap / 4 + 1),
                kind,
                target,
            }
        })
        .collect()
}

/// Strikes as scheduled, one fault after the other, and writes each into the ledger.
///
/// # Errors
/// When a process cannot be struck or does not come back.
pub async fn strike_all(fleet: &mut Fleet, ledger: &Ledger, strikes: &[Strike]) -> Result<()> {
    for strike in strikes {
        ledger
            .until(PATIENCE, |counts| counts.accepted >= strike.at)
            .await;
        let (kind, on) = (strike.kind, strike.target.name());
        record(ledger, kind, on, Phase::Began);
        begin(fleet, strike).await?;
        let enough = ledger.counts().accepted + strike.lasts;
        ledger.until(STALLED, |counts| counts.accepted >= enough).await;
        end(fleet, strike).await?;
        record(ledger, kind, on, Phase::Ended);
    }
    Ok(())
}

/// Makes the server hand a message to nobody: stops it, lets `agent` ask for a message and kills its sidecar, and only
/// then lets the server go on. It finds the request in the socket of a connection that is gone, and serves it.
///
/// # Errors
/// When a process cannot be struck or does not come back.
pub async fn cut_while_asking(fleet: &mut Fleet, ledger: &Ledger, agent: &str) -> Result<()> {
    record(ledger, FaultKind::Stopped, SERVER, Phase::Began);
    fleet.bus().server().pause()?;
    let shown = ledger.counts().shown;
    // What was on its way arrives, its receiver acks it and asks for the next: that request is what the server finds.
    // The sidecar answers in the order in which it was asked, so after two more questions the request has left.
    ledger.until(ASKED, |counts| counts.shown > shown).await;
    let client = fleet.sidecar(agent)?.client();
    for _ in 0..2 {
        client.livez().await?;
    }
    record(ledger, FaultKind::Killed, agent, Phase::Began);
    fleet.sidecar_mut(agent)?.kill().await?;
    fleet.bus().server().resume()?;
    record(ledger, FaultKind::Stopped, SERVER, Phase::Ended);
    fleet.sidecar_mut(agent)?.start().await?;
    record(ledger, FaultKind::Killed, agent, Phase::Ended);
    Ok(())
}

async fn begin(fleet: &mut Fleet, strike: &Strike) -> Result<()> {
    match (&strike.target, strike.kind) {
        (Target::Server, FaultKind::Killed) => fleet.bus_mut().server_mut().kill().await,
        (Target::Server, FaultKind::Stopped) => fleet.bus().server().pause(),
        (Target::Sidecar(agent), FaultKind::Killed) => fleet.sidecar_mut(agent)?.kill().await,
        (Target::Sidecar(agent), FaultKind::Stopped) => fleet.sidecar(agent)?.process()?.pause(),
    }
}

async fn end(fleet: &mut Fleet, strike: &Strike) -> Result<()> {
    match (&strike.target, strike.kind) {
        (Target::Server, FaultKind::Killed) => fleet.bus_mut().server_mut().start().await,
        (Target::Server, FaultKind::Stopped) => fleet.bus().server().resume(),
        (Target::Sidecar(agent), FaultKind::Killed) => fleet.sidecar_mut(agent)?.start().await.map(drop),
        (Target::Sidecar(agent), FaultKind::Stopped) => fleet.sidecar(agent)?.process()?.resume(),
    }
}

fn record(ledger: &Ledger, kind: FaultKind, on: &str, phase: Phase) {
    let on = on.to_owned();
    ledger.record(Op::Fault { kind, on, phase });
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Server => SERVER,
            Self::Sidecar(agent) => agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_follows_from_its_seed_and_has_every_kind() {
        let of = |seed| schedule(&mut Rng::new(seed), &["a", "b"], 20_000, 24);
        let strikes = of(1);
        assert_eq!(strikes, of(1));
        assert_ne!(strikes, of(2));
        assert!(strikes.is_sorted_by_key(|strike| strike.at));
        assert!(strikes.iter().all(|strike| strike.at + strike.lasts <= 20_000));
        for kind in [FaultKind::Killed, FaultKind::Stopped] {
            for server in [true, false] {
                let hit =
                    |strike: &Strike| strike.kind == kind && (strike.target == Target::Server) == server;
                assert!(strikes.iter().any(hit), "{kind:?} {server}");
            }
        }
    }
}
