//! Delivery: what each bridge adds to a direct pull, agent to agent, and how fast a backlog drains.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use wagglebus_client::{Client, Endpoint, SendOptions, Take};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::{AgentId, Draft, Id, Level, Priority};

use super::Plan;
use super::baseline::{Direct, content, drain, fetch};
use super::pair::Latencies;
use super::pipe::{NamedPipe, PipeLines, place};
use super::report::{Goal, Report, Unit};
use crate::fleet::Fleet;

/// How long a message may take to be settled after its hand-over.
const QUIET_WITHIN: Duration = Duration::from_secs(20);
/// Messages of a drained backlog for each sample of the plan.
const DRAINED_PER_SAMPLE: usize = 5;

/// Measures every path.
pub(super) async fn measure(
    plan: &Plan,
    fleet: &mut Fleet,
    direct: &Direct,
    report: &mut Report,
) -> Result<()> {
    let pipe = NamedPipe::make(place(fleet.bus().home(), "stdout"))?;
    fleet.start("printer", &pipe.written_by_child()).await?;
    let mut printed = Path::Stdout(pipe.reader()?);
    let client = fleet.sidecar("receiver")?.client();
    let mut polled = Path::LongPoll(client);
    for (path, name, to, goal) in [
        (&mut printed, "stdout", "printer", 50.0),
        (&mut polled, "long poll", "receiver", 130.0),
    ] {
        deliver(plan, fleet, direct, report, (path, name, to, goal)).await?;
    }
    let mut streamed = Path::Sse(Box::new(
        SseReader::open(fleet.sidecar("receiver")?.client()).await?,
    ));
    deliver(
        plan,
        fleet,
        direct,
        report,
        (&mut streamed, "SSE", "receiver", 70.0),
    )
    .await?;
    drop(streamed);
    backlog(plan, direct, &mut printed, report).await?;
    fleet.sidecar_mut("printer")?.stop().await
}

/// One way in which messages reach an agent.
enum Path {
    Stdout(PipeLines),
    LongPoll(Client),
    Sse(Box<SseReader>),
}

impl Path {
    /// Waits for the next message and returns when it was there; what it takes to free the slot comes after that.
    async fn next(&mut self) -> Result<Instant> {
        match self {
            Self::Stdout(lines) => {
                lines.next().await?;
                Ok(Instant::now())
            }
            Self::LongPoll(client) => {
                let take = Take {
                    max: 1,
                    timeout: Duration::from_secs(20),
                    lease: Duration::from_secs(60),
                };
                let answer = client.inbox(take).await?.value;
                let at = Instant::now();
                let item = answer
                    .messages
                    .into_iter()
                    .next()
                    .context("the poll came back empty")?;
                client
                    .ack(
                        item.message.id,
                        &AckRequest {
                            lease: item.lease,
                            done: true,
                        },
                    )
                    .await?;
                Ok(at)
            }
            Self::Sse(reader) => reader.next().await,
        }
    }
}

async fn deliver(
    plan: &Plan,
    fleet: &Fleet,
    direct: &Direct,
    report: &mut Report,
    (path, name, to, goal): (&mut Path, &str, &str, f64),
) -> Result<()> {
    let to: AgentId = to.parse()?;
    let sender = fleet.sidecar("sender")?.client();
    let lane = direct.lane(Priority::Normal).await?;
    let mut figures: [[Vec<f64>; 2]; 3] = Default::default();
    for _ in 0..plan.rounds {
        let mut latencies: [Latencies; 3] = Default::default();
        let [pulled, delivered, between] = &mut latencies;
        for _ in 0..plan.samples {
            // Both pulls wait before the message is published, as a reader that waits for work does.
            let waiting = tokio::spawn({
                let lane = lane.clone();
                async move {
                    fetch(&lane, Duration::from_secs(20))
                        .await
                        .map(|m| (m, Instant::now()))
                }
            });
            tokio::task::yield_now().await;
            let begun = Instant::now();
            direct.send(direct.agent(), Priority::Normal).await?.await?;
            let (message, at) = waiting.await??;
            let message = message.context("the baseline's pull came back empty")?;
            pulled.add(at.saturating_duration_since(begun));
            message
                .double_ack()
                .await
                .map_err(|e| anyhow::anyhow!("ack: {e}"))?;

            let begun = Instant::now();
            let (sent, at) = tokio::join!(
                async {
                    direct
                        .send(&to, Priority::Normal)
                        .await?
                        .await
                        .map_err(anyhow::Error::from)
                },
                path.next()
            );
            sent?;
            delivered.add(at?.saturating_duration_since(begun));
            quiet(fleet, to.as_str()).await?;

            let begun = Instant::now();
            let (sent, at) = tokio::join!(send(&sender, &to), path.next());
            sent?;
            between.add(at?.saturating_duration_since(begun));
            quiet(fleet, to.as_str()).await?;
        }
        for (figures, latencies) in figures.iter_mut().zip(&latencies) {
            let [p50, p99] = figures;
            p50.push(latencies.percentile_us(50));
            p99.push(latencies.percentile_us(99));
        }
    }
    let [[pull_50, pull_99], [path_50, path_99], [agents_50, agents_99]] = figures;
    let case = |what: &str| format!("delivery by {name}, {what}");
    report.add(
        &case("p50"),
        Unit::Microseconds,
        path_50,
        pull_50,
        Some(Goal::AddedMax(goal)),
    );
    report.add(&case("p99"), Unit::Microseconds, path_99, pull_99, None);
    let case = |what: &str| format!("agent to agent, HTTP to {name}, {what}");
    report.add(
        &case("p50"),
        Unit::Microseconds,
        agents_50,
        Vec::new(),
        Some(Goal::Max(350.0)),
    );
    report.add(
        &case("p99"),
        Unit::Microseconds,
        agents_99,
        Vec::new(),
        Some(Goal::Max(1_500.0)),
    );
    Ok(())
}

