//! Messages into a tmux pane: the bridge with all its checks beside the call that it replaces, into panes of one
//! private tmux server with the same program in each.
//!
//! The call is `tmux set-buffer`, half a second, `tmux paste-buffer`, 0.2 seconds, `tmux send-keys Enter`, as shipped
//! and without its sleeps. Its Ctrl-C, which stops an agent's work, and the start of its Python are left out: both are
//! in its favour.

mod tally;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use wagglebus_client::{Client, SendOptions};
use wagglebus_schemas::{AgentId, Draft, Level};

use super::Plan;
use super::pair::Latencies;
use super::report::{Goal, Report, Unit};
use crate::fleet::{Fleet, Options};
use crate::terminal::{Reader, Submit, Terminal, missing, now};
use tally::{Kind, Tally, number};

/// The agent whose pane it is.
const PANE: &str = "pane";
/// How many send at once.
const SENDERS: usize = 8;
/// Samples of the plan for each message of one sender.
const SAMPLES_PER_MESSAGE: usize = 10;
/// Samples of the plan for each message of one of several senders.
const SAMPLES_PER_MESSAGE_AT_ONCE: usize = 100;
/// How long messages may take to be settled after their hand-over.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Measures, and leaves the case out where there is no tmux. Returns why.
pub(super) async fn measure(plan: &Plan, fleet: &mut Fleet, report: &mut Report) -> Result<Option<String>> {
    if let Some(program) = missing().await {
        let why = format!("tmux: left out, as there is no {program}");
        report.leave_out(&why);
        return Ok(Some(why));
    }
    let terminal = Terminal::new(fleet.bus().home());
    let mut stage = Stage {
        legacy: terminal.reader("legacy").await?,
        pane: terminal.reader(PANE).await?,
        terminal,
    };
    let senders: Vec<String> = (0..SENDERS).map(|n| format!("to-{PANE}-{n}")).collect();
    let all: Vec<&str> = senders.iter().map(String::as_str).chain([PANE]).collect();
    fleet.enrol(&all).await?;
    for sender in &senders {
        fleet.start(sender, &Options::http()).await?;
    }
    let bridge = into_pane(stage.terminal.socket(), &stage.pane.pane);
    fleet.start(PANE, &bridge).await?;
    one_sender(plan, fleet, &mut stage, &senders, report).await?;
    many_senders(plan, fleet, &mut stage, &senders, report).await?;
    for agent in all {
        fleet.sidecar_mut(agent)?.stop().await?;
    }
    Ok(None)
}

/// The bridge without the pauses that only real programs need; nothing is left unchecked.
fn into_pane(socket: &Path, pane: &str) -> Options {
    let looks = ["--profile", "claude", "--inject", "body"];
    let pauses = ["--enter-delay", "0", "--quiet", "0"];
    Options::tmux(socket, pane, &[looks, pauses].concat())
}

/// The server, and a program for each way.
struct Stage {
    legacy: Reader,
    pane: Reader,
    terminal: Terminal,
}

/// Whether the legacy call sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Legacy {
    /// As shipped.
    Sleeps,
    /// Without its sleeps.
    Hurries,
}

impl Legacy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sleeps => "as shipped",
            Self::Hurries => "no sleeps",
        }
    }
}

