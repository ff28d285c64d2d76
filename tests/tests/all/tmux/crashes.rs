//! Whoever ends in between: nothing is lost, nothing comes twice, and no shell executes anything.

use std::fs;

use wagglebus_harness::torture::cycles::{Plan, run};
use wagglebus_schemas::{Level, Priority};

use super::stage::{READER, Tmux, into_pane, reader_hive, send_until, until};
use crate::messages::{draft, hive, send};

/// A pause between text and Enter that no test waits for.
const LONG: &[&str] = &[
    "--profile",
    "claude",
    "--inject",
    "body",
    "--enter-delay",
    "60000",
];

#[tokio::test]
async fn killed_between_paste_and_enter_it_only_presses_enter() {
    let (tmux, reader, mut fleet) = reader_hive(LONG).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let sent = send(
        &alice,
        &draft("bob", Priority::Normal, "half done\nand long enough"),
    )
    .await;
    until(|| reader.pastes() == 1, || format!("{:?}", reader.facts())).await;
    fleet.sidecar_mut("bob").unwrap().kill().await.unwrap();
    assert!(reader.submits().is_empty());
    fleet
        .start("bob", &into_pane(&tmux, &reader.pane, READER))
        .await
        .unwrap();
    let submits = reader.submitted(1).await;
    assert!(submits[0].contains(&sent.id.to_string()));
    send_until(
        &alice,
        &draft("bob", Priority::Normal, "the next"),
        Level::Injected,
    )
    .await;
    assert_eq!(
        (reader.pastes(), reader.submits().len()),
        (2, 2),
        "pasted once, submitted once"
    );
}

/// A process that is killed costs one of five hand-overs, and not a second one when its text is found nowhere.
#[tokio::test]
async fn a_text_that_is_gone_after_each_of_four_kills_is_no_dead_letter() {
    let (tmux, reader, mut fleet) = reader_hive(LONG).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let sent = send(&alice, &draft("bob", Priority::Normal, "again and again")).await;
    for times in 1..=4 {
        until(
            || reader.pastes() == times,
            || format!("{times}: {:?}", reader.facts()),
        )
        .await;
        fleet.sidecar_mut("bob").unwrap().kill().await.unwrap();
        reader.order("clear").await;
        let next = if times < 4 { LONG } else { READER };
        fleet
            .start("bob", &into_pane(&tmux, &reader.pane, next))
            .await
            .unwrap();
    }
    let submits = reader.submitted(1).await;
    assert!(submits[0].contains(&sent.id.to_string()) && submits[0].contains("may have come before"));
}

#[tokio::test]
async fn stopped_between_paste_and_enter_it_finishes_first() {
    let delayed = ["--profile", "claude", "--inject", "body", "--enter-delay", "500"];
    let (_tmux, reader, mut fleet) = reader_hive(&delayed).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    send(&alice, &draft("bob", Priority::Normal, "in a hurry")).await;
    until(|| reader.pastes() == 1, || format!("{:?}", reader.facts())).await;
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    assert_eq!(reader.submits().len(), 1);
    assert_eq!(fleet.unsettled("bob").await.unwrap(), 0, "and says so");
}

