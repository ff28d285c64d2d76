//! Rules about single files: length, first line, no trace of the machine they were written on.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::tree::{SourceFile, files, programs, root};

/// Lines of one file, tests included: one responsibility has room in that.
const LINES_MAX: usize = 400;

/// Shortest first line that can say a purpose.
const PURPOSE_MIN: usize = 15;

/// Folders that only exist on the machine where something was written. Spelled in two parts, so that this file passes
/// its own rule.
const MACHINE_FOLDERS: [&str; 3] = [
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

/// `file: fault` for each file that has one.
fn failures(files: &[SourceFile], fault: impl Fn(&SourceFile) -> Option<String>) -> Vec<String> {
    files
        .iter()
        .filter_map(|file| Some(format!("{}: {}", file.path, fault(file)?)))
        .collect()
}

#[test]
fn no_program_is_too_long() {
    let faults = failures(&programs(), |file| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX)
            .then(|| format!("{lines} lines, at most {LINES_MAX} are allowed: split it by responsibility"))
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_program_says_its_purpose_first() {
    let faults = failures(&programs(), |file| {
        purpose(file)
            .is_none()
            .then(|| "the first line does not say what the file is for".to_owned())
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The purpose: the text of the first comment, after a `#!` line.
fn purpose(file: &SourceFile) -> Option<&str> {
    let mut lines = file.text.lines();
    let mut first = lines.next()?;
    if first.starts_with("#!") && !first.starts_with("#![") {
        first = lines.next()?;
    }
    let marks: &[&str] = match file.path.rsplit_once('.') {
        Some((_, "rs")) => &["//! "],
        Some((_, "js" | "mjs" | "ts")) => &["// ", "/** "],
        Some((_, "py")) => &["# ", "\"\"\""],
        _ => &["# "],
    };
    let text = marks.iter().find_map(|mark| first.strip_prefix(mark))?;
    (text.len() >= PURPOSE_MIN && !text.starts_with("Placeholder")).then_some(text)
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let mut folders: Vec<String> = MACHINE_FOLDERS.map(str::to_owned).to_vec();
    folders.push(format!("{}/", root().display()));
    folders.extend(
        std::env::var("HOME")
            .ok()
            .filter(|home| home.len() > 1)
            .map(|home| format!("{home}/")),
    );
    let faults = failures(&files(), |file| {
        let folder = folders.iter().find(|folder| file.text.contains(*folder))?;
        Some(format!("names {folder}"))
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_dependency_comes_from_the_default_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut sources: Vec<&str> = lock
        .lines()
        .filter(|line| line.starts_with("source = "))
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let [source] = sources[..] else {
        panic!("one source expected: {sources:?}")
    };
    assert!(
        source.starts_with("source = \"registry+") && source.ends_with("/crates.io-index\""),
        "{source}"
    );
}

#[test]
fn package_locks_hold_hashes_and_no_addresses() {
    let mut seen = 0;
    for file in files()
        .iter()
        .filter(|file| file.path.ends_with("package-lock.json"))
    {
        seen += 1;
        let found = |word: &str| file.text.matches(word).count();
        assert_eq!((found("\"resolved\""), found("://")), (0, 0), "{}", file.path);
        // The package itself has none.
        assert_eq!(found("\"integrity\""), found("\"node_modules/"), "{}", file.path);
    }
    assert!(seen > 0, "no package lock was looked at");
}

#[test]
fn recipes_can_be_run() {
    for path in ["run", ".ci/run"] {
        let mode = fs::metadata(root().join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{path} is not executable");
    }
}

#[test]
fn purposes_are_recognised() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    for (path, text, expected) in [
        ("a.rs", "//! Says what it is for.\n", true),
        ("a.rs", "//! Placeholder heading; later.\n", false),
        ("a.rs", "use std::fs; // no purpose\n", false),
        ("a.rs", "#![allow(x)]\n//! Too late to be first.\n", false),
        ("run", "#!/bin/sh\n# Says what it is for.\n", true),
        ("run", "#!/bin/sh\nset -eu\n", false),
        (
            "a.py",
            "#!/usr/bin/env python3\n\"\"\"Says what it is for.\"\"\"\n",
            true,
        ),
        ("a.ts", "// Says what it is for.\n", true),
        ("a.ts", "", false),
    ] {
        assert_eq!(purpose(&file(path, text)).is_some(), expected, "{path}: {text}");
    }
}
