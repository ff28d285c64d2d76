//! Questions whose answers are made of lines of the log, while the lines are read.

use std::collections::BTreeMap;

use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::Event;

use crate::api;
use crate::effect::{Effect, Reading, Reply};
use crate::event::Request;
use crate::fsm::past::{KeptLog, Past};
use crate::fsm::query::{Recall, Recalled};

/// Most questions for which the log is read at once.
const UNDER_WAY_MAX: usize = 32;

/// The questions under way, by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recalls {
    last: u64,
    under_way: BTreeMap<u64, (Request, Wanted)>,
}

/// What is read for a question.
#[derive(Debug, Clone)]
enum Wanted {
    Lines(Recall),
    Kept(Box<Past>),
}

impl Recalls {
    /// Asks for the lines that an answer is made of.
    pub(crate) fn begin(&mut self, request: Request, recall: Recall) -> Effect {
        if self.under_way.len() >= UNDER_WAY_MAX {
            let error = ErrorDetail::new(ErrorCode::CoordinatorUnavailable, "many ask for the past at once");
            return reply(request, Err(error.retry_after_ms(200)));
        }
        self.last += 1;
        let seqs = recall.seqs.clone();
        self.under_way.insert(self.last, (request, Wanted::Lines(recall)));
        Effect::Read(Reading::Lines {
            number: self.last,
            seqs,
        })
    }

    /// The lines were read, or could not be.
    pub(crate) fn ended(&mut self, number: u64, lines: Result<Vec<(u64, Event)>, String>) -> Option<Effect> {
        let (request, Wanted::Lines(recall)) = self.under_way.remove(&number)? else {
            return None;
        };
        let answer = lines.map_err(unread).and_then(|lines| recall.answer(lines));
        let outcome = match answer {
            Ok(Recalled::Older(past)) => {
                let at = past.at;
                self.under_way.insert(number, (request, Wanted::Kept(past)));
                return Some(Effect::Read(Reading::Kept { number, at }));
            }
            Ok(Recalled::At(fsm)) => api::encoded(&fsm),
            Ok(Recalled::History(page)) => api::encoded(&page),
            Err(error) => Err(error),
        };
        Some(reply(request, outcome))
    }

    /// The snapshots were looked at, or could not be.
    pub(crate) fn kept(&mut self, number: u64, kept: Result<KeptLog, String>) -> Option<Effect> {
        let (request, Wanted::Kept(past)) = self.under_way.remove(&number)? else {
            return None;
        };
        let answer = kept.map_err(unread).and_then(|kept| past.answer(&kept));
        Some(reply(request, answer.and_then(|fsm| api::encoded(&fsm))))
    }

    /// The session is over: nobody reads any more.
    pub(crate) fn clear(&mut self) {
        self.under_way.clear();
    }
}

fn unread(reason: String) -> ErrorDetail {
    let error = ErrorDetail::new(
        ErrorCode::CoordinatorUnavailable,
        format!("the log was not read: {reason}"),
    );
    error.retry_after_ms(500)
}

fn reply(request: Request, outcome: Result<Vec<u8>, ErrorDetail>) -> Effect {
    Effect::Reply(Reply {
        to: request.reply,
        method: request.method,
        outcome,
    })
}
