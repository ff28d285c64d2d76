//! The gate: how bridges reach the event loop. Cheap to clone; everything a bridge may ask for goes through here.

mod reader;
mod submitted;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use wagglebus_schemas::api::{AckAnswer, NakAnswer, ProgressAnswer, SendAnswer};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{AgentId, Draft, Id, Level, RoomName};
use wagglebus_sidecar_core::effect::{Answer, Handed};
use wagglebus_sidecar_core::event::{Event, ReaderId, ReaderKind, SendRequest, TakeRequest, Token, Verb};
use wagglebus_sidecar_core::machine::Sidecar;
use wagglebus_sidecar_core::now::Now;

pub(crate) use reader::{Reader, ReaderItem};
pub(crate) use submitted::Submitted;
pub(crate) use tasks::{CommandSent, TaskOutcome, VERDICT_WITHIN};

use crate::roster::{Resolved, Roster};
use crate::storage::Storage;

/// Calls that may wait for the event loop; more make their callers wait.
const CALLS_MAX: usize = 1_024;

/// What the event loop lends to a look at its state.
pub(crate) struct Inspection<'a> {
    /// The machine.
    pub(crate) sidecar: &'a Sidecar,
    /// The spool, for bodies.
    pub(crate) storage: &'a Storage,
    /// The time.
    pub(crate) now: Now,
}

/// A call into the event loop.
pub(crate) enum Call {
    /// An event that somebody waits for an answer to.
    Ask {
        event: Event,
        token: Token,
        answer: oneshot::Sender<Answer>,
    },
    /// A look at the state.
    Inspect(Box<dyn FnOnce(&Inspection<'_>) + Send>),
    /// A stream reader.
    Open {
        reader: ReaderId,
        kind: ReaderKind,
        items: mpsc::Sender<ReaderItem>,
    },
}

/// The event loop's ends of the gate.
pub(crate) struct GateEnds {
    pub(crate) calls: mpsc::Receiver<Call>,
    /// Events that must not wait: something ended.
    pub(crate) endings: mpsc::UnboundedReceiver<Event>,
}

/// A bridge's way to the event loop.
#[derive(Clone)]
pub(crate) struct Gate {
    calls: mpsc::Sender<Call>,
    endings: mpsc::UnboundedSender<Event>,
    names: Arc<AtomicU64>,
    roster: Roster,
}

impl Gate {
    pub(crate) fn new(roster: Roster) -> (Self, GateEnds) {
        let (calls, calls_end) = mpsc::channel(CALLS_MAX);
        let (endings, endings_end) = mpsc::unbounded_channel();
        let gate = Self {
            calls,
            endings,
            names: Arc::new(AtomicU64::new(1)),
            roster,
        };
        (
            gate,
            GateEnds {
                calls: calls_end,
                endings: endings_end,
            },
        )
    }

    fn name(&self) -> u64 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a draft and waits for its answer. `park` accepts a recipient that nobody knows.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn send(
        &self,
        draft: Draft,
        idempotency_key: Option<String>,
        wait: Option<Level>,
        timeout: Duration,
        park: bool,
    ) -> Result<SendAnswer, ErrorDetail> {
        self.submit(draft, idempotency_key, wait, timeout, park)
            .await?
            .answer()
            .await
    }

    /// Hands a draft over; drafts that are submitted one after another are sent in that order.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn submit(
        &self,
        draft: Draft,
        idempotency_key: Option<String>,
        wait: Option<Level>,
        timeout: Duration,
        park: bool,
    ) -> Result<Submitted, ErrorDetail> {
        // A repeat has its recipient: it may meanwhile be gone, or be chosen otherwise.
        let resolved = if self.is_known(draft.id, idempotency_key.clone()).await? {
            Resolved::Parked
        } else {
            self.roster.resolve(&draft.to_agent, park, wait).await?
        };
        let unverified = matches!(resolved, Resolved::Unverified);
        let stale = matches!(resolved, Resolved::Stale(_));
        let addressee = match resolved {
            Resolved::Agent(agent) | Resolved::Stale(agent) => Some(agent),
            Resolved::Room | Resolved::Unverified | Resolved::Parked => None,
        };
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let event = |token| {
            Event::Send(Box::new(SendRequest {
                token,
                draft,
                addressee,
                idempotency_key,
                unverified,
                wait,
                timeout_ms,
            }))
        };
        Ok(Submitted {
            asked: self.begin(event).await?,
            stale,
        })
    }

    /// Whether a message was sent under this id or key before.
    async fn is_known(&self, id: Option<Id>, idempotency_key: Option<String>) -> Result<bool, ErrorDetail> {
        if id.is_none() && idempotency_key.is_none() {
            return Ok(false);
        }
        let look = move |inspection: &Inspection<'_>| {
            let ledger = inspection.sidecar.ledger();
            let named = idempotency_key.and_then(|key| ledger.sent_under(&key));
            id.or(named).is_some_and(|id| ledger.sent(&id).is_some())
        };
        self.inspect(look).await
    }

