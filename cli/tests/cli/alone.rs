//! What the program tells of itself: completions and manual pages, without home, bus or configuration.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fake::Ran;
use crate::home::Home;

fn run(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wagglebus"));
    // A configuration that cannot be read must not spoil the start of a shell.
    command.args(args).env_clear().env("WAGGLEBUS_CONFIG", "/nowhere");
    Ran::from(command.stdin(Stdio::null()).output().unwrap())
}

/// A file name may be any bytes, and a sidecar sets the variable for its children.
#[test]
fn arguments_that_are_no_text_reach_the_program() {
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new("#!/bin/sh\nexit 7\n");
    let mut command = home.command(&["sidecar", "--agent", "a", "stdio", "--", "./program"]);
    command.arg(std::ffi::OsStr::from_bytes(b"\xff"));
    let ran = Ran::from(command.env("WAGGLEBUS_HIVE", "wb").output().unwrap());
    assert_eq!(ran.code, 7, "{}", ran.stderr);
}

/// The verbs that the help lists.
fn verbs() -> Vec<String> {
    let help = run(&["--help"]).stdout;
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty());
    // What is longer goes on below, further to the right.
    let verbs = verbs.filter(|line| !line.starts_with("   "));
    let verbs = verbs.filter_map(|line| Some(line.split_whitespace().next()?.to_owned()));
    verbs.filter(|verb| verb != "help").collect()
}

#[test]
fn completions_know_every_verb_in_every_shell() {
    let verbs = verbs();
    assert!(verbs.len() > 15, "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        let missing: Vec<&String> = verbs.iter().filter(|verb| !ran.stdout.contains(*verb)).collect();
        assert!(missing.is_empty(), "{shell}: {missing:?}");
    }
    let ran = run(&["--json", "completions", "bash"]);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer["shell"], "bash");
    assert_eq!(run(&["completions", "csh"]).code, 2);
}

/// Bash itself completes a verb, and a value.
#[test]
fn bash_completes_with_them() {
    let script = r#"
        . /dev/stdin
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _wagglebus wagglebus "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[@]}"; }
        complete_words wagglebus tra
        complete_words wagglebus send --priority u
    "#;
    let completions = run(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash");
    bash.args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = bash.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), completions.as_bytes()).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.stdout, "trace\nurgent\n", "{}", ran.stderr);
}

#[test]
fn there_is_one_page_for_each_verb() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man1");
    let ran = run(&["--json", "man", to.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    for verb in verbs() {
        let page = fs::read_to_string(to.join(format!("wagglebus-{verb}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{verb}: {page}");
    }
    let retry = fs::read_to_string(to.join("wagglebus-dlq-retry.1")).unwrap();
    assert!(retry.contains("wagglebus dlq retry") && retry.contains("metadata.retry_of"));
    let written = fs::read_dir(&to).unwrap().count();
    assert_eq!(answer["pages"].as_array().unwrap().len(), written);
    assert!(run(&["man"]).stdout.contains(".TH wagglebus 1"));

    let ran = run(&["man", "/dev/null/pages"]);
    assert!(ran.code == 1 && ran.stderr.contains("fix:"), "{ran:?}");
}
