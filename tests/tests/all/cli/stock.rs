//! The stock `nats` CLI on our server as it is, with the contexts that `up` writes (TOPOLOGY 10). Not run where there is
//! no such program: the project neither ships nor needs it.

use std::path::PathBuf;
use std::process::Stdio;

use super::{Home, on_path};

pub(crate) fn stock_cli() -> Option<PathBuf> {
    let named = std::env::var_os("WAGGLEBUS_NATS_CLI").map(PathBuf::from);
    let found = named.or_else(|| on_path("nats"));
    if found.is_none() {
        eprintln!("NOT RUN: there is no stock `nats` CLI; name one in WAGGLEBUS_NATS_CLI");
    }
    found
}

#[test]
fn the_stock_cli_shows_everything_and_changes_nothing() {
    let Some(nats) = stock_cli() else { return };
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    let sent = home.json(&["send", "alice", "seen by others"]);
    let id = sent["id"].as_str().unwrap();

    let run = |arguments: &[&str]| {
        let mut command = home.command(&nats);
        command
            .args(["--context", "wagglebus", "--timeout", "2s"])
            .args(arguments);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    };
    for (arguments, expected) in [
        (&["stream", "ls"][..], "Messages to agents and rooms"),
        (&["stream", "report"], "WB_RECEIPTS"),
        (
            &["stream", "subjects", "WB_MESSAGES"],
            "wb.msg.alice.normal.operator",
        ),
        (&["stream", "get", "WB_MESSAGES", "1"], id),
        (&["consumer", "report", "WB_MESSAGES"], "alice_urgent"),
        (&["consumer", "ls", "WB_RECEIPTS"], "alice"),
        (&["micro", "ls"], "wagglebus_agent"),
        (&["micro", "info", "wagglebus"], "wb.api.resolve.*"),
        (&["kv", "ls"], "WB_enrolments"),
        (&["account", "info"], "Connected URL"),
        (
            &["sub", "--stream", "WB_MESSAGES", "--all", "--count", "1"],
            "seen by others",
        ),
        (&["sub", "wb.hb.*", "--count", "1"], "wb.hb."),
    ] {
        let (ok, text) = run(arguments);
        assert!(ok && text.contains(expected), "{arguments:?}: {text}");
    }
    let (ok, text) = run(&["stream", "purge", "--force", "WB_MESSAGES"]);
    assert!(!ok, "the inspector purged: {text}");

    // `stream view` wants a terminal.
    let Some(script) = on_path("script") else {
        eprintln!("NOT RUN: `stream view` needs a terminal, and there is no `script` to make one");
        return;
    };
    let mut command = home.command(script);
    let view = format!("'{}' --context wagglebus stream view WB_MESSAGES", nats.display());
    let output = command.args(["-qec", &view, "/dev/null"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("seen by others") && text.contains("end of data"),
        "{text}"
    );
}
