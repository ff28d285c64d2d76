//! The machines of agents and of the hive: paused, halted, resumed, and their past over the death of a coordinator.

use std::time::Duration;

use serde_json::{Value, json};
use wagglebus_harness::fleet::Fleet;
use wagglebus_schemas::control::{Control, ControlScope};
use wagglebus_schemas::fsm_api::{Fsm, Transition};
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::Explanation;
use wagglebus_schemas::{ErrorCode, Id, Timestamp};

use super::commands::{Commander, about};
use super::{ask, hive, until};
use crate::messages::WITHIN;

/// The machine, once it is in this state.
async fn stands(fleet: &Fleet, entity: &str, id: &str, state: &str) -> Fsm {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let asked = async {
        loop {
            tick.tick().await;
            let fsm = ask(fleet, "fsm", json!({"entity": entity, "id": id})).await;
            if let Ok(fsm) = serde_json::from_value::<Fsm>(fsm)
                && fsm.state == state
            {
                return fsm;
            }
        }
    };
    tokio::time::timeout(WITHIN, asked).await.unwrap()
}

/// What the coordinator told an agent last about itself or the hive.
async fn told(fleet: &Fleet, agent: &str) -> Control {
    let stream = fleet.bus().admin().get_stream("WB_RECEIPTS").await.unwrap();
    let subject = format!("wb.receipt.{agent}.control.coordinator");
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let read = async {
        loop {
            tick.tick().await;
            if let Ok(message) = stream.get_last_raw_message_by_subject(&subject).await {
                return serde_json::from_slice(&message.payload).unwrap();
            }
        }
    };
    tokio::time::timeout(WITHIN, read).await.unwrap()
}

async fn why_not(fleet: &Fleet, task: Id, agent: &str) -> String {
    let why: Explanation = serde_json::from_value(ask(fleet, "explain", json!({"id": task})).await).unwrap();
    let candidate = why
        .candidates
        .into_iter()
        .find(|candidate| candidate.agent.as_str() == agent);
    candidate.unwrap().why_not.unwrap()
}

#[tokio::test]
async fn a_paused_agent_gets_no_task_and_a_halted_hive_gives_none() {
    let fleet = hive(&[("bob", "rust:8"), ("carol", "rust:8")]).await;
    let (alice, operator) = (Commander::of(&fleet, "alice"), Commander::of(&fleet, "operator"));
    for agent in ["alice", "bob", "carol"] {
        stands(&fleet, "agent", agent, "active").await;
    }
    stands(&fleet, "swarm", "wb", "coordinating").await;
    for (who, body, code) in [
        (
            &alice,
            json!({"agent": "bob", "action": "pause"}),
            ErrorCode::Forbidden,
        ),
        (
            &operator,
            json!({"agent": "bbo", "action": "pause"}),
            ErrorCode::UnknownAgent,
        ),
        (
            &operator,
            json!({"agent": null, "action": "pause"}),
            ErrorCode::InvalidMessage,
        ),
        (
            &operator,
            json!({"agent": "bob", "action": "halt"}),
            ErrorCode::InvalidMessage,
        ),
        (&operator, json!({"agent": "bob"}), ErrorCode::InvalidMessage),
    ] {
        assert_eq!(who.control(body.clone()).await.unwrap_err(), code, "{body}");
    }

    let pause = json!({"agent": "bob", "action": "pause"});
    let paused: Fsm = serde_json::from_value(operator.control(pause.clone()).await.unwrap()).unwrap();
    assert_eq!((paused.state.as_str(), paused.paused), ("paused", Some(true)));
    let control = told(&fleet, "bob").await;
    assert_eq!(
        (control.action.as_str(), control.scope, control.event_seq),
        ("pause", ControlScope::Agent, paused.event_seq)
    );
    let again: Fsm = serde_json::from_value(operator.control(pause).await.unwrap()).unwrap();
    assert_eq!((again.state.as_str(), again.since), ("paused", paused.since));
    assert_eq!(
        told(&fleet, "bob").await,
        control,
        "nobody is told of what changed nothing"
    );
    let record = ask(&fleet, "agent", json!({"agent": "bob"})).await;
    assert_eq!(record["fsm"], "paused");
    assert_eq!(
        record["control"],
        json!({"paused": true, "halted": false, "event_seq": paused.event_seq})
    );

    let draft = json!({"title": "Review", "capabilities": ["rust"]});
    let first = alice.submit(draft.clone()).await;
    let first = until(&fleet, first.id, TaskState::Assigned).await;
    assert_eq!(first.assigned_to.as_ref().unwrap().as_str(), "carol");
    let second = alice.submit(draft.clone()).await;
    assert_eq!(second.state, TaskState::Pending);
    assert!(why_not(&fleet, second.id, "bob").await.contains("is paused"));
    let force = json!({"task_id": second.id, "agent": "bob", "force": true});
    assert_eq!(
        operator.command("assign", force).await.unwrap_err(),
        ErrorCode::IllegalTransition
    );
    let resume = json!({"agent": "bob", "action": "resume"});
    operator.control(resume).await.unwrap();
    let second = until(&fleet, second.id, TaskState::Assigned).await;
    assert_eq!(second.assigned_to.as_ref().unwrap().as_str(), "bob");

    let halted: Fsm =
        serde_json::from_value(operator.control(json!({"action": "halt"})).await.unwrap()).unwrap();
    assert_eq!((halted.id.as_str(), halted.state.as_str()), ("wb", "halt"));
    for agent in ["alice", "bob", "carol"] {
        let control = told(&fleet, agent).await;
        assert_eq!(
            (control.scope, control.event_seq),
            (ControlScope::Hive, halted.event_seq)
        );
    }
    let third = alice.submit(draft).await;
    let carol = Commander::of(&fleet, "carol");
    carol
        .command("complete", about(&first, json!({"result": 1})))
        .await
        .unwrap();
    // To complete a task is to have taken it on.
    let done = stands(&fleet, "agent", "carol", "survey_mission_completed").await;
    assert!(why_not(&fleet, third.id, "carol").await.contains("halted"));
    stands(&fleet, "agent", "carol", "active").await;
    let waits = ask(&fleet, "task", json!({"id": third.id})).await;
    assert_eq!(waits["state"], "pending", "{done:?}");
    operator
        .control(json!({"agent": null, "action": "resume"}))
        .await
        .unwrap();
    let third = until(&fleet, third.id, TaskState::Assigned).await;
    assert_eq!(third.assigned_to.as_ref().unwrap().as_str(), "carol");
    stands(&fleet, "swarm", "wb", "coordinating").await;
}

