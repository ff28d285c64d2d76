//! The sidecar's API as methods.

mod control;
mod dial;
mod machines;
mod tasks;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::api::{
    AckAnswer, AckRequest, InboxAnswer, InboxPeek, NakAnswer, NakRequest, Page, ProgressAnswer,
    ProgressRequest, ReadRequest, Readiness, Room, RoomAnswer, SendAnswer, Trace,
};
use wagglebus_schemas::id::Id;
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Draft, Level, Message, Recipient, RoomName};

use crate::discovery;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::exchange::{Answered, Call, Exchange};
use crate::query::Target;

/// How long an answer may take that the sidecar does not delay on purpose. A publish waits for its ack up to 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Items of one page of a list.
const PAGE_ITEMS: &str = "500";
/// The same number.
const PAGE_ITEMS_MAX: u32 = 500;

/// A client of one sidecar. Requests may overlap: each then has a connection of its own, which is kept.
#[derive(Debug)]
pub struct Client {
    exchange: Exchange,
}

/// How to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendOptions {
    /// Wait until the message has provably come this far; `None`: the sidecar's own default.
    pub wait: Option<Level>,
    /// How long to wait for it; `None`: the sidecar's own default.
    pub timeout: Option<Duration>,
    /// Accept a recipient that nobody knows yet.
    pub park: bool,
}

/// How to take messages out of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// At most this many, 1 to 32.
    pub max: u32,
    /// How long to wait for the first, at most 60 s.
    pub timeout: Duration,
    /// How long they stay the caller's, 5 s to one hour.
    pub lease: Duration,
}

impl Default for Take {
    fn default() -> Self {
        Self {
            max: 1,
            timeout: Duration::ZERO,
            lease: Duration::from_secs(60),
        }
    }
}

/// Which page of a list of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paging<'a> {
    /// The previous page's `next_cursor`; `None`: the first page.
    pub cursor: Option<&'a str>,
    /// From the newest message backwards, instead of from the oldest on.
    pub newest_first: bool,
    /// At most this many messages, 1 to 500; `None`: 500.
    pub limit: Option<u32>,
}

