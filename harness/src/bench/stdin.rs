//! Lines on standard input, beside direct pipelined publishes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::AsyncWriteExt as _;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, Draft, Priority};

use super::Plan;
use super::baseline::{Direct, content};
use super::pipe::{NamedPipe, place};
use super::report::{Goal, Report, Unit};
use crate::fleet::Fleet;

/// Publishes under way in the baseline.
const WINDOW: usize = 1_024;
/// Lines for each sample of the plan, so that a round lasts long enough.
const LINES_PER_SAMPLE: usize = 50;

/// How often the stream is asked how far it is: seldom enough to cost nothing, often enough for a round of 100 ms.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long a round may take.
const LINES_WITHIN: Duration = Duration::from_secs(60);

/// Measures how many lines a second reach the stream.
pub(super) async fn measure(
    plan: &Plan,
    fleet: &mut Fleet,
    direct: &Direct,
    report: &mut Report,
) -> Result<()> {
    let pipe = NamedPipe::make(place(fleet.bus().home(), "stdin"))?;
    fleet.start("piper", &pipe.read_by_child()).await?;
    let mut writer = pipe.writer()?;
    let to = super::SINK.parse::<AgentId>()?;
    let draft = Draft::text(to.clone().into(), content());
    let mut line = serde_json::to_vec(&draft)?;
    line.push(b'\n');
    let lines = plan.samples.saturating_mul(LINES_PER_SAMPLE);
    let text = line.repeat(lines);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let begun = Instant::now();
        direct.publish(&to, Priority::Normal, lines, WINDOW).await?;
        theirs.push(rate(lines, begun)?);
        let before = stored(fleet).await?;
        let begun = Instant::now();
        writer.write_all(&text).await?;
        while stored(fleet).await? < before + u64::try_from(lines)? {
            ensure!(
                begun.elapsed() < LINES_WITHIN,
                "the lines do not reach the stream"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        ours.push(rate(lines, begun)?);
    }
    report.add(
        "stdin lines",
        Unit::PerSecond,
        ours,
        theirs,
        Some(Goal::RatioMin(0.85)),
    );
    fleet.sidecar_mut("piper")?.stop().await
}

fn rate(lines: usize, begun: Instant) -> Result<f64> {
    Ok(f64::from(u32::try_from(lines)?) / begun.elapsed().as_secs_f64())
}

/// Messages in the stream.
async fn stored(fleet: &Fleet) -> Result<u64> {
    let name = Stream::Messages.name(fleet.bus().places().hive());
    let mut stream = fleet
        .bus()
        .admin()
        .get_stream(name)
        .await
        .context("WB_MESSAGES")?;
    Ok(stream.info().await?.state.last_sequence)
}
