//! Keeps score: which messages lie in the stream, how far each has come, and what is missing. Pure.

use std::collections::BTreeMap;

use wagglebus_schemas::bridge::{Bridge, Proof};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::{AgentId, Level, Message, Priority, Timestamp};

/// Most messages that are remembered; a demonstration that runs on forgets the oldest.
const LETTERS_MAX: usize = 4_096;

/// A direction of the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) from: AgentId,
    pub(super) to: AgentId,
    /// What the recipient's bridge proves.
    pub(super) goal: Level,
    /// Which types are expected, each in every priority.
    pub(super) types: &'static [MessageType],
}

/// A message, and how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub(super) message: Message,
    /// Its sequence in the stream.
    pub(super) seq: u64,
    /// The levels that are proven, and when each was.
    pub(super) levels: BTreeMap<Level, Timestamp>,
}

/// All messages that were seen.
#[derive(Debug)]
pub(super) struct Board {
    lanes: Vec<Lane>,
    letters: Vec<Letter>,
    wrong: Vec<String>,
}

/// One step of one message, to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step<'a> {
    pub(super) letter: &'a Letter,
    /// What is new, in order; never empty.
    pub(super) levels: Vec<Level>,
    /// When the last of them was reached.
    pub(super) at: Timestamp,
    /// By which bridge, and from what that was concluded.
    pub(super) by: Option<(Bridge, Proof)>,
}

impl Letter {
    /// The highest level that is proven.
    pub(super) fn level(&self) -> Level {
        self.levels
            .last_key_value()
            .map_or(Level::Accepted, |(level, _)| *level)
    }

    /// It, in words.
    pub(super) fn name(&self) -> String {
        let Message {
            id,
            from_agent,
            to_agent,
            priority,
            message_type,
            ..
        } = &self.message;
        format!("{from_agent} → {to_agent} {priority} {message_type} {id}")
    }

    /// From the sender's acceptance to this level, in milliseconds.
    pub(super) fn took_ms(&self, level: Level) -> Option<i64> {
        let at = self.levels.get(&level)?;
        Some(at.unix_ms().saturating_sub(self.message.timestamp.unix_ms()))
    }
}

impl Board {
    pub(super) const fn new(lanes: Vec<Lane>) -> Self {
        Self {
            lanes,
            letters: Vec::new(),
            wrong: Vec::new(),
        }
    }

    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub(super) fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// The messages of all directions.
    pub(super) fn exchange(&self) -> impl Iterator<Item = &Letter> {
        self.letters
            .iter()
            .filter(|letter| self.lanes.iter().any(|lane| lane.has(&letter.message)))
    }

    /// The stream holds a message.
    pub(super) fn stored(&mut self, message: Message, seq: u64, at: Timestamp) -> Option<Step<'_>> {
        if let Some(first) = self.letters.iter().find(|letter| letter.message.id == message.id) {
            let (first, id) = (first.seq, message.id);
            self.wrong
                .push(format!("{id} lies in the stream twice, as {first} and as {seq}"));
            return None;
        }
        if self.letters.len() >= LETTERS_MAX {
            self.letters.remove(0);
        }
        self.letters.push(Letter {
            message,
            seq,
            levels: BTreeMap::from([(Level::Stored, at)]),
        });
        self.letters.last().map(|letter| Step {
            letter,
            levels: vec![Level::Stored],
            at,
            by: None,
        })
    }

    /// A receipt came. `None` when it proves nothing new of a message that we know.
    pub(super) fn reached(&mut self, receipt: &Receipt) -> Option<Step<'_>> {
        let id = receipt.message_id;
        let is_addressee = |message: &Message| message.to_agent.agent() == Some(&receipt.agent);
        let letter = self
            .letters
            .iter_mut()
            .find(|letter| letter.message.id == id && is_addressee(&letter.message))?;
        let mut levels = Vec::new();
        let mut at = receipt.at;
        for step in &receipt.levels {
            if let Some(level) = step.level.level() {
                if letter.levels.insert(level, step.at).is_none() {
                    levels.push(level);
                    at = step.at;
                }
            } else if step.level == ReceiptLevel::Dead {
                let why = receipt
                    .reason
                    .map_or_else(String::new, |reason| format!(": {reason}"));
                self.wrong.push(format!("{id} is dead{why}"));
            }
        }
        (!levels.is_empty()).then_some(Step {
            letter: &*letter,
            levels,
            at,
            by: receipt.bridge.map(|bridge| (bridge, receipt.proof)),
        })
    }

    /// What went wrong, what was not sent, what was not answered, and what has not come as far as its recipient's
    /// bridge proves: a line each.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = self.wrong.clone();
        for lane in &self.lanes {
            for priority in Priority::ALL {
                for message_type in lane.types {
                    if self.cell(lane, *priority, *message_type).next().is_none() {
                        missing.push(format!(
                            "{} → {} {priority} {message_type} was not sent",
                            lane.from, lane.to
                        ));
                    }
                }
            }
            for letter in self.letters.iter().filter(|letter| lane.has(&letter.message)) {
                if letter.level() < lane.goal {
                    missing.push(format!(
                        "{} reached {}, not {}",
                        letter.name(),
                        letter.level(),
                        lane.goal
                    ));
                }
                if matches!(
                    letter.message.message_type,
                    MessageType::Task | MessageType::Question
                ) {
                    match self.answers(letter) {
                        1 => {}
                        count => missing.push(format!("{} has {count} answers", letter.name())),
                    }
                }
            }
        }
        missing
    }

    fn answers(&self, asked: &Letter) -> usize {
        let id = asked.message.id.to_string();
        let answers = |message: &Message| {
            Some(&message.from_agent) == asked.message.to_agent.agent()
                && message
                    .metadata
                    .get(metadata::IN_REPLY_TO)
                    .and_then(|value| value.as_str())
                    == Some(&id)
        };
        self.letters
            .iter()
            .filter(|letter| answers(&letter.message))
            .count()
    }

    /// The messages of one kind in one direction.
    pub(super) fn cell<'a>(
        &'a self,
        lane: &'a Lane,
        priority: Priority,
        message_type: MessageType,
    ) -> impl Iterator<Item = &'a Letter> {
        self.letters.iter().filter(move |letter| {
            let message = &letter.message;
            lane.has(message) && message.priority == priority && message.message_type == message_type
        })
    }
}

