//! `torture` with the built programs: data on stdout, progress on stderr, and the seed in each way to end.

use std::process::{Command, Stdio};

use serde_json::Value;
use wagglebus_harness::fleet::program;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs it; without anything that `path` does not hold.
fn torture(arguments: &[&str], path: Option<&str>) -> Ran {
    let mut command = Command::new(program::find("wagglebus").unwrap());
    command.arg("torture").args(arguments).stdin(Stdio::null());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn bodies_are_reported_with_their_seed() {
    let ran = torture(&["bodies", "--count", "3", "--seed", "7", "--json"], None);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["case"], &report["seed"]), (&"bodies".into(), &7.into()));
    assert_eq!(report["figures"]["submits"], 3, "{report}");
    assert_eq!(report["violations"], serde_json::json!([]));
    assert!(
        ran.stderr.starts_with("bodies, seed 7: starting\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_run_that_is_not_possible_is_no_report_and_names_what_is_missing_and_the_seed() {
    let ran = torture(&["bodies", "--seed", "9"], Some("/nowhere"));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    for said in [
        "no tmux",
        "apt-get install",
        "wagglebus torture bodies --count 1000 --seed 9",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}

#[test]
fn a_ledger_is_kept_and_none_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let arguments = [
        "fleet",
        "--messages",
        "1000",
        "--seed",
        "3",
        "--ledger",
        path.to_str().unwrap(),
    ];
    let ran = torture(&arguments, None);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout
            .starts_with("torture fleet, seed 3: every promise was kept\n"),
        "{}",
        ran.stdout
    );
    let ledger = std::fs::read_to_string(&path).unwrap();
    let entries: Vec<Value> = ledger
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let accepted = entries
        .iter()
        .filter(|entry| entry["op"]["op"] == "accepted")
        .count();
    assert!(accepted >= 1_000, "{accepted}");
    let again = torture(&arguments, None);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), ledger);
}

/// Twenty agents and two thousand tasks: what the page of the benchmarks tells of larger runs holds in each build.
#[test]
fn every_task_ends_once_whoever_dies() {
    let seed = std::env::var("WAGGLEBUS_SEED").unwrap_or_else(|_| "1".to_owned());
    let arguments = [
        "tasks", "--agents", "20", "--tasks", "2000", "--seed", &seed, "--json",
    ];
    let ran = torture(&arguments, None);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let figure = |name: &str| report["figures"][name].as_u64().unwrap();
    assert_eq!(report["violations"], serde_json::json!([]));
    assert!(figure("completed") > 1_900, "{report:#}");
    assert_eq!((figure("tasks"), figure("blows")), (2_000, 16), "{report:#}");
    // Liars and the late were refused; leaders changed; nothing of that was for show.
    assert!(
        figure("commands_refused") > 50 && figure("leaders") >= 4,
        "{report:#}"
    );
    assert!(figure("leader_takeovers") >= 3, "{report:#}");
    let lost = figure("lost_by_killed_agents") + figure("lost_by_stopped_agents");
    assert!(lost > 0, "{report:#}");
}
