//! Who runs in a pane: the processes that would read what is typed, and whether they are still the same.

use serde::{Deserialize, Serialize};

/// How deep shells that run shells are followed.
const DEPTH_MAX: usize = 5;

const SHELLS: [&str; 16] = [
    "sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "ash", "tcsh", "csh", "nu", "xonsh", "elvish",
    "pwsh", "rbash", "busybox",
];

/// Programs that hand what is typed on to another one, which cannot be seen from here and may be a shell.
const OPAQUE: [&str; 16] = [
    "ssh",
    "mosh",
    "mosh-client",
    "telnet",
    "su",
    "sudo",
    "doas",
    "login",
    "screen",
    "tmux",
    "docker",
    "podman",
    "kubectl",
    "nsenter",
    "chroot",
    "script",
];

/// Options of shells that are followed by a value.
const VALUED: [&str; 6] = ["-o", "+o", "-O", "+O", "--rcfile", "--init-file"];

/// A process as the system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its group.
    pub group: u32,
    /// When it was started, in the system's own words; with the id it names a process for ever.
    pub start: String,
    /// Its arguments.
    pub argv: Vec<String>,
}

/// A process that must stay the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its id.
    pub pid: u32,
    /// When it was started.
    pub start: String,
    /// Its arguments.
    pub argv: Vec<String>,
}

/// Who an attachment is to: the leader of the pane's foreground group and, where that is a shell that runs a script or a
/// command, also what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The leader of the foreground group.
    pub leader: Who,
    /// What a shell runs, and what shells among that run.
    pub children: Vec<Who>,
}

/// Why nothing may be typed into a pane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The foreground group has no leader: its first process has ended.
    #[error("nobody leads the foreground of the pane")]
    Nobody,
    /// It would execute what is typed.
    #[error("an interactive shell ({0}) is in the foreground of the pane")]
    Shell(String),
    /// What reads behind it cannot be seen.
    #[error("{0} is in the foreground of the pane, and what it hands the text on to cannot be seen")]
    Opaque(String),
}

/// How those in the foreground compare with an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The same.
    Same,
    /// The same, but what its shell runs at the moment reads the terminal too.
    Occupied,
    /// Gone, or somebody else.
    Gone,
}

impl Identity {
    /// Who is in the foreground group, given all its processes. An interactive shell is refused unless it was `shell`
    /// that the user asked for, and a program that hands the text on unless its profile was `named`.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn of(group: u32, processes: &[Process], shell: bool, named: bool) -> Result<Self, Refusal> {
        let leader = processes.iter().find(|process| process.pid == group);
        let leader = leader.ok_or(Refusal::Nobody)?;
        let children = run_by(leader, processes, DEPTH_MAX);
        for process in [leader].into_iter().chain(children.iter().copied()) {
            let name = name(process);
            if is_interactive_shell(&process.argv) && !shell {
                return Err(Refusal::Shell(name.to_owned()));
            }
            if OPAQUE.contains(&name) && !named {
                return Err(Refusal::Opaque(name.to_owned()));
            }
        }
        Ok(Self {
            leader: Who::of(leader),
            children: children.into_iter().map(Who::of).collect(),
        })
    }

    /// Whether they are still there, given the foreground group and all its processes.
    pub fn presence(&self, group: u32, processes: &[Process]) -> Presence {
        let is_there = |who: &Who| {
            let same = |process: &Process| process.pid == who.pid && Who::of(process) == *who;
            processes.iter().any(same)
        };
        if group != self.leader.pid || !is_there(&self.leader) || !self.children.iter().all(is_there) {
            return Presence::Gone;
        }
        let leader = processes.iter().find(|process| process.pid == group);
        let runs = leader.is_some_and(|leader| !run_by(leader, processes, 1).is_empty());
        if self.children.is_empty() && runs {
            Presence::Occupied
        } else {
            Presence::Same
        }
    }

    /// The arguments of each, the innermost first: what tells best which program it is.
    pub fn argvs(&self) -> impl Iterator<Item = &[String]> {
        let all = std::iter::once(&self.leader).chain(&self.children);
        all.map(|who| who.argv.as_slice())
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
    }
}

impl Who {
    fn of(process: &Process) -> Self {
        Self {
            pid: process.pid,
            start: process.start.clone(),
            argv: process.argv.clone(),
        }
    }
}

/// What a shell runs in its own group, followed through shells; nothing for any other program.
fn run_by<'a>(leader: &Process, processes: &'a [Process], depth: usize) -> Vec<&'a Process> {
    if depth == 0 || !SHELLS.contains(&name(leader)) {
        return Vec::new();
    }
    let children = processes
        .iter()
        .filter(|process| process.parent == leader.pid && process.group == leader.group);
    children
        .flat_map(|child| std::iter::once(child).chain(run_by(child, processes, depth.saturating_sub(1))))
        .collect()
}

