//! The files of the repository, as git sees them; in an unpacked archive, as they lie there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that hold products, not sources.
const PRODUCTS: [&str; 5] = [".git", ".tools", "target", "node_modules", "__pycache__"];

/// A text file of the repository.
pub(super) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl SourceFile {
    /// Whether somebody writes and reads it as a program.
    pub(super) fn is_program(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => {
                matches!(extension, "rs" | "py" | "sh" | "js" | "mjs" | "ts")
            }
            _ => self.text.starts_with("#!"),
        }
    }
}

/// The folder with the workspace's `Cargo.toml`.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file; binary ones are left out.
pub(super) fn files() -> Vec<SourceFile> {
    let root = root();
    let paths = tracked(&root).unwrap_or_else(|| walked(&root));
    let files: Vec<SourceFile> = paths
        .into_iter()
        .filter_map(|path| {
            fs::read_to_string(root.join(&path))
                .ok()
                .map(|text| SourceFile { path, text })
        })
        .collect();
    assert!(
        files
            .iter()
            .any(|file| file.path == "tests/tests/all/tidy/tree.rs"),
        "the walk misses this file"
    );
    files
}

/// Only the programs among [`files`].
pub(super) fn programs() -> Vec<SourceFile> {
    files().into_iter().filter(SourceFile::is_program).collect()
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .ok()?;
    let list = String::from_utf8(output.stdout)
        .ok()
        .filter(|list| output.status.success() && !list.is_empty())?;
    Some(list.split_terminator('\0').map(str::to_owned).collect())
}

fn walked(root: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !PRODUCTS.iter().any(|name| entry.file_name() == *name) {
                folders.push(entry.path());
            } else if kind.is_file() {
                paths.push(
                    entry
                        .path()
                        .strip_prefix(root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    paths
}

#[test]
fn git_and_the_folders_show_the_same_programs() {
    let root = root();
    let Some(tracked) = tracked(&root) else { return };
    let walked = walked(&root);
    let missing: Vec<&String> = tracked
        .iter()
        .filter(|path| root.join(path).is_file() && !walked.contains(path))
        .collect();
    assert!(
        missing.is_empty(),
        "in git, but not found by the walk: {missing:?}"
    );
}

#[test]
fn programs_are_told_by_ending_or_by_their_first_line() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    for (path, text, expected) in [
        ("a/b.rs", "", true),
        ("run", "#!/bin/sh\n", true),
        (".ci/run", "#!/bin/sh\n", true),
        ("LICENSE", "text", false),
        (".gitignore", "/target", false),
        ("README.md", "#!", false),
    ] {
        assert_eq!(file(path, text).is_program(), expected, "{path}");
    }
}