/// Waits until a message is acked and its receipts are read: what follows from one hand-over is no part of the next one.
async fn quiet(fleet: &Fleet, receiver: &str) -> Result<()> {
    let begun = Instant::now();
    while fleet.unsettled(receiver).await? + fleet.unread_receipts("sender").await? > 0 {
        ensure!(begun.elapsed() < QUIET_WITHIN, "{receiver} does not come to rest");
    }
    Ok(())
}

async fn send(sender: &Client, to: &AgentId) -> Result<()> {
    let options = SendOptions {
        wait: Some(Level::Stored),
        timeout: Some(Duration::from_secs(10)),
        park: true,
    };
    sender
        .send(&Draft::text(to.clone().into(), content()), options)
        .await?;
    Ok(())
}

/// How fast a backlog reaches standard output, beside taking and acking one message after another.
async fn backlog(plan: &Plan, direct: &Direct, printed: &mut Path, report: &mut Report) -> Result<()> {
    let messages = plan.samples.saturating_mul(DRAINED_PER_SAMPLE);
    let count = f64::from(u32::try_from(messages)?);
    let lane = direct.lane(Priority::Low).await?;
    let printer: AgentId = "printer".parse()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        direct
            .publish(direct.agent(), Priority::Low, messages, 512)
            .await?;
        let begun = Instant::now();
        drain(&lane, messages).await?;
        theirs.push(count / begun.elapsed().as_secs_f64());
        // Publishing is many times as fast as draining, so the backlog is there almost from the beginning.
        let begun = Instant::now();
        let (published, read) = tokio::join!(direct.publish(&printer, Priority::Low, messages, 512), async {
            for _ in 0..messages {
                printed.next().await?;
            }
            anyhow::Ok(())
        });
        published?;
        read?;
        ours.push(count / begun.elapsed().as_secs_f64());
    }
    report.add(
        "backlog to stdout",
        Unit::PerSecond,
        ours,
        theirs,
        Some(Goal::RatioMin(0.60)),
    );
    Ok(())
}

/// A reader of server-sent events.
struct SseReader {
    client: Client,
    lines: Lines<BufReader<OwnedReadHalf>>,
    // Dropping it would end the stream.
    _writer: OwnedWriteHalf,
}

impl SseReader {
    async fn open(client: Client) -> Result<Self> {
        let Endpoint::Unix(path) = client.endpoint() else {
            anyhow::bail!("no unix socket")
        };
        let (reader, mut writer) = UnixStream::connect(path).await?.into_split();
        writer
            .write_all(
                b"GET /v1/inbox/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
            )
            .await?;
        let mut lines = BufReader::new(reader).lines();
        let status = lines.next_line().await?.context("no answer")?;
        ensure!(status.contains(" 200 "), "the stream was refused: {status}");
        Ok(Self {
            client,
            lines,
            _writer: writer,
        })
    }

    async fn next(&mut self) -> Result<Instant> {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await??;
            let line = line.context("the stream ended")?;
            let Some(data) = line.strip_prefix("data:") else {
                continue;
            };
            let at = Instant::now();
            let item: serde_json::Value = serde_json::from_str(data)?;
            // Receipts come on the same stream.
            let (Some(id), Some(lease)) = (item.pointer("/message/id"), item.get("lease")) else {
                continue;
            };
            let id: Id = serde_json::from_value(id.clone())?;
            let lease: String = serde_json::from_value(lease.clone())?;
            self.client.ack(id, &AckRequest { lease, done: true }).await?;
            return Ok(at);
        }
    }
}
