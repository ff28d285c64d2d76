//! Keeps the remembered roster fresh, so that a capability can be found when no coordinator answers.

use std::collections::BTreeSet;
use std::time::Duration;

use wagglebus_schemas::AgentId;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::subject::ApiMethod;

use super::{ASK_WITHIN, Roster};

/// Waits between the first looks: a fleet that is just started comes up within this time.
const FIRST: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
    Duration::from_secs(20),
];
/// Wait between later looks at a small fleet.
const EVERY: Duration = Duration::from_secs(60);
/// What each agent of the fleet adds to that: everybody looks at everybody, and all together shall ask for some thousand
/// records a second at most.
const PER_AGENT: Duration = Duration::from_millis(500);
/// Agents that are asked for at once. Every sidecar keeps the memory that its largest answer took.
const PAGE: usize = 50;

impl Roster {
    /// Looks at the whole roster, now and then and as long as it is polled. Who is not enrolled any more is forgotten.
    pub(crate) async fn keep_fresh(self) {
        let mut first = FIRST.into_iter();
        loop {
            let agents = u32::try_from(self.lock().known.len()).unwrap_or(u32::MAX);
            let wait = first
                .next()
                .unwrap_or(EVERY)
                .max(PER_AGENT.saturating_mul(agents));
            tokio::time::sleep(self.about(wait)).await;
            self.look_at_all().await;
        }
    }

    /// A time that differs from sidecar to sidecar: those that started together shall not ask together for ever.
    fn about(&self, wait: Duration) -> Duration {
        let parts = self.me.as_str().bytes().fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        }) % 256;
        wait.saturating_add(wait / 1_024 * parts)
    }

    async fn look_at_all(&self) {
        let mut cursor: Option<AgentId> = None;
        let mut there = BTreeSet::new();
        loop {
            let query = serde_json::json!({ "limit": PAGE, "cursor": cursor });
            let page = self
                .request::<Page<Agent>>(ApiMethod::Agents, &query, ASK_WITHIN)
                .await;
            let Ok(page) = page else { return };
            for agent in page.items {
                there.insert(agent.agent.clone());
                self.remember(agent);
            }
            cursor = page.next_cursor.and_then(|cursor| cursor.parse().ok());
            if cursor.is_none() {
                self.lock().known.retain(|agent, _| there.contains(agent));
                return;
            }
        }
    }
}
