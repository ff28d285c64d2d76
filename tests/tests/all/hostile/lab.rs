//! The people of the play: alice and bob work, carol receives, mallory attacks, and the bus is watched.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use serde_json::{Value, json};
use wagglebus_harness::bus::TestBus;
use wagglebus_nats::conf::Form;
use wagglebus_nats::keys::{BusUser, UserKey};

use super::raw::{Incoming, Raw};

pub(super) const EMPTY_PULL: &str = r#"{"batch":1,"no_wait":true}"#;
/// A wait for what is there already: the one-shot pull of TOPOLOGY 4.
pub(super) const ONE_SHOT: &str = r#"{"batch":1,"no_wait":true,"expires":250000000}"#;

const STREAMS: [&str; 7] = [
    "WB_MESSAGES",
    "WB_RECEIPTS",
    "WB_TASKS",
    "WB_EVENTS",
    "WB_DLQ",
    "KV_WB_leases",
    "KV_WB_enrolments",
];
const OTHERS: [&str; 3] = ["alice", "bob", "carol"];

/// A hive with its cast.
pub(super) struct Lab {
    pub(super) bus: TestBus,
    pub(super) form: Form,
    pub(super) alice: Raw,
    pub(super) bob: Raw,
    pub(super) mallory: Raw,
    /// A second connection of bob's that hears whatever can reach him.
    bob_hears: Raw,
    /// Hears everything in the bus account.
    bus_hears: Raw,
    /// The ack subject of a message that bob holds.
    pub(super) held: String,
}

/// What must not change while mallory works.
#[derive(Debug, PartialEq)]
pub(super) struct Snapshot {
    configurations: BTreeMap<String, Value>,
    /// Messages by subject, but mallory's own.
    messages: BTreeMap<String, Value>,
    erased: BTreeMap<String, Value>,
    consumers: BTreeMap<String, Value>,
    bobs_lease: Value,
}

impl Lab {
    pub(super) async fn open(form: Form) -> Lab {
        let bus = TestBus::with_form(form).await.unwrap();
        bus.enrol_all(&["alice", "bob", "carol", "mallory"])
            .await
            .unwrap();
        let alice = agent(&bus, "alice").await;
        let bob = agent(&bus, "bob").await;
        let mallory = agent(&bus, "mallory").await;
        let mut bob_hears = agent(&bus, "bob").await;
        match form {
            Form::AccountPerAgent => drop(bob_hears.subscribe(">", None).await),
            Form::SharedAccount => {
                bob_hears.subscribe("_INBOX_bob.>", None).await;
                bob_hears.subscribe("wb.wake.*.bob.*", None).await;
            }
        }
        let coordinator = UserKey::load(&BusUser::Coordinator.seed_file(bus.places())).unwrap();
        let mut bus_hears = Raw::connect(bus.url(), &coordinator, "hears").await;
        bus_hears.subscribe(">", None).await;
        assert_eq!(
            (bob_hears.flush().await, bus_hears.flush().await),
            (vec![], vec![])
        );
        let echo = Raw::connect(bus.url(), &coordinator, "echo").await;
        tokio::spawn(answer(echo));
        let mut lab = Lab {
            bus,
            form,
            alice,
            bob,
            mallory,
            bob_hears,
            bus_hears,
            held: String::new(),
        };
        // So that there is something to steal, ack, delete and reorder.
        for body in ["held", "waiting"] {
            let stored = lab
                .alice
                .request("wb.msg.bob.urgent.alice", &[], body)
                .await
                .reply();
            assert_eq!(stored.json()["stream"], "WB_MESSAGES", "{}", stored.text());
        }
        let pull = lab
            .bob
            .request("wb.js.CONSUMER.MSG.NEXT.WB_MESSAGES.bob_urgent", &[], ONE_SHOT)
            .await
            .reply();
        assert_eq!(pull.text(), "held");
        lab.held = pull.reply.unwrap();
        lab
    }

