//! A machine with a clock that scripts move by hand.

mod server;

use serde_json::{Value, json};
use wagglebus_coordinator_core::effect::Ignored;
use wagglebus_coordinator_core::inbound;
use wagglebus_coordinator_core::lead::News;
use wagglebus_coordinator_core::order::{Head, HeldMail, Look, RoomChange};
use wagglebus_coordinator_core::resolve::Myself;
use wagglebus_coordinator_core::{Effect, Event, FreshIds, Machine, Now, Reply};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{Hive, Id, Timestamp};

/// Start of the scripts' time of day.
const WALL_MS: i64 = 1_767_323_045_000;

/// Ids that count up; only who leads makes records of its own.
#[derive(Default)]
struct Ids(u128);

impl FreshIds for Ids {
    fn fresh(&mut self) -> Id {
        self.0 += 1;
        Id::from_bytes(self.0.to_be_bytes())
    }
}

/// The machine, its clock and what scripts need to speak as the server does.
pub(crate) struct World {
    machine: Machine,
    boot_ms: u64,
    hive: Hive,
    change: Option<RoomChange>,
    looks: Vec<Look>,
    told: Option<HeldMail>,
    ids: Ids,
    /// The server answers whoever wants to lead; what leading makes is not printed.
    leads: bool,
    log: Vec<wagglebus_schemas::event::Event>,
}

impl Default for World {
    fn default() -> Self {
        let mut world = Self {
            machine: Machine::new(Myself {
                version: "1.2.3".to_owned(),
                since: Timestamp::from_unix_ms(WALL_MS).unwrap(),
                hive: Hive::default(),
                instance: "one".to_owned(),
            }),
            boot_ms: 0,
            hive: Hive::default(),
            change: None,
            looks: Vec::new(),
            told: None,
            ids: Ids::default(),
            leads: false,
            log: Vec::new(),
        };
        world.step(Event::BusUp);
        world
    }
}