/// One call, which calls itself sent whatever becomes of it.
async fn call(terminal: &Terminal, pane: &str, text: &str, legacy: Legacy) -> Result<()> {
    let sleep = async |ms: u64| {
        if legacy == Legacy::Sleeps {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    };
    terminal.call(["set-buffer", text]).status().await?;
    sleep(500).await;
    terminal.call(["paste-buffer", "-t", pane]).status().await?;
    sleep(200).await;
    terminal.call(["send-keys", "-t", pane, "Enter"]).status().await?;
    Ok(())
}

/// Rates and latencies of one sender.
async fn one_sender(
    plan: &Plan,
    fleet: &Fleet,
    stage: &mut Stage,
    senders: &[String],
    report: &mut Report,
) -> Result<()> {
    let sender = senders.first().context("nobody sends")?;
    let messages = (plan.samples / SAMPLES_PER_MESSAGE).max(1);
    let (mut slow, mut fast, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    let (mut fast_p50, mut ours_p50) = (Vec::new(), Vec::new());
    let ms = |latencies: &Latencies| latencies.percentile_us(50) / 1_000.0;
    for _ in 0..plan.rounds {
        slow.push(stage.calls(1, Legacy::Sleeps).await?.0);
        let (rate, latencies) = stage.calls(messages, Legacy::Hurries).await?;
        fast.push(rate);
        fast_p50.push(ms(&latencies));
        ours.push(stage.sends(fleet, sender, messages).await?);
        ours_p50.push(ms(&stage.sends_one_by_one(fleet, sender, messages).await?));
    }
    let case = |what: &str, legacy: Legacy| format!("to tmux, {what} (legacy: {})", legacy.as_str());
    for (legacy, rates, goal) in [(Legacy::Hurries, fast, 1.0), (Legacy::Sleeps, slow, 100.0)] {
        let goal = Some(Goal::RatioMin(goal));
        report.add(&case("rate", legacy), Unit::PerSecond, ours.clone(), rates, goal);
    }
    let name = case("send to submit, p50", Legacy::Hurries);
    report.add(&name, Unit::Milliseconds, ours_p50, fast_p50, None);
    Ok(())
}

/// What several senders at once lose, double and join: counted over all rounds, as a median would hide what is rare.
async fn many_senders(
    plan: &Plan,
    fleet: &Fleet,
    stage: &mut Stage,
    senders: &[String],
    report: &mut Report,
) -> Result<()> {
    let each = (plan.samples / SAMPLES_PER_MESSAGE_AT_ONCE).max(1);
    let mut slow = Tally::default();
    let kinds = [Kind::Short, Kind::Long, Kind::Signs];
    let mut tallies = kinds.map(|kind| (kind, Tally::default(), Tally::default()));
    for _ in 0..plan.rounds {
        stage
            .calls_at_once(Kind::Short, 1, Legacy::Sleeps, &mut slow)
            .await?;
        for (kind, ours, fast) in &mut tallies {
            stage.calls_at_once(*kind, each, Legacy::Hurries, fast).await?;
            stage.sends_at_once(fleet, senders, *kind, each, ours).await?;
        }
    }
    let mut rows = |kind: Kind, ours: Tally, (legacy, theirs): (Legacy, Tally), goal: Option<Goal>| {
        for ((what, ours), (_, theirs)) in ours.percents().into_iter().zip(theirs.percents()) {
            let (kind, legacy) = (kind.as_str(), legacy.as_str());
            let case = format!("{SENDERS} to tmux, {kind}, {what} (legacy: {legacy})");
            report.add(&case, Unit::Percent, vec![ours], vec![theirs], goal);
        }
    };
    for (kind, ours, fast) in tallies {
        rows(kind, ours, (Legacy::Hurries, fast), Some(Goal::Max(0.0)));
        if kind == Kind::Short {
            rows(kind, ours, (Legacy::Sleeps, slow), None);
        }
    }
    Ok(())
}

impl Stage {
    /// Legacy calls, one after another: their rate, and how long each took from its beginning to the submit.
    async fn calls(&mut self, messages: usize, legacy: Legacy) -> Result<(f64, Latencies)> {
        let mut begun = Vec::new();
        for number in 0..messages {
            begun.push(now());
            call(
                &self.terminal,
                &self.legacy.pane,
                &Kind::Short.body(number),
                legacy,
            )
            .await?;
        }
        let submits = self.legacy.rest(&self.terminal).await?;
        let mut latencies = Latencies::default();
        for submit in &submits {
            let begun = number(submit).and_then(|number| begun.get(number));
            latencies.add(
                submit
                    .at
                    .saturating_sub(*begun.context("a submit of nothing that was sent")?),
            );
        }
        Ok((rate(&begun, &submits)?, latencies))
    }

    /// Messages that are sent as fast as they are stored: the rate at which the bridge enters them.
    async fn sends(&mut self, fleet: &Fleet, sender: &str, messages: usize) -> Result<f64> {
        let (client, begun) = (fleet.sidecar(sender)?.client(), now());
        for number in 0..messages {
            send(&client, Kind::Short.body(number)).await?;
        }
        let mut submits = Vec::new();
        while submits.len() < messages {
            submits.push(self.pane.submit().await?);
        }
        settled(fleet, sender).await?;
        rate(&[begun], &submits)
    }

    /// Messages that are sent once the one before is settled: how long each took from its beginning to the submit.
    async fn sends_one_by_one(&mut self, fleet: &Fleet, sender: &str, messages: usize) -> Result<Latencies> {
        let client = fleet.sidecar(sender)?.client();
        let mut latencies = Latencies::default();
        for number in 0..messages {
            let begun = now();
            send(&client, Kind::Short.body(number)).await?;
            latencies.add(self.pane.submit().await?.at.saturating_sub(begun));
            settled(fleet, sender).await?;
        }
        Ok(latencies)
    }

    /// Legacy calls of several at once.
    async fn calls_at_once(
        &mut self,
        kind: Kind,
        each: usize,
        legacy: Legacy,
        tally: &mut Tally,
    ) -> Result<()> {
        let texts: Vec<String> = (0..SENDERS * each).map(|number| kind.body(number)).collect();
        let (terminal, pane) = (&self.terminal, self.legacy.pane.as_str());
        try_join_all(texts.chunks(each).map(|texts| async move {
            for text in texts {
                call(terminal, pane, text, legacy).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        tally.add(&texts, &self.legacy.rest(&self.terminal).await?);
        Ok(())
    }

    /// Messages of several at once.
    async fn sends_at_once(
        &mut self,
        fleet: &Fleet,
        senders: &[String],
        kind: Kind,
        each: usize,
        tally: &mut Tally,
    ) -> Result<()> {
        let texts: Vec<String> = (0..SENDERS * each).map(|number| kind.body(number)).collect();
        try_join_all(texts.chunks(each).zip(senders).map(|(texts, sender)| async move {
            let client = fleet.sidecar(sender)?.client();
            for text in texts {
                send(&client, text.clone()).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        let mut submits = Vec::new();
        while submits.len() < texts.len() {
            // What does not come is lost, and counted.
            let Ok(submit) = self.pane.submit().await else {
                break;
            };
            submits.push(submit);
        }
        settled(fleet, PANE).await?;
        submits.extend(self.pane.rest(&self.terminal).await?);
        // In its frame each line has a mark of its own.
        let framed: Vec<String> = texts.iter().map(|text| text.replace('\n', "\n| ")).collect();
        tally.add(&framed, &submits);
        Ok(())
    }
}

/// Submits per second, from the beginning of the first to the last submit.
fn rate(begun: &[Duration], submits: &[Submit]) -> Result<f64> {
    let (first, last) = begun
        .first()
        .zip(submits.last())
        .context("nothing was submitted")?;
    Ok(f64::from(u32::try_from(submits.len())?) / last.at.saturating_sub(*first).as_secs_f64())
}

async fn send(client: &Client, text: String) -> Result<()> {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(Duration::from_secs(10)),
        park: true,
    };
    client
        .send(&Draft::text(PANE.parse::<AgentId>()?.into(), text), options)
        .await?;
    Ok(())
}

/// Waits until all that was sent to the pane is acked and its sender has read what became of it: what follows from one
/// hand-over is no part of the next one.
async fn settled(fleet: &Fleet, sender: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let (open, unread) = (fleet.unsettled(PANE).await?, fleet.unread_receipts(sender).await?);
        if open + unread == 0 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < SETTLED_WITHIN,
            "{open} messages to {PANE} and {unread} receipts of {sender} do not come to rest"
        );
    }
}
