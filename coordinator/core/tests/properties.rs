//! Properties of the roster that hold for any history.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::collection::vec;
use proptest::prelude::*;
use wagglebus_coordinator_core::liveness::{Connection, LOST_MS, SUSPECT_MS};
use wagglebus_coordinator_core::resolve::Myself;
use wagglebus_coordinator_core::similar::{SIMILAR_MAX, similar};
use wagglebus_coordinator_core::{Effect, Event, FreshIds, Machine, Now, ReplyTo, Request, inbound};
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::heartbeat::{Heartbeat, LaneDepths, SpoolDepth};
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::{AgentId, Hive, Id, Timestamp};

/// Something that happens to one agent, `after_ms` after what happened before it.
#[derive(Debug, Clone)]
struct Step {
    after_ms: u64,
    agent: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Enrol,
    Remove,
    Beat { epoch: u64, seq: u64, gone: bool },
    Open(u64),
    Close(u64),
}

fn step(agents: usize) -> impl Strategy<Value = Step> {
    let what = prop_oneof![
        2 => Just(What::Enrol),
        1 => Just(What::Remove),
        8 => (0..3_u64, 1..9_u64, prop::bool::weighted(0.1)).prop_map(|(epoch, seq, gone)| What::Beat { epoch, seq, gone }),
        1 => (0..3_u64).prop_map(What::Open),
        1 => (0..3_u64).prop_map(What::Close),
    ];
    (0..4_000_u64, 0..agents, what).prop_map(|(after_ms, agent, what)| Step {
        after_ms,
        agent,
        what,
    })
}

fn name(agent: usize) -> AgentId {
    format!("agent-{agent}").parse().unwrap()
}

fn wall(boot_ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(i64::try_from(boot_ms).unwrap()).unwrap()
}

fn enrolment(agent: usize) -> Enrolment {
    Enrolment {
        agent: name(agent),
        nkey: format!("U{agent}"),
        ephemeral: false,
        rooms: Vec::new(),
        role: None,
        at: wall(0),
    }
}

fn beat(agent: usize, epoch: u64, seq: u64, gone: bool) -> Event {
    Event::Heartbeat {
        from: name(agent),
        heartbeat: Box::new(Heartbeat {
            agent: name(agent),
            epoch,
            seq,
            interval_ms: 3_000,
            state: if gone {
                SessionState::Gone
            } else {
                SessionState::Idle
            },
            hold: None,
            bridges: Vec::new(),
            inbox: LaneDepths::default(),
            in_flight: Vec::new(),
            spool: SpoolDepth::default(),
            agent_cpu_ms: None,
            agent_rss_bytes: None,
            cpu_ms: 0,
            rss_bytes: 0,
            version: "0.1.0".to_owned(),
            capabilities: Vec::new(),
            resources: None,
            slots: None,
            at: wall(0),
        }),
    }
}

fn event(agent: usize, what: &What) -> Event {
    let nkey = format!("U{agent}");
    let connection = |id: &u64| Connection {
        server: "S".to_owned(),
        id: *id,
    };
    match what {
        What::Enrol => Event::Enrolled(enrolment(agent)),
        What::Remove => Event::Removed(name(agent)),
        What::Beat { epoch, seq, gone } => beat(agent, *epoch, *seq, *gone),
        What::Open(id) => Event::Opened {
            nkey,
            connection: connection(id),
        },
        What::Close(id) => Event::Closed {
            nkey,
            connection: connection(id),
        },
    }
}

/// Nothing here makes a record of its own.
struct NoIds;

impl FreshIds for NoIds {
    fn fresh(&mut self) -> Id {
        unreachable!("nobody leads")
    }
}

/// A machine, its clock, and every effect about one agent with its time.
struct World {
    machine: Machine,
    boot_ms: u64,
    effects: Vec<(u64, Effect)>,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new(Myself {
            version: "0.1.0".to_owned(),
            since: wall(0),
            hive: Hive::default(),
            instance: "one".to_owned(),
        });
        let mut world = Self {
            machine,
            boot_ms: 0,
            effects: Vec::new(),
        };
        world.step(Event::BusUp);
        world.step(Event::Listed(Vec::new()));
        world
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        let now = Now {
            boot_ms: self.boot_ms,
            wall: wall(self.boot_ms),
        };
        let effects = self.machine.step(now, &mut NoIds, event);
        let at = effects.iter().cloned().map(|effect| (self.boot_ms, effect));
        self.effects.extend(at);
        assert!(
            self.machine
                .next_wake_ms()
                .is_none_or(|wake| wake >= self.boot_ms),
            "a wake-up in the past"
        );
        effects
    }

    /// Lets time pass; every wake-up changes something, so their number is bounded.
    fn wait(&mut self, ms: u64) {
        let end = self.boot_ms + ms;
        while let Some(wake) = self.machine.next_wake_ms().filter(|wake| *wake <= end) {
            self.boot_ms = wake;
            assert!(
                !self.step(Event::Wake).is_empty(),
                "a wake-up that changes nothing"
            );
        }
        self.boot_ms = end;
    }

    fn about(&self, agent: usize) -> Vec<(u64, Effect)> {
        let concerns = |effect: &Effect| match effect {
            Effect::Presence { agent: a, .. } => *a == name(agent),
            Effect::Ignored(ignored) => ignored.to_string().contains(name(agent).as_str()),
            Effect::Watch { agent: a } | Effect::Unwatch { agent: a } => *a == name(agent),
            Effect::LookAtHead(look) => look.agent == name(agent),
            Effect::Reply(_)
            | Effect::ChangeRoom(_)
            | Effect::WakeLane { .. }
            | Effect::Tasks(_)
            | Effect::Lease(_)
            | Effect::Leads(_)
            | Effect::TellHeld(_)
            | Effect::Read(_) => false,
        };
        let about = self.effects.iter().filter(|(_, effect)| concerns(effect));
        about.cloned().collect()
    }
}