    pub(super) fn admin(&self) -> &Context {
        self.bus.admin()
    }

    /// Begins a part of the attack: forgets what was heard and remembers how things are.
    pub(super) async fn before(&mut self) -> Snapshot {
        let renewed = self.bob.request("$KV.WB_leases.bob", &[], "bob's").await.reply();
        assert_eq!(renewed.json()["stream"], "KV_WB_leases", "{}", renewed.text());
        self.bob.take_all().await;
        self.bob_hears.take_all().await;
        let snapshot = self.snapshot().await;
        self.bus_hears.take_all().await;
        snapshot
    }

    /// Ends a part of the attack: what went wrong.
    pub(super) async fn after(&mut self, before: &Snapshot) -> Vec<String> {
        let mut findings: Vec<String> = self
            .heard_in_bus()
            .await
            .iter()
            .map(|heard| format!("in the bus account: {heard}"))
            .collect();
        findings.extend(
            self.heard_by_bob()
                .await
                .iter()
                .map(|heard| format!("bob hears {heard}")),
        );
        findings.extend(before.differences(&self.snapshot().await));
        findings
    }

    /// Subjects in the bus account that mallory's rights do not explain.
    pub(super) async fn heard_in_bus(&mut self) -> Vec<String> {
        let heard = self.bus_hears.take_all().await;
        heard
            .into_iter()
            .filter(|heard| !is_mallorys(&heard.subject))
            .map(|heard| heard.subject)
            .collect()
    }

    /// What reached bob by any subject.
    pub(super) async fn heard_by_bob(&mut self) -> Vec<String> {
        let mut heard = self.bob_hears.take_all().await;
        heard.extend(self.bob.take_all().await);
        heard
            .into_iter()
            .map(|heard: Incoming| format!("{} {:?}", heard.subject, heard.text()))
            .collect()
    }

    async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            configurations: BTreeMap::new(),
            messages: BTreeMap::new(),
            erased: BTreeMap::new(),
            consumers: BTreeMap::new(),
            bobs_lease: Value::Null,
        };
        let names = ask(self.admin(), "STREAM.NAMES", json!({})).await;
        snapshot
            .configurations
            .insert("streams".to_owned(), names["streams"].clone());
        for stream in STREAMS {
            let info = ask(
                self.admin(),
                &format!("STREAM.INFO.{stream}"),
                json!({"subjects_filter": ">"}),
            )
            .await;
            snapshot
                .configurations
                .insert(stream.to_owned(), info["config"].clone());
            let names = ask(self.admin(), &format!("CONSUMER.NAMES.{stream}"), json!({})).await;
            snapshot
                .configurations
                .insert(format!("consumers of {stream}"), names["consumers"].clone());
            if stream == "KV_WB_leases" {
                // Leases end by themselves; bob's is looked at below.
                continue;
            }
            let state = &info["state"];
            snapshot.erased.insert(
                stream.to_owned(),
                json!([state["first_seq"].as_u64().max(Some(1)), state["num_deleted"]]),
            );
            let subjects = state["subjects"].as_object().into_iter().flatten();
            // No lane reads an unknown priority: it must not be stored in whoever's name.
            let others = subjects.filter(|(subject, _)| !is_mallorys(subject) || subject.contains(".soon."));
            snapshot
                .messages
                .extend(others.map(|(subject, count)| (subject.clone(), count.clone())));
        }
        for agent in OTHERS {
            for lane in ["urgent", "high", "normal", "low", "receipts"] {
                let stream = if lane == "receipts" {
                    "WB_RECEIPTS"
                } else {
                    "WB_MESSAGES"
                };
                let mut info = ask(
                    self.admin(),
                    &format!("CONSUMER.INFO.{stream}.{agent}_{lane}"),
                    json!({}),
                )
                .await;
                if let Some(info) = info.as_object_mut() {
                    info.retain(|key, _| !matches!(key.as_str(), "type" | "ts"));
                    if agent == "carol" {
                        // Mallory may write to carol.
                        info.remove("num_pending");
                    }
                }
                snapshot.consumers.insert(format!("{agent}_{lane}"), info);
            }
        }
        let lease = json!({"last_by_subj": "$KV.WB_leases.bob"});
        snapshot.bobs_lease =
            ask(self.admin(), "STREAM.MSG.GET.KV_WB_leases", lease).await["message"].clone();
        snapshot
    }
}

