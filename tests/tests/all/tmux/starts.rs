//! What cannot be attached to is refused at the start, with an exit code and a way out.

use super::stage::{Tmux, into_pane};
use crate::messages::hive;

#[tokio::test]
async fn what_cannot_be_attached_to_is_refused_with_its_exit_code() {
    let tmux = Tmux::start();
    let shell = tmux.pane("exec sh");
    let reader = tmux.reader("reader").await;
    let remote = tmux.path("ssh");
    std::fs::copy("/bin/sh", &remote).unwrap();
    let opaque = tmux.pane(&format!(
        "exec {} -c 'while :; do read x; done'",
        remote.display()
    ));
    let mut fleet = hive(&["alice"]).await;
    fleet.enrol(&["bob", "carol"]).await.unwrap();
    fleet
        .start("carol", &into_pane(&tmux, &reader.pane, &[]))
        .await
        .unwrap();
    let mut absent = into_pane(&tmux, &reader.pane, &[]);
    absent.mode = ["tmux", "--target", "%0", "--tmux-socket", "/nonexistent/socket"]
        .map(str::to_owned)
        .to_vec();
    for (options, code, said) in [
        (into_pane(&tmux, &shell, &[]), 6, "interactive shell (sh)"),
        (into_pane(&tmux, &opaque, &[]), 6, "cannot be seen"),
        (
            into_pane(&tmux, &reader.pane, &[]),
            6,
            "the sidecar of carol writes into this pane",
        ),
        (into_pane(&tmux, "%999", &[]), 3, "there is no pane %999"),
        (into_pane(&tmux, "nosuch:0.0", &[]), 3, "there is no pane"),
        (into_pane(&tmux, "#{pid}", &[]), 2, "is no pane"),
        (absent, 5, "no tmux server"),
    ] {
        let sidecar = fleet.prepare("bob", &options).unwrap();
        let before = sidecar.log().len();
        sidecar.launch().await.unwrap();
        let exit = sidecar.exit_code().await.unwrap();
        let log = sidecar.log()[before..].to_owned();
        assert_eq!(exit, code, "{said}: {log}");
        assert!(log.contains(said) && log.contains("fix: "), "{said}: {log}");
    }
    // A pane by its session and window, whatever they are called later.
    tmux.run(&["rename-window", "-t", &reader.pane, "agent-bob"]);
    fleet.sidecar_mut("carol").unwrap().stop().await.unwrap();
    fleet
        .start("bob", &into_pane(&tmux, "main:agent-bob", &[]))
        .await
        .unwrap();
}
