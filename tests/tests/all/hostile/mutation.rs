//! Proof that the attacks would notice: a right too many, set on purpose, and each time something must be found.

use serde_json::json;
use wagglebus_nats::conf::Form;

use super::lab::{Lab, ask};
use super::{direct, headers, redirect, rights};

/// A text in a configuration file, and what a careless hand makes of it.
struct Slip {
    what: &'static str,
    form: Form,
    file: &'static str,
    find: &'static str,
    replace: &'static str,
}

const IN_DIRECT: &[Slip] = &[
    Slip {
        what: "an import of another's receipts",
        form: Form::AccountPerAgent,
        file: "agents.conf",
        find: r#"{ service: { account: BUS, subject: "wb.receipt.*.*.mallory" } }"#,
        replace: r#"{ service: { account: BUS, subject: "wb.receipt.*.*.*" } }"#,
    },
    Slip {
        what: "a permission to beat another's heart",
        form: Form::SharedAccount,
        file: "agents.conf",
        find: r#""wb.hb.mallory""#,
        replace: r#""wb.hb.*""#,
    },
    Slip {
        what: "a permission to look at any consumer",
        form: Form::SharedAccount,
        file: "agents.conf",
        find: r#""wb.js.CONSUMER.INFO.WB_MESSAGES.mallory_low""#,
        replace: r#""wb.js.CONSUMER.INFO.WB_MESSAGES.*""#,
    },
];

const IN_LISTENING: &[Slip] = &[
    Slip {
        what: "an import of everybody's wakes",
        form: Form::AccountPerAgent,
        file: "agents.conf",
        find: r#""wb.wake.*.mallory.*""#,
        replace: r#""wb.wake.*.*.*""#,
    },
    Slip {
        what: "a permission to hear all inboxes",
        form: Form::SharedAccount,
        file: "agents.conf",
        find: r#""_INBOX_mallory.>""#,
        replace: r#"">""#,
    },
];

/// A literal import into the account of all agents, which nobody may publish to: only answers sent astray get there.
const AGAINST_T1: Slip = Slip {
    what: "a literal import of the coordinator's events",
    form: Form::SharedAccount,
    file: "nats.conf",
    find: r#"{ service: { account: BUS, subject: "wb.hb.*" } }"#,
    replace: r#"{ service: { account: BUS, subject: "wb.hb.*" } }
      { service: { account: BUS, subject: "wb.event.task.coordinator" } }"#,
};
const AND_ITS_EXPORT: Slip = Slip {
    what: "the export that goes with it",
    form: Form::SharedAccount,
    file: "nats.conf",
    find: r#"{ service: "wb.hb.*", accounts: [AGENTS] }"#,
    replace: r#"{ service: "wb.hb.*", accounts: [AGENTS] }
      { service: "wb.event.task.coordinator", accounts: [AGENTS] }"#,
};

async fn make(lab: &Lab, slip: &Slip) {
    let path = lab.bus.files().dir().join(slip.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(slip.find).count(), 1, "{}: {text}", slip.what);
    std::fs::write(&path, text.replace(slip.find, slip.replace)).unwrap();
    lab.bus.server().reload().await.unwrap();
}

async fn lab_with(slips: &[&Slip]) -> Lab {
    let lab = Lab::open(slips[0].form).await;
    for slip in slips {
        make(&lab, slip).await;
    }
    lab
}

#[tokio::test]
async fn a_right_too_many_is_found_by_using_it() {
    for slip in IN_DIRECT {
        let mut lab = lab_with(&[slip]).await;
        let before = lab.before().await;
        let mut findings = direct::attack(&mut lab).await;
        findings.extend(lab.after(&before).await);
        assert!(!findings.is_empty(), "{} is not found", slip.what);
    }
}

#[tokio::test]
async fn an_ear_too_many_is_found_by_listening() {
    for slip in IN_LISTENING {
        let mut lab = lab_with(&[slip]).await;
        direct::listen(&mut lab).await;
        lab.mallory.take_all().await;
        rights::normal_work(&mut lab, "overheard?").await;
        assert_ne!(
            direct::overheard(&mut lab).await,
            [""; 0],
            "{} is not found",
            slip.what
        );
    }
}

#[tokio::test]
async fn a_literal_import_is_found_by_answers_sent_astray() {
    let mut lab = lab_with(&[&AND_ITS_EXPORT, &AGAINST_T1]).await;
    let direct = lab.mallory.request("wb.event.task.coordinator", &[], "x").await;
    assert!(
        matches!(direct, super::raw::Outcome::Violation),
        "nothing shows directly: {direct:?}"
    );
    let findings = redirect::attack(&mut lab).await;
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("wb.event.task.coordinator")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn a_stream_that_obeys_headers_is_found() {
    for stream in ["WB_MESSAGES", "KV_WB_leases"] {
        let mut lab = Lab::open(Form::AccountPerAgent).await;
        let mut config =
            ask(lab.admin(), &format!("STREAM.INFO.{stream}"), json!({})).await["config"].clone();
        config["allow_rollup_hdrs"] = json!(true);
        let changed = ask(lab.admin(), &format!("STREAM.UPDATE.{stream}"), config).await;
        assert!(changed.get("error").is_none(), "{changed}");
        let before = lab.before().await;
        let refused = headers::attack(&mut lab).await;
        let damage = lab.after(&before).await;
        assert!(
            !refused.is_empty() && !damage.is_empty(),
            "{stream}: {refused:?} {damage:?}"
        );
    }
}
