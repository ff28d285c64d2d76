//! Whether the coordinator can do its work, and if not, why.

use serde::Serialize;

/// The checks of `/readyz`: each `ok` or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Checks {
    /// Connection to NATS.
    pub(crate) bus: String,
    /// The roster of enrolled agents.
    pub(crate) enrolments: String,
}

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Health {
    /// Whether every check is `ok`.
    pub(crate) ready: bool,
    pub(crate) checks: Checks,
}

const OK: &str = "ok";

impl Health {
    /// Before the first connection.
    pub(crate) fn starting() -> Self {
        Self::of("not connected yet", "not listed yet")
    }

    /// Connected, and the roster is read anew.
    pub(crate) fn connected() -> Self {
        Self::of(OK, "being listed")
    }

    /// Connected, with the roster.
    pub(crate) fn serving() -> Self {
        Self::of(OK, OK)
    }

    /// Connected, but the roster cannot be read.
    pub(crate) fn without_enrolments(reason: &str) -> Self {
        Self::of(OK, reason)
    }

    /// Cut off.
    pub(crate) fn disconnected() -> Self {
        Self::of("disconnected", "not followed while disconnected")
    }

    /// Whether NATS can be reached.
    pub(crate) fn is_connected(&self) -> bool {
        self.checks.bus == OK
    }

    fn of(bus: &str, enrolments: &str) -> Self {
        Self {
            ready: bus == OK && enrolments == OK,
            checks: Checks {
                bus: bus.to_owned(),
                enrolments: enrolments.to_owned(),
            },
        }
    }
}
