//! Questions whose answers are made of lines of the log, while the lines are read.

use std::collections::BTreeMap;

use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::event::Event;

use crate::api;
use crate::effect::{Effect, Reply};
use crate::event::Request;
use crate::fsm::query::{Recall, Recalled};

/// Most questions for which the log is read at once.
const UNDER_WAY_MAX: usize = 32;

/// The questions under way, by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recalls {
    last: u64,
    under_way: BTreeMap<u64, (Request, Recall)>,
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
        self.under_way.insert(self.last, (request, recall));
        Effect::ReadLines {
            number: self.last,
            seqs,
        }
    }

    /// The lines were read, or could not be.
    pub(crate) fn ended(&mut self, number: u64, lines: Result<Vec<(u64, Event)>, String>) -> Option<Effect> {
        let (request, recall) = self.under_way.remove(&number)?;
        let answer = lines.map_err(|reason| {
            let error = ErrorDetail::new(
                ErrorCode::CoordinatorUnavailable,
                format!("the log was not read: {reason}"),
            );
            error.retry_after_ms(500)
        });
        let outcome = answer
            .and_then(|lines| recall.answer(lines))
            .and_then(|recalled| match recalled {
                Recalled::At(fsm) => api::encoded(&fsm),
                Recalled::History(page) => api::encoded(&page),
            });
        Some(reply(request, outcome))
    }

    /// The session is over: nobody reads any more.
    pub(crate) fn clear(&mut self) {
        self.under_way.clear();
    }
}

fn reply(request: Request, outcome: Result<Vec<u8>, ErrorDetail>) -> Effect {
    Effect::Reply(Reply {
        to: request.reply,
        method: request.method,
        outcome,
    })
}
