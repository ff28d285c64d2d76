//! Profiles: what is known of the programs in panes, as data.

use super::frame::Form;

/// What is known of a kind of program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// How text is put into it.
    pub form: Form,
    /// How long to wait between text and Enter.
    pub enter_delay: EnterDelay,
    /// Where its input stands on the screen.
    pub input: InputRule,
    /// Texts near its input that say that it works.
    pub busy: &'static [&'static str],
    /// Texts that say that it waits for an answer of a person.
    pub dialog: &'static [&'static str],
    /// Texts near its input that say that its provider lets it do nothing.
    pub limited: &'static [&'static str],
    /// How it shows a long paste in place of the text, up to the number of lines or characters.
    pub collapsed: &'static [&'static str],
    /// How long its screen must have stayed the same before it counts as idle, in milliseconds; 0 where it says itself
    /// when it works.
    pub quiet_ms: u64,
    /// Whether its output is read for `@` lines unless the user says otherwise.
    pub reads_output: bool,
}

/// How long to wait between text and Enter: programs take a fast Enter for a part of the paste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnterDelay {
    /// At least, in milliseconds.
    pub base_ms: u64,
    /// More for each KiB of text, in milliseconds.
    pub per_kib_ms: u64,
    /// At most, in milliseconds.
    pub max_ms: u64,
}

impl EnterDelay {
    /// The delay for a text of this many bytes, in milliseconds.
    pub fn for_bytes(&self, bytes: usize) -> u64 {
        let kib = u64::try_from(bytes / 1_024).unwrap_or(u64::MAX);
        self.base_ms
            .saturating_add(kib.saturating_mul(self.per_kib_ms))
            .min(self.max_ms)
    }
}

/// Where a program's input stands on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputRule {
    /// Between two rules or in a box; its first line begins with one of these.
    Boxed(&'static [char]),
    /// From the last line that begins with one of these to the next blank line.
    Glyph(&'static [char]),
    /// On the cursor's line, behind a prompt that ends so. A line without any text is an empty input.
    Cursor(&'static [&'static str]),
}

const NO_DELAY: EnterDelay = EnterDelay {
    base_ms: 0,
    per_kib_ms: 0,
    max_ms: 0,
};

/// Claude Code.
pub const CLAUDE: Profile = Profile {
    name: "claude",
    form: Form::Block,
    enter_delay: EnterDelay {
        base_ms: 500,
        per_kib_ms: 50,
        max_ms: 1_500,
    },
    input: InputRule::Boxed(&['>', '❯']),
    busy: &["esc to interrupt", "ctrl+c to interrupt"],
    dialog: &[
        "Do you want to proceed?",
        "Do you want to make this edit",
        "Do you want to create",
        "Would you like to proceed?",
        "Do you trust the files in this folder?",
        "Enter to confirm",
        "Esc to cancel",
        "Enter to select",
        "Press Enter to continue",
    ],
    limited: &["limit reached", "hit your limit", "out of extra usage"],
    collapsed: &["[Pasted text #", "[...Truncated text #"],
    quiet_ms: 0,
    reads_output: false,
};

/// Codex CLI.
pub const CODEX: Profile = Profile {
    name: "codex",
    form: Form::Block,
    enter_delay: EnterDelay {
        base_ms: 200,
        per_kib_ms: 20,
        max_ms: 1_000,
    },
    input: InputRule::Glyph(&['›', '▌']),
    busy: &["esc to interrupt"],
    dialog: &[
        "Would you like to run the following command?",
        "Would you like to make the following edits?",
        "Allow command?",
        "Press enter to confirm",
        "Press enter to continue",
        "esc to cancel",
    ],
    limited: &["hit your usage limit"],
    collapsed: &["[Pasted Content "],
    quiet_ms: 0,
    reads_output: false,
};

/// aider.
pub const AIDER: Profile = Profile {
    name: "aider",
    form: Form::Block,
    enter_delay: EnterDelay {
        base_ms: 200,
        per_kib_ms: 20,
        max_ms: 1_000,
    },
    input: InputRule::Cursor(&["> "]),
    busy: &["Waiting for "],
    dialog: &["(Y)es/(N)o", "[Yes]:", "[No]:"],
    limited: &["RateLimitError"],
    collapsed: &[],
    quiet_ms: 300,
    reads_output: false,
};

