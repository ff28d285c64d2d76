//! What tmux is asked to do: arguments of one call each, with what must hold at the moment it is done.

use super::capture::{FORMAT, Flags};
use super::fence::Fence;

/// Printed when the pane was as it had to be.
const DONE: &str = "wb-done";
/// Printed when it was not, and nothing was done.
const REFUSED: &str = "wb-refused";

/// How long tmux waits for a program to show what was done to it, in seconds: so often this long. One that needs longer
/// is looked at again.
const PAUSE_S: &str = "0.001";
const PAUSES: usize = 4;

/// A pane as it was seen: what is done to it is done only while this holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pane: String,
    condition: String,
    /// That the cursor has not moved, nor the history grown.
    unmoved: String,
    pauses: bool,
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
            unmoved: format!(
                "#{{==:#{{cursor_x}}/#{{cursor_y}}/#{{history_size}},{}/{}/{}}}",
                flags.cursor_x, flags.cursor_y, flags.history
            ),
            pauses: false,
        }
    }

    /// The same; if `pauses`, what is done to it is followed by a moment for the program to show it, before the look.
    /// Only for servers that [can](Server::is_recent) do that.
    #[must_use]
    pub const fn pausing(mut self, pauses: bool) -> Self {
        self.pauses = pauses;
        self
    }

    /// Loads the text in the file `from`, `-` for standard input, into a buffer of its own, and pastes it.
    pub fn paste(&self, fence: Fence, from: &str) -> Vec<String> {
        let buffer = format!("wb-{fence}");
        let pane = &self.pane;
        let mut arguments = words(&["load-buffer", "-b", &buffer, from, ";"]);
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
        if self.pauses {
            let pause = format!("run-shell -d {PAUSE_S}");
            let wait = words(&["if-shell", "-F", "-t", &self.pane, &self.unmoved, &pause, "", ";"]);
            arguments.extend(std::iter::repeat_n(wait, PAUSES).flatten());
        }
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

/// Asks for the server's version.
pub fn version() -> Vec<String> {
    words(&["display-message", "-p", "#{version}"])
}

/// What a server can do, by its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// It can wait between two commands, and has its clients read the files that it is told to read: an older one reads
    /// by itself, and does nothing else until there is something to read.
    pub is_recent: bool,
    /// How many [scripts](script) one client can be given: each is nested in the one before.
    pub scripts_max: u32,
}

impl Server {
    /// A server of this version, in tmux's own words. One that is not understood can do little.
    pub fn of(version: &str) -> Self {
        let version = version.trim().trim_start_matches("next-");
        let (major, rest) = version.split_once('.').unwrap_or((version, ""));
        let minor = rest.split(|char: char| !char.is_ascii_digit()).next();
        let number = |text: &str| text.parse::<u32>().ok();
        let version = number(major).zip(minor.and_then(number)).unwrap_or((0, 0));
        Self {
            is_recent: version >= (3, 2),
            // Since 3.6 they may not be nested more than 50 times; before, each costs the server some bytes.
            scripts_max: if version < (3, 6) { 1_000 } else { 40 },
        }
    }
}

/// Asks a client to do what stands in a file.
pub fn source(path: &str) -> Vec<String> {
    words(&["source-file", path])
}

/// Whether a path means itself wherever tmux is given one: tmux looks for patterns and formats in them.
pub fn is_plain_path(path: &str) -> bool {
    let plain = |char: char| char.is_alphanumeric() || "/._-+@,=".contains(char);
    path.starts_with('/') && path.chars().all(plain)
}

/// A call as text for a client that reads its calls: what `arguments` ask for, then a line that says `mark`, then what
/// stands in the file `next`. The second and third happen even if the first fails.
pub fn script(arguments: &[String], mark: &str, next: &str) -> String {
    let mark = words(&["display-message", "-p", mark]);
    [arguments, &mark, &source(next)].map(line).concat()
}

/// A sequence of commands as a line of a file.
fn line(arguments: &[String]) -> String {
    let quoted = arguments.iter().map(|argument| {
        if argument == ";" {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ") + "\n"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_tmux_reads_it() {
        let arguments = words(&["a", "it's", "#{x} $y \\", ";", "b", ""]);
        assert_eq!(
            script(&arguments, "m", "/f"),
            "'a' 'it'\\''s' '#{x} $y \\' ; 'b' ''\n'display-message' '-p' 'm'\n'source-file' '/f'\n"
        );
    }

    #[test]
    fn versions_are_told_apart() {
        for version in ["3.2", "3.3a", "3.10", "4.0", "next-3.6", "3.2-rc3", "3.3a\n"] {
            assert!(Server::of(version).is_recent, "{version:?}");
        }
        for version in ["3.1c", "2.9", "3", "", "openbsd-7.3", "master"] {
            assert!(!Server::of(version).is_recent, "{version:?}");
        }
        for (version, fewer) in [("3.5a", false), ("3.6", true), ("3.10", true), ("4.0", true)] {
            assert_eq!(Server::of(version).scripts_max < 50, fewer, "{version}");
        }
    }

    #[test]
    fn paths_that_mean_something_else_to_tmux_are_known() {
        assert!(is_plain_path("/home/a-b/.local/state/wb@1"));
        for path in ["relative", "/a b", "/a*", "/a[1]", "/#{x}", "/a'b", "/a%b", ""] {
            assert!(!is_plain_path(path), "{path:?}");
        }
    }
}
