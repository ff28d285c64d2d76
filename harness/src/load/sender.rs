//! A careful sender over HTTP: whatever has no clear answer is sent again under the same id, before anything else.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use wagglebus_client::{Client, ClientError, SendOptions};
use wagglebus_schemas::error::ErrorCode;

use super::traffic::Planned;
use crate::ledger::{Ledger, Op};

/// Pause before a message is sent again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Sends all of `planned`, one after the other.
pub async fn send_all(
    client: Client,
    planned: impl Iterator<Item = Planned>,
    ledger: Arc<Ledger>,
    backlog_max: u64,
) {
    for Planned { offer, draft } in planned {
        room(&ledger, backlog_max).await;
        let id = offer.id;
        ledger.record(Op::Offered(offer));
        loop {
            let why = match client.send(&draft, SendOptions::default()).await {
                Ok(answer) => {
                    let level = answer.value.level;
                    ledger.record(Op::Accepted { id, level });
                    break;
                }
                Err(error) => match refusal(&error) {
                    Some(code) => {
                        ledger.record(Op::Refused { id, code });
                        break;
                    }
                    None => error.to_string(),
                },
            };
            ledger.record(Op::Unsettled { id, why });
            sleep(RETRY_AFTER).await;
        }
    }
}

/// Waits while too many messages are on their way: the receivers set the pace.
pub(super) async fn room(ledger: &Ledger, backlog_max: u64) {
    let free = |counts: &crate::ledger::Counts| counts.accepted.saturating_sub(counts.done) < backlog_max;
    // Nothing may hang for ever: after this time it is sent all the same.
    ledger.until(Duration::from_secs(60), free).await;
}

/// The code of a refusal that a repeat would meet again; `None` when a repeat may succeed.
fn refusal(error: &ClientError) -> Option<ErrorCode> {
    let ClientError::Refused { status, detail } = error else {
        return None;
    };
    (*status < 500 && *status != 429).then_some(detail.code)
}
