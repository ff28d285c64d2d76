//! A bus that is named: the same words for all programs, and the same exit codes: what must be mended is refused, what
//! may heal is unreachable.

use std::process::Stdio;

use wagglebus_harness::fleet::program;

use super::{Home, until};

/// Nobody listens there: the port is reserved.
const NOBODY: &str = "nats://127.0.0.1:1";

/// Each program with arguments that make it connect.
const PROGRAMS: [(&str, &[&str], &[&str]); 3] = [
    ("wagglebus", &["tail", "--no-follow"], &[]),
    ("wagglebus-coordinator", &[], &[]),
    ("wagglebus-sidecar", &["--agent", "alice"], &["http"]),
];

/// Options, variables, and what is said of them.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// Runs a program to its end. Returns the exit code and what it said.
fn end(home: &Home, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    end_with(home, name, arguments, &[])
}

fn end_with(
    home: &Home,
    name: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut command = home.command(program::find(name).unwrap());
    let mut child = command
        .args(arguments)
        .envs(variables.iter().copied())
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
fn all_programs_understand_the_same_names() {
    let (home, _) = Home::up();
    let bus = home.file("run/wb/bus.json");
    let url = bus["url"].as_str().unwrap();
    let both = format!("{NOBODY}, {url}");
    let (refused, missing, no_key) = ("refuses these credentials", "no-such-context", "no-such.nk");
    let server = ("WAGGLEBUS_SERVER", both.as_str());
    let key = ("WAGGLEBUS_NKEY", no_key);
    let cases: [Case<'_>; 8] = [
        (&[], &[server], refused),
        (&["--server", &both], &[], refused),
        (&[], &[("NATS_URL", &both)], refused),
        (&[], &[("WAGGLEBUS_CONTEXT", missing)], missing),
        (&["--context", missing], &[server], missing),
        (&[], &[server, key], no_key),
        (&["--nkey", no_key], &[server], no_key),
        (&["--creds", "no-such.creds"], &[server, key], "no-such.creds"),
    ];
    for (options, variables, part) in cases {
        for (name, before, after) in PROGRAMS {
            let arguments = [before, options, after].concat();
            let (code, said) = end_with(&home, name, &arguments, variables);
            assert!(
                code == Some(6) && said.contains(part),
                "{name} {options:?} {variables:?}: {code:?} {said}"
            );
        }
    }
    let tail = ["tail", "--no-follow"];
    let (code, said) = end_with(&home, "wagglebus", &tail, &[("WAGGLEBUS_CONTEXT", "wagglebus")]);
    assert_eq!(code, Some(0), "{said}");
}

/// The shell in which `up` is called may be about another bus, and so may its folder.
#[test]
fn up_leads_its_own_programs_to_no_other_bus() {
    let (home, _) = Home::up();
    home.run(&["down"]);
    let mut up = home.command(program::find("wagglebus").unwrap());
    let up = up.args(["up", "--detach", "--relaxed"]);
    for name in ["CONTEXT", "SERVER", "NKEY", "CREDS"] {
        up.env(format!("WAGGLEBUS_{name}"), "elsewhere");
    }
    let folder = home.path("project");
    std::fs::create_dir(&folder).unwrap();
    let file = "[bus]\nserver = 'nats://elsewhere:1'\n[coordinator]\nlisten = '127.0.0.1:1'\n";
    std::fs::write(folder.join("wagglebus.toml"), file).unwrap();
    let mut trust = home.command(program::find("wagglebus").unwrap());
    let trust = trust.current_dir(&folder).args(["config", "trust"]);
    assert!(trust.output().unwrap().status.success());
    let output = up.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(home.json(&["inbox"])["messages"].as_array().unwrap().len(), 0);
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