fn run(steps: &[Step], keep: impl Fn(usize) -> bool) -> World {
    let mut world = World::new();
    for step in steps {
        world.wait(step.after_ms);
        if keep(step.agent) {
            world.step(event(step.agent, &step.what));
        }
    }
    world.wait(2 * LOST_MS);
    world
}

proptest! {
    #[test]
    fn an_agent_does_not_depend_on_others(steps in vec(step(3), 0..60)) {
        let together = run(&steps, |_| true);
        for agent in 0..3 {
            let alone = run(&steps, |other| other == agent);
            prop_assert_eq!(alone.about(agent), together.about(agent));
            let record = |world: &World| world.machine.roster().member(&name(agent)).map(|m| m.record());
            prop_assert_eq!(record(&alone), record(&together));
        }
    }

    #[test]
    fn presence_is_a_function_of_the_last_arrival(gaps in vec(0..12_000_u64, 1..20), silence in 0..12_000_u64) {
        let mut world = World::new();
        world.step(Event::Enrolled(enrolment(0)));
        for (seq, gap) in gaps.iter().enumerate() {
            world.wait(*gap);
            world.step(beat(0, 1, u64::try_from(seq).unwrap() + 1, false));
        }
        world.wait(silence);
        let expected = match silence {
            s if s >= LOST_MS => Presence::Lost,
            s if s >= SUSPECT_MS => Presence::Suspect,
            _ => Presence::Alive,
        };
        prop_assert_eq!(world.machine.roster().member(&name(0)).unwrap().presence(), expected);
    }

    #[test]
    fn reported_changes_form_a_chain(steps in vec(step(2), 0..60)) {
        let world = run(&steps, |_| true);
        for agent in 0..2 {
            let mut last = None;
            for (_, effect) in world.about(agent) {
                if let Effect::Presence { from, to, .. } = effect {
                    prop_assert_eq!(from, last);
                    prop_assert_ne!(from, to);
                    last = to;
                }
            }
            let shown = world.machine.roster().member(&name(agent)).map(|m| m.presence());
            prop_assert_eq!(shown, last);
        }
    }

    #[test]
    fn pages_hold_everybody_once(agents in 0..40_usize, limit in 1..12_usize) {
        let mut world = World::new();
        world.step(Event::Listed((0..agents).map(enrolment).collect()));
        let mut seen: Vec<AgentId> = Vec::new();
        let mut cursor = None;
        loop {
            let query = serde_json::json!({"limit": limit, "cursor": cursor});
            let effects = world.step(Event::Request(Request {
                method: ApiMethod::Agents,
                from: AgentId::operator(),
                body: query.to_string().into_bytes(),
                reply: ReplyTo(String::new()),
            }));
            let [Effect::Reply(reply)] = effects.as_slice() else { panic!("{effects:?}") };
            let page: Page<Agent> = serde_json::from_slice(reply.outcome.as_ref().unwrap()).unwrap();
            prop_assert!(page.items.len() <= limit);
            seen.extend(page.items.into_iter().map(|item| item.agent));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let mut expected: Vec<AgentId> = (0..agents).map(name).collect();
        expected.sort();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn close_names_do_not_depend_on_the_order_of_names(
        wanted in "[a-e-]{0,8}",
        names in vec("[a-e-]{1,8}", 0..30).prop_shuffle(),
    ) {
        let mut sorted = names.clone();
        sorted.sort();
        let close = similar(&wanted, names.iter().map(String::as_str));
        prop_assert_eq!(&close, &similar(&wanted, sorted.iter().map(String::as_str)));
        prop_assert!(close.len() <= SIMILAR_MAX);
        if names.contains(&wanted) {
            prop_assert_eq!(&close[0], &wanted);
        }
    }

    #[test]
    fn no_bytes_panic(subject in "(wb\\.)?(hb|api|sys)?[a-z.*>]{0,30}", bytes in vec(any::<u8>(), 0..200)) {
        let hive = Hive::default();
        let mut world = World::new();
        let events = [
            inbound::heartbeat(&hive, &subject, &bytes).ok(),
            inbound::request(&hive, &subject, Some("r"), &bytes).ok(),
            inbound::notice(&hive, &subject, &bytes).ok().flatten(),
            inbound::enrolment(&subject, &bytes).ok().map(Event::Enrolled),
        ];
        for event in events.into_iter().flatten() {
            world.step(event);
        }
    }
}
