//! Bodies by chance, through a real terminal: what arrives is the frame and nothing else, and each is submitted once.

use std::time::Instant;

use anyhow::Result;
use wagglebus_schemas::{AgentId, Draft, Level, Priority};

use super::judge::{Judge, outside};
use super::pieces::{Body, no_text};
use super::raw::{Stranger, over_http};
use super::{READER, Report, count, known, millis, send, terminal_needed};
use crate::fleet::{Fleet, Options};
use crate::rng::Rng;
use crate::terminal::Terminal;

/// Most bodies that are under way at one time.
const AT_ONCE: usize = 200;
/// After each so many bodies, bytes that are no text are given to the sidecar and put on the bus.
const RAW_EVERY: usize = 10;
/// After each so many bodies, it is told how many came.
const TOLD_EVERY: usize = 100;
/// Who sends, who is in the pane, and who needs no sidecar.
const SENDER: &str = "alice";
const PANE: &str = "bob";
const STRANGER: &str = "mallory";

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many bodies.
    pub count: usize,
    /// Decides what is in them.
    pub seed: u64,
}

/// Sends bodies into a pane of a tmux server of its own and judges what came; `progress` is told how far it is.
///
/// # Errors
/// When there is no tmux, no python3 or no nats-server, or a program does not start or refuses what is sent.
pub async fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<Report> {
    terminal_needed().await?;
    let begun = Instant::now();
    let mut fleet = Fleet::open().await?;
    fleet.enrol(&[SENDER, PANE, STRANGER]).await?;
    let terminal = Terminal::new(fleet.bus().home());
    let mut reader = terminal.byte_reader(PANE).await?;
    fleet.start(SENDER, &Options::http()).await?;
    let bridge = Options::tmux(terminal.socket(), &reader.pane, READER);
    fleet.start(PANE, &bridge).await?;
    let sender = fleet.sidecar(SENDER)?;
    let (client, socket) = (sender.client(), sender.socket().to_owned());
    let stranger = Stranger::open(&fleet, STRANGER).await?;
    let to: AgentId = PANE.parse()?;
    let rng = Rng::new(plan.seed);
    let (mut of_bodies, mut of_ids, mut of_bytes) = (rng.fork(0), rng.fork(1), rng.fork(2));

    let (mut judge, mut violations) = (Judge::default(), Vec::new());
    let (mut sent_bytes, mut longest, mut refused, mut strange) = (0_usize, 0_usize, 0_usize, 0_usize);
    for number in 0..plan.count {
        if judge.open() >= AT_ONCE {
            judge.submitted(&reader.submit().await?.text);
        }
        if number > 0 && number % TOLD_EVERY == 0 {
            for submit in reader.submits_so_far()? {
                judge.submitted(&submit.text);
            }
            progress(&format!(
                "{number} of {} bodies sent, {} submitted",
                plan.count,
                judge.submits()
            ));
        }
        let body = Body::by_chance(&mut of_bodies, number);
        sent_bytes += body.text.len();
        longest = longest.max(body.text.len());
        let id = of_ids.id();
        judge.expect(id, format!("body {number}"), body.arrives);
        let mut draft = Draft::text(to.clone().into(), body.text);
        draft.id = Some(id);
        send(&client, &draft, Level::Stored).await?;
        if number % RAW_EVERY == 0 {
            let status = over_http(&socket, &to, &no_text(&mut of_bytes)).await?;
            refused += 1;
            if !(400..500).contains(&status) {
                violations.push(format!(
                    "bytes that are no text were answered with {status}, after body {number}"
                ));
            }
            stranger
                .publish(of_ids.id(), &to, &no_text(&mut of_bytes))
                .await?;
            strange += 1;
        }
    }
    while judge.open() > 0 {
        // What does not come is lost, and counted.
        let Ok(submit) = reader.submit().await else {
            break;
        };
        judge.submitted(&submit.text);
    }
    progress("all sent; looking for what came besides");
    // What was submitted is told a moment later: whatever comes twice has come before the last one is reported.
    let mut last = Draft::text(to.into(), "last".to_owned());
    (last.id, last.priority) = (Some(of_ids.id()), Priority::Low);
    if let Some(id) = last.id {
        judge.expect(id, "the last".to_owned(), "last".to_owned());
    }
    send(&client, &last, Level::Injected).await?;
    for submit in reader.rest(&terminal).await? {
        judge.submitted(&submit.text);
    }
    let letters = fleet.dead_letters(None).await?.len();
    if letters != strange {
        violations.push(format!(
            "{strange} messages were no text, and {letters} are dead letters"
        ));
    }
    violations.extend(outside(reader.bytes(), plan.count + 1));
    let submits = judge.submits();
    let of = async |id| known(&fleet, &client, PANE, id).await;
    violations.extend(judge.violations(of).await);
    Ok(Report {
        case: "bodies",
        seed: Some(plan.seed),
        figures: vec![
            ("bodies", count(plan.count)),
            ("sent_bytes", count(sent_bytes)),
            ("longest_bytes", count(longest)),
            // Without the last one, which only says that all others have come.
            ("submits", count(submits.saturating_sub(1))),
            ("pasted_bytes", count(reader.bytes().len())),
            ("no_text_refused", count(refused)),
            ("no_text_dead_letters", count(letters)),
            ("elapsed_ms", millis(begun)),
        ],
        verdict: None,
        violations,
    })
}
