//! Readers of `/v1/events`: from an event that the leader writes until the last of them has it, and a standby's reader.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wagglebus_schemas::Id;

use super::token;
use crate::bench::Plan;
use crate::bench::pair::Latencies;
use crate::bench::report::{Goal, Report, Unit};
use crate::bench::tasks::hive::Hive;

/// How many read at the leader.
const READERS: usize = 100;
/// Goal of S0.60 and S3.4, p95.
const SEEN_MS: f64 = 100.0;
/// How long an event may take to any reader.
const WITHIN: Duration = Duration::from_secs(30);

/// A reader saw the line of a task.
#[derive(Debug)]
struct Seen {
    reader: usize,
    task: String,
    at: Instant,
}

/// Measures both, event by event.
pub(super) async fn measure(plan: &Plan, hive: &mut Hive, report: &mut Report) -> Result<()> {
    hive.fleet.start_coordinator().await?;
    let readers = READERS.min(plan.samples.max(1));
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut reading = JoinSet::new();
    for reader in 0..=readers {
        // The last one reads at the standby.
        let place = usize::from(reader == readers);
        let stream = match open(hive, place).await {
            Ok(stream) => stream,
            Err(why) => {
                report.leave_out(&format!("readers of /v1/events are not measured: {why:#}"));
                return Ok(());
            }
        };
        let tell = tell.clone();
        reading.spawn(read(stream, reader, tell));
    }
    let mut events = hive.client.subscribe("wb.event.task.coordinator").await?;
    hive.client.flush().await?;
    let (mut at_leader, mut at_standby) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (mut leader, mut standby) = (Latencies::default(), Latencies::default());
        for _ in 0..plan.samples {
            let task = hive.submit("nothing").await?;
            let written = written(&mut events, task).await?;
            let mut seen = BTreeMap::new();
            while seen.len() <= readers {
                let next = timeout(WITHIN, told.recv()).await;
                let next = next
                    .context("not every reader saw it")?
                    .context("no reader is left")?;
                if next.task == task.to_string() {
                    seen.entry(next.reader).or_insert(next.at);
                }
            }
            standby.add(after(written, seen.remove(&readers)));
            leader.add(after(written, seen.values().max().copied()));
        }
        at_leader.push(leader.percentile_us(95) / 1_000.0);
        at_standby.push(standby.percentile_us(95) / 1_000.0);
    }
    for (case, rounds) in [
        (
            format!("event written to the last of {readers} readers of /v1/events, p95"),
            at_leader,
        ),
        (
            "event written to a reader at the standby, p95".to_owned(),
            at_standby,
        ),
    ] {
        report.add(
            &case,
            Unit::Milliseconds,
            rounds,
            Vec::new(),
            Some(Goal::Max(SEEN_MS)),
        );
    }
    Ok(())
}

fn after(written: Instant, seen: Option<Instant>) -> Duration {
    seen.map_or(Duration::ZERO, |seen| seen.saturating_duration_since(written))
}

/// When the leader wrote the event of a submission.
async fn written(events: &mut async_nats::Subscriber, task: Id) -> Result<Instant> {
    let needle = task.to_string();
    loop {
        let message = timeout(WITHIN, events.next())
            .await
            .context("nothing is written")?;
        let message = message.context("the subscription has ended")?;
        if contains(&message.payload, needle.as_bytes()) {
            return Ok(Instant::now());
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A stream of events about tasks, whose head was read.
async fn open(hive: &Hive, place: usize) -> Result<BufReader<TcpStream>> {
    let url = hive.fleet.coordinator_http(place)?;
    let authority = url.strip_prefix("http://").context("no address")?;
    let stream = TcpStream::connect(authority).await?;
    let mut stream = BufReader::new(stream);
    let request = format!(
        "GET /v1/events?kind=task HTTP/1.1\r\nHost: {authority}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n\r\n",
        token(hive)?
    );
    stream.get_mut().write_all(request.as_bytes()).await?;
    let mut line = String::new();
    timeout(WITHIN, stream.read_line(&mut line)).await??;
    if !line.contains(" 200 ") {
        bail!("{}", line.trim_end());
    }
    Ok(stream)
}

async fn read(stream: BufReader<TcpStream>, reader: usize, tell: mpsc::UnboundedSender<Seen>) {
    let mut lines = stream.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let at = Instant::now();
        let event = serde_json::from_str::<serde_json::Value>(data).unwrap_or_default();
        // The event, or what holds it.
        let task = ["/entity_id", "/event/entity_id", "/data/entity_id"]
            .iter()
            .find_map(|place| event.pointer(place)?.as_str());
        if let Some(task) = task {
            let task = task.to_owned();
            if tell.send(Seen { reader, task, at }).is_err() {
                return;
            }
        }
    }
}
