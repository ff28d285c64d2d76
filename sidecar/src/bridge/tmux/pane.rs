//! Looking at the attached pane: who is there, what it shows, and whether that has changed.

use std::hash::{DefaultHasher, Hash, Hasher};

use prometheus_client::metrics::gauge::Gauge;
use wagglebus_sidecar_core::terminal::capture::{Capture, Flags};
use wagglebus_sidecar_core::terminal::command::{self, Guard};
use wagglebus_sidecar_core::terminal::fence::Fence;
use wagglebus_sidecar_core::terminal::frame::Form;
use wagglebus_sidecar_core::terminal::identity::{Identity, Presence};
use wagglebus_sidecar_core::terminal::profile::Profile;
use wagglebus_sidecar_core::terminal::screen::{self, Condition, Expected, Input, Sight};

use super::attach::Attached;
use super::attachment::PaneLock;
use super::calls::Calls;
use super::client::CallError;
use super::foreground::{bytes_read, foreground, is_alive};
use crate::clock;

/// How long an unchanged screen need not be read again, in milliseconds. What tmux itself changes (modes, switches)
/// leaves no other trace.
const UNCHANGED_MS: u64 = 2_000;

/// What a look showed.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) sight: Sight,
    /// The condition as it would be without a mode of tmux, which is left before anything is typed.
    pub(super) below_mode: Condition,
    at_ms: u64,
    guard: Option<Guard>,
}

impl Look {
    /// Whether it was a moment ago.
    pub(super) fn is_fresh(&self, within_ms: u64) -> bool {
        clock::now().mono_ms < self.at_ms.saturating_add(within_ms)
    }

    /// The same look, for a text that was never put in: what it says of another text does not count.
    pub(super) const fn for_another(mut self) -> Self {
        self.sight.submitted = false;
        self
    }
}

/// The attached pane.
pub(super) struct Pane {
    calls: Calls,
    id: String,
    server: wagglebus_sidecar_core::terminal::capture::Server,
    identity: Identity,
    profile: Profile,
    screen: Option<u64>,
    changed_at_ms: u64,
    /// What the server had read before the last look.
    server_read: Option<u64>,
    root_pid: Option<u32>,
    /// What tmux calls the program, once it was seen.
    command: Option<String>,
    _lock: PaneLock,
}

impl Pane {
    pub(super) fn new(attached: Attached, profile: Profile, breaker: Gauge) -> Self {
        Self {
            calls: Calls::new(attached.tmux, &attached.state_folder, breaker),
            id: attached.attachment.pane.clone(),
            server: attached.attachment.server.clone(),
            identity: attached.attachment.identity.clone(),
            profile,
            screen: None,
            changed_at_ms: 0,
            server_read: None,
            root_pid: None,
            command: None,
            _lock: attached.lock,
        }
    }

    pub(super) const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The process that leads the pane's foreground, while it is the one that was attached to.
    pub(super) const fn leader_pid(&self) -> u32 {
        self.identity.leader.pid
    }

    /// Whether nothing was printed or typed in any pane of the server since the last look.
    pub(super) fn is_quiet(&self, last: &Look) -> bool {
        let read = bytes_read(self.server.pid);
        // Whether a screen is quiet is a matter of time.
        let settled = self.profile.quiet_ms == 0 || last.sight.condition != Condition::Busy;
        // What was not seen is not known to be as it was.
        settled
            && last.sight.condition != Condition::Unreachable
            && read.is_some()
            && read == self.server_read
            && clock::now().mono_ms < last.at_ms.saturating_add(UNCHANGED_MS)
    }

    /// Whether anything was printed or typed in any pane since this was asked the last time. Always, where that cannot
    /// be told.
    pub(super) fn has_news(&self, seen: &mut Option<u64>) -> bool {
        let read = bytes_read(self.server.pid);
        let news = read.is_none() || read != *seen;
        *seen = read;
        news
    }

    /// Looks.
    pub(super) async fn look(&mut self, expected: Option<&Expected>) -> Look {
        // Before the look: what is read during it counts as news.
        self.server_read = bytes_read(self.server.pid);
        let output = self.calls.call(&command::look(&self.id)).await;
        self.take(output, expected).await
    }

    /// Leaves a mode of tmux and looks.
    pub(super) async fn leave_mode(&mut self, expected: Option<&Expected>) -> Look {
        let output = self.calls.call(&command::leave_mode(&self.id)).await;
        self.take(output, expected).await
    }

    /// Pastes if everything still is as `last` saw it. Returns whether that was done, if tmux said so, and a look after.
    pub(super) async fn paste(
        &mut self,
        last: &Look,
        fence: Fence,
        text: &str,
        expected: &Expected,
    ) -> (Option<bool>, Look) {
        let Some(guard) = last.guard.as_ref() else {
            return (Some(false), self.look(Some(expected)).await);
        };
        let kept = self.calls.keep(fence, text);
        let arguments = guard.paste(fence, kept.source());
        if self.presence().await != Presence::Same {
            return (Some(false), self.look(Some(expected)).await);
        }
        self.act(&arguments, kept.input(), expected).await
    }

    /// Presses Enter if everything still is as `last` saw it.
    pub(super) async fn enter(&mut self, last: &Look, expected: &Expected) -> (Option<bool>, Look) {
        let Some(arguments) = last.guard.as_ref().map(Guard::enter) else {
            return (Some(false), self.look(Some(expected)).await);
        };
        if self.presence().await != Presence::Same {
            return (Some(false), self.look(Some(expected)).await);
        }
        self.act(&arguments, &[], expected).await
    }

