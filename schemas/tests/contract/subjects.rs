//! Subjects and rights as a reviewer reads them, and the properties that permissions rely on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::event::EventKind;
use wagglebus_schemas::family::Family;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::permission::{Grant, agent_grants, shared_grants};
use wagglebus_schemas::reason::DeadReason;
use wagglebus_schemas::stream::{lane_consumer, receipts_consumer};
use wagglebus_schemas::subject::{ApiMethod, ReportKind, Subject};
use wagglebus_schemas::{AgentId, Hive, Priority, RoomName};

use crate::files;

#[test]
fn subjects_mean_what_the_table_says() {
    let table = files::text("fixtures/subjects.txt");
    let mut generated = String::new();
    for line in table.lines() {
        let Some((subject, _)) = line.split_once(" -> ").filter(|_| !line.starts_with('#')) else {
            writeln!(generated, "{line}").unwrap();
            continue;
        };
        let meaning = match Subject::parse(&Hive::default(), subject.trim()) {
            Ok(parsed) => format!("{parsed:?}"),
            Err(error) => format!("refused: {error}"),
        };
        writeln!(generated, "{subject} -> {meaning}").unwrap();
    }
    files::assert_golden("fixtures/subjects.txt", &generated);
}

#[test]
fn the_table_shows_every_family() {
    let table = files::text("fixtures/subjects.txt");
    let subjects = table.lines().filter_map(|line| line.split_once(" -> "));
    let families: Vec<Family> = subjects
        .filter_map(|(subject, _)| Subject::parse(&Hive::default(), subject.trim()).ok())
        .map(|subject| subject.family())
        .collect();
    for family in Family::ALL {
        assert!(families.contains(family), "no line for {family:?}");
    }
}

#[test]
fn each_right_is_listed() {
    let hive = Hive::default();
    let alice: AgentId = "alice".parse().unwrap();
    let listed = |purpose: &str, grants: Vec<Grant>| {
        let mut text = format!(
            "# {purpose}\n# how it crosses | subject of the agent | subject in the bus account, where it differs\n"
        );
        for grant in grants {
            let crossing = format!("{:?}", grant.crossing);
            let (own, bus) = (
                grant.local_subject(),
                grant.local.as_ref().map(|_| &grant.subject),
            );
            let bus = bus.map(|bus| format!(" | {bus}")).unwrap_or_default();
            writeln!(text, "{crossing:<13} | {own}{bus}").unwrap();
        }
        text
    };
    files::assert_golden(
        "fixtures/rights-of-alice.txt",
        &listed(
            "Everything that the agent alice may do on the hive wb.",
            agent_grants(&hive, &alice),
        ),
    );
    files::assert_golden(
        "fixtures/rights-shared.txt",
        &listed(
            "Everything that crosses for some agent of the hive wb.",
            shared_grants(&hive),
        ),
    );
}

/// Whether some subject could be of both families.
fn overlap(one: &str, other: &str) -> bool {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split('.').collect(), other.split('.').collect());
    let varies = |token: &str| token.starts_with('{');
    // A word that is none of those that may stand there is apart from them.
    let apart = |a: &str, b: &str| a == "{receipt_level}" && !varies(b) && b.parse::<ReceiptLevel>().is_err();
    one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|(a, b)| a == b || (varies(a) || varies(b)) && !apart(a, b) && !apart(b, a))
}

#[test]
fn no_two_families_overlap() {
    assert!(
        overlap("{hive}.a.{to}", "{hive}.{kind}.b"),
        "the check sees an overlap"
    );
    for (n, one) in Family::ALL.iter().enumerate() {
        for other in Family::ALL.iter().skip(n + 1) {
            assert!(
                !overlap(one.template(), other.template()),
                "{one:?} and {other:?}"
            );
        }
    }
}

