//! What a coordination is given, and what it asks for.

use serde_json::{Map, Value};
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::stream::Bucket;
use wagglebus_schemas::{AgentId, Id, Message, Timestamp};

use super::election::{Revision, Written};
use super::renewed::Shortened;
use super::unreadable::{Record, Unreadable};
use crate::alert::{AlertNews, AlertOrder};
use crate::attention::Now;
use crate::log::World;
use crate::log::letter::Letter;
use crate::log::post::Origin;
use crate::roster::Roster;
use crate::task::{Ask, FreshIds};

/// What the coordination asks of the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Append these events, in order, if the log's last sequence is still `after`; then report
    /// [`super::Coordination::appended`].
    Append {
        /// What the log's last sequence must be.
        after: u64,
        /// The events.
        events: Vec<Event>,
    },
    /// Publish a record, until it is stored; then report [`News::Published`].
    Publish(Letter),
    /// Read this record of a stream, and report it as [`News::ReadAgain`].
    ReadAgain(Origin),
    /// Tell whoever waits here for this record: it follows from a line that another one stored, and who publishes.
    Heard(Letter),
    /// Report each record of these streams after these sequences: commands as [`News::Asked`], messages to the coordinator
    /// as [`News::Told`], receipts to it as [`News::Noted`].
    Listen {
        /// The last decided command.
        commands: u64,
        /// The last decided message.
        messages: u64,
        /// The last receipt that changed something.
        receipts: u64,
    },
    /// Report no more of them.
    StopListening,
    /// Read the log from its beginning: what was thought of it was not stored.
    Reread,
    /// Give up the lease: somebody else may be able to write the log. Whoever runs the election does it.
    Resign,
    /// Count that a machine of this kind is in this state now: it is stored.
    Moved((EventKind, String)),
    /// Something for alerts.
    Alerts(AlertOrder),
    /// Log something that no answer tells.
    Warn(String),
    /// Tell what the views of the log hold, as [`News::Surveyed`].
    Survey,
    /// Write these records into the views, then report [`News::Projected`].
    Project(Vec<Row>),
}

/// A record of a view of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where.
    pub place: Place,
    /// The event after which it was like this.
    pub event_seq: u64,
    /// The record; `None`: there is to be nothing.
    pub record: Option<Map<String, Value>>,
    /// Whether it is to replace one of a later event, too: such a one is of another log.
    pub force: bool,
}

/// A key of a view: its bucket and its name there.
pub type Place = (Bucket, String);

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// All is stored; the last one has this sequence.
    Stored(u64),
    /// The log's last sequence is another one: somebody else wrote.
    Refused,
    /// The server will never take them.
    Impossible,
}

/// What a step may use.
pub struct Desk<'a> {
    /// The time.
    pub now: Now,
    /// Who is there.
    pub roster: &'a Roster,
    /// Fresh ids.
    pub ids: &'a mut dyn FreshIds,
    /// What shall be done, in order.
    pub orders: &'a mut Vec<Order>,
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A message to the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its sequence in `WB_MESSAGES`.
    pub seq: u64,
    /// The message, as it agrees with its envelope.
    pub message: Message,
}

/// A message to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Its sequence in `WB_MESSAGES`.
    pub seq: u64,
    /// Its id.
    pub id: Id,
    /// Who wrote it, as the subject and thereby the server says.
    pub from: AgentId,
    /// When it was written.
    pub at: Timestamp,
}

/// A receipt about a notice of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Its sequence in `WB_RECEIPTS`.
    pub seq: u64,
    /// Its own id.
    pub id: Id,
    /// The notice.
    pub notice: Id,
    /// Who reports, as the subject and thereby the server says.
    pub from: AgentId,
    /// How far it came.
    pub level: ReceiptLevel,
    /// Through which bridge, as far as the receipt says.
    pub bridge: Option<Bridge>,
}

/// What happened to the log, the commands or the lease.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A line of the log was read.
    Logged {
        /// In which reading of the log: what an earlier one still tells does not count.
        reading: u64,
        /// Its sequence.
        seq: u64,
        /// The line, or why it cannot be read.
        line: Result<Box<Event>, String>,
    },
    /// The log was read to its end.
    CaughtUp {
        /// In which reading of the log.
        reading: u64,
        /// Its last sequence.
        last: u64,
    },
    /// An append ended.
    Appended {
        /// What it was to come after.
        after: u64,
        /// What became of it.
        outcome: Appended,
    },
    /// These records are stored, or will never be: their stream refuses them for good.
    Published(Vec<Id>),
    /// A command was read.
    Asked(Box<Ask>),
    /// A message to the coordinator was read.
    Told(Box<Told>),
    /// A message to everybody was read.
    Announced(Announced),
    /// A receipt about a notice of the coordinator was read.
    Noted(Noted),
    /// A record of a stream that is listened to cannot be read.
    Unreadable(Box<Unreadable>),
    /// A stream that is listened to ends before the place up to which it was read.
    Shortened(Shortened),
    /// A record was read again; `None`: it is not there any more.
    ReadAgain(Origin, Option<Box<Record>>),
    /// Some of what the views hold: each key with the event that its record is of, 0 where that cannot be read.
    Surveyed {
        /// In which reading of the log it was ordered.
        reading: u64,
        /// The keys.
        found: Vec<(Place, u64)>,
        /// Whether these are the last ones.
        ended: bool,
    },
    /// Records were written into the views.
    Projected {
        /// In which reading of the log they were ordered.
        reading: u64,
        /// Those that were not.
        failed: Vec<Place>,
    },
    /// A snapshot was read: what the log says up to a line.
    Restored {
        /// In which reading of the log.
        reading: u64,
        /// What it says.
        world: Box<World>,
    },
    /// Lines of the log are gone, and no snapshot that can be read tells of them.
    Incomplete {
        /// In which reading of the log.
        reading: u64,
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// Something happened that alerts are about.
    Alerts(AlertNews),
    /// The lease was read; `None` when that did not work.
    LeaseSeen(Option<Revision>),
    /// The lease was written, or not.
    LeaseWrote(Written),
}