impl World {
    /// Runs one command and returns what it prints.
    pub(crate) fn run(&mut self, command: &str) -> Vec<String> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (verb, words.as_slice()) {
            ("list", names) => {
                let enrolments = names.iter().map(|name| enrolment(name, name)).collect();
                self.step(Event::Listed(enrolments))
            }
            ("enrol", [name]) => self.step(Event::Enrolled(enrolment(name, name))),
            ("enrol", [name, key]) => self.step(Event::Enrolled(enrolment(name, key))),
            ("remove", [name]) => self.step(Event::Removed(name.parse().unwrap())),
            ("beat", [name, fields @ ..]) => self.bus(&format!("wb.hb.{name}"), &heartbeat(name, fields)),
            ("raw", [subject, body]) => {
                let event = inbound::heartbeat(&self.hive, subject, body.as_bytes());
                event.map_or_else(|ignored| vec![why(&ignored)], |event| self.step(event))
            }
            ("connect" | "disconnect", [name, id]) => {
                let body = json!({
                    "type": "io.nats.server.advisory.v1.client_connect",
                    "server": {"id": "S1", "name": "wb1"},
                    "client": {"id": id.parse::<u64>().unwrap(), "acc": "x", "user": nkey(name), "name": "bob"},
                });
                self.notice(&format!("wb.sys.{verb}.A_{name}"), &body)
            }
            ("post", [room, priority, from]) => {
                let subject = format!("wb.room.{room}.{priority}.{from}");
                match inbound::post(&self.hive, &subject) {
                    Ok(event) => self.step(event),
                    Err(ignored) => vec![why(&ignored)],
                }
            }
            ("arrived", [agent, priority]) => self.step(Event::Arrived {
                agent: agent.parse().unwrap(),
                priority: priority.parse().unwrap(),
            }),
            // Answers all looks that are open: this message is at the head of that lane, the others are empty.
            ("heads", ["none"]) => self.looked(|_| Ok(None)),
            ("heads", ["no-answer"]) => self.looked(|_| Err(())),
            ("heads", [priority, seq, sender]) => {
                let head = Head {
                    stream_seq: seq.parse().unwrap(),
                    message_id: "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d".parse().unwrap(),
                    sender: sender.parse().unwrap(),
                    at: wagglebus_schemas::Timestamp::EPOCH,
                };
                self.looked(|look| Ok((look.priority.as_str() == *priority).then(|| head.clone())))
            }
            ("untold", []) => {
                let mail = self.told.take().unwrap();
                self.step(Event::Untold(mail))
            }
            ("changed", [outcome]) => {
                let outcome = match *outcome {
                    "out" => Ok(None),
                    "failed" => Err(ErrorDetail::new(ErrorCode::CoordinatorUnavailable, "no answer")),
                    seq => Ok(Some(seq.parse().unwrap())),
                };
                let change = self.change.take().unwrap();
                self.step(Event::RoomChanged { change, outcome })
            }
            ("lead", []) => {
                self.leads = true;
                let read = self.read_on();
                // The lease was asked for at the start, and nobody has it.
                let seen = Event::Lead(News::LeaseSeen(Some(None)));
                read.into_iter().chain(self.step(seen)).collect()
            }
            ("bus", ["up"]) => {
                let printed = self.step(Event::BusUp);
                printed.into_iter().chain(self.read_on()).collect()
            }
            ("bus", ["down"]) => self.step(Event::BusDown),
            ("wait", [ms]) => self.wait(ms.parse().unwrap()),
            ("stand-still", [ms]) => {
                self.boot_ms += ms.parse::<u64>().unwrap();
                self.step(Event::Wake)
            }
            ("hurry", [ms]) => {
                self.boot_ms += ms.parse::<u64>().unwrap();
                Vec::new()
            }
            ("ask", [method, from, ..]) => {
                let query = rest.splitn(3, ' ').nth(2).unwrap_or_default();
                let subject = format!("wb.api.{method}.{from}");
                match inbound::request(&self.hive, &subject, Some("_INBOX.1"), query.as_bytes()) {
                    Ok(event) => self.step(event),
                    Err(ignored) => vec![why(&ignored)],
                }
            }
            ("show", []) => {
                let members = self.machine.roster().members();
                members
                    .map(|m| format!("{} {}", m.agent(), m.presence()))
                    .collect()
            }
            _ => panic!("no such command: {command}"),
        }
    }

    fn bus(&mut self, subject: &str, body: &Value) -> Vec<String> {
        let event = inbound::heartbeat(&self.hive, subject, &serde_json::to_vec(body).unwrap());
        self.step(event.unwrap())
    }

    fn looked(&mut self, head: impl Fn(&Look) -> Result<Option<Head>, ()>) -> Vec<String> {
        let looks = std::mem::take(&mut self.looks);
        let answered = looks.into_iter().flat_map(|look| {
            let head = head(&look);
            self.step(Event::Looked { look, head })
        });
        answered.collect()
    }

    fn notice(&mut self, subject: &str, body: &Value) -> Vec<String> {
        let notice = inbound::notice(&self.hive, subject, &serde_json::to_vec(body).unwrap());
        self.step(notice.unwrap().unwrap())
    }

    /// Lets time pass as the shell does: asleep until the promised wake-up, never longer.
    fn wait(&mut self, ms: u64) -> Vec<String> {
        let end = self.boot_ms + ms;
        let mut printed = Vec::new();
        while let Some(wake) = self.machine.next_wake_ms().filter(|wake| *wake <= end) {
            self.boot_ms = wake;
            printed.extend(self.step(Event::Wake));
        }
        self.boot_ms = end;
        printed
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        let now = Now {
            boot_ms: self.boot_ms,
            wall: Timestamp::from_unix_ms(WALL_MS + i64::try_from(self.boot_ms).unwrap()).unwrap(),
        };
        let effects = self.machine.step(now, &mut self.ids, event);
        effects.iter().for_each(|effect| match effect {
            Effect::ChangeRoom(change) => self.change = Some(change.clone()),
            Effect::LookAtHead(look) => self.looks.push(look.clone()),
            Effect::TellHeld(mail) => self.told = Some(mail.clone()),
            Effect::Reply(_)
            | Effect::Presence { .. }
            | Effect::WakeLane { .. }
            | Effect::Read(_)
            | Effect::Watch { .. }
            | Effect::Unwatch { .. }
            | Effect::Tasks(_)
            | Effect::Lease(_)
            | Effect::Leads(_)
            | Effect::Ignored(_) => {}
        });
        let quiet = |effect: &Effect| {
            let of_leading = matches!(effect, Effect::Tasks(_) | Effect::Leads(_));
            matches!(effect, Effect::Lease(_)) || (self.leads && of_leading)
        };
        let others = effects.iter().filter(|effect| !quiet(effect));
        let mut printed: Vec<String> = others.map(|effect| self.picture(effect)).collect();
        if self.leads {
            let answered = effects.into_iter().flat_map(|effect| self.serve(effect));
            printed.extend(answered.collect::<Vec<_>>());
        }
        printed
    }

    fn picture(&self, effect: &Effect) -> String {
        match effect {
            Effect::Presence { agent, from, to } => {
                let word = |presence: &Option<_>| presence.map_or("-".to_owned(), |p| format!("{p}"));
                format!("{} ms: {agent} {} > {}", self.boot_ms, word(from), word(to))
            }
            Effect::Ignored(ignored) => why(ignored),
            Effect::ChangeRoom(RoomChange {
                agent, room, join, ..
            }) => {
                format!("{agent} {} {room}", if *join { "into" } else { "out of" })
            }
            Effect::Watch { agent } => format!("{} ms: watch {agent}", self.boot_ms),
            Effect::Unwatch { agent } => format!("{} ms: unwatch {agent}", self.boot_ms),
            Effect::LookAtHead(look) => {
                format!("{} ms: look at {} {}", self.boot_ms, look.agent, look.priority)
            }
            Effect::TellHeld(mail) => {
                let HeldMail {
                    agent,
                    sender,
                    reason,
                    ..
                } = mail;
                format!("{} ms: tell {sender}: {reason} at {agent}", self.boot_ms)
            }
            Effect::Tasks(order) => format!("{order:?}"),
            Effect::Lease(errand) => format!("{errand:?}"),
            Effect::Read(reading) => format!("read {reading:?}"),
            Effect::Leads(leads) => format!("leads: {leads}"),
            Effect::WakeLane { agent, priority } => format!("wake {agent} {priority}"),
            Effect::Reply(Reply { outcome, .. }) => match outcome {
                Ok(body) => short(&serde_json::from_slice(body).unwrap()),
                Err(error) => refusal(error),
            },
        }
    }
}

