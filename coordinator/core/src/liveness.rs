//! The life signs of one agent's sidecar, and what presence follows from them.

use std::collections::BTreeSet;

use wagglebus_schemas::Timestamp;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::state::{Presence, SessionState};

use crate::attention::Attended;

/// Silence after which an agent is suspect: two heartbeats of 3 s missed, and half a second for the network.
///
/// The bounds are ours (DESIGN 3.6) and not derived from the heartbeat's own `interval_ms`: an agent must not be able to
/// put off being missed.
pub const SUSPECT_MS: u64 = 6_500;
/// Silence after which an agent is lost: three heartbeats missed.
pub const LOST_MS: u64 = 10_000;
/// Time after which a lost connection without a sign of a new one means that the agent is lost.
pub const CUT_MS: u64 = 3_000;
/// For how long what an agent declared counts as known after its last heartbeat, in milliseconds. Who is lost gets no
/// work at once; until then a task that needs it waits for its return, afterwards the capability is unknown.
pub const DECLARED_MS: u64 = 3_600_000;
/// By how much a heartbeat may overtake the notice of the connection that it came over: the two travel on different ways.
const OVERTAKE_MS: u64 = 1_000;
/// Most connections of one agent that are remembered; the server itself allows two (TOPOLOGY 5).
const CONNECTIONS_MAX: usize = 8;

/// A connection to a server of the bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// The server's id.
    pub server: String,
    /// The connection's number at that server.
    pub id: u64,
}

/// The last heartbeat and when it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// What it says.
    pub heartbeat: Heartbeat,
    /// When it arrived, by the attention clock.
    pub arrived: Attended,
    /// When it arrived, for display.
    pub seen: Timestamp,
}

/// All life signs of one agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vitals {
    beat: Option<Beat>,
    /// Connections whose opening was reported and whose end was not.
    open: BTreeSet<Connection>,
    /// Since when heartbeats come though none is known to be open: one was opened before we listened.
    unseen: Option<Attended>,
    /// Since when no connection is open.
    cut: Option<Attended>,
}

impl Vitals {
    /// The last heartbeat.
    pub const fn beat(&self) -> Option<&Beat> {
        self.beat.as_ref()
    }

    /// Takes a heartbeat; false when it is stale and was ignored.
    ///
    /// (epoch, seq) must grow. After [`LOST_MS`] of silence the old pair binds nobody: epochs begin anew when the bucket
    /// of leases was made anew, and an agent must not stay invisible for that.
    pub fn hear(&mut self, beat: Beat) -> bool {
        let order = |heartbeat: &Heartbeat| (heartbeat.epoch, heartbeat.seq);
        if let Some(last) = &self.beat
            && beat.arrived.since(last.arrived) < LOST_MS
            && order(&beat.heartbeat) <= order(&last.heartbeat)
        {
            return false;
        }
        // The server reports a disconnect after everything that the connection had sent, so this came over another one.
        self.cut = None;
        if self.open.is_empty() {
            self.unseen.get_or_insert(beat.arrived);
        }
        self.beat = Some(beat);
        true
    }

    /// The server reports a new connection. A heartbeat that came just before came over it.
    pub fn opened(&mut self, connection: Connection, now: Attended) {
        self.cut = None;
        self.unseen = self.unseen.filter(|since| now.since(*since) >= OVERTAKE_MS);
        if self.open.len() < CONNECTIONS_MAX {
            self.open.insert(connection);
        }
    }

    /// The server reports that a connection ended: perhaps not the sidecar's (enrolment tries the key, a takeover has two).
    pub fn closed(&mut self, connection: &Connection, now: Attended) {
        if !self.open.remove(connection) {
            self.unseen = None;
        }
        if self.open.is_empty() && self.unseen.is_none() {
            self.cut.get_or_insert(now);
        }
    }

    /// Forgets all connections: while we were cut off, notices were missed.
    pub fn forget_connections(&mut self) {
        self.open.clear();
        self.unseen = None;
        self.cut = None;
    }

    /// Whether the agent is there.
    pub fn presence(&self, now: Attended) -> Presence {
        let Some(beat) = &self.beat else {
            return Presence::Never;
        };
        let silent = now.since(beat.arrived);
        let cut = self.cut.is_some_and(|cut| now.since(cut) >= CUT_MS);
        if beat.heartbeat.state == SessionState::Gone || cut || silent >= LOST_MS {
            Presence::Lost
        } else if silent >= SUSPECT_MS {
            Presence::Suspect
        } else {
            Presence::Alive
        }
    }

    /// When what it declared ends, if nothing more is heard. What was heard before we listened counts from our start on.
    pub fn declared_until(&self) -> Attended {
        let heard = self.beat.as_ref().map(|beat| beat.arrived);
        heard.unwrap_or_default().after(DECLARED_MS)
    }

    /// When presence will change if nothing more is heard; `None` when it will not.
    pub fn next_change(&self, now: Attended) -> Option<Attended> {
        let beat = self.beat.as_ref()?;
        let silence = match self.presence(now) {
            Presence::Alive => beat.arrived.after(SUSPECT_MS),
            Presence::Suspect => beat.arrived.after(LOST_MS),
            Presence::Lost | Presence::Never => return None,
        };
        let cut = self.cut.map(|cut| cut.after(CUT_MS));
        Some(cut.map_or(silence, |cut| cut.min(silence)))
    }
}
