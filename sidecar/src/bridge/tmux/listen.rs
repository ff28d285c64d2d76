//! Reads what the pane prints: its `@` lines are sent.

use std::time::Duration;

use wagglebus_schemas::Level;
use wagglebus_sidecar_core::terminal::fence::Fence;
use wagglebus_sidecar_core::terminal::output::{HISTORY_ROWS, Output, complete};
use wagglebus_sidecar_core::text::TextLine;

use super::pane::Pane;
use crate::gate::Gate;

/// How long a draft may wait for the disk.
const ACCEPT_WITHIN: Duration = Duration::from_secs(30);

/// Reads what one pane prints.
pub(super) struct Listener {
    gate: Gate,
    output: Output,
    /// What the tmux server had read when this looked last.
    seen: Option<u64>,
}

impl Listener {
    pub(super) fn new(gate: Gate) -> Self {
        Self {
            gate,
            output: Output::default(),
            seen: None,
        }
    }

    /// A text of ours is about to be put into the pane.
    pub(super) fn expect(&mut self, fence: Fence, text: &str) {
        self.output.expect(fence, text);
    }

    /// Looks at what the pane printed, if anything was, and sends the `@` lines of it.
    pub(super) async fn look(&mut self, pane: &mut Pane) {
        if !pane.is_present().await {
            // What somebody else prints there is not the agent's.
            self.output.forget();
            self.seen = None;
            return;
        }
        if !pane.has_news(&mut self.seen) {
            return;
        }
        let Some((flags, text)) = pane.printed(HISTORY_ROWS).await else {
            // What was printed is still to be read.
            self.seen = None;
            return;
        };
        // A full-screen program draws: nothing of it is a line.
        if flags.alternate || flags.dead {
            return;
        }
        let above = usize::try_from(flags.history.min(HISTORY_ROWS)).unwrap_or(0);
        let lines: Vec<&str> = text.lines().collect();
        let (rows, joined) = lines
            .split_at_checked(above.saturating_add(flags.height))
            .unwrap_or((&lines, &[]));
        let lines = complete(rows, joined, above.saturating_add(flags.cursor_y));
        for said in self.output.read(&lines) {
            match said {
                Ok(TextLine::Drafts(drafts)) => {
                    for draft in drafts {
                        let to = draft.to_agent.clone();
                        let wait = Some(Level::Accepted);
                        match self.gate.send(draft, None, wait, ACCEPT_WITHIN, false).await {
                            Ok(sent) => tracing::info!(id = %sent.id, %to, "the pane's line is sent"),
                            Err(error) => {
                                tracing::warn!(%to, code = %error.code, message = %error.message, "the pane's line is not sent");
                            }
                        }
                    }
                }
                Ok(TextLine::Output(_)) => {}
                Err(error) => tracing::warn!(%error, "the pane's line is not sent"),
            }
        }
    }
}
