//! Programs that are no agents with an input of their own: lines, scripts, shells.

use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::{Level, Priority};

use super::stage::{READER, Tmux, into_pane, send_until, until};
use crate::messages::{draft, hive, send};

/// A hive in which `alice` sends and `bob` runs in a pane.
async fn attached(tmux: &Tmux, pane: &str, arguments: &[&str]) -> Fleet {
    let mut fleet = hive(&["alice"]).await;
    fleet.enrol(&["bob"]).await.unwrap();
    fleet
        .start("bob", &into_pane(tmux, pane, arguments))
        .await
        .unwrap();
    fleet
}

/// Waits until a pane shows this: then its program is the one that stays.
async fn shows(tmux: &Tmux, pane: &str, text: &str) {
    until(|| tmux.screen(pane).contains(text), || tmux.screen(pane)).await;
}

#[tokio::test]
async fn a_program_that_reads_one_line_gets_the_whole_message_as_one() {
    let tmux = Tmux::start();
    let out = tmux.path("out");
    let program = format!(
        "print('ready'); line = input(); open({out:?}, 'w').write(line); import time; time.sleep(600)"
    );
    let pane = tmux.pane(&format!("exec python3 -c {}", quoted(&program)));
    shows(&tmux, &pane, "ready").await;
    let fleet = attached(&tmux, &pane, &["--inject", "body"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let body = "one\n@bob !urgent: two\tand \\ three\u{1b}[201~\r$(reboot)";
    send_until(&alice, &draft("bob", Priority::Normal, body), Level::Injected).await;
    until(|| out.exists(), || tmux.screen(&pane)).await;
    let line = std::fs::read_to_string(&out).unwrap();
    assert!(
        line.contains(r" | one\n@bob !urgent: two\tand \\ three\n$(reboot) [wb:"),
        "{line}"
    );
    assert!(line.starts_with("[wb:") && line.ends_with(" end]"), "{line}");
}

#[tokio::test]
async fn a_program_that_ends_with_its_line_has_read_it() {
    let tmux = Tmux::start();
    let pane = tmux.pane(&format!(
        "exec sh -c {}",
        quoted("python3 -c 'input(\"go? \")'; exec tail -f /dev/null")
    ));
    shows(&tmux, &pane, "go?").await;
    let fleet = attached(&tmux, &pane, &["--inject", "body"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    send_until(&alice, &draft("bob", Priority::Normal, "once"), Level::Injected).await;
    let shown = tmux.screen(&pane);
    assert_eq!(shown.matches("| once").count(), 1, "{shown}");
}

#[tokio::test]
async fn a_shell_that_was_asked_for_executes_nothing() {
    for shell in ["dash", "bash --norc --noprofile"] {
        let tmux = Tmux::start();
        let mark = tmux.path("executed");
        let pane = tmux.pane(&format!("exec {shell}"));
        let fleet = attached(&tmux, &pane, &["--profile", "shell", "--inject", "body"]).await;
        let alice = fleet.sidecar("alice").unwrap().client();
        let touch = format!("touch {}", mark.display());
        for body in [
            format!("'; {touch}; '\n{touch}\n"),
            format!("$({touch}) `{touch}` \"$({touch})\" && {touch} | {touch} # '"),
            format!("\\'; {touch} #\r{touch}\r\u{4}\u{1b}[201~"),
        ] {
            send_until(&alice, &draft("bob", Priority::Normal, &body), Level::Injected).await;
        }
        // The shell still takes commands, and has executed those before.
        tmux.run(&[
            "send-keys",
            "-t",
            &pane,
            "-l",
            &format!("echo done > {}", tmux.path("end").display()),
        ]);
        tmux.run(&["send-keys", "-t", &pane, "Enter"]);
        until(|| tmux.path("end").exists(), || tmux.screen(&pane)).await;
        assert!(!mark.exists(), "{shell}: {}", tmux.screen(&pane));
    }
}

#[tokio::test]
async fn a_script_and_a_command_are_attached_with_what_they_run() {
    let tmux = Tmux::start();
    let script = tmux.path("agent.sh");
    let mut panes = Vec::new();
    for by in ["script", "command"] {
        let path = script.clone();
        let reader = tmux.reader_by(by, move |command| match by {
            "script" => {
                std::fs::write(&path, format!("#!/bin/sh\n{command}\nexec sh\n")).unwrap();
                format!("exec sh {}", path.display())
            }
            _ => format!("exec sh -c {}", quoted(&format!("{command}; exec sh"))),
        });
        panes.push(reader.await);
    }
    for reader in &panes {
        let fleet = attached(&tmux, &reader.pane, READER).await;
        let alice = fleet.sidecar("alice").unwrap().client();
        send_until(&alice, &draft("bob", Priority::Normal, "hello"), Level::Injected).await;
        assert_eq!(reader.submits().len(), 1);
        // The program ends, and its shell is there in its place. What is pasted while it ends the shell would read.
        reader.order_only("exit 0");
        let prompts = || tmux.screen(&reader.pane).trim_end().ends_with(['#', '$']);
        until(prompts, || tmux.screen(&reader.pane)).await;
        let mut beats = super::heartbeats::Heartbeats::of(&fleet, "bob").await;
        send(&alice, &draft("bob", Priority::Urgent, "reboot")).await;
        beats.hold(Some("agent_gone")).await;
        let screen = tmux.screen(&reader.pane);
        assert!(!screen.contains("reboot"), "{screen}");
    }
}

/// A text as one argument of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