impl Lane {
    pub(super) fn has(&self, message: &Message) -> bool {
        message.from_agent == self.from && message.to_agent.agent() == Some(&self.to)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ASKED: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c31";
    const ANSWER: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c32";

    fn board() -> Board {
        let lane = |from: &str, to: &str, goal, types| Lane {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            goal,
            types,
        };
        Board::new(vec![
            lane("python", "bash", Level::Injected, &[]),
            lane("bash", "python", Level::Done, &[]),
        ])
    }

    fn store(board: &mut Board, from: &str, to: &str, id: &str, message_type: &str, answers: Option<&str>) {
        let message = json!({
            "id": id, "from_agent": from, "to_agent": to, "content": "", "message_type": message_type,
            "timestamp": "2026-01-02T03:04:05.000Z", "metadata": { "in_reply_to": answers },
        });
        board.stored(serde_json::from_value(message).unwrap(), 1, Timestamp::EPOCH);
    }

    fn report(board: &mut Board, agent: &str, id: &str, levels: &[&str]) -> Vec<Level> {
        let at = "2026-01-02T03:04:05.007Z";
        let levels: Vec<_> = levels
            .iter()
            .map(|level| json!({ "level": level, "at": at }))
            .collect();
        let receipt = json!({
            "id": id, "message_id": id, "sender": "x", "agent": agent, "level": levels.last().unwrap()["level"],
            "levels": levels, "bridge": "http", "proof": "ack", "delivery": 1, "epoch": 1, "at": at,
        });
        let receipt = serde_json::from_value(receipt).unwrap();
        board
            .reached(&receipt)
            .map(|step| step.levels)
            .unwrap_or_default()
    }

    #[test]
    fn nothing_is_missing_once_everything_came_as_far_as_it_can() {
        let mut board = board();
        store(&mut board, "python", "bash", ASKED, "task", None);
        store(&mut board, "bash", "python", ANSWER, "response", Some(ASKED));
        assert_eq!(board.missing().len(), 2);
        assert_eq!(
            report(&mut board, "bash", ASKED, &["fetched", "injected"]),
            [Level::Fetched, Level::Injected]
        );
        assert_eq!(board.letters()[0].took_ms(Level::Injected), Some(7));
        report(&mut board, "python", ANSWER, &["injected"]);
        let missing = board.missing();
        assert!(
            missing.len() == 1 && missing[0].contains("reached injected, not done"),
            "{missing:?}"
        );
        assert_eq!(
            report(&mut board, "python", ANSWER, &["seen", "done"]),
            [Level::Seen, Level::Done]
        );
        assert_eq!(report(&mut board, "python", ANSWER, &["done"]), []);
        assert_eq!(board.missing(), Vec::<String>::new());
    }

    #[test]
    fn doubles_deaths_gaps_and_missing_answers_are_found() {
        let mut board = board();
        store(&mut board, "python", "bash", ASKED, "question", None);
        report(&mut board, "bash", ASKED, &["injected"]);
        assert!(board.missing()[0].contains("0 answers"));
        store(&mut board, "python", "bash", ASKED, "question", None);
        report(&mut board, "bash", ASKED, &["held"]);
        report(&mut board, "bash", ASKED, &["dead"]);
        let missing = board.missing();
        assert!(
            missing[0].contains("twice") && missing[1].contains("is dead"),
            "{missing:?}"
        );
        // Whoever is not the addressee proves nothing.
        assert_eq!(report(&mut board, "mallory", ASKED, &["done"]), []);

        let all: &[MessageType] = MessageType::ALL;
        let mut lanes = board.lanes().to_vec();
        lanes[0].types = all;
        assert_eq!(Board::new(lanes).missing().len(), 16);
    }
}
