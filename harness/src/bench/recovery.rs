//! What comes back when: sends after the server was killed, a message in hand after its sidecar was killed.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use wagglebus_client::{Client, SendOptions, Take};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::{AgentId, Draft, Id, Level};

use super::Plan;
use super::baseline::content;
use super::report::{Goal, Report, Unit};
use crate::fleet::Fleet;

/// Longest lease: nothing but the restart brings the message back.
const LEASE: Duration = Duration::from_secs(600);

/// Measures both, round by round.
pub(super) async fn measure(plan: &Plan, fleet: &mut Fleet, report: &mut Report) -> Result<()> {
    let to: AgentId = "receiver".parse()?;
    let (mut server, mut from_ready, mut from_start) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        server.push(after_server(fleet, &to).await?);
        let (ready, back) = after_sidecar(fleet, &to).await?;
        from_start.push(back);
        from_ready.push((back - ready).max(0.0));
    }
    let mut add = |case: &str, rounds, goal| {
        report.add(
            case,
            Unit::Milliseconds,
            rounds,
            Vec::new(),
            Some(Goal::Max(goal)),
        );
    };
    add("publish again after nats-server is back", server, 2_000.0);
    add(
        "message in hand back after sidecar -9, from ready",
        from_ready,
        100.0,
    );
    add(
        "message in hand back after sidecar -9, from start",
        from_start,
        125.0,
    );
    Ok(())
}

/// Milliseconds from the moment at which a killed server is up again until a send that waited is stored.
async fn after_server(fleet: &mut Fleet, to: &AgentId) -> Result<f64> {
    let sender = fleet.sidecar("sender")?.client();
    fleet.bus_mut().server_mut().kill().await?;
    let draft = Draft {
        id: Some(Id::from_uuid(uuid::Uuid::new_v4())),
        ..Draft::text(to.clone().into(), content())
    };
    let waiting = tokio::spawn(async move {
        let options = SendOptions {
            wait: Some(Level::Stored),
            timeout: Some(Duration::from_secs(60)),
            park: true,
        };
        let sent = sender.send(&draft, options).await;
        (sent, Instant::now())
    });
    fleet.bus_mut().server_mut().start().await?;
    let up = Instant::now();
    let (sent, stored) = waiting.await?;
    sent?;
    take(&fleet.sidecar("receiver")?.client(), true).await?;
    Ok(stored.saturating_duration_since(up).as_secs_f64() * 1e3)
}

/// Milliseconds from the start of the sidecar that follows a killed one, until it is ready and until the message that
/// was in the agent's hands is handed over again.
async fn after_sidecar(fleet: &mut Fleet, to: &AgentId) -> Result<(f64, f64)> {
    let sender = fleet.sidecar("sender")?.client();
    sender
        .send(&Draft::text(to.clone().into(), content()), SendOptions::default())
        .await?;
    let receiver = fleet.sidecar_mut("receiver")?;
    let first = take(&receiver.client(), false).await?;
    receiver.kill().await?;
    let begun = Instant::now();
    receiver.launch().await?;
    let client = receiver.client();
    let waiting = tokio::spawn(async move {
        // Its socket is there some milliseconds after its start.
        while client.livez().await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (take(&client, true).await, Instant::now())
    });
    receiver.ready().await?;
    let ready = begun.elapsed();
    let (second, back) = waiting.await?;
    let second = second?;
    ensure!(
        second == (first.0, first.1 + 1),
        "not the same message once more: {first:?}, then {second:?}"
    );
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok((ms(ready), ms(back.saturating_duration_since(begun))))
}

/// Takes one message, and is done with it if `settle`. Returns its id and which hand-over it was.
async fn take(client: &Client, settle: bool) -> Result<(Id, u32)> {
    let take = Take {
        max: 1,
        timeout: Duration::from_secs(20),
        lease: LEASE,
    };
    let item = client.inbox(take).await?.value.messages.into_iter().next();
    let item = item.context("nothing came")?;
    let id = item.message.id;
    if settle {
        let request = AckRequest {
            lease: item.lease,
            done: true,
        };
        client.ack(id, &request).await?;
    }
    Ok((id, item.delivery))
}
