//! The tmux bridge's decisions: what may be typed into a pane that already runs, when, and whether it arrived.
//!
//! | part | responsibility |
//! |---|---|
//! | [`sanitise`] | foreign text made harmless for a terminal |
//! | [`fence`], [`frame`] | how a message is shown, and recognised on a screen |
//! | [`profile`] | what is known of programs, as data |
//! | [`identity`] | who runs in a pane, and whether they are still the same |
//! | [`capture`], [`screen`], `shown` | what tmux tells of a pane, and what that means |
//! | [`command`] | what tmux is asked to do, with what must hold at that moment |
//! | [`inject`] | one message into a pane: pasted once, Enter after a check, verified |
//! | [`output`] | `@` lines in what a pane prints |

pub mod capture;
pub mod command;
pub mod fence;
pub mod frame;
pub mod identity;
pub mod inject;
pub mod output;
pub mod profile;
pub mod sanitise;
pub mod screen;
mod shown;
#[cfg(test)]
mod tests;
