//! The tmux bridge: messages and nudges for a program that already runs in a pane.
//!
//! | part | responsibility |
//! |---|---|
//! | [`attach`], [`attachment`] | which pane, who runs in it, and that nobody else writes into it |
//! | [`calls`], [`open`], [`client`] | calls to tmux, by a client that stays or a process each |
//! | [`foreground`] | what the system tells of processes |
//! | [`pane`] | looks and guarded acts |
//! | [`work`], [`job`], [`progress`] | the loop, one text on its way, and how far it came |
//! | [`listen`] | `@` lines of what the pane prints |

mod attach;
mod attachment;
mod calls;
mod client;
mod foreground;
mod job;
mod listen;
mod open;
mod pane;
mod progress;
mod work;

use std::path::PathBuf;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{oneshot, watch};
use wagglebus_schemas::bridge::Bridge;
use wagglebus_schemas::heartbeat::BridgeProof;
use wagglebus_schemas::state::SessionState;
use wagglebus_schemas::{AgentId, Level};
use wagglebus_sidecar_core::event::{PaneKind, ReaderKind, Standing};
use wagglebus_sidecar_core::inbox::Appetite;
use wagglebus_sidecar_core::terminal::fence::Secret;
use wagglebus_sidecar_core::terminal::frame::Verified;
use wagglebus_sidecar_core::terminal::inject::hold_reason;
use wagglebus_sidecar_core::terminal::profile::{EnterDelay, Profile};
use wagglebus_sidecar_core::terminal::screen::Condition;

pub(crate) use attach::{AttachError, Attached, attach};
pub(crate) use client::Which;

use crate::args::TmuxArguments;
use crate::gate::Gate;
use crate::shutdown::Shutdown;
use listen::Listener;
use pane::Pane;
use work::Work;

/// The bridge to one pane.
pub(crate) struct TmuxBridge {
    gate: Gate,
    kind: ReaderKind,
    reads_output: bool,
    pane: Pane,
    settings: Settings,
}

/// What the bridge goes by.
struct Settings {
    me: AgentId,
    verified: Verified,
    /// Absolute path of `wagglebus`.
    program: String,
    /// The key of the fences.
    secret: Secret,
    /// Where the progress of a text is kept.
    state_folder: PathBuf,
    /// A number that no other process of this attachment has.
    life: u64,
    /// The pane's program, while it is there.
    program_state: watch::Sender<Option<u32>>,
}

impl TmuxBridge {
    /// `breaker` is 1 while a tmux that keeps failing is left alone.
    pub(crate) fn new(
        gate: Gate,
        attached: Attached,
        me: AgentId,
        verified: Verified,
        breaker: Gauge,
    ) -> Self {
        let arguments = &attached.arguments;
        let profile = tuned(*attached.profile, arguments);
        let settings = Settings {
            me,
            verified,
            program: beside("wagglebus"),
            secret: *attached.attachment.secret(),
            state_folder: attached.state_folder.clone(),
            life: uuid::Uuid::new_v4().as_u64_pair().0,
            program_state: watch::Sender::new(Some(attached.attachment.identity.leader.pid)),
        };
        tracing::info!(
            pane = attached.attachment.pane,
            profile = profile.name,
            pid = attached.attachment.identity.leader.pid,
            "attached"
        );
        Self {
            gate,
            kind: ReaderKind {
                bridge: Bridge::TmuxBody,
                // The hand-over ends a message: one at a time, beside one urgent.
                slots: 1,
                auto: true,
                lease_ms: None,
                pane: Some(PaneKind {
                    inject: arguments.inject.inject(),
                    form: profile.form,
                }),
            },
            reads_output: arguments.reads_output(&profile),
            pane: Pane::new(attached, profile, breaker),
            settings,
        }
    }

    /// The process of the pane's program, while it is there.
    pub(crate) fn program(&self) -> watch::Receiver<Option<u32>> {
        self.settings.program_state.subscribe()
    }

    /// What the bridge proves: of a text that it was entered, of a nudge that it brought the agent to its inbox, which
    /// proves everything.
    pub(crate) const fn proof(nudged: bool) -> BridgeProof {
        let (name, proves) = if nudged {
            (Bridge::TmuxNudge, Level::Done)
        } else {
            (Bridge::TmuxBody, Level::Injected)
        };
        BridgeProof { name, proves }
    }

    /// Works until the shutdown. Tells once it has looked at the pane: what is printed from then on is new.
    pub(crate) async fn run(self, shutdown: Shutdown, begun: oneshot::Sender<()>) {
        let Ok(reader) = self.gate.open(self.kind).await else {
            return;
        };
        let listener = self.reads_output.then(|| Listener::new(self.gate.clone()));
        Work::new(self.settings, self.pane, reader, listener)
            .run(shutdown, begun)
            .await;
    }
}

/// A profile with what the user chose otherwise.
fn tuned(mut profile: Profile, arguments: &TmuxArguments) -> Profile {
    if let Some(delay_ms) = arguments.enter_delay {
        profile.enter_delay = EnterDelay {
            base_ms: delay_ms,
            per_kib_ms: 0,
            max_ms: delay_ms,
        };
    }
    profile.quiet_ms = arguments.quiet.unwrap_or(profile.quiet_ms);
    profile
}

/// The program of this name beside this one, which the agent may have nowhere on its PATH.
fn beside(name: &str) -> String {
    let path = std::env::current_exe().ok();
    let path = path.and_then(|path| Some(path.parent()?.join(name)));
    path.map_or_else(|| name.to_owned(), |path| path.to_string_lossy().into_owned())
}

/// What a pane in this condition can be given, and what that says of the agent.
const fn standing_of(condition: Condition) -> Standing {
    let (appetite, state) = match condition {
        Condition::Idle => (Appetite::Any, SessionState::Idle),
        Condition::Busy => (Appetite::UrgentOnly, SessionState::Busy),
        Condition::Occupied => (Appetite::None, SessionState::Busy),
        Condition::DialogOpen | Condition::Unclear => (Appetite::None, SessionState::BlockedOnHuman),
        Condition::RateLimited => (Appetite::None, SessionState::RateLimited),
        Condition::HumanTyping | Condition::CannotWake | Condition::InMode | Condition::Unreachable => {
            (Appetite::None, SessionState::Idle)
        }
        Condition::Gone => (Appetite::None, SessionState::Gone),
    };
    Standing {
        appetite,
        state,
        hold: hold_reason(condition),
    }
}
