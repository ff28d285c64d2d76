//! Sidecars on one tmux server that come and go while messages come: the server survives, and no message suffers.

use std::time::Instant;

use anyhow::{Context as _, Result};
use wagglebus_schemas::{AgentId, Draft, Level, Priority};

use super::judge::Judge;
use super::{READER, Report, count, known, millis, send, terminal_needed};
use crate::fleet::{Fleet, Options};
use crate::rng::Rng;
use crate::terminal::{Reader, Terminal};

/// How many sidecars there are, each with a pane of its own.
const SIDECARS: usize = 8;
/// Messages to each pane in each round.
const MESSAGES: usize = 2;
/// After each so many rounds, it is told how many there were.
const TOLD_EVERY: usize = 10;
/// Who sends.
const SENDER: &str = "alice";

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often all sidecars are started and ended.
    pub rounds: usize,
}

/// A pane, its agent, and what must come to it.
struct Pane {
    agent: AgentId,
    reader: Reader,
    judge: Judge,
}

/// Starts, stops and kills, and judges what came; `progress` is told how far it is. Of three sidecars that end, one is
/// killed.
///
/// # Errors
/// When there is no tmux, no python3 or no nats-server, or a program does not start, does not stop, or refuses what is
/// sent.
pub async fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Report> {
    terminal_needed().await?;
    let begun = Instant::now();
    let mut fleet = Fleet::open().await?;
    let terminal = Terminal::new(fleet.bus().home());
    let mut panes = Vec::new();
    for number in 0..SIDECARS {
        let name = format!("pane{number}");
        panes.push(Pane {
            agent: name.parse()?,
            reader: terminal.reader(&name).await?,
            judge: Judge::default(),
        });
    }
    let names: Vec<&str> = panes.iter().map(|pane| pane.agent.as_str()).collect();
    fleet.enrol(&[&names[..], &[SENDER]].concat()).await?;
    let client = fleet.start(SENDER, &Options::http()).await?.client();
    let first = panes.first().context("no pane")?.reader.pane.clone();
    let server = terminal.value(&first, "#{pid}").await?;
    // Only ids are left to it.
    let mut rng = Rng::new(0);
    let (mut killed, mut stopped) = (0, 0);
    for round in 0..plan.rounds {
        if round > 0 && round % TOLD_EVERY == 0 {
            let submits: usize = panes.iter().map(|pane| pane.judge.submits()).sum();
            progress(&format!(
                "{round} of {} rounds, {submits} messages submitted",
                plan.rounds
            ));
        }
        for pane in &panes {
            let options = Options::tmux(terminal.socket(), &pane.reader.pane, READER);
            fleet.prepare(pane.agent.as_str(), &options)?.launch().await?;
        }
        for pane in &mut panes {
            for number in 0..MESSAGES {
                let (id, text) = (rng.id(), format!("{round}.{number}"));
                pane.judge
                    .expect(id, format!("{text} to {}", pane.agent), text.clone());
                let mut draft = Draft::text(pane.agent.clone().into(), text);
                draft.id = Some(id);
                send(&client, &draft, Level::Stored).await?;
            }
        }
        for (at, pane) in panes.iter().enumerate() {
            let sidecar = fleet.sidecar_mut(pane.agent.as_str())?;
            sidecar.ready().await?;
            if (at + round) % 3 == 0 {
                sidecar.kill().await?;
                killed += 1;
            } else {
                sidecar.stop().await?;
                stopped += 1;
            }
        }
        for pane in &mut panes {
            for submit in pane.reader.submits_so_far()? {
                pane.judge.submitted(&submit.text);
            }
        }
    }
    progress("all rounds done; waiting for what is left");
    for pane in &panes {
        let options = Options::tmux(terminal.socket(), &pane.reader.pane, READER);
        fleet.start(pane.agent.as_str(), &options).await?;
    }
    let mut violations = Vec::new();
    let mut submits = 0;
    for mut pane in panes {
        while pane.judge.open() > 0 {
            // What does not come is lost, and counted.
            let Ok(submit) = pane.reader.submit().await else {
                break;
            };
            pane.judge.submitted(&submit.text);
        }
        // Whatever comes twice has come before the last one is reported.
        let mut last = Draft::text(pane.agent.clone().into(), "last".to_owned());
        let id = rng.id();
        (last.id, last.priority) = (Some(id), Priority::Low);
        pane.judge
            .expect(id, format!("the last to {}", pane.agent), "last".to_owned());
        send(&client, &last, Level::Injected).await?;
        for submit in pane.reader.rest(&terminal).await? {
            pane.judge.submitted(&submit.text);
        }
        submits += pane.judge.submits();
        let of = async |id| known(&fleet, &client, pane.agent.as_str(), id).await;
        let of = pane.judge.violations(of).await.into_iter();
        violations.extend(of.map(|violation| format!("{}: {violation}", pane.agent)));
    }
    let now = terminal.value(&first, "#{pid}").await;
    if now.as_ref().ok() != Some(&server) {
        violations.push(format!("the tmux server was {server}, and is now {now:?}"));
    }
    Ok(Report {
        case: "cycles",
        seed: None,
        figures: vec![
            ("rounds", count(plan.rounds)),
            ("sidecars", count(SIDECARS)),
            ("stopped", stopped),
            ("killed", killed),
            ("messages", count(plan.rounds * SIDECARS * MESSAGES)),
            // Without the last ones, which only say that all others have come.
            ("submits", count(submits.saturating_sub(SIDECARS))),
            ("elapsed_ms", millis(begun)),
        ],
        verdict: None,
        violations,
    })
}