#[tokio::test]
async fn the_past_of_a_machine_outlives_the_coordinator() {
    let mut fleet = hive(&[("bob", "rust:8")]).await;
    stands(&fleet, "agent", "bob", "active").await;
    let operator = Commander::of(&fleet, "operator");
    let pause = json!({"agent": "bob", "action": "pause"});
    let paused: Fsm = serde_json::from_value(operator.control(pause).await.unwrap()).unwrap();
    let resume = json!({"agent": "bob", "action": "resume"});
    let resumed: Fsm = serde_json::from_value(operator.control(resume).await.unwrap()).unwrap();
    assert_eq!((resumed.state.as_str(), resumed.seq), ("active", paused.seq + 1));
    fleet.kill_coordinator(0).await.unwrap();
    fleet.start_coordinator().await.unwrap();

    assert_eq!(stands(&fleet, "agent", "bob", "active").await, resumed);
    let history = |more: Value| {
        let mut query = json!({"entity": "agent", "id": "bob", "history": true});
        query
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let fleet = &fleet;
        async move {
            let page = ask(fleet, "fsm", query).await;
            let items: Vec<Transition> = serde_json::from_value(page["items"].clone()).unwrap();
            (items, page["next_cursor"].clone())
        }
    };
    let (all, next) = history(json!({})).await;
    let words: Vec<_> = all
        .iter()
        .map(|item| (item.event.seq, item.event.event.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            (5, "resume"),
            (4, "pause"),
            (3, "heartbeat"),
            (2, "declare"),
            (1, "enrol")
        ]
    );
    assert_eq!((all[0].event_seq, next), (resumed.event_seq, Value::Null));
    let (latest, next) = history(json!({"limit": 3})).await;
    let (rest, _) = history(json!({"limit": 3, "cursor": next})).await;
    assert_eq!([latest, rest].concat(), all);
    // By the name that an older system has for it.
    let (waiting, _) = history(json!({"state": "Waiting"})).await;
    assert_eq!(waiting, [all[1].clone()]);

    let at = |at: Timestamp| ask(&fleet, "fsm", json!({"entity": "agent", "id": "bob", "at": at}));
    let then: Fsm = serde_json::from_value(at(all[1].event.at).await).unwrap();
    assert_eq!(then, paused);
    let before = at(Timestamp::EPOCH).await;
    assert_eq!(before["error"]["code"], "not_found");
    assert_eq!(before["error"]["details"]["oldest"], json!(all[4].event.at));
    let swarm = ask(&fleet, "fsm", json!({"entity": "swarm", "history": true})).await;
    assert_eq!(swarm["items"][0]["to"], "coordinating", "{swarm}");
    let nobody = ask(&fleet, "fsm", json!({"entity": "agent", "id": "bbo"})).await;
    assert_eq!(nobody["error"]["code"], "unknown_agent");
}
