//! What mallory says straight out: forged senders, other agents' consumers, JetStream's and the system's own API.

use serde_json::json;
use wagglebus_nats::conf::Form;

use super::lab::{EMPTY_PULL, Lab, SILENT_AFTER};
use super::raw::{ANSWER_WITHIN, Outcome};

/// What a right that nobody gave must come to.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// Refused by the server.
    Refused,
    /// Allowed by the subject, and no stream takes it. Without others who listen, as the lab does, that is a 503.
    NotStored,
    /// Allowed and stored under mallory's own name, where nobody is misled.
    Stored,
    /// The server answers about mallory's own account, or not at all.
    OwnAccount,
}

/// Publishes that lie about who speaks, or speak where agents have no voice.
const PUBLISHES: &[(&str, Expect)] = &[
    ("wb.msg.bob.urgent.alice", Expect::Refused),
    ("wb.msg.bob.urgent.bob", Expect::Refused),
    ("wb.msg.bob.urgent.coordinator", Expect::Refused),
    ("wb.msg.bob.urgent.operator", Expect::Refused),
    ("wb.msg.bob.urgent.mallory.extra", Expect::Refused),
    ("wb.msg.bob.urgent.", Expect::Refused),
    ("wb.msg.bob.urgent.Mallory", Expect::Refused),
    ("wb.msg.bob.urgent.mallory\u{200b}", Expect::Refused),
    ("wb.msg.bob.urgent", Expect::Refused),
    ("wb.msg.bob.urgent.*", Expect::Refused),
    ("wb.msg.bob.urgent.>", Expect::Refused),
    ("wb.room.all.low.alice", Expect::Refused),
    ("wb.task.submit.low.alice", Expect::Refused),
    ("wb.receipt.alice.done.bob", Expect::Refused),
    ("wb.receipt.alice.control.coordinator", Expect::Refused),
    ("wb.report.outcome.alice", Expect::Refused),
    ("wb.dlq.refused.bob", Expect::Refused),
    ("wb.hb.bob", Expect::Refused),
    ("wb.api.agents.alice", Expect::Refused),
    ("wb.event.task.coordinator", Expect::Refused),
    ("wb.event.task.mallory", Expect::Refused),
    ("wb.wake.msg.bob.urgent", Expect::Refused),
    ("wb.wake.receipt.bob.done", Expect::Refused),
    ("wb.sys.connect.A_bob", Expect::Refused),
    ("acme.msg.bob.urgent.mallory", Expect::Refused),
    ("$KV.WB_leases.bob", Expect::Refused),
    ("$KV.WB_enrolments.bob", Expect::Refused),
    ("$KV.WB_enrolments.mallory", Expect::Refused),
    ("$O.WB_files.C.x", Expect::Refused),
    ("$JS.FC.WB_MESSAGES.x", Expect::Refused),
    ("_INBOX_bob.known", Expect::Refused),
    ("_R_.abcdef.abcdef", Expect::Refused),
    ("$GNR.x.y", Expect::Refused),
    ("$MQTT.msgs.x", Expect::Refused),
    ("$SRV.PING", Expect::Refused),
    ("$SRV.INFO.wagglebus", Expect::Refused),
    ("$JS.ACK.WB_MESSAGES.bob_urgent.1.1.1.0.0", Expect::Refused),
    ("$JS.ACK.WB_EVENTS.any.1.1.1.0.0", Expect::Refused),
    ("$JS.ACK.WB_RECEIPTS.alice_receipts.1.1.1.0.0", Expect::Refused),
    ("wb.msg.bob.soon.mallory", Expect::NotStored),
    ("wb.room.all.soon.mallory", Expect::NotStored),
    ("wb.msg.*.urgent.mallory", Expect::Stored),
    ("wb.msg.>.urgent.mallory", Expect::Stored),
    ("$SYS.REQ.SERVER.PING", Expect::Refused),
    ("$SYS.REQ.SERVER.PING.VARZ", Expect::Refused),
    ("$SYS.REQ.SERVER.PING.JSZ", Expect::Refused),
    ("$SYS.REQ.ACCOUNT.BUS.CONNZ", Expect::Refused),
    ("$SYS.REQ.ACCOUNT.A_bob.INFO", Expect::Refused),
    ("$SYS.REQ.CLAIMS.UPDATE", Expect::Refused),
    ("$SYS.ACCOUNT.A_bob.DISCONNECT", Expect::Refused),
    ("$SYS.REQ.SERVER.PING.CONNZ", Expect::OwnAccount),
    ("$SYS.REQ.ACCOUNT.PING.CONNZ", Expect::OwnAccount),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", Expect::OwnAccount),
    ("$SYS.REQ.USER.INFO", Expect::OwnAccount),
];

