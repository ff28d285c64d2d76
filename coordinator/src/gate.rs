//! The way from HTTP requests to the event loop and back: questions to the machine, looks at it, and verdicts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wagglebus_coordinator_core::{Machine, Reply, ReplyTo, Request};
use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::subject::ApiMethod;

use crate::verdicts::Verdicts;

/// Calls that may wait for the event loop; further callers wait in front of it.
const CALLS_MAX: usize = 1_024;
/// How long a caller waits for an answer: a room is changed within that time, or not at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How a local answer's place begins: no reply subject of NATS has a space.
const LOCAL: &str = "local ";

type Outcome = Result<Vec<u8>, ErrorDetail>;
type Look = Box<dyn FnOnce(&Machine) + Send>;

/// What a request asks of the event loop.
enum Call {
    /// A question of the API.
    Ask {
        method: ApiMethod,
        from: AgentId,
        body: Vec<u8>,
        answer: oneshot::Sender<Outcome>,
    },
    /// A look at the machine.
    Look(Look),
}

/// The requests' end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    calls: mpsc::Sender<Call>,
    verdicts: Arc<Verdicts>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(…)")
    }
}

/// The event loop's end.
pub(crate) struct GateEnd {
    calls: mpsc::Receiver<Call>,
    verdicts: Arc<Verdicts>,
    asked: BTreeMap<u64, oneshot::Sender<Outcome>>,
    last: u64,
}

/// What the event loop has to do for a request.
pub(crate) enum Wish {
    /// Let the machine answer.
    Ask(Request),
    /// Lend the machine.
    Look(Look),
}

impl Gate {
    /// Both ends.
    pub(crate) fn new() -> (Self, GateEnd) {
        let (calls, received) = mpsc::channel(CALLS_MAX);
        let verdicts = Arc::new(Verdicts::default());
        let end = GateEnd {
            calls: received,
            verdicts: verdicts.clone(),
            asked: BTreeMap::new(),
            last: 0,
        };
        (Self { calls, verdicts }, end)
    }

    /// The answer to a question of the API, as if `from` had asked it over NATS.
    ///
    /// # Errors
    /// The machine's refusal, or that the event loop does not answer.
    pub(crate) async fn ask(&self, method: ApiMethod, from: AgentId, body: Vec<u8>) -> Outcome {
        self.call(|answer| Call::Ask {
            method,
            from,
            body,
            answer,
        })
        .await?
    }

    /// What `look` finds in the machine.
    ///
    /// # Errors
    /// When the event loop does not answer.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, ErrorDetail> {
        self.call(|answer| {
            Call::Look(Box::new(move |machine| {
                // A caller that has gone needs no answer.
                answer.send(look(machine)).ok();
            }))
        })
        .await
    }

    /// Where verdicts on commands are awaited.
    pub(crate) const fn verdicts(&self) -> &Arc<Verdicts> {
        &self.verdicts
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, ErrorDetail> {
        let (answer, answered) = oneshot::channel();
        let call = call(answer);
        let asking = async {
            self.calls.send(call).await.ok()?;
            answered.await.ok()
        };
        timeout(ANSWER_WITHIN, asking)
            .await
            .ok()
            .flatten()
            .ok_or_else(unanswered)
    }
}

fn unanswered() -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::CoordinatorUnavailable,
        "the coordinator did not answer in time",
    )
    .retry_after_ms(1_000)
}

impl GateEnd {
    /// The next wish; never, when nobody can have one any more. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Wish {
        match self.calls.recv().await {
            Some(Call::Ask {
                method,
                from,
                body,
                answer,
            }) => {
                // Who asked for what is never answered has gone by now.
                self.asked.retain(|_, answer| !answer.is_closed());
                self.last += 1;
                self.asked.insert(self.last, answer);
                Wish::Ask(Request {
                    method,
                    from,
                    body,
                    reply: ReplyTo(format!("{LOCAL}{}", self.last)),
                })
            }
            Some(Call::Look(look)) => Wish::Look(look),
            None => std::future::pending().await,
        }
    }

    /// Gives an answer to the request that waits for it. An answer for somebody else comes back.
    pub(crate) fn answer(&mut self, reply: Reply) -> Option<Reply> {
        let Some(number) = reply.to.0.strip_prefix(LOCAL) else {
            return Some(reply);
        };
        let answer = number
            .parse()
            .ok()
            .and_then(|number: u64| self.asked.remove(&number));
        if let Some(answer) = answer {
            answer.send(reply.outcome).ok();
        }
        None
    }

    /// Where verdicts on commands are awaited.
    pub(crate) fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_goes_to_who_asked_and_others_come_back() {
        let (gate, mut end) = Gate::new();
        let asking = tokio::spawn({
            let gate = gate.clone();
            async move {
                gate.ask(ApiMethod::Agents, AgentId::operator(), b"{}".to_vec())
                    .await
            }
        });
        let Wish::Ask(request) = end.next().await else {
            panic!("a question")
        };
        let reply = |to: ReplyTo| Reply {
            to,
            method: ApiMethod::Agents,
            outcome: Ok(b"[]".to_vec()),
        };
        assert!(end.answer(reply(ReplyTo("_INBOX.x".to_owned()))).is_some());
        assert!(end.answer(reply(request.reply.clone())).is_none());
        assert_eq!(asking.await.unwrap(), Ok(b"[]".to_vec()));
        assert!(
            end.answer(reply(request.reply)).is_none(),
            "nobody waits any more"
        );
    }
}