/// Whether a process hands the terminal on to what it runs, which is to be looked at too.
pub fn is_shell(argv: &[String]) -> bool {
    SHELLS.contains(&program(argv))
}

/// The name of a process's program; a login shell has a hyphen in front.
fn name(process: &Process) -> &str {
    program(&process.argv)
}

fn program(argv: &[String]) -> &str {
    let path = argv.first().map_or("", String::as_str);
    let path = path.strip_prefix('-').unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// A shell that runs neither a script nor a command: it executes what it reads.
pub fn is_interactive_shell(argv: &[String]) -> bool {
    if !SHELLS.contains(&program(argv)) {
        return false;
    }
    let mut arguments = argv.iter().skip(1).map(String::as_str);
    if program(argv) == "busybox" {
        arguments.next();
    }
    while let Some(argument) = arguments.next() {
        let short = argument.starts_with('-') && !argument.starts_with("--");
        if short && argument.contains('s') {
            return true;
        }
        if (short && argument.contains('c')) || argument == "--command" {
            return arguments.next().is_none();
        }
        if argument == "--" {
            return arguments.next().is_none();
        }
        if VALUED.contains(&argument) {
            arguments.next();
        } else if !argument.starts_with(['-', '+']) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    fn process(pid: u32, parent: u32, group: u32, line: &str) -> Process {
        let start = format!("at {pid}");
        Process {
            pid,
            parent,
            group,
            start,
            argv: argv(line),
        }
    }

    #[test]
    fn shells_with_a_script_or_a_command_are_not_interactive() {
        for line in [
            "sh",
            "-bash",
            "/bin/bash --norc -i",
            "zsh -l",
            "dash -e",
            "bash -o vi",
            "sh -s x",
            "fish",
        ] {
            assert!(is_interactive_shell(&argv(line)), "{line}");
        }
        for line in [
            "sh -c x",
            "bash -lc x",
            "sh agent.sh",
            "bash -eu -o pipefail run",
            "sh -- x",
            "python3",
            "busybox sh x",
            "fish --command x",
        ] {
            assert!(!is_interactive_shell(&argv(line)), "{line}");
        }
    }

    #[test]
    fn a_shell_and_what_hands_on_are_refused() {
        let of = |line: &str| Identity::of(5, &[process(5, 1, 5, line)], false, false);
        assert_eq!(of("-bash"), Err(Refusal::Shell("bash".into())));
        assert_eq!(of("/usr/bin/ssh host"), Err(Refusal::Opaque("ssh".into())));
        assert_eq!(
            Identity::of(5, &[process(6, 5, 5, "x")], false, false),
            Err(Refusal::Nobody)
        );
        assert!(of("claude").is_ok());
        assert!(Identity::of(5, &[process(5, 1, 5, "-bash")], true, true).is_ok());
        let nested = [process(5, 1, 5, "sh x"), process(6, 5, 5, "bash")];
        assert_eq!(
            Identity::of(5, &nested, false, false),
            Err(Refusal::Shell("bash".into()))
        );
    }

    #[test]
    fn a_script_is_identified_with_what_it_runs() {
        let script = process(5, 1, 5, "sh run.sh");
        let inner = process(6, 5, 5, "sh -c agent");
        let agent = process(7, 6, 5, "python3 agent.py");
        let all = [script.clone(), inner.clone(), agent.clone()];
        let identity = Identity::of(5, &all, false, false).unwrap();
        assert_eq!(identity.children.len(), 2);
        assert_eq!(identity.argvs().next(), Some(agent.argv.as_slice()));
        assert_eq!(identity.presence(5, &all), Presence::Same);
        let restarted = process(8, 6, 5, "python3 agent.py");
        for gone in [
            vec![script.clone(), inner.clone()],
            vec![script.clone(), inner, restarted],
            vec![script],
            Vec::new(),
        ] {
            assert_eq!(identity.presence(5, &gone), Presence::Gone, "{gone:?}");
        }
        assert_eq!(
            identity.presence(9, &all),
            Presence::Gone,
            "another group is in the foreground"
        );
    }

    #[test]
    fn a_pid_that_was_used_again_or_executed_something_else_is_not_the_same() {
        let agent = process(5, 1, 5, "agent");
        let identity = Identity::of(5, std::slice::from_ref(&agent), false, false).unwrap();
        let mut other = agent.clone();
        other.start = "later".into();
        assert_eq!(identity.presence(5, &[other]), Presence::Gone);
        let mut other = agent;
        other.argv = argv("bash");
        assert_eq!(identity.presence(5, &[other]), Presence::Gone);
    }

    #[test]
    fn a_script_that_reads_by_itself_is_occupied_while_it_runs_something() {
        let script = process(5, 1, 5, "sh loop.sh");
        let identity = Identity::of(5, std::slice::from_ref(&script), false, false).unwrap();
        let tool = process(6, 5, 5, "vi");
        assert_eq!(identity.presence(5, &[script, tool]), Presence::Occupied);
    }
}
