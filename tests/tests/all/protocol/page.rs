//! `docs/protocol.md` says what the contract and the code say.

use std::fs;
use std::time::Duration;

use serde::de::DeserializeOwned;
use wagglebus_nats::bus::FetchShape;
use wagglebus_nats::conf::AGENT_CONNECTIONS_MAX;
use wagglebus_nats::connect::{ANSWER_WITHIN, DIAL_WITHIN, PING_EVERY, RETRY_DELAY_MAX};
use wagglebus_nats::topology::{Sizing, agent_consumers, streams};
use wagglebus_schemas::control::Control;
use wagglebus_schemas::dead_letter::DeadLetter;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::lease::Lease;
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::limits::{
    ACCOUNT_PAYLOAD_BYTES_MAX, ACK_PENDING_MAX, CONTENT_BYTES_MAX, DELAYED_NAKS_PER_LANE_MAX, DELIVER_MAX,
    HAND_OVERS_MAX, HEADER_BYTES_MAX, JSON_DEPTH_MAX, MESSAGE_BYTES_MAX, NAK_DELAY_MS_MAX,
};
use wagglebus_schemas::permission::agent_grants;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{Hive, Message, Priority, decode};

use crate::program::repository;

fn page() -> String {
    fs::read_to_string(repository("docs/protocol.md")).unwrap()
}

/// The JSON of the block that is marked as this record.
fn example<T: DeserializeOwned>(page: &str, record: &'static str) -> T {
    let (_, rest) = page.split_once(&format!("```json {record}\n")).expect(record);
    let (json, _) = rest.split_once("\n```").unwrap();
    decode::record(record, json.as_bytes(), MESSAGE_BYTES_MAX).unwrap()
}

#[test]
fn its_examples_are_records_and_belong_together() {
    let page = page();
    let message: Message = example(&page, "message");
    let receipt: Receipt = example(&page, "receipt");
    let letter: DeadLetter = example(&page, "dead_letter");
    let heartbeat: Heartbeat = example(&page, "heartbeat");
    let lease: Lease = example(&page, "lease");
    let _: Control = example(&page, "control");
    assert_eq!(
        (receipt.message_id, &receipt.sender),
        (message.id, &message.from_agent)
    );
    assert_eq!(receipt.levels.last().unwrap().level, receipt.level);
    assert_eq!(letter.message_id, Some(message.id));
    assert_eq!(heartbeat.in_flight, [message.id]);
    assert_eq!(heartbeat.agent, lease.agent);
    assert_eq!(page.matches("```json").count(), 6, "a block that nothing checks");
}

/// The row of a table that begins with `name`.
fn row<'a>(page: &'a str, name: &str) -> &'a str {
    let head = format!("| {name} |");
    page.lines()
        .find(|line| line.starts_with(&head))
        .unwrap_or_else(|| panic!("no row {name:?}"))
}

/// A number as the page writes it: 262,144.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

fn time(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    match (duration.as_secs(), duration.subsec_millis()) {
        (0, ms) => format!("{ms} ms"),
        (seconds, 0) if seconds % DAY == 0 => format!("{} d", seconds / DAY),
        (seconds, 0) if seconds >= 120 => format!("{} min", seconds / 60),
        (seconds, _) => format!("{seconds} s"),
    }
}

#[test]
fn its_bounds_and_times_are_those_of_the_code() {
    let page = page();
    let number = |number: usize| grouped(u64::try_from(number).unwrap());
    let specs = streams(&Hive::default(), Sizing::new(1 << 30, 1).unwrap());
    let stream = |name: &str| specs.iter().find(|spec| spec.name == name).unwrap();
    let consumers = agent_consumers(&Hive::default(), &"bob".parse().unwrap(), &[]);
    let FetchShape::OneShot { expires } = FetchShape::AFTER_WAKE else {
        panic!("a wake is followed by a one-shot pull");
    };
    for (name, value) in [
        ("`content`", number(CONTENT_BYTES_MAX)),
        ("message as encoded", number(MESSAGE_BYTES_MAX)),
        ("headers", number(HEADER_BYTES_MAX)),
        ("headers and record together", number(ACCOUNT_PAYLOAD_BYTES_MAX)),
        ("depth of JSON", number(JSON_DEPTH_MAX)),
        ("hand-overs before `max_deliver`", HAND_OVERS_MAX.to_string()),
        ("hand-overs before `max_deliver`", DELIVER_MAX.to_string()),
        ("NAK delay", grouped(NAK_DELAY_MS_MAX)),
        ("delayed NAKs per lane", number(DELAYED_NAKS_PER_LANE_MAX)),
        ("unacked messages per lane", number(ACK_PENDING_MAX)),
        ("connections per agent", AGENT_CONNECTIONS_MAX.to_string()),
        ("ping", time(PING_EVERY)),
        ("dial and login", time(DIAL_WITHIN)),
        ("answer to a publish, settlement or question", time(ANSWER_WITHIN)),
        ("`expires` after a wake", time(expires)),
        ("`expires` after a wake", time(FetchShape::EXPIRES_MAX)),
        ("`ack_wait`", time(consumers[0].ack_wait.0)),
        ("pause between connects", time(RETRY_DELAY_MAX)),
        ("lease life", time(stream("KV_WB_leases").max_age.0)),
        (
            "an id is recognised by the server",
            time(stream("WB_MESSAGES").duplicate_window.0),
        ),
        (
            "messages and receipts are kept",
            time(stream("WB_MESSAGES").max_age.0),
        ),
        ("messages and receipts are kept", time(stream("WB_DLQ").max_age.0)),
    ] {
        let row = row(&page, name);
        // Whole words only: 3 s is not part of 13 s.
        let (_, cell) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        let cell = format!(" {} ", cell.replace(';', " "));
        assert!(cell.contains(&format!(" {value} ")), "{value} is not in {row:?}");
    }
}

#[test]
fn its_subjects_are_rights_of_an_agent() {
    let page = page();
    let (_, section) = page.split_once("## 2. ").unwrap();
    let (section, _) = section.split_once("## 3. ").unwrap();
    let mut found = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        found.extend(cell.split('`').skip(1).step_by(2));
    }
    // What only the coordinator writes comes through the agent's consumer.
    found.retain(|template| !template.ends_with(".coordinator"));
    assert_eq!(found.len(), 10, "{found:?}");
    let grants = agent_grants(&Hive::default(), &"alice".parse().unwrap());
    for template in found {
        let subject = template.replace("<me>", "alice");
        let granted = grants.iter().any(|grant| {
            let local: Vec<&str> = grant.local_subject().split('.').collect();
            let asked: Vec<&str> = subject.split('.').collect();
            let covers = |(local, asked): (&&str, &&str)| local == asked || *local == "*";
            local.len() == asked.len() && local.iter().zip(&asked).all(covers)
        });
        assert!(granted, "{subject}");
    }
}

#[test]
fn its_words_are_those_of_the_contract() {
    let page = page();
    let priorities: Vec<&str> = Priority::ALL.iter().map(|word| word.as_str()).collect();
    let levels: Vec<&str> = ReceiptLevel::ALL.iter().map(|word| word.as_str()).collect();
    for words in [priorities, levels] {
        assert!(page.contains(&format!("`{}`", words.join(" "))), "{words:?}");
    }
    for level in ReceiptLevel::ALL {
        row(&page, &format!("`{level}`"));
    }
    for method in ApiMethod::ALL {
        row(&page, &format!("`{method}`"));
    }
}