/// An interactive shell: lines do nothing in it, and are there to be read.
pub const SHELL: Profile = Profile {
    name: "shell",
    form: Form::ShellLine,
    input: InputRule::Cursor(&["$ ", "# ", "% ", "> ", "❯ ", "➜ "]),
    ..PLAIN
};

/// Any other program that reads lines.
pub const PLAIN: Profile = Profile {
    name: "plain",
    form: Form::Line,
    enter_delay: NO_DELAY,
    input: InputRule::Cursor(&["> ", ": ", "? ", "$ ", "# ", "% ", ">", ":", "?"]),
    busy: &[],
    dialog: &["[y/N]", "[Y/n]", "(yes/no", "assword:", "assphrase"],
    limited: &[],
    collapsed: &[],
    quiet_ms: 250,
    reads_output: true,
};

/// Every profile.
pub const ALL: [&Profile; 5] = [&CLAUDE, &CODEX, &AIDER, &SHELL, &PLAIN];

/// Profiles with the names by which their program is recognised: its file, a part of the path of its script, or a module.
const RECOGNISED: [(&Profile, &str, &str); 3] = [
    (&CLAUDE, "claude", "/claude-code/"),
    (&CODEX, "codex", "/@openai/codex/"),
    (&AIDER, "aider", "/aider/"),
];

/// How the names of interpreters begin.
const INTERPRETERS: [&str; 8] = ["node", "bun", "deno", "python", "pypy", "sh", "bash", "dash"];

/// The profile of this name.
pub fn named(name: &str) -> Option<&'static Profile> {
    ALL.into_iter().find(|profile| profile.name == name)
}

/// The profile of a program, by its arguments. `plain` where nothing is recognised.
pub fn recognise<'a>(argvs: impl IntoIterator<Item = &'a [String]>) -> &'static Profile {
    let recognised = |argv: &[String]| {
        RECOGNISED.iter().find(|(_, name, path)| {
            let program = argv.first().into_iter().chain(script(argv));
            program
                .into_iter()
                .any(|text| text.rsplit('/').next() == Some(*name) || text.contains(path))
        })
    };
    argvs
        .into_iter()
        .find_map(|argv| recognised(argv).map(|(profile, _, _)| *profile))
        .unwrap_or(&PLAIN)
}

/// What an interpreter runs: its first argument that is no option; a module follows `-m`.
fn script(argv: &[String]) -> Option<&String> {
    let program = argv.first()?.rsplit('/').next()?;
    let interprets = INTERPRETERS.iter().any(|name| program.starts_with(name));
    let mut rest = argv.iter().skip(1).filter(|argument| !argument.starts_with('-'));
    rest.next().filter(|_| interprets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> &'static str {
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        recognise([argv.as_slice()]).name
    }

    #[test]
    fn programs_are_recognised_by_file_script_and_module() {
        for (line, profile) in [
            ("claude", "claude"),
            ("/usr/local/bin/claude --resume", "claude"),
            (
                "node /usr/lib/node_modules/@anthropic-ai/claude-code/cli.js",
                "claude",
            ),
            ("codex --full-auto", "codex"),
            ("node /opt/node_modules/@openai/codex/bin/codex.js", "codex"),
            ("python3 -m aider", "aider"),
            ("/venv/bin/python /venv/bin/aider --model x", "aider"),
            ("python3 agent.py claude", "plain"),
            ("vim claude", "plain"),
        ] {
            assert_eq!(of(line), profile, "{line}");
        }
    }

    #[test]
    fn a_long_paste_waits_longer_up_to_a_bound() {
        assert_eq!(CLAUDE.enter_delay.for_bytes(10), 500);
        assert_eq!(CLAUDE.enter_delay.for_bytes(4_096), 700);
        assert_eq!(CLAUDE.enter_delay.for_bytes(1 << 20), 1_500);
        assert!(ALL.iter().all(|profile| named(profile.name) == Some(*profile)));
    }
}
