//! What `up` says of itself: where its coordinator is, and what to type next.

use std::fs;
use std::process::Stdio;

use super::{Home, until};

#[test]
fn bus_json_names_the_coordinator_that_runs() {
    let (home, _) = Home::up();
    let coordinator = || home.file("run/wb/bus.json")["coordinator"].clone();
    let first = coordinator();
    assert!(
        first["http"].as_str().unwrap().starts_with("http://127.0.0.1:"),
        "{first}"
    );
    let token = fs::read_to_string(first["token_file"].as_str().unwrap()).unwrap();
    assert!(token.trim().len() >= 32);
    assert_eq!(home.json(&["status"])["coordinator_state"], "ok");

    let pid = home.file("run/wb/coordinator.ready")["pid"].to_string();
    let killed = home.command("kill").args(["-KILL", &pid]).status().unwrap();
    assert!(killed.success());
    until(|| !coordinator().is_null() && home.json(&["status"])["coordinator_state"] == "ok");
    let again = home.file("run/wb/coordinator.ready")["pid"].to_string();
    assert_ne!(again, pid);

    let report = home.json(&["doctor"]);
    let findings = report["findings"].as_array().unwrap();
    let state = |check: &str| findings.iter().find(|f| f["check"] == check).unwrap()["state"].clone();
    assert_eq!(
        (state("coordinator"), state("roster")),
        ("ok".into(), "ok".into()),
        "{report}"
    );
}

#[test]
fn the_next_commands_that_it_prints_work() {
    let (home, told) = Home::up();
    let commands: Vec<&str> = told
        .lines()
        .skip_while(|line| *line != "next:")
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with("nats "))
        .collect();
    let sidecar = commands.iter().position(|line| line.contains("sidecar")).unwrap();
    let (before, after) = commands.split_at(sidecar + 1);
    assert_eq!(after.len(), 3, "{told}");
    // A person does not type faster than a sidecar starts; a script must wait.
    let wait = "until [ -e \"$WAGGLEBUS_RUN/wb/alice.json\" ]; do sleep 0.02; done";
    let script = format!(
        "set -e\ntrap 'kill $!' EXIT\n{}\n{wait}\n{}",
        before.join("\n"),
        after.join("\n")
    );
    let mut shell = home.command("/bin/sh");
    let output = shell
        .args(["-c", &script])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{script}\n{stdout}{stderr}");
    assert!(
        stdout.contains("| hello") && stdout.contains("alice"),
        "{stdout}{stderr}"
    );
}

/// Each enrolment reloads the server, which then turns away whoever is just logging in.
#[test]
fn many_agents_may_be_started_at_once() {
    let (mut home, _) = Home::up();
    let names: Vec<String> = (0..16).map(|n| format!("agent-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    home.sidecars(&names);
    until(|| home.json(&["agents"])["items"].as_array().unwrap().len() == 17);
}
