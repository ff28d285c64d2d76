//! What is in the way holds a message: nothing is typed, the sender is told why, and it goes on by itself.

use serde_json::Value;
use wagglebus_client::Client;
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::{Level, Priority};

use super::heartbeats::Heartbeats;
use super::stage::{READER, Reader, Tmux, held, into_pane, reader_hive, send_until, until};
use crate::messages::{draft, send};

/// A reader, its sender, and the heartbeats of its sidecar.
struct Scene {
    tmux: Tmux,
    reader: Reader,
    fleet: Fleet,
    alice: Client,
    beats: Heartbeats,
}

async fn scene(arguments: &[&str]) -> Scene {
    let (tmux, reader, fleet) = reader_hive(arguments).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let beats = Heartbeats::of(&fleet, "bob").await;
    Scene {
        tmux,
        reader,
        fleet,
        alice,
        beats,
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.fleet.sidecar("bob").unwrap().log();
            eprintln!("{}\n{log}", self.tmux.run(&["list-panes", "-a"]));
        }
    }
}

impl Scene {
    /// Sends, sees it held for this reason and untouched, takes away what is in the way, and sees it arrive.
    async fn holds(&mut self, priority: Priority, reason: &str, free: impl AsyncFnOnce(&Self)) {
        let before = self.reader.bytes();
        let sent = send(&self.alice, &draft("bob", priority, "held")).await;
        self.beats.hold(Some(reason)).await;
        assert_eq!(self.reader.bytes(), before, "nothing is typed");
        let trace = self.alice.trace(sent.id).await.unwrap().value;
        assert!(trace.receipts.is_empty(), "it is not even fetched: {trace:?}");
        free(self).await;
        let submits = self.reader.submits().len();
        self.reader.submitted(submits.max(1)).await;
        until(
            || {
                self.reader
                    .submits()
                    .iter()
                    .any(|submit| submit.contains(&sent.id.to_string()))
            },
            || format!("{:?}", self.reader.submits()),
        )
        .await;
        self.beats.hold(None).await;
    }
}

#[tokio::test]
async fn a_dialog_holds_everything_and_is_never_answered() {
    let mut scene = scene(READER).await;
    scene.reader.order("dialog on").await;
    scene
        .holds(Priority::Urgent, "dialog_open", async |scene| {
            scene.reader.order("dialog off").await;
        })
        .await;
    let answered = |fact: &Value| !fact["answered"].is_null();
    assert!(!scene.reader.facts().iter().any(answered));
}

#[tokio::test]
async fn a_half_typed_line_holds_everything_and_is_left_alone() {
    let mut scene = scene(READER).await;
    scene.reader.order("type half a li").await;
    scene
        .holds(Priority::Urgent, "human_typing", async |scene| {
            scene.reader.order("type ne").await;
            // The person submits it.
            scene.tmux.run(&["send-keys", "-t", &scene.reader.pane, "Enter"]);
        })
        .await;
    assert_eq!(scene.reader.submits()[0], "half a line");
}

#[tokio::test]
async fn a_provider_that_limits_its_agent_holds_everything() {
    let mut scene = scene(READER).await;
    scene.reader.order("say 5-hour limit reached, resets 3pm").await;
    scene
        .holds(Priority::Urgent, "rate_limited", async |scene| {
            for _ in 0..4 {
                scene.reader.order("say it goes on").await;
            }
        })
        .await;
}

#[tokio::test]
async fn work_holds_all_but_what_is_urgent() {
    let mut scene = scene(READER).await;
    scene.reader.order("busy on").await;
    let normal = send(&scene.alice, &draft("bob", Priority::Normal, "later")).await;
    scene.beats.hold(Some("busy")).await;
    let urgent = draft("bob", Priority::Urgent, "now");
    send_until(&scene.alice, &urgent, Level::Injected).await;
    assert_eq!(scene.reader.submits().len(), 1);
    scene.reader.order("busy off").await;
    let submits = scene.reader.submitted(2).await;
    assert!(
        submits[0].contains("| now") && submits[1].contains("| later"),
        "{submits:?}"
    );
    let trace = scene.alice.trace(normal.id).await.unwrap().value;
    assert!(
        trace.receipts.iter().all(|receipt| receipt.delivery == Some(1)),
        "never given back"
    );
}

