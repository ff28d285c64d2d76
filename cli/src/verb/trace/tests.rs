//! Timelines and next steps of traces.

use serde_json::json;

use super::*;

const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

fn trace(level: &str, receipts: serde_json::Value) -> Trace {
    serde_json::from_value(json!({
        "message": { "id": ID, "from_agent": "alice", "to_agent": "bob", "content": "hi", "timestamp": "2026-01-02T03:04:05.000Z" },
        "receipts": receipts,
        "level": level,
        "explanation": "x",
    }))
    .unwrap()
}

fn alice() -> AgentId {
    "alice".parse().unwrap()
}

/// As alice, who sent it, is told.
fn next(trace: &Trace) -> String {
    next_command(trace, &alice(), false)
}

fn receipt(level: &str, levels: &[(&str, &str)], more: serde_json::Value) -> serde_json::Value {
    let levels: Vec<_> = levels
        .iter()
        .map(|(level, at)| json!({ "level": level, "at": format!("2026-01-02T03:04:{at}Z") }))
        .collect();
    let mut receipt = json!({
        "id": ID, "message_id": ID, "sender": "alice", "agent": "bob", "level": level, "levels": levels, "bridge": "http",
        "proof": "read", "delivery": 1, "epoch": 1, "at": "2026-01-02T03:04:06.000Z",
    });
    receipt
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    receipt
}

#[test]
fn a_timeline_has_one_row_for_each_level() {
    let receipts = json!([
        receipt(
            "injected",
            &[("fetched", "05.012"), ("injected", "05.020")],
            json!({})
        ),
        receipt(
            "done",
            &[("seen", "30.500"), ("done", "30.500")],
            json!({ "proof": "ack" })
        ),
    ]);
    let text = timeline(&trace("done", receipts), &alice(), &[]).trim_fmt();
    let rows: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "LEVEL AT AFTER BY VIA REASON",
            "accepted 2026-01-02T03:04:05.000Z - alice - -",
            "stored - - alice - -",
            "fetched 2026-01-02T03:04:05.012Z +12 ms bob http/read -",
            "injected 2026-01-02T03:04:05.020Z +20 ms bob http/read -",
            "seen 2026-01-02T03:04:30.500Z +25.5 s bob http/ack -",
            "done 2026-01-02T03:04:30.500Z +25.5 s bob http/ack -",
        ]
    );
}

#[test]
fn the_next_command_follows_from_the_last_receipt() {
    let held = |reason: &str| {
        let more = json!({ "reason": reason, "bridge": null, "proof": "none" });
        next(&trace(
            "stored",
            json!([receipt("held", &[("held", "06.000")], more)]),
        ))
    };
    assert_eq!(
        held("no_sidecar"),
        "wagglebus sidecar --agent bob stdio -- COMMAND   # or http; in a pane: wagglebus attach PANE --agent bob"
    );
    assert_eq!(
        held("agent_gone"),
        "wagglebus attach PANE --agent bob   # once its program runs again"
    );
    assert_eq!(held("dialog_open"), format!("wagglebus trace {ID}"));
    assert_eq!(next(&trace("accepted", json!([]))), "wagglebus doctor");
    assert_eq!(next(&trace("stored", json!([]))), "wagglebus agents");
    let mut own = trace("stored", json!([]));
    own.message.to_agent = AgentId::operator().into();
    assert_eq!(next(&own), "wagglebus inbox");
    let written = json!([receipt(
        "injected",
        &[("injected", "06.000")],
        json!({ "proof": "write" })
    )]);
    assert_eq!(next(&trace("injected", written)), "wagglebus agents");
    let released = json!([
        receipt("held", &[("held", "06.000")], json!({ "reason": "busy" })),
        receipt("done", &[("done", "07.000")], json!({})),
    ]);
    assert_eq!(next(&trace("done", released)), "nothing: it is done");
}

#[test]
fn what_no_receipt_tells_has_rows_too() {
    let mut sent = trace(
        "injected",
        json!([receipt("injected", &[("injected", "07.000")], json!({}))]),
    );
    let step = |step: &str, at: &str, more: serde_json::Value| {
        let mut step = json!({ "step": step, "at": format!("2026-01-02T03:04:{at}Z") });
        step.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value::<TraceStep>(step).unwrap()
    };
    sent.steps = vec![step("stored", "05.003", json!({}))];
    let returned = [step(
        "given_back",
        "06.000",
        json!({ "delivery": 1, "reason": "not now" }),
    )];
    let rows = |trace: &Trace, me: &str, returned: &[TraceStep]| -> Vec<String> {
        let text = timeline(trace, &me.parse().unwrap(), returned).trim_fmt();
        let rows = text.lines().skip(2);
        rows.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(
        rows(&sent, "alice", &returned),
        [
            "stored 2026-01-02T03:04:05.003Z +3 ms alice - -",
            "given_back 2026-01-02T03:04:06.000Z +1000 ms bob hand-over 1 not now",
            "injected 2026-01-02T03:04:07.000Z +2000 ms bob http/read -",
        ]
    );
    let mut received = trace("done", json!([]));
    received.steps = vec![
        step("handed_over", "06.000", json!({ "delivery": 2 })),
        step("done", "08.000", json!({})),
    ];
    assert_eq!(
        rows(&received, "bob", &[]),
        [
            "stored - - alice - -",
            "handed_over 2026-01-02T03:04:06.000Z +1000 ms bob hand-over 2 -",
            "done 2026-01-02T03:04:08.000Z +3000 ms bob - -",
        ]
    );
}

#[test]
fn recipients_and_senders_of_what_was_only_told_have_next_steps() {
    let bob: AgentId = "bob".parse().unwrap();
    let of_bob = |level: &str| next_command(&trace(level, json!([])), &bob, false);
    assert_eq!(of_bob("done"), "nothing: it is done");
    assert_eq!(
        of_bob("injected"),
        format!("wagglebus --as bob ack {ID}   # once it is done")
    );
    assert_eq!(of_bob("stored"), "wagglebus --as bob inbox --take 1");
    let told = next_command(&trace("stored", json!([])), &alice(), true);
    assert!(told.starts_with("wagglebus --as bob inbox "), "{told}");
}

#[test]
fn differences_read_well_at_every_size_and_sign() {
    let at = |ms: i64| Timestamp::from_unix_ms(1_000_000 + ms).unwrap();
    for (ms, text) in [
        (0, "+0 ms"),
        (9_999, "+9999 ms"),
        (10_050, "+10.0 s"),
        (599_999, "+599.9 s"),
        (600_000, "+10 min"),
        (-3, "-3 ms"),
    ] {
        assert_eq!(after(at(0), at(ms)), text);
    }
}
