//! A text on its way into the pane: a message or a nudge.

use wagglebus_schemas::reason::HoldReason;
use wagglebus_sidecar_core::record::Key;
use wagglebus_sidecar_core::terminal::fence::Fence;
use wagglebus_sidecar_core::terminal::inject::Injection;
use wagglebus_sidecar_core::terminal::screen::Expected;

use super::progress::Progress;

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A message that the machine handed over.
    Message(Key),
    /// A message that a former process had begun, and that was not handed over again yet.
    Former(Key),
    /// A nudge of the machine's with this number; 0 for a former process's.
    Nudge(u64),
}

/// A text on its way into the pane.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) what: What,
    pub(super) urgent: bool,
    pub(super) fence: Fence,
    /// Empty where a former process has pasted it.
    pub(super) text: String,
    pub(super) injection: Injection,
    pub(super) progress: Progress,
    /// What the machine was told of its hold.
    pub(super) told: Option<HoldReason>,
}

impl Job {
    /// A text to be put in.
    pub(super) fn new(
        what: What,
        urgent: bool,
        nudge: u64,
        (fence, text): (Fence, String),
        injection: Injection,
    ) -> Self {
        let key = match &what {
            What::Message(key) | What::Former(key) => Some(key.clone()),
            What::Nudge(_) => None,
        };
        let size = (text.lines().count(), text.chars().count());
        Self {
            what,
            urgent,
            fence,
            text,
            injection,
            progress: Progress::new(key, nudge, fence, urgent, size),
            told: None,
        }
    }

    /// A text that a former process had begun.
    pub(super) fn former(progress: Progress, fence: Fence, injection: Injection) -> Self {
        Self {
            what: progress.key.clone().map_or(What::Nudge(0), What::Former),
            urgent: progress.urgent,
            fence,
            text: String::new(),
            injection,
            progress,
            told: None,
        }
    }

    /// Whether a former process pasted it, if anybody did: this one never does.
    pub(super) const fn is_of_former(&self) -> bool {
        self.text.is_empty()
    }

    /// What is looked for on the screen.
    pub(super) const fn expected(&self) -> Expected {
        Expected {
            fence: self.fence,
            lines: self.progress.lines,
            chars: self.progress.chars,
            pasted: !self.injection.is_unbegun(),
        }
    }
}
