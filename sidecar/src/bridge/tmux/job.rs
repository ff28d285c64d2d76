//! A text on its way into the pane: a message or a nudge.

use wagglebus_schemas::reason::HoldReason;
use wagglebus_sidecar_core::inbox::pane::Mail;
use wagglebus_sidecar_core::record::Key;
use wagglebus_sidecar_core::terminal::fence::Fence;
use wagglebus_sidecar_core::terminal::inject::Injection;
use wagglebus_sidecar_core::terminal::screen::Expected;

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Message(Key),
    Nudge(Mail),
}

/// A text on its way into the pane.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) what: What,
    pub(super) urgent: bool,
    pub(super) fence: Fence,
    pub(super) text: String,
    pub(super) injection: Injection,
    /// What the machine was told of its hold.
    pub(super) told: Option<HoldReason>,
    expected: Expected,
}

impl Job {
    /// A text that may have been put in before, by a former process, if it comes `again`.
    pub(super) fn new(
        what: What,
        urgent: bool,
        again: bool,
        (fence, text): (Fence, String),
        injection: Injection,
    ) -> Self {
        let expected = Expected {
            fence,
            lines: text.lines().count(),
            chars: text.chars().count(),
            pasted: again,
        };
        Self {
            what,
            urgent,
            fence,
            text,
            injection,
            told: None,
            expected,
        }
    }

    /// What is looked for on the screen.
    pub(super) const fn expected(&self) -> Expected {
        Expected {
            pasted: self.expected.pasted || !self.injection.is_unbegun(),
            ..self.expected
        }
    }
}