impl Snapshot {
    fn differences(&self, after: &Snapshot) -> Vec<String> {
        let mut differences = Vec::new();
        let parts = [
            (&self.configurations, &after.configurations),
            (&self.messages, &after.messages),
            (&self.erased, &after.erased),
            (&self.consumers, &after.consumers),
        ];
        for (before, after) in parts {
            let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
            differences.extend(
                changed.map(|key| format!("{key}: {:?} became {:?}", before.get(key), after.get(key))),
            );
        }
        if self.bobs_lease != after.bobs_lease || self.bobs_lease.is_null() {
            differences.push(format!(
                "bob's lease: {} became {}",
                self.bobs_lease, after.bobs_lease
            ));
        }
        differences
    }
}

/// Whether a subject may be in the bus account because of mallory: hers by the last token, a request about her own
/// consumers, a wake of whom she may write to, or a reply under a name that the server chose.
fn is_mallorys(subject: &str) -> bool {
    let tokens: Vec<&str> = subject.split('.').collect();
    match tokens.as_slice() {
        ["wb", "wake", _, to, _] => ["carol", "mallory", "*", ">"].contains(to),
        ["wb", "event", ..] => false,
        ["wb", "sys", "autherr", _] => true,
        ["wb", "sys", _] | ["wb", "sys", _, "A_mallory" | "$G"] => true,
        ["wb", "msg" | "room" | "task" | "receipt", _, _, last]
        | ["wb", "report" | "dlq" | "api", _, last]
        | ["wb", "hb", last]
        | ["$KV", "WB_leases", last] => *last == "mallory",
        ["$JS", "API", "CONSUMER", "MSG", "NEXT", _, consumer]
        | ["$JS", "API", "CONSUMER", "INFO", _, consumer] => consumer.starts_with("mallory_"),
        ["$JS", "ACK", _, consumer, ..] => consumer.starts_with("mallory_"),
        [
            "$JS",
            "API",
            "DIRECT",
            "GET",
            "KV_WB_leases",
            "$KV",
            "WB_leases",
            last,
        ] => *last == "mallory",
        ["$JS", "EVENT", ..] => !subject.contains("STREAM.ACTION") && !subject.contains("CONSUMER.ACTION"),
        [first, ..] => ["_R_", "_GR_", "_INBOX_echo", "_INBOX_hears"].contains(first),
        [] => false,
    }
}

pub(super) async fn agent(bus: &TestBus, name: &str) -> Raw {
    Raw::connect(bus.url(), &bus.agent_key(name).unwrap(), name).await
}

pub(super) async fn ask(js: &Context, subject: &str, body: Value) -> Value {
    js.request(subject.to_owned(), &body).await.unwrap()
}

/// A coordinator that answers with what it was asked: the worst that one could do. It ends with the server.
async fn answer(mut coordinator: Raw) {
    coordinator.subscribe("wb.api.*.*", None).await;
    coordinator.subscribe("wb.hb.*", None).await;
    while let Ok(asked) = coordinator.until(|asked| asked.subject.starts_with("wb.")).await {
        let Some(reply) = &asked.reply else { continue };
        let who = asked.header("Nats-Request-Info").unwrap_or_default();
        coordinator
            .publish(reply, "", &[("Asked-By", who)], &asked.text())
            .await;
    }
}

/// For what is known to be silent.
pub(super) const SILENT_AFTER: Duration = Duration::from_millis(300);
