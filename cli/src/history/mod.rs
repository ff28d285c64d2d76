//! What agents wrote to each other: out of the stream where it can be read, else out of an agent's own sidecar.

mod acknowledged;
pub(crate) mod back;
mod spool;
mod stream;

use serde_json::Value;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::{AgentId, Id, Message, Timestamp};

pub(crate) use spool::since as spooled_since;
pub(crate) use stream::Archive;
use stream::Search;

use crate::failure::Failure;
use crate::filter::Filter;
use crate::reader::Reader;
use crate::session::Session;
use crate::target::BusArgs;

/// A message that is kept somewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) message: Message,
    /// As published, but `acknowledged` is true once its recipient has settled it, as far as that is known.
    pub(crate) body: Value,
    /// When it was stored; out of a spool: when it was accepted.
    pub(crate) at: Timestamp,
}

/// Messages, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    pub(crate) items: Vec<Kept>,
    /// There is or may be more before it.
    pub(crate) more: bool,
    /// Nothing that was stored before then was looked at, because enough was looked at.
    pub(crate) searched_to: Option<Timestamp>,
}

/// Where messages are looked up.
#[derive(Debug)]
pub(crate) enum Source {
    /// The hive's stream.
    Stream(Archive),
    /// The agent's own sidecar, and why not the stream.
    Spool(Option<String>),
}

impl Source {
    /// The stream of the bus that is named or runs here, else the sidecar of who asks. `own`: that sidecar and nothing
    /// else.
    ///
    /// # Errors
    /// When a bus is named and cannot be used.
    pub(crate) async fn open(session: &Session, bus: &BusArgs, own: bool) -> Result<Self, Failure> {
        if own {
            return Ok(Self::Spool(None));
        }
        match bus.connect(session, BusUser::Inspector).await {
            Ok(connection) => Ok(Self::Stream(Archive::new(
                session.places(),
                Reader::new(connection),
            ))),
            Err(failure) if bus.is_named(session)? => Err(failure),
            Err(failure) => Ok(Self::Spool(Some(failure.what()))),
        }
    }

    /// The newest messages of an agent that the filter takes.
    ///
    /// # Errors
    /// When the source does not answer.
    pub(crate) async fn of(
        &self,
        session: &Session,
        agent: &AgentId,
        filter: &Filter,
        limit: usize,
    ) -> Result<History, Failure> {
        match self {
            Self::Stream(archive) => archive.of(agent, filter, limit).await,
            Self::Spool(_) => spool::of(&session.client()?, filter, limit).await,
        }
    }

    /// The newest messages of everybody that the filter takes.
    ///
    /// # Errors
    /// When the stream cannot be read from here, or does not answer.
    pub(crate) async fn all(&self, filter: &Filter, limit: usize) -> Result<History, Failure> {
        match self {
            Self::Stream(archive) => archive.all(filter, limit).await,
            Self::Spool(why) => {
                let failure = Failure::refused_text("a sidecar keeps the messages of its own agent only");
                let why = why.clone().unwrap_or_default();
                Err(failure
                    .why(why)
                    .fix("name a bus that you may read: --server URL or --context NAME"))
            }
        }
    }

    /// The message of this id, whoever wrote it.
    ///
    /// # Errors
    /// `not_found`; when it was not looked for far enough back; or when the source does not answer.
    pub(crate) async fn find(&self, session: &Session, id: Id) -> Result<Kept, Failure> {
        let nearby = spool::find(session, id).await;
        match (nearby, self) {
            (Ok(Some(kept)), _) => Ok(kept),
            (_, Self::Stream(archive)) => match archive.find(id).await? {
                Search::Found(kept) => Ok(*kept),
                Search::Missing => Err(unknown(id)),
                Search::NotFarther(at) => Err(not_farther(id, at)),
            },
            (Ok(None), Self::Spool(_)) => Err(unknown(id)),
            (Err(failure), Self::Spool(_)) => Err(failure),
        }
    }

    /// Which one it is, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Stream(archive) => format!("from {}", archive.stream()),
            Self::Spool(None) => "from the sidecar's own spool, which keeps 48 hours".into(),
            Self::Spool(Some(why)) => {
                format!("from the sidecar's own spool, which keeps 48 hours; the bus cannot be read: {why}")
            }
        }
    }
}

fn unknown(id: Id) -> Failure {
    Failure::contract(
        wagglebus_schemas::error::ErrorCode::NotFound,
        format!("no message {id} is found"),
    )
    .fix("look for it by its text or partner: wagglebus history --grep TEXT --with AGENT")
}

/// It may be there: exit 1, which is not `not_found`.
fn not_farther(id: Id, at: Timestamp) -> Failure {
    Failure::failed(format!("message {id} was looked for back to {at}, not farther"))
        .why("so many messages were stored since then")
        .fix(format!(
            "look farther back: wagglebus history --until {at} --with AGENT; \
             then answer with: wagglebus send AGENT -t response --conversation ID TEXT"
        ))
}