#[tokio::test]
async fn panes_that_share_their_input_or_have_none_cannot_be_woken() {
    let mut scene = scene(READER).await;
    let pane = scene.reader.pane.clone();
    scene.tmux.run(&["split-window", "-d", "-t", &pane, "exec cat"]);
    scene
        .tmux
        .run(&["set-option", "-w", "-t", &pane, "synchronize-panes", "on"]);
    scene
        .holds(Priority::Normal, "cannot_wake", async |scene| {
            scene
                .tmux
                .run(&["set-option", "-w", "-t", &pane, "synchronize-panes", "off"]);
        })
        .await;
    scene.tmux.run(&["select-pane", "-d", "-t", &pane]);
    scene
        .holds(Priority::Normal, "cannot_wake", async |scene| {
            scene.tmux.run(&["select-pane", "-e", "-t", &pane]);
        })
        .await;
}

#[tokio::test]
async fn modes_of_tmux_are_left_and_take_no_key() {
    let scene = scene(READER).await;
    let pane = &scene.reader.pane;
    for (number, mode) in ["copy-mode", "choose-tree", "clock-mode"].into_iter().enumerate() {
        scene.tmux.run(&[mode, "-t", pane]);
        assert_eq!(scene.tmux.value(pane, "#{pane_in_mode}"), "1", "{mode}");
        send_until(
            &scene.alice,
            &draft("bob", Priority::Normal, mode),
            Level::Injected,
        )
        .await;
        assert_eq!(scene.reader.submits().len(), number + 1);
        assert_eq!(scene.tmux.value(pane, "#{pane_in_mode}"), "0", "{mode}");
    }
}

#[tokio::test]
async fn a_dialog_that_opens_between_paste_and_enter_stops_enter() {
    let delayed = ["--profile", "claude", "--inject", "body", "--enter-delay", "300"];
    let mut scene = scene(&delayed).await;
    scene.reader.order("dialog-after-paste").await;
    let sent = send(&scene.alice, &draft("bob", Priority::Urgent, "dangerous")).await;
    held(&scene.alice, &sent, "dialog_open").await;
    scene.beats.hold(Some("dialog_open")).await;
    let answered = |fact: &Value| !fact["answered"].is_null();
    assert!(
        !scene.reader.facts().iter().any(answered),
        "the dialog got nothing"
    );
    assert!(scene.reader.submits().is_empty());
    scene.reader.order("dialog off").await;
    scene.reader.submitted(1).await;
    assert_eq!(scene.reader.pastes(), 1, "only Enter");
    scene.beats.hold(None).await;
    let held = scene.alice.trace(sent.id).await.unwrap().value.receipts;
    let held = held.iter().filter(|receipt| receipt.level.as_str() == "held");
    assert_eq!(held.count(), 1, "told once");
}

#[tokio::test]
async fn a_swallowed_enter_is_pressed_again_and_the_text_is_not_pasted_again() {
    let scene = scene(READER).await;
    scene.reader.order("mute on").await;
    send(&scene.alice, &draft("bob", Priority::Normal, "patience")).await;
    let swallowed = || {
        scene
            .reader
            .facts()
            .iter()
            .filter(|fact| !fact["swallowed"].is_null())
            .count()
    };
    until(|| swallowed() >= 2, || format!("{:?}", scene.reader.facts())).await;
    scene.reader.order("mute off").await;
    scene.reader.submitted(1).await;
    assert_eq!((scene.reader.pastes(), scene.reader.submits().len()), (1, 1));
}

#[tokio::test]
async fn a_dead_pane_and_one_that_is_gone_hold_and_nothing_is_lost() {
    let mut scene = scene(READER).await;
    let pane = scene.reader.pane.clone();
    scene
        .tmux
        .run(&["set-option", "-w", "-t", &pane, "remain-on-exit", "on"]);
    scene.reader.order_only("exit 0");
    until(|| scene.tmux.value(&pane, "#{pane_dead}") == "1", String::new).await;
    send(&scene.alice, &draft("bob", Priority::Urgent, "to nobody")).await;
    scene.beats.hold(Some("agent_gone")).await;
    scene.beats.state("gone").await;
    scene.tmux.run(&["kill-pane", "-t", &pane]);
    send(&scene.alice, &draft("bob", Priority::Urgent, "to nothing")).await;
    let again = scene.tmux.reader("again").await;
    let options = into_pane(&scene.tmux, &again.pane, READER);
    scene.fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    scene.fleet.start("bob", &options).await.unwrap();
    let submits = again.submitted(2).await;
    assert!(
        submits[0].contains("| to nobody") && submits[1].contains("| to nothing"),
        "{submits:?}"
    );
}