impl Client {
    /// A client of whatever listens there. Nothing is dialled yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            exchange: Exchange::new(endpoint),
        }
    }

    /// The client of the running sidecar of `agent` on this machine, over its socket.
    ///
    /// # Errors
    /// [`ClientError::NoSidecar`] when none runs.
    pub fn of_agent(places: &Places, agent: &AgentId) -> Result<Self, ClientError> {
        let file = discovery::sidecar(places, agent)?;
        Ok(Self::new(Endpoint::Unix(file.socket)))
    }

    /// Where it sends its requests.
    pub fn endpoint(&self) -> &Endpoint {
        self.exchange.endpoint()
    }

    /// Sends a message. With an `id` in the draft a broken exchange is repeated once, since the same id is never
    /// delivered twice; without one it is not.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `level_not_reached` when the message was accepted and the level was not reached
    /// in time; other refusals accepted nothing.
    pub async fn send(
        &self,
        draft: &Draft,
        options: SendOptions,
    ) -> Result<Answered<SendAnswer>, ClientError> {
        let mut target = Target::new("/v1/messages");
        if let Some(level) = options.wait {
            target = target.with("wait", level.as_str());
        }
        if let Some(timeout) = options.timeout {
            target = target.with_seconds("timeout", timeout);
        }
        if options.park {
            target = target.with("park", "true");
        }
        let within = ANSWER_WITHIN.saturating_add(options.timeout.unwrap_or_default());
        let mut call = self.post(target, draft, within)?;
        call.repeatable = draft.id.is_some();
        call.message = draft.id;
        self.exchange.json(&call).await
    }

    /// Takes messages out of the inbox under a lease; empty when none came in time. Never repeated: each take counts
    /// a hand-over.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn inbox(&self, take: Take) -> Result<Answered<InboxAnswer>, ClientError> {
        let target = Target::new("/v1/inbox")
            .with("max", &take.max.to_string())
            .with_seconds("timeout", take.timeout)
            .with_seconds("lease", take.lease);
        let mut call = Call::get(target, ANSWER_WITHIN.saturating_add(take.timeout));
        call.repeatable = false;
        self.exchange.json(&call).await
    }

    /// What waits for the agent; takes nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn peek(&self) -> Result<Answered<InboxPeek>, ClientError> {
        self.read(Target::new("/v1/inbox/peek")).await
    }

    /// Settles a message as done, or with `done: false` reports it as seen.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `lease_lost` or `not_found`, or any other.
    pub async fn ack(&self, id: Id, request: &AckRequest) -> Result<Answered<AckAnswer>, ClientError> {
        let mut call = self.post(Target::new(format!("/v1/inbox/{id}/ack")), request, ANSWER_WITHIN)?;
        // An equal repeat has the same answer (WIRE, Inbox).
        call.repeatable = true;
        self.exchange.json(&call).await
    }

    /// Ends a message that was read by another way than a hand-over: it is not handed over (again), and its sender hears
    /// `done`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `lease_lost` when it is in hand or dead, or any other.
    pub async fn read_elsewhere(
        &self,
        id: Id,
        request: &ReadRequest,
    ) -> Result<Answered<AckAnswer>, ClientError> {
        let mut call = self.post(
            Target::new(format!("/v1/inbox/{id}/read")),
            request,
            ANSWER_WITHIN,
        )?;
        call.repeatable = true;
        self.exchange.json(&call).await
    }

    /// Gives a message back, to be handed over again after a delay.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `lease_lost` or `not_found`, or any other.
    pub async fn nak(&self, id: Id, request: &NakRequest) -> Result<Answered<NakAnswer>, ClientError> {
        let call = self.post(Target::new(format!("/v1/inbox/{id}/nak")), request, ANSWER_WITHIN)?;
        self.exchange.json(&call).await
    }

    /// Says that a message is still worked on and extends its lease.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `lease_lost` or `not_found`, or any other.
    pub async fn progress(
        &self,
        id: Id,
        request: &ProgressRequest,
    ) -> Result<Answered<ProgressAnswer>, ClientError> {
        let mut call = self.post(
            Target::new(format!("/v1/inbox/{id}/progress")),
            request,
            ANSWER_WITHIN,
        )?;
        call.repeatable = true;
        self.exchange.json(&call).await
    }

    /// A sent or received message.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `not_found`, or any other.
    pub async fn message(&self, id: Id) -> Result<Answered<Message>, ClientError> {
        self.read(Target::new(format!("/v1/messages/{id}"))).await
    }

    /// How far a message came, and why not farther.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `not_found`, or any other.
    pub async fn trace(&self, id: Id) -> Result<Answered<Trace>, ClientError> {
        self.read(Target::new(format!("/v1/messages/{id}/trace"))).await
    }

    /// One page of what was sent and received in the last 48 hours, in the order of the stream; `with`: only what has
    /// this sender or recipient.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn messages(
        &self,
        with: Option<&Recipient>,
        paging: Paging<'_>,
    ) -> Result<Answered<Page<Message>>, ClientError> {
        let limit = paging.limit.unwrap_or(PAGE_ITEMS_MAX).to_string();
        let order = paging.newest_first.then_some("desc");
        let mut target = Target::new("/v1/messages").with("limit", &limit);
        for (name, value) in [
            ("with", with.map(Recipient::as_str)),
            ("order", order),
            ("cursor", paging.cursor),
        ] {
            if let Some(value) = value {
                target = target.with(name, value);
            }
        }
        self.read(target).await
    }

    /// One page of the roster; `cursor` is the previous page's `next_cursor`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn agents(&self, cursor: Option<&str>) -> Result<Answered<Page<Agent>>, ClientError> {
        let target = Target::new("/v1/agents").with("limit", PAGE_ITEMS);
        self.read(match cursor {
            Some(cursor) => target.with("cursor", cursor),
            None => target,
        })
        .await
    }

    /// One agent of the roster.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `unknown_agent`, or any other.
    pub async fn agent(&self, agent: &AgentId) -> Result<Answered<Agent>, ClientError> {
        self.read(Target::new(format!("/v1/agents/{agent}"))).await
    }

    /// One page of the rooms that somebody is in; `cursor` is the previous page's `next_cursor`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rooms(&self, cursor: Option<&str>) -> Result<Answered<Page<Room>>, ClientError> {
        let target = Target::new("/v1/rooms").with("limit", PAGE_ITEMS);
        self.read(match cursor {
            Some(cursor) => target.with("cursor", cursor),
            None => target,
        })
        .await
    }

    /// Puts the agent into a room, from now on; with `join` false takes it out of it. May be repeated.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_room(
        &self,
        room: &RoomName,
        join: bool,
    ) -> Result<Answered<RoomAnswer>, ClientError> {
        let verb = if join { "join" } else { "leave" };
        let target = Target::new(format!("/v1/rooms/{room}/{verb}"));
        let mut call = Call::post(target, Bytes::new(), ANSWER_WITHIN);
        call.repeatable = true;
        self.exchange.json(&call).await
    }

    /// Whether it lives: an answer at all.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn livez(&self) -> Result<(), ClientError> {
        self.exchange
            .ok(&Call::get(Target::new("/livez"), ANSWER_WITHIN))
            .await
            .map(|_| ())
    }

    /// Whether it can do its work, check by check. Not being ready is an answer, no error.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn readyz(&self) -> Result<Answered<Readiness>, ClientError> {
        let call = Call::get(Target::new("/readyz"), ANSWER_WITHIN);
        let reply = self.exchange.reply(&call).await?;
        let value = serde_json::from_slice(&reply.body)
            .map_err(|error| self.exchange.unexpected(&call, error.to_string()))?;
        Ok(Answered {
            value,
            body: reply.body,
        })
    }

    /// The checks of any program's `/readyz`, ready or not: `ok` or a reason, by their names.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn checks(&self) -> Result<BTreeMap<String, String>, ClientError> {
        #[derive(serde::Deserialize)]
        struct Said {
            checks: BTreeMap<String, String>,
        }
        let call = Call::get(Target::new("/readyz"), ANSWER_WITHIN);
        let reply = self.exchange.reply(&call).await?;
        let said: Said = serde_json::from_slice(&reply.body)
            .map_err(|error| self.exchange.unexpected(&call, error.to_string()))?;
        Ok(said.checks)
    }

    /// Its metrics in the text format of Prometheus.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let call = Call::get(Target::new("/metrics"), ANSWER_WITHIN);
        let body = self.exchange.ok(&call).await?;
        String::from_utf8(body.into()).map_err(|error| self.exchange.unexpected(&call, error.to_string()))
    }

    /// Any other JSON resource by its path, which must begin with `/`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<Answered<Value>, ClientError> {
        self.read(Target::new(path)).await
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, target: Target) -> Result<Answered<T>, ClientError> {
        self.exchange.json(&Call::get(target, ANSWER_WITHIN)).await
    }

    fn post(&self, target: Target, body: &impl Serialize, within: Duration) -> Result<Call, ClientError> {
        let encoded = serde_json::to_vec(body).map(Bytes::from);
        let call = Call::post(target, Bytes::new(), within);
        match encoded {
            Ok(body) => Ok(Call {
                body: Some(body),
                ..call
            }),
            Err(error) => Err(self
                .exchange
                .unexpected(&call, format!("it cannot be encoded: {error}"))),
        }
    }
}
