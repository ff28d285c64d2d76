//! Whether the coordinator can do its work, and if not, why.

use serde::Serialize;

/// The checks of `/readyz`: each `ok` or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Checks {
    /// Connection to NATS.
    pub(crate) bus: String,
    /// The roster of enrolled agents.
    pub(crate) enrolments: String,
    /// The log: whether it takes lines.
    pub(crate) log: String,
}

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    /// Whether every check is `ok`.
    pub(crate) ready: bool,
    pub(crate) checks: Checks,
}

/// What a check says that finds nothing.
pub(crate) const OK: &str = "ok";

impl Health {
    /// Before the first connection.
    pub(crate) fn starting() -> Self {
        Self {
            ready: false,
            checks: Checks {
                bus: "not connected yet".to_owned(),
                enrolments: "not listed yet".to_owned(),
                log: OK.to_owned(),
            },
        }
    }

    /// Connected, and the roster is read anew.
    pub(crate) fn connected(&mut self) {
        self.set(OK, "being listed");
    }

    /// Connected, with the roster.
    pub(crate) fn serving(&mut self) {
        self.set(OK, OK);
    }

    /// Connected, but the roster cannot be read.
    pub(crate) fn unlisted(&mut self, reason: &str) {
        self.set(OK, reason);
    }

    /// Cut off.
    pub(crate) fn disconnected(&mut self) {
        self.set("disconnected", "not followed while disconnected");
    }

    /// Whether the log takes lines. True when that changed.
    pub(crate) fn log(&mut self, state: &str) -> bool {
        let changed = self.checks.log != state;
        state.clone_into(&mut self.checks.log);
        self.judge();
        changed
    }

    /// Whether NATS can be reached.
    pub(crate) fn is_connected(&self) -> bool {
        self.checks.bus == OK
    }

    fn set(&mut self, bus: &str, enrolments: &str) {
        bus.clone_into(&mut self.checks.bus);
        enrolments.clone_into(&mut self.checks.enrolments);
        self.judge();
    }

    fn judge(&mut self) {
        let Checks { bus, enrolments, log } = &self.checks;
        self.ready = [bus, enrolments, log].into_iter().all(|check| check == OK);
    }
}
