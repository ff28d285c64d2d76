//! Sidecars that `up` runs in the background: waiting until one is ready, or has ended.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wagglebus_client::discovery;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use crate::attachment;
use crate::failure::Failure;
use crate::up::logs;

/// How long a sidecar may take to become ready, or to end in good order.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until the sidecar that `up` starts is ready. Returns its process.
pub(crate) async fn ready(places: &Places, agent: &AgentId, log: &Path, logged: u64) -> Result<u32, Failure> {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Ok(file) = discovery::sidecar(places, agent) {
            return Ok(file.pid);
        }
        if Instant::now() >= deadline {
            return Err(
                Failure::failed(format!("the sidecar of {agent} does not become ready"))
                    .why(logs::since(log, logged))
                    .fix(format!(
                        "see {}; undo with: wagglebus detach {agent}",
                        log.display()
                    )),
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Ends the sidecar of an attached agent and waits until it has ended. What it held goes back and comes again.
pub(crate) async fn stop(places: &Places, agent: &AgentId) -> Result<(), Failure> {
    attachment::withdraw(places, agent)?;
    let deadline = Instant::now() + WITHIN;
    // Without `up` nobody runs it.
    while !attachment::is_free(places, agent) && discovery::bus(places).is_ok() {
        if Instant::now() >= deadline {
            return Err(Failure::failed(format!("the sidecar of {agent} does not end"))
                .fix("look with: wagglebus status"));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}
