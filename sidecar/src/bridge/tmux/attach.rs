//! Attaching to a pane that already runs: what is looked at, and why it may be refused.

use std::path::{Path, PathBuf};

use wagglebus_schemas::AgentId;
use wagglebus_sidecar_core::terminal::capture::Flags;
use wagglebus_sidecar_core::terminal::command::{self, is_target};
use wagglebus_sidecar_core::terminal::identity::{Identity, Refusal};
use wagglebus_sidecar_core::terminal::profile::{self, Profile};

use super::attachment::{Attachment, LockError, PaneLock};
use super::client::{CallError, Tmux, Which};
use super::foreground::foreground;
use crate::args::TmuxArguments;

/// Why a pane cannot be attached to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// It is not the name of a pane.
    #[error("{0:?} is no pane: use an id such as %3, or session:window.pane")]
    Target(String),
    /// tmux is away.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is no such pane.
    #[error("there is no pane {0}")]
    NoPane(String),
    /// Its process has ended.
    #[error("the process of pane {0} has ended")]
    Dead(String),
    /// What runs in it is this very command.
    #[error("pane {0} runs this command itself")]
    Ourselves(String),
    /// Nothing may be typed into it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another sidecar writes into it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The attachment cannot be recorded.
    #[error("cannot write {path}: {source}")]
    Record {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl AttachError {
    /// How to fix it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Target(_) | Self::NoPane(_) => Some(
                "list panes with: tmux list-panes -a -F '#{pane_id} #{pane_current_command} #{pane_title}'",
            ),
            Self::Call(CallError::NoServer(_)) => Some("name the tmux server with -L NAME or -S SOCKET"),
            Self::Call(CallError::Program(_)) => Some("install tmux, or use another mode"),
            Self::Call(CallError::Refused(_) | CallError::Silent | CallError::LeftAlone)
            | Self::Record { .. } => None,
            Self::Ourselves(_) => {
                Some("type it in another pane; nobody can be told from a shell while this runs in it")
            }
            Self::Dead(_) | Self::Refused(Refusal::Nobody) => Some("start the agent in that pane first"),
            Self::Refused(Refusal::Shell(_)) => Some(
                "it would execute what agents write: start the agent in that pane first; --profile shell shows messages \
                 as lines that do nothing",
            ),
            Self::Refused(Refusal::Opaque(_)) => Some("name the program behind it with --profile"),
            Self::Lock(LockError::Taken(_)) => Some("one agent per pane: stop that sidecar first"),
            Self::Lock(LockError::Io { .. }) => Some("check owner, mode and free space of that path"),
        }
    }

    /// The exit code (DESIGN 6).
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Target(_) => 2,
            Self::NoPane(_) => 3,
            Self::Call(_) => 5,
            Self::Dead(_) | Self::Ourselves(_) | Self::Refused(_) | Self::Lock(LockError::Taken(_)) => 6,
            Self::Lock(LockError::Io { .. }) | Self::Record { .. } => 1,
        }
    }
}

/// A pane that is attached to.
pub(crate) struct Attached {
    pub(crate) attachment: Attachment,
    pub(crate) profile: &'static Profile,
    pub(crate) tmux: Tmux,
    pub(crate) state_folder: PathBuf,
    pub(crate) arguments: TmuxArguments,
    pub(crate) lock: PaneLock,
}

impl Attached {
    /// What was attached to, as one line of JSON.
    pub(crate) fn told(&self) -> serde_json::Value {
        let leader = &self.attachment.identity.leader;
        serde_json::json!({
            "pane": self.attachment.pane,
            "socket": self.attachment.socket,
            "profile": self.profile.name,
            "pid": leader.pid,
            "command": leader.argv,
        })
    }
}

/// What was found in a pane.
struct Found {
    socket: PathBuf,
    flags: Flags,
    identity: Identity,
    profile: &'static Profile,
}

/// Attaches to the pane that the user named, or goes on with the attachment that is recorded: then also when its program
/// is not there any more, so that what comes for it is held and not refused.
///
/// # Errors
/// See [`AttachError`].
pub(crate) async fn attach(
    arguments: &TmuxArguments,
    state_folder: &Path,
    lock_folder: &Path,
    agent: &AgentId,
) -> Result<Attached, AttachError> {
    let recorded = Attachment::recorded(state_folder).filter(|_| arguments.resume);
    let attachment = match recorded {
        Some(recorded) => recorded,
        None => {
            let found = find(arguments).await?;
            Attachment::new(
                state_folder,
                found.socket,
                found.flags.server,
                found.flags.pane,
                found.identity,
                found.profile.name.to_owned(),
            )
        }
    };
    let lock = PaneLock::take(lock_folder, &attachment.server, &attachment.pane, agent)?;
    attachment
        .record(state_folder)
        .map_err(|(path, source)| AttachError::Record { path, source })?;
    Ok(Attached {
        profile: profile::named(&attachment.profile).unwrap_or(&profile::PLAIN),
        tmux: Tmux::new(Which::Socket(attachment.socket.clone())),
        state_folder: state_folder.to_owned(),
        arguments: arguments.clone(),
        attachment,
        lock,
    })
}

async fn find(arguments: &TmuxArguments) -> Result<Found, AttachError> {
    let target = &arguments.target;
    if !is_target(target) {
        return Err(AttachError::Target(target.clone()));
    }
    let tmux = Tmux::new(arguments.which());
    let no_pane = || AttachError::NoPane(target.clone());
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
    // An unknown target is no error of display-message, so it is looked up by a command of which it is.
    let listed = tmux
        .call(&words(&["list-panes", "-t", target, "-F", "#{socket_path}"]))
        .await;
    let socket = match listed {
        Ok(listed) => PathBuf::from(listed.lines().next().unwrap_or_default()),
        Err(CallError::Refused(_)) => return Err(no_pane()),
        Err(error) => return Err(error.into()),
    };
    let state = tmux.call(&command::state(target)).await?;
    let flags = state.lines().next().and_then(Flags::parse).ok_or_else(no_pane)?;
    if flags.dead {
        return Err(AttachError::Dead(flags.pane));
    }
    let forced = arguments.profile.map(crate::args::ProfileName::profile);
    let foreground = foreground(flags.root_pid).await.ok_or(Refusal::Nobody)?;
    if u32::try_from(rustix::process::getpgrp().as_raw_pid()) == Ok(foreground.group) {
        return Err(AttachError::Ourselves(flags.pane));
    }
    let any = |profile: &Profile| profile.name == profile::SHELL.name;
    let identity = Identity::of(
        foreground.group,
        &foreground.processes,
        forced.is_some_and(any),
        forced.is_some(),
    )?;
    let profile = forced.unwrap_or_else(|| profile::recognise(identity.argvs()));
    Ok(Found {
        socket,
        flags,
        identity,
        profile,
    })
}
