//! The heartbeats of one sidecar, as they come over the bus.

use futures::StreamExt;
use serde_json::Value;
use wagglebus_harness::fleet::Fleet;
use wagglebus_nats::keys::BusUser;

use crate::messages::WITHIN;

/// The heartbeats of one sidecar.
pub(crate) struct Heartbeats(async_nats::Subscriber);

impl Heartbeats {
    /// Listens from now on.
    pub(crate) async fn of(fleet: &Fleet, agent: &str) -> Self {
        let client = fleet.bus().connect(BusUser::Inspector).await.unwrap();
        let beats = client.subscribe(format!("wb.hb.{agent}")).await.unwrap();
        client.flush().await.unwrap();
        Self(beats)
    }

    /// Waits for a heartbeat with this reason of its hold.
    pub(crate) async fn hold(&mut self, reason: Option<&str>) {
        self.like(|beat| beat["hold"]["reason"].as_str() == reason).await;
    }

    /// Waits for a heartbeat with this state.
    pub(crate) async fn state(&mut self, state: &str) {
        self.like(|beat| beat["state"] == state).await;
    }

    /// Waits for a heartbeat that is as it should be, and returns it.
    pub(crate) async fn like(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = async {
            while let Some(beat) = self.0.next().await {
                last = serde_json::from_slice(&beat.payload).unwrap();
                if is(&last) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(WITHIN, found).await.is_ok();
        assert!(in_time, "no such heartbeat; the last: {last}");
        last
    }
}
