//! Exit codes towards a bus that is named: what must be mended is refused, what may heal is unreachable.

use std::process::Stdio;

use wagglebus_harness::fleet::program;

use super::{Home, until};

/// Nobody listens there: the port is reserved.
const NOBODY: &str = "nats://127.0.0.1:1";

/// Runs a program to its end. Returns the exit code and what it said.
fn end(home: &Home, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = home.command(program::find(name).unwrap());
    let mut child = command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut code = None;
    until(|| {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    let output = child.wait_with_output().unwrap();
    (
        code.and_then(|status| status.code()),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn credentials_that_are_refused_are_told_from_a_bus_that_is_away() {
    let (home, _) = Home::up();
    let bus = home.file("run/wb/bus.json");
    let url = bus["url"].as_str().unwrap();
    let cli = |server| {
        let (code, said) = end(&home, "wagglebus", &["tail", "--no-follow", "--server", server]);
        assert!(said.contains("error: "), "{said}");
        code
    };
    assert_eq!((cli(url), cli(NOBODY)), (Some(6), Some(5)));
    let coordinator = |server| end(&home, "wagglebus-coordinator", &["--server", server]);
    let (code, said) = coordinator(url);
    assert_eq!(code, Some(6), "{said}");
    // A sidecar waits for a bus that is away.
    let sidecar = ["--agent", "alice", "--server", url, "http"];
    let (code, said) = end(&home, "wagglebus-sidecar", &sidecar);
    assert_eq!(code, Some(6), "{said}");
    let (code, said) = end(&home, "wagglebus", &["dlq", "ls", "--context", "no-such-context"]);
    assert!(code == Some(6) && said.contains("no-such-context"), "{said}");
}

#[test]
fn a_retry_is_repeated_under_its_id_without_doubling_it() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    let sent = home.json(&["send", "alice", "try me"]);
    let old = sent["id"].as_str().unwrap();
    let alice = |arguments: &[&str]| home.json(&[&["--as", "alice"], arguments].concat());
    for _ in 0..5 {
        let taken = alice(&["inbox", "--take", "1", "--timeout", "10s"]);
        let lease = taken["messages"][0]["lease"].as_str().unwrap();
        alice(&["nak", old, "--lease", lease, "--delay", "0s"]);
    }
    until(|| home.json(&["dlq", "ls"])["items"][0]["message_id"] == old);

    let (code, _, stderr) = home.run(&["dlq", "retry", "--id", old, old]);
    assert!(code == 6 && stderr.contains("dead message"), "{stderr}");
    let new = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c33";
    let first = home.json(&["dlq", "retry", "--id", new, old]);
    assert_eq!(first["items"][0]["id"], new);
    let again = home.json(&["dlq", "retry", "--id", new, old]);
    assert_eq!(again, first, "the same place in the stream");
    let taken = alice(&["inbox", "--take", "8"]);
    let messages = taken["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{taken}");
    assert_eq!(messages[0]["message"]["id"], new);
}
