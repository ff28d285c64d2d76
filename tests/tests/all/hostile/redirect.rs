//! Replies sent astray: legal requests whose answer, which the server itself publishes, is aimed at somebody else.

use std::collections::BTreeSet;

use wagglebus_nats::conf::Form;

use super::lab::{EMPTY_PULL, Lab, ONE_SHOT};

/// A request that mallory may make, and that something answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    /// On this subject, with a body that means something to most targets.
    Request(&'static str),
    /// A pull of a message that is there.
    PullMessage,
    /// A pull that is told that there is none.
    PullEmpty,
    /// A pull that hears heartbeats, and then that its time is over.
    PullHeartbeat,
    /// The settlement of a message that she holds.
    Settle(&'static str),
}

const OPERATIONS: &[Operation] = &[
    Operation::Request("wb.msg.carol.low.mallory"),
    Operation::Request("wb.room.den.low.mallory"),
    Operation::Request("wb.task.submit.low.mallory"),
    Operation::Request("wb.receipt.carol.done.mallory"),
    Operation::Request("wb.report.failure.mallory"),
    Operation::Request("wb.dlq.refused.mallory"),
    Operation::Request("$KV.WB_leases.mallory"),
    Operation::Request("wb.js.DIRECT.GET.KV_WB_leases.$KV.WB_leases.mallory"),
    Operation::Request("wb.js.CONSUMER.INFO.WB_MESSAGES.mallory_low"),
    // The coordinator of the lab sends back what it is sent: mallory chooses the body of these answers.
    Operation::Request("wb.api.agents.mallory"),
    Operation::Request("wb.hb.mallory"),
    Operation::PullMessage,
    Operation::PullEmpty,
    Operation::PullHeartbeat,
    Operation::Settle("+ACK"),
    Operation::Settle("+NXT"),
    Operation::Settle("+WPI"),
    Operation::Settle("+TERM"),
    Operation::Settle("-NAK"),
];

/// Where an answer would do harm; bob's ack subject is added to these.
const TARGETS: &[&str] = &[
    "$JS.API.STREAM.DELETE.WB_MESSAGES",
    "$JS.API.STREAM.PURGE.WB_MESSAGES",
    "$JS.API.STREAM.DELETE.KV_WB_enrolments",
    "$JS.API.CONSUMER.DELETE.WB_MESSAGES.bob_urgent",
    "$JS.API.CONSUMER.INFO.WB_MESSAGES.bob_urgent",
    "$JS.API.CONSUMER.MSG.NEXT.WB_MESSAGES.bob_urgent",
    "wb.js.CONSUMER.MSG.NEXT.WB_MESSAGES.bob_urgent",
    "wb.js.CONSUMER.INFO.WB_MESSAGES.bob_urgent",
    "wb.js.CONSUMER.DELETE.WB_MESSAGES.bob_urgent",
    "wb.js.DIRECT.GET.KV_WB_leases.$KV.WB_leases.bob",
    "$KV.WB_leases.bob",
    "$KV.WB_enrolments.mallory",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.BUS.CONNZ",
    "$SRV.PING",
    "wb.msg.bob.urgent.alice",
    "wb.room.all.urgent.alice",
    "wb.task.submit.urgent.alice",
    "wb.receipt.alice.done.bob",
    "wb.report.outcome.alice",
    "wb.event.task.coordinator",
    "wb.dlq.refused.bob",
    "wb.hb.bob",
    "wb.api.agents.bob",
    "wb.sys.disconnect.A_bob",
    "_R_.abcdef.abcdef",
    // Her own: in an account of her own these are literal imports, so answers do reach the bus there, as hers.
    "wb.hb.mallory",
    "$KV.WB_leases.mallory",
    WAKE,
    INBOX,
];

const WAKE: &str = "wb.wake.msg.bob.urgent";
const INBOX: &str = "_INBOX_bob.known";

/// What the shared account does not keep from bob (TOPOLOGY 6): answers on subjects that he subscribes to there. Hence
/// rules T2 to T4, and hence an account per agent by default.
const KNOWN_LIMITS_OF_THE_SHARED_ACCOUNT: [&str; 2] = [INBOX, WAKE];

/// Every operation with every target; what came of it, but for the known limits of the form.
pub(super) async fn attack(lab: &mut Lab) -> Vec<String> {
    let mut findings = Vec::new();
    let mut reached_bob = BTreeSet::new();
    let targets: Vec<String> = TARGETS
        .iter()
        .map(|target| (*target).to_owned())
        .chain([lab.held.clone()])
        .collect();
    for &operation in OPERATIONS {
        let before = lab.before().await;
        for target in &targets {
            astray(lab, operation, target).await;
            // The same again, answered: by then the answer that went astray is where it goes.
            answered(lab, operation).await;
            let known = lab.form == Form::SharedAccount
                && KNOWN_LIMITS_OF_THE_SHARED_ACCOUNT.contains(&target.as_str());
            let heard = lab.heard_by_bob().await;
            if known && !heard.is_empty() {
                reached_bob.insert(target.clone());
            } else {
                findings.extend(
                    heard
                        .iter()
                        .map(|heard| format!("{operation:?} to {target}: bob hears {heard}")),
                );
            }
            let in_bus = lab.heard_in_bus().await;
            findings.extend(
                in_bus
                    .iter()
                    .map(|heard| format!("{operation:?} to {target}: in the bus, {heard}")),
            );
        }
        findings.extend(
            lab.after(&before)
                .await
                .iter()
                .map(|change| format!("{operation:?}: {change}")),
        );
    }
    // An expectation, not an excuse: where this stops being true, the rules that follow from it can go.
    let expected: &[&str] = match lab.form {
        Form::AccountPerAgent => &[],
        Form::SharedAccount => &KNOWN_LIMITS_OF_THE_SHARED_ACCOUNT,
    };
    if !reached_bob
        .iter()
        .map(String::as_str)
        .eq(expected.iter().copied())
    {
        findings.push(format!(
            "bob was expected to be reached on {expected:?}, was on {reached_bob:?}"
        ));
    }
    findings
}

/// Makes the request, its answer to go to `target`. A refusal of the reply subject is as good as an answer lost.
async fn astray(lab: &mut Lab, operation: Operation, target: &str) {
    let (subject, body) = prepare(lab, operation).await;
    lab.mallory.publish(&subject, target, &[], body).await;
    let complaints = lab.mallory.flush().await;
    assert!(
        complaints
            .iter()
            .all(|error| error.contains("Permissions Violation")),
        "{complaints:?}"
    );
}

async fn answered(lab: &mut Lab, operation: Operation) {
    let sentinel = match operation {
        Operation::Settle(_) => Operation::Settle("+ACK"),
        Operation::Request(_) | Operation::PullMessage | Operation::PullEmpty | Operation::PullHeartbeat => {
            operation
        }
    };
    let (subject, body) = prepare(lab, sentinel).await;
    let (inbox, sid) = lab.mallory.fresh_inbox().await;
    lab.mallory.publish(&subject, &inbox, &[], body).await;
    let mut answer = lab.mallory.message_by(sid).await;
    while operation == Operation::PullHeartbeat && answer.status() != Some(408) {
        answer = lab.mallory.message_by(sid).await;
    }
    assert_ne!(answer.status(), Some(503), "{operation:?}");
    // In an account of her own, answers that went astray to her own subjects may come, too.
    lab.mallory.take_all().await;
}

/// Subject and body, and whatever must be there for the operation to be answered.
async fn prepare(lab: &mut Lab, operation: Operation) -> (String, &'static str) {
    let next = |lane: &str| format!("wb.js.CONSUMER.MSG.NEXT.WB_MESSAGES.mallory_{lane}");
    match operation {
        Operation::Request(subject) => (subject.to_owned(), EMPTY_PULL),
        Operation::PullEmpty => (next("high"), EMPTY_PULL),
        Operation::PullHeartbeat => (
            next("high"),
            r#"{"batch":1,"expires":45000000,"idle_heartbeat":20000000}"#,
        ),
        Operation::PullMessage => {
            write_to_herself(lab).await;
            (next("low"), ONE_SHOT)
        }
        Operation::Settle(how) => {
            write_to_herself(lab).await;
            let held = lab.mallory.request(&next("low"), &[], ONE_SHOT).await.reply();
            if how == "+NXT" {
                write_to_herself(lab).await;
            }
            (
                held.reply
                    .unwrap_or_else(|| panic!("no message: {:?}", held.headers)),
                how,
            )
        }
    }
}

async fn write_to_herself(lab: &mut Lab) {
    let stored = lab
        .mallory
        .request("wb.msg.mallory.low.mallory", &[], EMPTY_PULL)
        .await
        .reply();
    assert!(stored.json()["seq"].is_u64(), "{}", stored.text());
}
