//! The terminal pane as a reader: it takes only what its screen allows, and has to look before it can say so.

use std::collections::BTreeMap;

use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::{Message, Priority};

use crate::event::ReaderId;
use crate::inbox::Appetite;
use crate::terminal::frame::{self, Form};

/// How long what a look showed counts, in milliseconds: a screen changes at any time.
const LOOK_VALID_MS: u64 = 2_000;
/// Time between two requests to look while mail waits, in milliseconds. The bridge goes on looking by itself for longer.
const LOOK_AGAIN_MS: u64 = 10_000;
/// Time between two nudges about the same mail, in milliseconds.
const NUDGE_AGAIN_MS: u64 = 300_000;

/// How messages are brought to the agent of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inject {
    /// As text while the agent has never taken a message by itself, and short ones only; else by nudges.
    Auto,
    /// By lines that say that messages wait.
    Nudge,
    /// As text, however long.
    Body,
}

/// How a pane takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneKind {
    /// Text or nudges.
    pub inject: Inject,
    /// How text is put into its program.
    pub form: Form,
}

/// What a look at a pane showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What its program can be given now.
    pub appetite: Appetite,
    /// What it does.
    pub state: SessionState,
    /// Why it can be given nothing, or not everything.
    pub hold: Option<HoldReason>,
}

/// Mail that a nudge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mail {
    /// How many messages wait.
    pub waiting: u64,
    /// How many of them are urgent.
    pub urgent: u64,
}

/// A nudge that the bridge is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nudge {
    /// Which of this process, from 1: the bridge says which one it brought.
    pub number: u64,
    /// What it is about; without mail none is needed any more.
    pub mail: Mail,
}

/// The pane of this sidecar's agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Pane {
    reader: ReaderId,
    kind: PaneKind,
    standing: Standing,
    /// Until when it may be given what its standing says; `None`: it must look first.
    valid_until_ms: Option<u64>,
    /// When it is asked to look, if mail waits.
    look_at_ms: u64,
    /// Mail waited for it a moment ago.
    wanted: bool,
    /// The agent has taken a message by itself.
    takes_itself: bool,
    /// Another reader of the agent was there and is gone.
    fallback: bool,
    /// The first message of a lane that is too long to be shown, by its sequence: the lane waits until it is taken.
    too_long: BTreeMap<Priority, u64>,
    /// Mail was announced that no nudge was asked for yet.
    news: bool,
    nudge_again_at_ms: u64,
    /// How many nudges were asked for.
    nudges: u64,
    /// The nudge that the bridge was asked for and has not yet brought.
    asked: Option<Nudge>,
}

impl Pane {
    pub(super) const fn new(reader: ReaderId, kind: PaneKind) -> Self {
        Self {
            reader,
            kind,
            standing: Standing {
                appetite: Appetite::None,
                state: SessionState::Starting,
                hold: None,
            },
            valid_until_ms: None,
            look_at_ms: 0,
            wanted: false,
            takes_itself: false,
            fallback: false,
            too_long: BTreeMap::new(),
            news: true,
            nudge_again_at_ms: 0,
            nudges: 0,
            asked: None,
        }
    }

    /// Its reader.
    pub const fn reader(&self) -> ReaderId {
        self.reader
    }

    /// What the last look showed.
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Another reader was there and is gone: what the pane gets now, it gets in its place.
    pub const fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// Messages are announced to the agent, which takes them by itself.
    pub const fn is_nudged(&self) -> bool {
        match self.kind.inject {
            Inject::Auto => self.takes_itself,
            Inject::Nudge => true,
            Inject::Body => false,
        }
    }

    /// How it takes messages.
    pub const fn kind(&self) -> PaneKind {
        self.kind
    }

    /// What its program can be given at this moment.
    pub(super) const fn appetite(&self) -> Appetite {
        if self.is_nudged() || self.valid_until_ms.is_none() {
            Appetite::None
        } else {
            self.standing.appetite
        }
    }

    /// Whether a message can be shown as text.
    pub fn fits(&self, message: &Message) -> bool {
        let content_bytes_max = match self.kind.inject {
            Inject::Auto | Inject::Nudge => frame::AUTO_BODY_BYTES_MAX,
            Inject::Body => usize::MAX,
        };
        frame::fits(self.kind.form, message, content_bytes_max)
    }