#[tokio::test]
async fn an_agent_that_falls_back_to_its_shell_gets_everything_after_it_is_attached_again() {
    let tmux = Tmux::start();
    let pane = tmux.pane("exec sh");
    let reader = tmux.prepare("bob", &pane);
    let start = |times: usize| {
        tmux.run(&["send-keys", "-t", &pane, "-l", &reader.command]);
        tmux.run(&["send-keys", "-t", &pane, "Enter"]);
        reader.ready(times)
    };
    start(1).await;
    let mut fleet = hive(&["alice"]).await;
    fleet.enrol(&["bob"]).await.unwrap();
    fleet
        .start("bob", &into_pane(&tmux, &pane, READER))
        .await
        .unwrap();
    let alice = fleet.sidecar("alice").unwrap().client();
    send_until(&alice, &draft("bob", Priority::Normal, "before"), Level::Injected).await;

    reader.order_only("exit 1");
    until(
        || tmux.value(&pane, "#{pane_current_command}") == "sh",
        String::new,
    )
    .await;
    let mark = tmux.path("executed");
    let command = format!("touch {}", mark.display());
    for number in 0..100 {
        let priority = if number % 10 == 0 {
            Priority::Urgent
        } else {
            Priority::Normal
        };
        send(&alice, &draft("bob", priority, &format!("{command}\n{number}"))).await;
    }
    let mut beats = super::heartbeats::Heartbeats::of(&fleet, "bob").await;
    beats.hold(Some("agent_gone")).await;
    // A sidecar that is restarted by a supervisor attaches to nobody else.
    fleet.sidecar_mut("bob").unwrap().kill().await.unwrap();
    let resumed = into_pane(&tmux, &pane, &[READER, &["--resume"]].concat());
    fleet.start("bob", &resumed).await.unwrap();
    beats.hold(Some("agent_gone")).await;
    // A fresh attachment to a shell is refused.
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    let refused = fleet.prepare("bob", &into_pane(&tmux, &pane, READER)).unwrap();
    refused.launch().await.unwrap();
    assert_eq!(refused.exit_code().await.unwrap(), 6);
    assert!(refused.log().contains("interactive shell"), "{}", refused.log());

    let screen = tmux.screen(&pane);
    assert!(
        !screen.contains("[wb:"),
        "nothing was typed into the shell: {screen}"
    );
    start(2).await;
    fleet
        .start("bob", &into_pane(&tmux, &pane, READER))
        .await
        .unwrap();
    let submits = reader.submitted(101).await;
    let mut numbers: Vec<usize> = submits[1..]
        .iter()
        .map(|submit| submit.split('\n').nth(2).unwrap()[2..].parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>(), "each once");
    assert!(fs::metadata(&mark).is_err(), "nothing was executed");
}

#[tokio::test]
async fn a_text_pasted_into_an_agent_that_crashed_is_given_to_the_next_one() {
    let (tmux, reader, mut fleet) = reader_hive(LONG).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    tmux.run(&["set-option", "-w", "-t", &reader.pane, "remain-on-exit", "on"]);
    let sent = send(&alice, &draft("bob", Priority::Normal, "never read")).await;
    until(|| reader.pastes() == 1, || format!("{:?}", reader.facts())).await;
    reader.order_only("exit 1");
    super::stage::held(&alice, &sent, "agent_gone").await;
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    // The same pane, another process.
    tmux.run(&[
        "respawn-pane",
        "-k",
        "-t",
        &reader.pane,
        &format!("exec {}", reader.command),
    ]);
    reader.ready(2).await;
    fleet
        .start("bob", &into_pane(&tmux, &reader.pane, READER))
        .await
        .unwrap();
    let submits = reader.submitted(1).await;
    assert!(submits[0].contains(&sent.id.to_string()) && submits[0].contains("may have come before"));
}

#[tokio::test]
async fn a_tmux_server_that_ends_loses_nothing() {
    let (tmux, reader, mut fleet) = reader_hive(READER).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    tmux.run(&["kill-server"]);
    drop(reader);
    let mut beats = super::heartbeats::Heartbeats::of(&fleet, "bob").await;
    send(&alice, &draft("bob", Priority::Urgent, "to the next server")).await;
    beats.hold(Some("agent_gone")).await;
    let tmux = Tmux::start();
    let reader = tmux.reader("bob").await;
    fleet.sidecar_mut("bob").unwrap().stop().await.unwrap();
    fleet
        .start("bob", &into_pane(&tmux, &reader.pane, READER))
        .await
        .unwrap();
    assert!(reader.submitted(1).await[0].contains("| to the next server"));
}

/// Eight sidecars on one server are started, killed and stopped again and again while messages come.
#[tokio::test]
async fn eight_sidecars_that_come_and_go_lose_double_and_join_nothing() {
    let report = run(&Plan { rounds: 5 }, |what| println!("{what}")).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let figure = |name: &str| report.figures.iter().find(|figure| figure.0 == name).unwrap().1;
    assert_eq!((figure("messages"), figure("submits")), (80, 80), "{report}");
    assert!(figure("killed") >= 10 && figure("stopped") >= 20, "{report}");
}
