//! The coordinator's machine: routes each event to the part that decides, and owns no rule of its own.

use crate::api;
use crate::attention::{Attended, Attention, Now};
use crate::effect::{Effect, Reply};
use crate::event::{Event, Request};
use crate::resolve::Myself;
use crate::roster::Roster;

/// All state of a coordinator. Same state, time and event always give the same effects.
#[derive(Debug, Clone)]
pub struct Machine {
    myself: Myself,
    attention: Attention,
    roster: Roster,
    next_wake_ms: Option<u64>,
}

impl Machine {
    /// A coordinator that knows nobody yet and hears nothing before [`Event::BusUp`].
    pub fn new(myself: Myself) -> Self {
        Self {
            myself,
            attention: Attention::default(),
            roster: Roster::default(),
            next_wake_ms: None,
        }
    }

    /// Lets something happen. Never blocks, never panics on what comes from outside.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let at = self.attention.advance(now.boot_ms);
        let effects = self.route(now, at, event);
        self.next_wake_ms = self.attention.promise(self.roster.next_due());
        effects
    }

    /// The earliest `boot_ms` at which [`Event::Wake`] would change anything; the shell sleeps until then and not longer.
    pub const fn next_wake_ms(&self) -> Option<u64> {
        self.next_wake_ms
    }

    /// Who is there.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    fn route(&mut self, now: Now, at: Attended, event: Event) -> Vec<Effect> {
        match event {
            Event::BusUp => {
                self.attention.listen(true);
                Vec::new()
            }
            Event::BusDown => {
                self.attention.listen(false);
                self.roster.forget_connections(at)
            }
            Event::Listed(enrolments) => self.roster.list(enrolments, at),
            Event::Enrolled(enrolment) => self.roster.enrol(enrolment, at).into_iter().collect(),
            Event::Removed(agent) => self.roster.remove(&agent).into_iter().collect(),
            Event::Heartbeat { from, heartbeat } => {
                let effect = self.roster.hear(from, *heartbeat, now, at);
                effect.into_iter().collect()
            }
            Event::Opened { nkey, connection } => {
                self.roster.opened(&nkey, connection, at).into_iter().collect()
            }
            Event::Closed { nkey, connection } => {
                self.roster.closed(&nkey, &connection, at).into_iter().collect()
            }
            Event::Request(request) => {
                // A request may come just before the wake-up that it must not get ahead of.
                let mut effects = self.roster.wake(at);
                effects.push(Effect::Reply(self.reply(request, now)));
                effects
            }
            Event::Wake => self.roster.wake(at),
        }
    }

    fn reply(&self, request: Request, now: Now) -> Reply {
        let outcome = api::answer(&self.roster, &self.myself, &request, now);
        Reply {
            to: request.reply,
            method: request.method,
            outcome,
        }
    }
}