    /// The first message of a lane is too long: it waits there until somebody takes it.
    pub fn leave(&mut self, lane: Priority, stream_seq: u64) {
        self.news |= self.too_long.insert(lane, stream_seq) != Some(stream_seq);
    }

    /// Whether a lane waits for the agent to take its first message.
    pub fn leaves(&self, lane: Priority) -> bool {
        self.too_long.contains_key(&lane)
    }

    /// Somebody took a message: a lane that waited for that goes on.
    pub fn was_taken(&mut self, stream_seq: u64) {
        self.too_long.retain(|_, waiting| *waiting != stream_seq);
    }

    /// The agent took a message by itself.
    pub const fn takes_itself(&mut self) {
        self.takes_itself = true;
    }

    /// Mail was announced in a lane. Says whether the agent is told of it by a nudge, and not shown it.
    pub fn has_news(&mut self, lane: Priority) -> bool {
        let nudged = self.is_nudged() || self.leaves(lane);
        self.news |= nudged;
        nudged
    }

    /// Another reader came or went.
    pub const fn set_fallback(&mut self, fallback: bool) {
        self.fallback = fallback;
    }

    /// A look showed this.
    pub const fn seen(&mut self, now_ms: u64, standing: Standing) {
        self.standing = standing;
        self.valid_until_ms = Some(now_ms.saturating_add(LOOK_VALID_MS));
        if matches!(standing.appetite, Appetite::Any) {
            // The bridge rests now: the next mail is worth a new look.
            self.look_at_ms = 0;
        }
    }

    /// Something was put into it, or it is not what it was: it must look before it takes more.
    pub const fn look_first(&mut self) {
        self.valid_until_ms = None;
        self.look_at_ms = 0;
    }

    pub(super) fn advance(&mut self, now_ms: u64) {
        self.valid_until_ms = self.valid_until_ms.filter(|until_ms| *until_ms > now_ms);
    }

    /// Whether it is to look now, if mail waits for it that it cannot be given yet.
    pub fn begin_look(&mut self, now_ms: u64, mail_waits: bool) -> bool {
        self.wanted = mail_waits;
        let due = mail_waits && self.look_at_ms <= now_ms;
        if due {
            self.look_at_ms = now_ms.saturating_add(LOOK_AGAIN_MS);
        }
        due
    }

    /// The nudge that is due about the mail that waits; `None`: nothing has changed.
    pub fn begin_nudge(&mut self, now_ms: u64, mail: Mail) -> Option<Nudge> {
        if mail.waiting == 0 {
            // What was asked for is not needed any more.
            return self.asked.take().map(|asked| Nudge { mail, ..asked });
        }
        let due = match self.asked {
            Some(asked) => asked.mail != mail,
            None => self.news || self.nudge_again_at_ms <= now_ms,
        };
        if !due {
            return None;
        }
        self.nudges = self.nudges.saturating_add(1);
        self.news = false;
        self.asked = Some(Nudge {
            number: self.nudges,
            mail,
        });
        self.asked
    }

    /// Nothing may be told to the agent now: what takes the place of the nudge that was asked for, if one was. Mail that
    /// waits is news again afterwards.
    pub fn withdraw_nudge(&mut self) -> Option<Nudge> {
        let asked = self.asked.take()?;
        self.news = true;
        let mail = Mail::default();
        Some(Nudge { mail, ..asked })
    }

    /// A nudge of this number was brought. One that was asked for while an earlier one was on its way was not, and is
    /// asked for anew: what it is about may have come after the earlier one was written.
    pub fn nudged(&mut self, now_ms: u64, number: u64) {
        self.news |= self.asked.is_some_and(|asked| asked.number != number);
        self.asked = None;
        self.nudge_again_at_ms = now_ms.saturating_add(NUDGE_AGAIN_MS);
    }

    /// When it must be asked something next.
    pub(super) fn next_timer(&self, now_ms: u64) -> Option<u64> {
        let look = self.wanted.then_some(self.look_at_ms);
        let nudged = self.is_nudged() || !self.too_long.is_empty();
        let nudge = (nudged && self.asked.is_none()).then_some(self.nudge_again_at_ms);
        look.into_iter()
            .chain(nudge)
            .filter(|at_ms| *at_ms > now_ms)
            .min()
    }
}