    /// Puts the agent into a room, or takes it out of it.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn change_room(&self, room: &RoomName, join: bool) -> Result<Value, ErrorDetail> {
        let changed = self.roster.change_room(room, join).await;
        // Also after an error: without an answer it may be done.
        self.endings.send(Event::RoomChanged { room: room.clone() }).ok();
        changed
    }

    /// Takes messages: waits up to `timeout` for the first, then answers with all that are there, up to `max`.
    ///
    /// Dropping the future gives the messages back.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn take(
        &self,
        max: usize,
        timeout: Duration,
        lease: Duration,
    ) -> Result<Vec<Handed>, ErrorDetail> {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let take = |token| {
            Event::Take(TakeRequest {
                token,
                max,
                timeout_ms: ms(timeout),
                lease_ms: ms(lease),
            })
        };
        let Answer::Messages(messages) = self.ask(take).await? else {
            return Err(unexpected());
        };
        Ok(messages)
    }

    /// Acknowledges a message; without a lease the current one is meant.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn ack(
        &self,
        id: Id,
        lease: Option<String>,
        done: bool,
    ) -> Result<AckAnswer, ErrorDetail> {
        let Answer::Acked(answer) = self.verb(id, lease, Verb::Ack { done }).await? else {
            return Err(unexpected());
        };
        Ok(answer)
    }

    /// Ends a message that the agent has read by another way than a hand-over.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn read_elsewhere(&self, id: Id, from: AgentId) -> Result<AckAnswer, ErrorDetail> {
        let Answer::Acked(answer) = self.verb(id, None, Verb::ReadElsewhere { from }).await? else {
            return Err(unexpected());
        };
        Ok(answer)
    }

    /// Gives a message back, to come again after `delay_ms`.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn nak(
        &self,
        id: Id,
        lease: Option<String>,
        delay_ms: u64,
        reason: Option<String>,
    ) -> Result<NakAnswer, ErrorDetail> {
        let Answer::Naked(answer) = self.verb(id, lease, Verb::Nak { delay_ms, reason }).await? else {
            return Err(unexpected());
        };
        Ok(answer)
    }

    /// Extends a lease to `extend_ms` from now.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn progress(
        &self,
        id: Id,
        lease: Option<String>,
        extend_ms: u64,
    ) -> Result<ProgressAnswer, ErrorDetail> {
        let Answer::Extended(answer) = self.verb(id, lease, Verb::Progress { extend_ms }).await? else {
            return Err(unexpected());
        };
        Ok(answer)
    }

    /// Looks at the machine and the spool.
    ///
    /// # Errors
    /// When the event loop has ended.
    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Inspection<'_>) -> T + Send + 'static,
    ) -> Result<T, ErrorDetail> {
        let (answer, answered) = oneshot::channel();
        let call = Call::Inspect(Box::new(move |inspection| {
            // The caller may be gone; then nobody wants the answer.
            answer.send(look(inspection)).ok();
        }));
        self.calls.send(call).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }

    /// Opens a stream reader.
    ///
    /// # Errors
    /// When the event loop has ended.
    pub(crate) async fn open(&self, kind: ReaderKind) -> Result<Reader, ErrorDetail> {
        let reader = ReaderId(self.name());
        // Room for all that it may hold and for some receipts, so that the event loop never waits.
        let (items, receiver) = mpsc::channel(kind.slots.saturating_add(64));
        self.calls
            .send(Call::Open { reader, kind, items })
            .await
            .map_err(|_| ended())?;
        Ok(Reader::new(reader, receiver, self.endings.clone()))
    }

    /// Who exists, for the API's roster paths.
    pub(crate) const fn roster(&self) -> &Roster {
        &self.roster
    }

    async fn verb(&self, id: Id, lease: Option<String>, verb: Verb) -> Result<Answer, ErrorDetail> {
        self.ask(|token| Event::Verb {
            token,
            id,
            lease,
            verb,
        })
        .await
    }

    async fn ask(&self, event: impl FnOnce(Token) -> Event) -> Result<Answer, ErrorDetail> {
        self.begin(event).await?.answer().await
    }

    async fn begin(&self, event: impl FnOnce(Token) -> Event) -> Result<Asked, ErrorDetail> {
        let token = Token(self.name());
        let (answer, answered) = oneshot::channel();
        let ending = Ending {
            event: Some(Event::Gone { token }),
            endings: self.endings.clone(),
        };
        self.calls
            .send(Call::Ask {
                event: event(token),
                token,
                answer,
            })
            .await
            .map_err(|_| ended())?;
        Ok(Asked { answered, ending })
    }
}

/// A request that was handed over.
struct Asked {
    answered: oneshot::Receiver<Answer>,
    ending: Ending,
}

impl Asked {
    async fn answer(self) -> Result<Answer, ErrorDetail> {
        let Self { answered, mut ending } = self;
        let answer = answered.await.map_err(|_| ended())?;
        ending.event = None;
        if let Answer::Error(error) = answer {
            Err(error)
        } else {
            Ok(answer)
        }
    }
}

/// Tells the event loop that a caller went away before its answer.
struct Ending {
    event: Option<Event>,
    endings: mpsc::UnboundedSender<Event>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.endings.send(event).ok();
        }
    }
}

fn ended() -> ErrorDetail {
    ErrorDetail::new(ErrorCode::Draining, "the sidecar is shutting down")
}

/// The machine answers each kind of request with its own kind of answer, so this is a bug of ours.
fn unexpected() -> ErrorDetail {
    ErrorDetail::new(
        ErrorCode::Draining,
        "the sidecar answered another question than was asked; please report this",
    )
}
