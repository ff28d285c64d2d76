//! Headers with which a message would do more than be stored.

use super::lab::Lab;
use super::raw::Outcome;

/// What must become of a message.
#[derive(Clone, Copy)]
enum Expect {
    /// The stream refuses it with this number.
    Refused(u64),
    /// Whether it is stored or not, the header does nothing else.
    NoEffect,
}

const OWN: &str = "wb.msg.carol.low.mallory";
const LEASE: &str = "$KV.WB_leases.mallory";
/// RFC 3339; far enough for the test, near enough to be a schedule.
const AT: &str = "@at 2099-01-01T00:00:00Z";

type Headers = &'static [(&'static str, &'static str)];

const HEADERS: &[(&str, Headers, Expect)] = &[
    (OWN, &[("Nats-Rollup", "all")], Expect::Refused(10111)),
    (OWN, &[("Nats-Rollup", "sub")], Expect::Refused(10111)),
    (OWN, &[("Nats-TTL", "1s")], Expect::Refused(10166)),
    (
        OWN,
        &[
            ("Nats-Schedule", AT),
            ("Nats-Schedule-Target", "wb.msg.bob.urgent.alice"),
        ],
        Expect::Refused(10188),
    ),
    (
        OWN,
        &[
            ("Nats-Batch-Id", "b"),
            ("Nats-Batch-Sequence", "1"),
            ("Nats-Batch-Commit", "1"),
        ],
        Expect::Refused(10174),
    ),
    (OWN, &[("Nats-Incr", "1")], Expect::Refused(10168)),
    (
        OWN,
        &[("Nats-Expected-Stream", "WB_EVENTS")],
        Expect::Refused(10060),
    ),
    (
        OWN,
        &[("Nats-Expected-Last-Sequence", "999999")],
        Expect::Refused(10071),
    ),
    (
        OWN,
        &[("Nats-Expected-Last-Subject-Sequence", "999999")],
        Expect::Refused(10071),
    ),
    (
        OWN,
        &[("Nats-Expected-Last-Msg-Id", "other")],
        Expect::Refused(10070),
    ),
    (
        OWN,
        &[("Nats-Stream-Source", "WB_EVENTS 1 > > wb.event.task.coordinator")],
        Expect::NoEffect,
    ),
    (OWN, &[("Nats-Marker-Reason", "Purge")], Expect::NoEffect),
    (
        OWN,
        &[
            ("Nats-Sequence", "1"),
            ("Nats-Subject", "wb.msg.bob.urgent.alice"),
        ],
        Expect::NoEffect,
    ),
    (
        OWN,
        &[("Nats-Request-Info", r#"{"acc":"BUS","user":"UFORGED"}"#)],
        Expect::NoEffect,
    ),
    (OWN, &[("KV-Operation", "PURGE")], Expect::NoEffect),
    (OWN, &[("Nats-Trace-Dest", "_INBOX_bob.known")], Expect::NoEffect),
    (
        OWN,
        &[("Nats-Trace-Dest", "wb.wake.msg.bob.urgent")],
        Expect::NoEffect,
    ),
    (
        OWN,
        &[
            ("Nats-Trace-Dest", "wb.msg.bob.urgent.alice"),
            ("Nats-Trace-Only", "true"),
        ],
        Expect::NoEffect,
    ),
    (
        OWN,
        &[("Nats-Trace-Dest", "$JS.API.STREAM.PURGE.WB_MESSAGES")],
        Expect::NoEffect,
    ),
    (
        OWN,
        &[(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )],
        Expect::NoEffect,
    ),
    (OWN, &[("Nats-Msg-Id", LONG)], Expect::NoEffect),
    (LEASE, &[("Nats-Rollup", "all")], Expect::Refused(10111)),
    (LEASE, &[("Nats-Rollup", "sub")], Expect::Refused(10111)),
    (LEASE, &[("Nats-TTL", "1s")], Expect::Refused(10166)),
    (LEASE, &[("KV-Operation", "PURGE")], Expect::NoEffect),
    (LEASE, &[("KV-Operation", "DEL")], Expect::NoEffect),
    (
        "wb.receipt.carol.done.mallory",
        &[("Nats-Rollup", "all")],
        Expect::Refused(10111),
    ),
    (
        "wb.report.failure.mallory",
        &[("Nats-Rollup", "all")],
        Expect::Refused(10111),
    ),
    (
        "wb.dlq.refused.mallory",
        &[("Nats-Rollup", "all")],
        Expect::Refused(10111),
    ),
];

const LONG: &str = concat!(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
);

/// Every header; what was taken that should have been refused. Side effects are for the lab to see.
pub(super) async fn attack(lab: &mut Lab) -> Vec<String> {
    let mut findings = Vec::new();
    for &(subject, headers, expect) in HEADERS {
        let outcome = lab.mallory.request(subject, headers, "x").await;
        let fine = match expect {
            Expect::Refused(code) => outcome.error_code() == Some(code),
            Expect::NoEffect => !matches!(outcome, Outcome::Silence),
        };
        if !fine {
            findings.push(format!(
                "{subject} with {headers:?}: {:.300}",
                format!("{outcome:?}")
            ));
        }
    }
    findings
}