/// Why something was ignored, without the words of parsers, which are not ours.
fn why(ignored: &Ignored) -> String {
    match ignored {
        Ignored::Unreadable { what, subject, .. } => format!("unreadable {what} on {subject}"),
        Ignored::Forged { .. } | Ignored::Stale { .. } | Ignored::Stranger { .. } => ignored.to_string(),
    }
}

/// An error, without the words of parsers.
fn refusal(error: &ErrorDetail) -> String {
    let mut error = error.clone();
    if let Some((ours, _)) = error.message.split_once("not a query: ") {
        error.message = format!("{ours}not a query");
    } else if error.code == ErrorCode::InvalidJson {
        error.message.clear();
    }
    serde_json::to_string(&error).unwrap()
}

/// An answer with agents by their names; one agent alone in full.
fn short(answer: &Value) -> String {
    if let Some(items) = answer["items"].as_array() {
        let name = |item: &Value| match item["agent"].as_str() {
            Some(name) => name.to_owned(),
            None => item.to_string(),
        };
        let names: Vec<String> = items.iter().map(name).collect();
        return format!("{} next {}", names.join(" "), answer["next_cursor"]);
    }
    match answer["agent"]["agent"].as_str() {
        Some(name) => name.to_owned(),
        None => {
            // What is known beside the record has tests of its own.
            let mut record = answer.clone();
            if let Some(fields) = record.as_object_mut() {
                fields.remove("detail");
            }
            record.to_string()
        }
    }
}

/// A key that has the form of one and follows from the name.
fn nkey(name: &str) -> String {
    let base32 = |c: char| match c {
        'a'..='z' => c.to_ascii_uppercase(),
        '2'..='7' => c,
        _ => 'Z',
    };
    format!("U{:A<55}", name.chars().map(base32).collect::<String>())
}

fn enrolment(name: &str, key: &str) -> wagglebus_schemas::enrolment::Enrolment {
    let body = json!({
        "agent": name, "nkey": nkey(key), "ephemeral": false,
        "rooms": [{"name": "all", "joined_seq": 7}], "at": "2026-01-02T03:00:00.000Z",
    });
    inbound::enrolment(name, &serde_json::to_vec(&body).unwrap()).unwrap()
}

/// A heartbeat; `fields` are `epoch=1 seq=1 state=idle pending=0 in_flight=0 hold=busy as=NAME rust:7`.
fn heartbeat(name: &str, fields: &[&str]) -> Value {
    let mut beat = json!({
        "agent": name, "epoch": 1, "seq": 1, "interval_ms": 3000, "state": "idle", "hold": null,
        "bridges": [{"name": "stdio", "proves": "injected"}],
        "inbox": {}, "in_flight": [], "spool": {"unstored": 0, "bytes": 0},
        "agent_cpu_ms": null, "agent_rss_bytes": null, "cpu_ms": 1, "rss_bytes": 1,
        "version": "0.1.0", "capabilities": [], "at": "2026-01-02T03:04:05.000Z",
    });
    for lane in ["urgent", "high", "normal", "low"] {
        beat["inbox"][lane] = json!({"pending": 0, "oldest_ms": null});
    }
    for field in fields {
        if let Some((capability, proficiency)) = field.split_once(':') {
            let proficiency: u8 = proficiency.parse().unwrap();
            let declared = json!({"name": capability, "proficiency": proficiency});
            beat["capabilities"].as_array_mut().unwrap().push(declared);
            continue;
        }
        let (key, value) = field.split_once('=').unwrap();
        let number = || json!(value.parse::<u64>().unwrap());
        match key {
            "epoch" | "seq" => beat[key] = number(),
            "state" => beat["state"] = json!(value),
            "pending" => beat["inbox"]["normal"]["pending"] = number(),
            "in_flight" => {
                beat["in_flight"] = json!(vec![
                    "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
                    value.parse().unwrap()
                ])
            }
            "hold" => {
                let (reason, since) = value.split_once('@').unwrap_or((value, "05"));
                let since = format!("2026-01-02T03:04:{since}.000Z");
                beat["hold"] = json!({ "reason": reason, "since": since });
            }
            "as" => beat["agent"] = json!(value),
            _ => panic!("no such field: {field}"),
        }
    }
    beat
}
