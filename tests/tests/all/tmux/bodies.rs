//! Bodies by chance and several senders, through a real terminal: each stays in its frame and is submitted once.

use wagglebus_harness::torture::bodies::{Plan, run};
use wagglebus_harness::torture::frame::unframed;
use wagglebus_schemas::{Level, Priority};

use super::stage::{READER, reader_hive, send_until};
use crate::messages::{draft, send};

/// More of them, and others: `wagglebus torture bodies --count N --seed N`.
const BODIES: Plan = Plan { count: 200, seed: 1 };

#[tokio::test]
async fn whatever_a_body_holds_it_stays_in_its_frame_and_is_submitted_once() {
    let report = run(&BODIES, |what| println!("{what}")).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let figure = |name: &str| report.figures.iter().find(|figure| figure.0 == name).unwrap().1;
    assert_eq!(figure("submits"), 200, "{report}");
    // What the run is for: without these it would have shown less.
    assert!(figure("longest_bytes") >= 100_000, "{report}");
    assert_eq!(
        (figure("no_text_refused"), figure("no_text_dead_letters")),
        (20, 20)
    );
}

#[tokio::test]
async fn two_senders_at_once_neither_lose_nor_join() {
    let (_tmux, reader, mut fleet) = reader_hive(READER).await;
    fleet.enrol(&["carol"]).await.unwrap();
    fleet
        .start("carol", &wagglebus_harness::fleet::Options::http())
        .await
        .unwrap();
    let clients = ["alice", "carol"].map(|name| fleet.sidecar(name).unwrap().client());
    let sends = clients.iter().enumerate().map(|(of, client)| async move {
        for number in 0..20 {
            let content = format!("{of}-{number}\n{}", "x".repeat(number * 200));
            send(client, &draft("bob", Priority::Normal, &content)).await;
        }
    });
    futures::future::join_all(sends).await;
    let submits = reader.submitted(40).await;
    assert_eq!(submits.len(), 40);
    for of in 0..2 {
        let numbers: Vec<String> = submits
            .iter()
            .map(|submit| unframed(submit).unwrap().1)
            .filter(|body| body.starts_with(&format!("{of}-")))
            .map(|body| body.split('\n').next().unwrap().to_owned())
            .collect();
        let sent: Vec<String> = (0..20).map(|number| format!("{of}-{number}")).collect();
        assert_eq!(numbers, sent, "in order");
    }
    let alice = fleet.sidecar("alice").unwrap().client();
    let sent = send_until(&alice, &draft("bob", Priority::Low, "last"), Level::Injected).await;
    let trace = alice.trace(sent.id).await.unwrap().value;
    let receipt = serde_json::to_value(trace.receipts.last().unwrap()).unwrap();
    assert_eq!(
        (&receipt["bridge"], &receipt["proof"]),
        (&"tmux_body".into(), &"pane".into())
    );
    assert!(
        trace.explanation.contains("terminal pane"),
        "{}",
        trace.explanation
    );
}