#[test]
fn no_agent_can_publish_as_another() {
    let alice: AgentId = "alice".parse().unwrap();
    for family in Family::ALL.iter().copied() {
        let template = family.template();
        let from_last = template.ends_with(".{from}");
        let from_server = matches!(family, Family::WakeMessage | Family::WakeReceipt);
        // No agent is granted it, and only one may be the coordinator.
        let log = matches!(family, Family::Event | Family::Control);
        assert_eq!(log, template.ends_with(".coordinator"), "{template}");
        assert!(log || from_last != from_server, "{family:?}: {template}");
    }
    for grant in agent_grants(&Hive::default(), &alice)
        .iter()
        .filter(|grant| grant.is_publish())
    {
        let last = grant.subject.split('.').next_back().unwrap();
        let own_consumer = grant.subject.split('.').any(|token| token.starts_with("alice_"));
        assert!(last == "alice" || own_consumer, "{grant:?}");
    }
}

/// Names of another alphabet than the words of the grammar, and those words too.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9][a-z0-9_-]{0,62}",
        select(vec!["msg", "wake", "receipt", "urgent", "all", "js", "hb", "api"]).prop_map(str::to_owned),
    ]
}

fn agent() -> impl Strategy<Value = AgentId> {
    name().prop_map(|name| name.parse().unwrap())
}

fn subject() -> impl Strategy<Value = Subject> {
    let room = || name().prop_map(|name| name.parse::<RoomName>().unwrap());
    let priority = || select(Priority::ALL);
    let level = || select(ReceiptLevel::ALL);
    prop_oneof![
        (agent(), priority(), agent()).prop_map(|(to, priority, from)| Subject::Message {
            to,
            priority,
            from
        }),
        (room(), priority(), agent()).prop_map(|(room, priority, from)| Subject::Room {
            room,
            priority,
            from
        }),
        (agent(), level(), agent()).prop_map(|(to, level, from)| Subject::Receipt { to, level, from }),
        agent().prop_map(|to| Subject::Control { to }),
        (select(TaskVerb::ALL), priority(), agent()).prop_map(|(verb, priority, from)| Subject::Task {
            verb,
            priority,
            from
        }),
        select(EventKind::ALL).prop_map(|kind| Subject::Event { kind }),
        (select(ReportKind::ALL), agent()).prop_map(|(kind, from)| Subject::Report { kind, from }),
        (select(DeadReason::ALL), agent()).prop_map(|(reason, from)| Subject::Dlq { reason, from }),
        agent().prop_map(|from| Subject::Heartbeat { from }),
        (select(ApiMethod::ALL), agent()).prop_map(|(method, from)| Subject::Api { method, from }),
        (agent(), priority()).prop_map(|(to, priority)| Subject::WakeMessage { to, priority }),
        (agent(), level()).prop_map(|(to, level)| Subject::WakeReceipt { to, level }),
        agent().prop_map(|to| Subject::WakeControl { to }),
    ]
}

proptest! {
    #[test]
    fn parse_undoes_build(subject in subject(), hive in "[a-z][a-z0-9]{0,15}") {
        let hive: Hive = hive.parse().unwrap();
        let text = subject.build(&hive);
        let parsed = Subject::parse(&hive, &text);
        prop_assert_eq!(parsed.as_ref(), Ok(&subject));
        let template = subject.family().template().replace("{hive}", hive.as_str());
        prop_assert!(overlap(&text, &template), "{} is not of the shape {}", text, template);
        if let Some(from) = subject.from() {
            prop_assert_eq!(text.rsplit('.').next(), Some(from.as_str()));
        }
    }

    #[test]
    fn agents_share_no_consumer(one in agent(), other in agent()) {
        let consumers = |agent: &AgentId| -> BTreeSet<String> {
            let lanes = Priority::ALL.iter().map(|priority| lane_consumer(agent, *priority));
            lanes.chain([receipts_consumer(agent)]).collect()
        };
        // Also where one agent is called like a consumer of the other.
        for like_a_consumer in consumers(&one).iter().filter_map(|name| name.parse().ok()) {
            prop_assert!(consumers(&one).is_disjoint(&consumers(&like_a_consumer)));
        }
        prop_assert!(one == other || consumers(&one).is_disjoint(&consumers(&other)));
    }

    #[test]
    fn what_parses_is_built_as_it_was(text in "wb(\\.(msg|room|receipt|report|dlq|hb|api|wake|[a-z*>_]{0,6})){0,6}") {
        if let Ok(subject) = Subject::parse(&Hive::default(), &text) {
            prop_assert_eq!(subject.build(&Hive::default()), text);
        }
    }
}
