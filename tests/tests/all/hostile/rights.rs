//! What an agent's key must be good for: the work of a sidecar, in both forms.

use serde_json::Value;

use super::lab::{EMPTY_PULL, Lab, ONE_SHOT};

/// One message from alice to bob with all that belongs to it; `round` makes its ids unique.
pub(super) async fn normal_work(lab: &mut Lab, round: &str) {
    let Lab { alice, bob, .. } = lab;
    bob.subscribe("wb.wake.*.bob.*", None).await;
    alice.subscribe("wb.wake.*.alice.*", None).await;
    assert_eq!((alice.flush().await, bob.flush().await), (vec![], vec![]));

    let id = [("Nats-Msg-Id", round)];
    let stored = alice
        .request("wb.msg.bob.normal.alice", &id, "hello")
        .await
        .reply()
        .json();
    assert_eq!(stored["stream"], "WB_MESSAGES", "{stored}");
    let again = alice
        .request("wb.msg.bob.normal.alice", &id, "hello")
        .await
        .reply()
        .json();
    assert_eq!(
        (again["duplicate"].as_bool(), &again["seq"]),
        (Some(true), &stored["seq"])
    );
    let wake = bob.message_on("wb.wake.msg.bob.normal").await;
    assert_eq!((wake.header("Nats-Msg-Id"), wake.payload.len()), (Some(round), 0));

    let next = "wb.js.CONSUMER.MSG.NEXT.WB_MESSAGES.bob_normal";
    let pulled = bob.request(next, &[], ONE_SHOT).await.reply();
    assert_eq!(
        (pulled.text().as_str(), pulled.header("Nats-Msg-Id")),
        ("hello", Some(round))
    );
    let ack = pulled.reply.unwrap();
    for (settlement, what) in [("+WPI", "in progress"), ("+ACK", "double ack")] {
        assert!(
            bob.request(&ack, &[], settlement)
                .await
                .reply()
                .payload
                .is_empty(),
            "{what}"
        );
    }
    assert_eq!(
        bob.request(next, &[], EMPTY_PULL).await.reply().status(),
        Some(404)
    );
    let info = bob
        .request("wb.js.CONSUMER.INFO.WB_MESSAGES.bob_normal", &[], "")
        .await
        .reply()
        .json();
    assert_eq!(
        (info["num_pending"].as_u64(), info["num_ack_pending"].as_u64()),
        (Some(0), Some(0)),
        "{info}"
    );

    let receipt = bob
        .request("wb.receipt.alice.done.bob", &[], round)
        .await
        .reply()
        .json();
    assert_eq!(receipt["stream"], "WB_RECEIPTS");
    alice.message_on("wb.wake.receipt.alice.done").await;
    let receipts = "wb.js.CONSUMER.MSG.NEXT.WB_RECEIPTS.alice_receipts";
    let pulled = alice.request(receipts, &[], ONE_SHOT).await.reply();
    assert_eq!(pulled.text(), round);
    assert!(
        alice
            .request(&pulled.reply.unwrap(), &[], "+ACK")
            .await
            .reply()
            .payload
            .is_empty()
    );
}

/// The rest of the rights.
pub(super) async fn all_rights(lab: &mut Lab) {
    let key = lab.bus.agent_key("alice").unwrap();
    let alice = &mut lab.alice;
    for (subject, stream) in [
        ("wb.room.all.low.alice", "WB_MESSAGES"),
        ("wb.task.submit.normal.alice", "WB_TASKS"),
        ("wb.report.failure.alice", "WB_TASKS"),
        ("wb.dlq.refused.alice", "WB_DLQ"),
    ] {
        let stored = alice.request(subject, &[], "x").await.reply().json();
        assert_eq!(stored["stream"], stream, "{subject}: {stored}");
    }
    // The coordinator of the lab answers with what it was asked, and who the server says asked.
    for subject in ["wb.hb.alice", "wb.api.agents.alice"] {
        let forged = [("Nats-Request-Info", r#"{"user":"UFORGED"}"#)];
        let answer = alice.request(subject, &forged, "question").await.reply();
        assert_eq!(answer.text(), "question");
        if subject.starts_with("wb.api") {
            let who: Value = serde_json::from_str(answer.header("Asked-By").unwrap()).unwrap();
            assert_eq!(
                who["user"],
                key.public().as_str(),
                "the server says who asks: {who}"
            );
        }
    }
    // The lease: create, renew, stale refused, read back.
    let lease = "$KV.WB_leases.alice";
    let expect = "Nats-Expected-Last-Subject-Sequence";
    let created = alice.request(lease, &[(expect, "0")], "one").await.reply().json();
    let first = created["seq"].as_u64().unwrap().to_string();
    let taken = alice.request(lease, &[(expect, "0")], "two").await;
    assert_eq!(taken.error_code(), Some(10071), "{taken:?}");
    let renewed = alice
        .request(lease, &[(expect, &first)], "three")
        .await
        .reply()
        .json();
    assert!(renewed["seq"].as_u64() > created["seq"].as_u64(), "{renewed}");
    let stale = alice.request(lease, &[(expect, &first)], "four").await;
    assert_eq!(stale.error_code(), Some(10071), "{stale:?}");
    let read = alice
        .request("wb.js.DIRECT.GET.KV_WB_leases.$KV.WB_leases.alice", &[], "")
        .await
        .reply();
    assert_eq!(
        (read.text().as_str(), read.header("Nats-Subject")),
        ("three", Some(lease))
    );
}