    async fn act(&mut self, arguments: &[String], input: &[u8], expected: &Expected) -> (Option<bool>, Look) {
        let output = self.calls.call_with(arguments, input).await;
        match output {
            Ok(output) => match command::outcome(&output) {
                Some((done, rest)) => (Some(done), self.take(Ok(rest.to_owned()), Some(expected)).await),
                None => (None, self.look(Some(expected)).await),
            },
            // Nothing was printed: a command before the guarded one failed.
            Err(CallError::Refused(why)) => {
                tracing::warn!(why, "tmux refused");
                (Some(false), self.look(Some(expected)).await)
            }
            Err(CallError::NoServer(_) | CallError::Program(_) | CallError::LeftAlone) => {
                (Some(false), self.look(Some(expected)).await)
            }
            Err(error @ CallError::Silent) => {
                tracing::warn!(%error, "it is not known whether the pane was given something");
                (None, self.look(Some(expected)).await)
            }
        }
    }

    /// A look that another text may go by soon, where it costs no process.
    pub(super) async fn look_ahead(&mut self) -> Option<Look> {
        if self.calls.is_open() {
            Some(self.look(None).await)
        } else {
            None
        }
    }

    /// Nothing is to be done for a while.
    pub(super) fn rest(&mut self) {
        self.calls.rest();
    }

    /// What the pane printed, as its state and the rows behind it; `None` when it is gone.
    pub(super) async fn printed(&mut self, history: u64) -> Option<(Flags, String)> {
        let output = self.calls.call(&command::printed(&self.id, history)).await.ok()?;
        let (first, rest) = output.split_once('\n')?;
        let flags = Flags::parse(first).filter(|flags| flags.server == self.server)?;
        Some((flags, rest.to_owned()))
    }

    /// Whether its program is there, as far as that can be told without tmux.
    pub(super) async fn is_present(&self) -> bool {
        self.presence().await != Presence::Gone
    }

    async fn presence(&self) -> Presence {
        let Some(root_pid) = self.root_pid else {
            return Presence::Gone;
        };
        let presence = match foreground(root_pid).await {
            Some(foreground) => self.identity.presence(foreground.group, &foreground.processes),
            None => Presence::Gone,
        };
        // A shell that was asked for gives its terminal to each command that it runs.
        let runs = self.profile.form == Form::ShellLine && is_alive(&self.identity.leader);
        if presence == Presence::Gone && runs {
            Presence::Occupied
        } else {
            presence
        }
    }

    async fn take(&mut self, output: Result<String, CallError>, expected: Option<&Expected>) -> Look {
        let now_ms = clock::now().mono_ms;
        let capture = match output {
            Ok(output) => Capture::parse(&output),
            // There is no such pane.
            Err(CallError::Refused(_)) => None,
            Err(
                CallError::NoServer(_) | CallError::Program(_) | CallError::Silent | CallError::LeftAlone,
            ) => return self.unreachable(now_ms).await,
        };
        let Some(mut capture) = capture.filter(|capture| capture.flags.server == self.server) else {
            return unseen(Condition::Gone, now_ms);
        };
        self.root_pid = Some(capture.flags.root_pid);
        self.notice_change(&capture, now_ms);
        let presence = self.presence().await;
        let unchanged_ms = now_ms.saturating_sub(self.changed_at_ms);
        let guard = match presence {
            Presence::Same => {
                let guard = Guard::of(&capture.flags, self.command().await);
                Some(guard.pausing(self.calls.is_recent()))
            }
            // Nothing is done to anybody else.
            Presence::Occupied | Presence::Gone => None,
        };
        let mut sight = screen::read(&self.profile, &capture, expected, unchanged_ms);
        let mut below_mode = sight.condition;
        if std::mem::take(&mut capture.flags.in_mode) {
            below_mode = screen::read(&self.profile, &capture, expected, unchanged_ms).condition;
        }
        match presence {
            Presence::Same => {}
            Presence::Occupied => (sight.condition, below_mode) = (Condition::Occupied, Condition::Occupied),
            Presence::Gone => (sight.condition, below_mode) = (Condition::Gone, Condition::Gone),
        }
        Look {
            sight,
            below_mode,
            at_ms: now_ms,
            guard,
        }
    }

    /// tmux cannot be asked: whether the program is there is known to the system, too.
    async fn unreachable(&self, now_ms: u64) -> Look {
        let there = match self.root_pid {
            Some(_) => self.is_present().await,
            // tmux was never asked.
            None => is_alive(&self.identity.leader),
        };
        let condition = if there {
            Condition::Unreachable
        } else {
            Condition::Gone
        };
        unseen(condition, now_ms)
    }

    /// What tmux calls the program: asked for once, as long as it is the same program.
    async fn command(&mut self) -> &str {
        if self.command.is_none() {
            let named = self.calls.call(&command::foreground(&self.id)).await;
            self.command = named.ok().map(|name| name.trim_end().to_owned());
        }
        self.command.as_deref().unwrap_or_default()
    }

    fn notice_change(&mut self, capture: &Capture, now_ms: u64) {
        let mut hasher = DefaultHasher::new();
        for row in &capture.rows {
            row.text.hash(&mut hasher);
        }
        (capture.flags.cursor_x, capture.flags.cursor_y).hash(&mut hasher);
        let screen = Some(hasher.finish());
        if self.screen != screen {
            // What was never seen before may have stood there for long, but that is not known.
            self.screen = screen;
            self.changed_at_ms = now_ms;
        }
    }
}

/// Nothing was seen, as the pane, its server or the way to it is not there.
const fn unseen(condition: Condition, at_ms: u64) -> Look {
    Look {
        sight: Sight {
            condition,
            input: Input::Hidden,
            submitted: false,
        },
        below_mode: condition,
        at_ms,
        guard: None,
    }
}
