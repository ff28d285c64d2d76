//! What the log says of what was published: how far all of it is stored, and which dead letters may not be (ADR 0051).
//!
//! What a leader ordered to be published may be lost with it. Its successor publishes again what the log does not say to be
//! stored, whatever any clock says.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wagglebus_schemas::event::{Event, EventKind};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::Stream;
use wagglebus_schemas::{AgentId, Id, Timestamp};

use super::letter::Letter;

/// The word of a line that says up to where messages were read.
pub const READ: &str = "read";
/// The word of a line that says only what was published.
pub const PUBLISHED: &str = "published";
/// In the data of a leader's first line: it tells what it published. One of an older release does not, and what follows from
/// its lines is not waited for.
pub const TELLS: &str = "tells_published";

/// A record of a stream that the leader listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// Where it lies.
    pub stream: Stream,
    /// Its sequence there.
    pub seq: u64,
}

/// A dead letter about a record that cannot be read: what it needs beside the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The record.
    #[serde(flatten)]
    pub origin: Origin,
    /// Id of the dead letter.
    pub letter: Id,
    /// Id of the receipt for its sender, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Id>,
    /// Whether it is no record at all, or contradicts itself.
    pub reason: DeadReason,
    /// What exactly is wrong.
    pub detail: String,
    /// When it was read first.
    pub at: Timestamp,
}

/// What the `data` of the leader's line about itself holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PostData {
    /// All that follows from lines up to this one is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<u64>,
    /// Dead letters that are not known to be stored, of records that later lines pass over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<Owed>,
    /// Records of such dead letters as are stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Origin>,
}

/// A record that followed from a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// The line.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// The record.
    pub letter: Letter,
}

/// The fold: what is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Post {
    /// The leader tells what it published.
    told: bool,
    unpublished: VecDeque<Following>,
    bytes: usize,
    owed: BTreeMap<Stream, BTreeMap<u64, Owed>>,
}

impl Post {
    /// What follows from the log and may not be stored, the oldest first.
    pub fn unpublished(&self) -> impl Iterator<Item = &Following> {
        self.unpublished.iter()
    }

    /// How many bytes that is.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first line of which something follows that may not be stored.
    pub fn first_unpublished(&self) -> Option<u64> {
        self.unpublished.front().map(|following| following.seq)
    }

    /// Dead letters that may not be stored, of records that the log is past.
    pub fn owed(&self) -> impl Iterator<Item = &Owed> {
        self.owed.values().flat_map(BTreeMap::values)
    }

    /// Takes note of what follows from a line, and gives back what is not to be waited for.
    pub(super) fn follow(&mut self, seq: u64, at: Timestamp, letters: &[Letter]) -> Vec<Following> {
        let following = letters.iter().map(|letter| Following {
            seq,
            at,
            letter: letter.clone(),
        });
        if !self.told {
            return following.collect();
        }
        for following in following {
            self.bytes += following.letter.body.len();
            self.unpublished.push_back(following);
        }
        Vec::new()
    }

    /// A stream is another one behind this sequence: what was owed for its records cannot be made of others.
    pub(super) fn renewed(&mut self, stream: Stream, decided: u64) {
        if let Some(of_stream) = self.owed.get_mut(&stream) {
            of_stream.retain(|seq, _| *seq <= decided);
        }
        self.owed.retain(|_, of_stream| !of_stream.is_empty());
    }

    /// Lets a line about a leader or conversations happen, and gives back what is known to be stored by it.
    ///
    /// # Errors
    /// Why its data cannot be read.
    pub(super) fn apply(&mut self, event: &Event) -> Result<Vec<Following>, String> {
        if event.entity == EventKind::Leader {
            self.told = event.data.get(TELLS).and_then(Value::as_bool) == Some(true);
            return Ok(Vec::new());
        }
        let own = event.entity_id == AgentId::coordinator().as_str();
        if !own || ![READ, PUBLISHED].contains(&event.event.as_str()) {
            return Ok(Vec::new());
        }
        let data =
            PostData::deserialize(Value::Object(event.data.clone())).map_err(|error| error.to_string())?;
        for owed in data.owed {
            let of_stream = self.owed.entry(owed.origin.stream).or_default();
            of_stream.insert(owed.origin.seq, owed);
        }
        for Origin { stream, seq } in data.settled {
            if let Some(of_stream) = self.owed.get_mut(&stream) {
                of_stream.remove(&seq);
            }
        }
        self.owed.retain(|_, of_stream| !of_stream.is_empty());
        let published = data.published.unwrap_or(0);
        let mut stored = Vec::new();
        while let Some(following) = self.unpublished.pop_front_if(|next| next.seq <= published) {
            self.bytes -= following.letter.body.len();
            stored.push(following);
        }
        Ok(stored)
    }
}