/// Sent to the system's API: ask for the other accounts.
const OTHER_ACCOUNTS: &str =
    r#"{"acc":"A_bob","account":"BUS","accounts":["BUS","A_bob","AGENTS"],"auth":true,"cid":1}"#;

/// JetStream's API below either prefix; none of it is given to mallory.
const API: &[(&str, &str)] = &[
    ("INFO", ""),
    ("STREAM.NAMES", ""),
    ("STREAM.LIST", ""),
    ("STREAM.INFO.WB_MESSAGES", ""),
    ("STREAM.PURGE.WB_MESSAGES", ""),
    ("STREAM.DELETE.WB_MESSAGES", ""),
    (
        "STREAM.UPDATE.WB_MESSAGES",
        r#"{"name":"WB_MESSAGES","subjects":["wb.msg.>"],"storage":"file"}"#,
    ),
    (
        "STREAM.CREATE.MALLORY",
        r#"{"name":"MALLORY","subjects":["mallory.>"],"storage":"memory"}"#,
    ),
    (
        "STREAM.SNAPSHOT.WB_MESSAGES",
        r#"{"deliver_subject":"wb.hb.mallory"}"#,
    ),
    (
        "STREAM.RESTORE.MALLORY",
        r#"{"config":{"name":"MALLORY","subjects":["m"]},"state":{}}"#,
    ),
    ("STREAM.MSG.GET.WB_MESSAGES", r#"{"seq":1}"#),
    ("STREAM.MSG.DELETE.WB_MESSAGES", r#"{"seq":1}"#),
    ("DIRECT.GET.WB_MESSAGES", r#"{"seq":1}"#),
    ("DIRECT.GET.KV_WB_leases.$KV.WB_leases.bob", ""),
    (
        "DIRECT.GET.KV_WB_leases",
        r#"{"last_by_subj":"$KV.WB_leases.bob"}"#,
    ),
    ("CONSUMER.NAMES.WB_MESSAGES", ""),
    ("CONSUMER.LIST.WB_MESSAGES", ""),
    ("CONSUMER.INFO.WB_MESSAGES.bob_urgent", ""),
    ("CONSUMER.INFO.WB_RECEIPTS.bob_receipts", ""),
    ("CONSUMER.MSG.NEXT.WB_MESSAGES.bob_urgent", EMPTY_PULL),
    ("CONSUMER.MSG.NEXT.WB_RECEIPTS.bob_receipts", EMPTY_PULL),
    ("CONSUMER.DELETE.WB_MESSAGES.bob_urgent", ""),
    ("CONSUMER.DELETE.WB_MESSAGES.mallory_low", ""),
    (
        "CONSUMER.PAUSE.WB_MESSAGES.bob_urgent",
        r#"{"pause_until":"2099-01-01T00:00:00Z"}"#,
    ),
    ("CONSUMER.RESET.WB_MESSAGES.bob_urgent", r#"{"seq":1}"#),
    ("CONSUMER.UNPIN.WB_MESSAGES.bob_urgent", r#"{"group":"x"}"#),
    ("CONSUMER.CREATE.WB_MESSAGES.mallory_spy", SPY),
    ("CONSUMER.CREATE.WB_MESSAGES.mallory_low", SPY),
    ("CONSUMER.DURABLE.CREATE.WB_MESSAGES.mallory_spy", SPY),
    ("CONSUMER.CREATE.WB_MESSAGES", SPY),
];

/// The one call that an account without JetStream gets no answer to.
const SILENT_CALL: &str = "$JS.API.CONSUMER.RESET.WB_MESSAGES.bob_urgent";

const SPY: &str = r#"{"stream_name":"WB_MESSAGES","config":{"deliver_policy":"all","ack_policy":"none","name":"mallory_spy"}}"#;

/// Ears that mallory would like to have.
const SUBSCRIPTIONS: &[(&str, Option<&str>)] = &[
    (">", None),
    ("*.>", None),
    ("wb.>", None),
    ("*.*.*.*", None),
    ("*.*.*.*.*", None),
    ("wb.msg.>", None),
    ("wb.msg.bob.urgent.*", None),
    ("wb.wake.>", None),
    ("wb.wake.*.bob.*", None),
    ("wb.wake.*.*.*", None),
    ("wb.receipt.alice.>", None),
    ("wb.hb.*", None),
    ("wb.api.>", None),
    ("wb.js.>", None),
    ("wb.sys.>", None),
    ("_INBOX.>", None),
    ("_INBOX_bob.>", None),
    ("_INBOX_bob.known", None),
    ("_R_.>", None),
    ("$JS.>", None),
    ("$JS.EVENT.>", None),
    ("$JS.ACK.>", None),
    ("$KV.>", None),
    ("$SYS.>", None),
    ("$SYS.ACCOUNT.*.CONNECT", None),
    ("$SRV.>", None),
    ("$SRV.PING", None),
    (">", Some("q")),
    ("wb.wake.*.bob.*", Some("q")),
    ("wb.api.>", Some("q")),
    ("_INBOX_bob.>", Some("q")),
];

/// Every direct attack; what the server did not refuse.
pub(super) async fn attack(lab: &mut Lab) -> Vec<String> {
    let mut findings = Vec::new();
    for &(subject, expect) in PUBLISHES {
        let body = if subject.starts_with("$SYS") {
            OTHER_ACCOUNTS
        } else {
            "forged"
        };
        let outcome = lab.mallory.request_within(subject, &[], body, SILENT_AFTER).await;
        findings.extend(judge(lab, expect, &outcome).map(|why| format!("{subject}: {why}")));
    }
    let held = lab.held.clone();
    for settlement in ["+ACK", "-NAK", "+TERM", "+WPI", "+NXT"] {
        let outcome = lab.mallory.request(&held, &[], settlement).await;
        findings
            .extend(judge(lab, Expect::Refused, &outcome).map(|why| format!("{settlement} for bob: {why}")));
    }
    for (call, body) in API {
        for prefix in ["$JS.API", "wb.js"] {
            let call = format!("{prefix}.{call}");
            let silent = lab.form == Form::AccountPerAgent && call == SILENT_CALL;
            let (expect, wait) = if silent {
                (Expect::NotStored, SILENT_AFTER)
            } else {
                (Expect::Refused, ANSWER_WITHIN)
            };
            let outcome = lab.mallory.request_within(&call, &[], body, wait).await;
            findings.extend(judge(lab, expect, &outcome).map(|why| format!("{call}: {why}")));
        }
    }
    let server = lab.bus.server().log();
    let id = server
        .lines()
        .find_map(|line| line.split("ID:").nth(1))
        .unwrap()
        .trim()
        .to_owned();
    for call in ["KICK", "CONNZ", "RELOAD", "LDM"] {
        let outcome = lab
            .mallory
            .request(&format!("$SYS.REQ.SERVER.{id}.{call}"), &[], OTHER_ACCOUNTS)
            .await;
        findings
            .extend(judge(lab, Expect::Refused, &outcome).map(|why| format!("{call} of the server: {why}")));
    }
    findings
}

/// Subscribes to everything; what the shared account allowed. What is heard is for [`overheard`] to say.
pub(super) async fn listen(lab: &mut Lab) -> Vec<String> {
    let mut findings = Vec::new();
    for (subject, queue) in SUBSCRIPTIONS {
        lab.mallory.subscribe(subject, *queue).await;
        let refused = lab
            .mallory
            .flush()
            .await
            .iter()
            .any(|error| error.contains("Permissions Violation"));
        match lab.form {
            // Her own account may hear itself: nobody else is in it.
            Form::AccountPerAgent => {}
            Form::SharedAccount if refused => {}
            Form::SharedAccount => findings.push(format!("may subscribe to {subject} {queue:?}")),
        }
    }
    findings
}

/// What mallory heard of others' work.
pub(super) async fn overheard(lab: &mut Lab) -> Vec<String> {
    let heard = lab.mallory.take_all().await;
    heard
        .iter()
        .map(|heard| format!("mallory hears {} {:?}", heard.subject, heard.text()))
        .collect()
}

fn judge(lab: &Lab, expect: Expect, outcome: &Outcome) -> Option<String> {
    let says_no = outcome.error_code().is_some();
    let fine = match (expect, lab.form, outcome) {
        (Expect::Refused | Expect::OwnAccount, Form::SharedAccount, outcome) => {
            matches!(outcome, Outcome::Violation)
        }
        (Expect::Refused, Form::AccountPerAgent, Outcome::Nobody) => true,
        (Expect::Refused, Form::AccountPerAgent, Outcome::Reply(_)) => says_no,
        (Expect::NotStored, _, Outcome::Nobody | Outcome::Silence) => true,
        (Expect::Stored, _, Outcome::Reply(reply)) => reply.json()["seq"].is_u64(),
        (Expect::OwnAccount, Form::AccountPerAgent, Outcome::Nobody | Outcome::Silence) => true,
        (Expect::OwnAccount, Form::AccountPerAgent, Outcome::Reply(reply)) => {
            !mentions_others(lab, &reply.text())
        }
        _ => false,
    };
    (!fine).then(|| format!("{:.300}", format!("{outcome:?}")))
}

fn mentions_others(lab: &Lab, text: &str) -> bool {
    let keys = ["alice", "bob", "carol"].map(|name| lab.bus.agent_key(name).unwrap().public().to_string());
    let names = ["A_alice", "A_bob", "A_carol", "BUS", "SYS"].map(|name| json!(name).to_string());
    keys.iter().chain(&names).any(|word| text.contains(word.as_str()))
}
