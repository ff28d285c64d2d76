//! What tmux is asked to do: arguments of one call each, with what must hold at the moment it is done.

use super::capture::{FORMAT, Flags};
use super::fence::Fence;

/// Printed when the pane was as it had to be.
const DONE: &str = "wb-done";
/// Printed when it was not, and nothing was done.
const REFUSED: &str = "wb-refused";

/// A pane as it was seen: what is done to it is done only while this holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pane: String,
    condition: String,
}

impl Guard {
    /// The pane with the same processes as in `flags`, alive and taking input for itself alone, with this command in its
    /// foreground as tmux calls it.
    pub fn of(flags: &Flags, command: &str) -> Self {
        let (server, root) = (flags.server.pid, flags.root_pid);
        // One comparison of many values: tmux reads them all at the moment of the act.
        let mut format =
            "#{pid}/#{pane_pid}/#{pane_dead}#{pane_in_mode}#{pane_input_off}#{pane_synchronized}".to_owned();
        let mut value = format!("{server}/{root}/0000");
        let plain = |char: char| char.is_ascii_alphanumeric() || "._+-".contains(char);
        if !command.is_empty() && command.chars().all(plain) {
            format.push_str("/#{pane_current_command}");
            value = format!("{value}/{command}");
        }
        Self {
            pane: flags.pane.clone(),
            condition: format!("#{{==:{format},{value}}}"),
        }
    }

    /// Loads the text on standard input into a buffer of its own, and pastes it.
    pub fn paste(&self, fence: Fence) -> Vec<String> {
        let buffer = format!("wb-{fence}");
        let pane = &self.pane;
        let mut arguments = words(&["load-buffer", "-b", &buffer, "-", ";"]);
        arguments.extend(self.guarded(
            &format!("paste-buffer -p -r -d -b {buffer} -t {pane}"),
            &format!("delete-buffer -b {buffer}"),
        ));
        arguments.extend(self.then_look());
        arguments
    }

    /// Presses Enter.
    pub fn enter(&self) -> Vec<String> {
        let mut arguments = self.guarded(&format!("send-keys -t {} Enter", self.pane), "");
        arguments.extend(self.then_look());
        arguments
    }

    fn guarded(&self, act: &str, else_act: &str) -> Vec<String> {
        let separator = if else_act.is_empty() { "" } else { " ; " };
        words(&[
            "if-shell",
            "-F",
            "-t",
            &self.pane,
            &self.condition,
            &format!("{act} ; display-message -p {DONE}"),
            &format!("{else_act}{separator}display-message -p {REFUSED}"),
        ])
    }

    fn then_look(&self) -> Vec<String> {
        let mut arguments = words(&[";"]);
        arguments.extend(look(&self.pane));
        arguments
    }
}

/// Asks for a pane's state and screen.
pub fn look(pane: &str) -> Vec<String> {
    words(&[
        "display-message",
        "-p",
        "-t",
        pane,
        FORMAT,
        ";",
        "capture-pane",
        "-p",
        "-e",
        // Blanks at the end of a row tell whether a line runs over.
        "-N",
        "-t",
        pane,
    ])
}

/// Asks for the command in a pane's foreground, as tmux calls it.
pub fn foreground(pane: &str) -> Vec<String> {
    words(&["display-message", "-p", "-t", pane, "#{pane_current_command}"])
}

/// Asks for a pane's state only.
pub fn state(pane: &str) -> Vec<String> {
    words(&["display-message", "-p", "-t", pane, FORMAT])
}

/// Asks for a pane's state and what it printed: its screen and `history` rows above, as they stand, then with the rows
/// joined that the terminal wrapped.
pub fn printed(pane: &str, history: u64) -> Vec<String> {
    let start = format!("-{history}");
    let mut arguments = state(pane);
    arguments.extend(words(&[";", "capture-pane", "-p", "-S", &start, "-t", pane]));
    arguments.extend(words(&[
        ";",
        "capture-pane",
        "-p",
        "-J",
        "-S",
        &start,
        "-t",
        pane,
    ]));
    arguments
}

/// Leaves copy mode, a tree or the clock, then looks.
pub fn leave_mode(pane: &str) -> Vec<String> {
    let mut arguments = words(&["copy-mode", "-q", "-t", pane, ";"]);
    arguments.extend(look(pane));
    arguments
}

/// Whether a guarded act was done, and what the look behind it printed. `None`: tmux did not get so far.
pub fn outcome(output: &str) -> Option<(bool, &str)> {
    let (first, rest) = output.split_once('\n')?;
    match first {
        DONE => Some((true, rest)),
        REFUSED => Some((false, rest)),
        _ => None,
    }
}

/// Whether a text can name a pane: an id, or a session, window and pane. tmux reads anything else as an option or a
/// format.
pub fn is_target(text: &str) -> bool {
    let rest = text.strip_prefix(['%', '@', '$']).unwrap_or(text);
    let plain = |char: char| char.is_alphanumeric() || "_.:-".contains(char);
    !rest.is_empty() && !rest.starts_with('-') && rest.chars().all(plain)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
