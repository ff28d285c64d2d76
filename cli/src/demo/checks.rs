//! Asks the senders' sidecars whether they say of each message what the bus says.

use std::collections::BTreeMap;

use wagglebus_client::Client;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::Places;

use super::board::Board;
use crate::failure::Failure;

/// What a sender's sidecar has otherwise than the stream, a line each.
pub(super) async fn disagreements(board: &Board, places: &Places) -> Result<Vec<String>, Failure> {
    let mut clients: BTreeMap<AgentId, Client> = BTreeMap::new();
    let mut wrong = Vec::new();
    for lane in board.lanes() {
        let letters = board.letters().iter().filter(|letter| lane.has(&letter.message));
        for letter in letters {
            let client = match clients.get(&lane.from) {
                Some(client) => client,
                None => {
                    let client = Client::of_agent(places, &lane.from)?;
                    clients.entry(lane.from.clone()).or_insert(client)
                }
            };
            let trace = client.trace(letter.message.id).await?.value;
            let mut sent = trace.message;
            // A view of history, in which the answer's arrival shows.
            sent.acknowledged = false;
            if sent != letter.message {
                wrong.push(format!("{} is not in the stream as it was sent", letter.name()));
            }
            if trace.level < lane.goal {
                let (level, why) = (trace.level, trace.explanation);
                wrong.push(format!("{}: its sender knows only {level}: {why}", letter.name()));
            }
        }
    }
    Ok(wrong)
}
