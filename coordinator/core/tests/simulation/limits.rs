//! What the stream of the log does not take, and what nobody could read of it.

use serde_json::{Value, json};
use wagglebus_coordinator_core::log::Letter;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::decode;
use wagglebus_schemas::event::Event;
use wagglebus_schemas::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, JSON_DEPTH_MAX, LINE_BYTES_MAX};
use wagglebus_schemas::receipt::Receipt;

use crate::sabotage::Rule;
use crate::sim::Sim;

/// What headers need beside a line.
const HEADERS_BYTES: usize = 1_024;

/// Arrays in each other.
pub(crate) fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

impl Sim {
    /// Whether the server will never take these lines of a node.
    pub(crate) fn is_refused(&mut self, at: usize, events: &[Event]) -> bool {
        let mut refused = self.nodes[at].barred_until > self.now_ms;
        for event in events {
            let line = serde_json::to_vec(event).unwrap();
            refused |= line.len() + HEADERS_BYTES > ACCOUNT_PAYLOAD_BYTES_MAX;
            if let Err(error) = decode::record::<Event>("event", &line, LINE_BYTES_MAX) {
                let what = format!("nobody can read {} of {}: {error}", event.event, event.entity_id);
                self.checker.broken(Rule::Folds, what);
            }
        }
        if refused {
            self.note(|| format!("what node {at} appends is refused for good"));
        }
        refused
    }

    /// A node answers a message from which nothing follows: once, as long as it knows that it did.
    pub(crate) fn answers(&mut self, at: usize, letter: &Letter) {
        if !self.bus.tells_of_reading(letter) || self.bus.dead(letter).is_some() {
            return;
        }
        let receipt: Receipt = serde_json::from_slice(&letter.body).unwrap();
        let before = self.nodes[at].answered.insert(receipt.message_id, receipt.id);
        if before.is_some_and(|before| before != receipt.id) {
            let what = format!("node {at} answers {} again", receipt.message_id);
            self.checker.broken(Rule::Verdicts, what);
        }
    }

    /// The server does not let a node write, whatever it tries.
    pub(crate) fn bar(&mut self, at: usize) {
        let until = self.now_ms + self.chance.between(1_000, 20_000);
        self.note(|| format!("node {at} may not write until {until}"));
        self.nodes[at].barred_until = until;
    }

    /// A command as large and as deep as may be published, with which nobody can do anything.
    pub(crate) fn overdo(&mut self, at: usize) {
        let task = self.tasks.first().copied();
        let text = self.chance.pick(&["a", "\u{7f}", "€"]);
        let many = 500_000 / serde_json::to_vec(text).unwrap().len();
        let body = match self.chance.below(4) {
            0 => json!({"task_id": task, "epoch": text.repeat(many)}),
            1 => json!({"task_id": text.repeat(many)}),
            2 => json!({"task_id": task, "epoch": 1, "result": nested(JSON_DEPTH_MAX - 1)}),
            _ => json!({"task_id": task, "epoch": 1, "reason": text.repeat(many), "error": "x"}),
        };
        let verb = self.chance.pick(TaskVerb::ALL);
        self.tell(at, verb, body);
    }
}
