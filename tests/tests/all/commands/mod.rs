//! Commands about tasks from a sidecar, and verdicts and notices back, with a coordinator by script.

mod frames;
pub(crate) mod script;
mod whole;

use serde_json::{Value, json};
use tokio::join;
use wagglebus_client::Client;
use wagglebus_harness::fleet::sidecar::Sidecar;
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::task::TaskState;
use wagglebus_schemas::task_api::{TaskAnswer, TasksRequest};
use wagglebus_schemas::{Command, Id, Level, Priority, Task};

use crate::messages::{WITHIN, ack, hive, take};
use script::{Script, draft, fresh, task_of};

fn task(answer: TaskAnswer) -> Task {
    match answer {
        TaskAnswer::Decided(task) => *task,
        TaskAnswer::Undecided(answer) => panic!("undecided: {answer:?}"),
    }
}

fn undecided(answer: TaskAnswer) -> (Id, Level) {
    match answer {
        TaskAnswer::Undecided(answer) => (answer.id, answer.level),
        TaskAnswer::Decided(task) => panic!("decided: {task:?}"),
    }
}

async fn command(client: &Client, task: Id, verb: TaskVerb, command: Value) -> Result<Task, ErrorCode> {
    let command: Command = serde_json::from_value(command).unwrap();
    let answer = client.command_task(task, verb, &command).await;
    let answer = answer.map_err(|error| error.code().unwrap())?;
    Ok(self::task(answer.value))
}

#[tokio::test]
async fn a_submission_is_answered_with_its_verdict_and_a_repeat_with_the_same() {
    let fleet = hive(&["alice"]).await;
    let mut script = Script::open(&fleet).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let id = fresh();
    let mut wanted = draft("count the words", Some(id));
    wanted.priority = Priority::High;
    let decide = async {
        let asked = script.next().await;
        assert_eq!(asked.subject, "wb.task.submit.high.alice");
        assert_eq!((asked.id, &asked.body["id"]), (id, &json!(id)));
        script.done(&asked, &task_of(&asked)).await;
    };
    let (answer, ()) = join!(alice.submit_task(&wanted), decide);
    let submitted = task(answer.unwrap().value);
    assert_eq!((submitted.id, submitted.state), (id, TaskState::Pending));
    let again = alice.submit_task(&wanted).await.unwrap();
    assert_eq!(task(again.value), submitted, "from the spool: nobody is asked");
    wanted.park = true;
    let other = alice.submit_task(&wanted).await.unwrap_err();
    assert_eq!(other.code(), Some(ErrorCode::IdempotencyConflict));
    let refusing = async {
        let asked = script.next().await;
        script.refuse(&asked, "unknown_capability").await;
    };
    let unknown = draft("nobody can do this", None);
    let (answer, ()) = join!(alice.submit_task(&unknown), refusing);
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownCapability));
    let peek = alice.peek().await.unwrap().value;
    assert_eq!(peek.pending.total(), 0, "a verdict is no message");
}

#[tokio::test]
async fn a_command_outlives_its_sidecar_and_the_server() {
    let mut fleet = hive(&["alice"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let id = fresh();
    let wanted = draft("count the words", Some(id));
    let kept = alice.submit_task(&wanted).await.unwrap();
    assert_eq!(undecided(kept.value), (id, Level::Stored));
    fleet.bus_mut().server_mut().kill().await.unwrap();
    let second = fresh();
    let kept = alice
        .submit_task(&draft("without a server", Some(second)))
        .await
        .unwrap();
    assert_eq!(undecided(kept.value), (second, Level::Accepted));
    fleet.sidecar_mut("alice").unwrap().kill().await.unwrap();
    fleet.bus_mut().server_mut().start().await.unwrap();
    fleet.sidecar_mut("alice").unwrap().start().await.unwrap();
    let mut script = Script::open(&fleet).await;
    for expected in [id, second] {
        let asked = script.next().await;
        assert_eq!(asked.id, expected);
        script.done(&asked, &task_of(&asked)).await;
    }
    let decided = async {
        loop {
            let answer = alice.submit_task(&wanted).await.unwrap().value;
            if let TaskAnswer::Decided(task) = answer {
                break task;
            }
        }
    };
    let decided = tokio::time::timeout(WITHIN, decided).await.unwrap();
    assert_eq!(decided.id, id);
}

#[tokio::test]
async fn an_assignment_names_the_epoch_of_the_verbs_that_follow() {
    let fleet = hive(&["bob"]).await;
    let mut script = Script::open(&fleet).await;
    let bob = fleet.sidecar("bob").unwrap().client();
    let unknown = command(&bob, fresh(), TaskVerb::Resume, json!({})).await;
    assert_eq!(unknown, Err(ErrorCode::InvalidMessage), "no assignment is known");
    let mut work = draft("work", None).into_task(
        fresh(),
        "alice".parse().unwrap(),
        wagglebus_schemas::Timestamp::from_unix_ms(0).unwrap(),
    );
    (work.epoch, work.priority) = (3, Priority::High);
    let notice = script.notice("bob", "task.assigned", "high", &work).await;
    let item = take(&bob, 1).await.remove(0);
    assert_eq!(item.message.id, notice);
    work.state = TaskState::InProgress;
    work.assigned_to = Some("bob".parse().unwrap());
    for (verb, fields) in [
        (TaskVerb::Accept, json!({})),
        (TaskVerb::Progress, json!({ "progress": 0.5 })),
        (
            TaskVerb::Complete,
            json!({ "result": { "words": 7 }, "evidence": ["log"] }),
        ),
    ] {
        let decide = async {
            let asked = script.next().await;
            assert_eq!(asked.subject, format!("wb.task.{verb}.high.bob"));
            assert_eq!(asked.body["epoch"], 3, "{asked:?}");
            assert_eq!(asked.body["task_id"], json!(work.id));
            for (name, value) in fields.as_object().unwrap() {
                assert_eq!(&asked.body[name], value);
            }
            script.done(&asked, &work).await;
        };
        let (answer, ()) = join!(command(&bob, work.id, verb, fields.clone()), decide);
        assert_eq!(answer.unwrap().id, work.id);
    }
    let stale = async {
        let asked = script.next().await;
        script.refuse(&asked, "stale_epoch").await;
    };
    let old = json!({ "error": "no", "epoch": 2 });
    let (answer, ()) = join!(command(&bob, work.id, TaskVerb::Fail, old), stale);
    assert_eq!(answer, Err(ErrorCode::StaleEpoch));
    ack(&bob, &item).await;
    fleet.until_settled("bob", WITHIN).await.unwrap();
}

#[tokio::test]
async fn an_assignment_that_was_taken_back_is_not_handed_over() {
    let mut fleet = hive(&["bob"]).await;
    let script = Script::open(&fleet).await;
    let bob = fleet.sidecar("bob").unwrap().client();
    let at = wagglebus_schemas::Timestamp::from_unix_ms(0).unwrap();
    let mut work = draft("work", None).into_task(fresh(), "alice".parse().unwrap(), at);
    work.epoch = 3;
    script.notice("bob", "task.assigned", "high", &work).await;
    script.notice("bob", "task.released", "urgent", &work).await;
    let released = take(&bob, 1).await.remove(0);
    assert_eq!(released.message.metadata["kind"], "task.released");
    ack(&bob, &released).await;
    fleet.sidecar_mut("bob").unwrap().restart().await.unwrap();
    work.epoch = 4;
    script.notice("bob", "task.assigned", "high", &work).await;
    let item = take(&bob, 1).await.remove(0);
    assert_eq!(item.message.metadata["epoch"], 4, "the former one was left out");
    ack(&bob, &item).await;
    fleet.until_settled("bob", WITHIN).await.unwrap();
    let stream = fleet.bus().admin().get_stream("WB_RECEIPTS").await.unwrap();
    let told = stream
        .direct_get_next_for_subject("wb.receipt.coordinator.dead.bob", None)
        .await
        .unwrap();
    let told: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!(told["reason"], "superseded");
}

/// The agent on another machine, without its spool.
fn elsewhere(fleet: &Fleet) -> Sidecar {
    let elsewhere = Options {
        machine: Some("elsewhere".to_owned()),
        ..Options::http().with(&["--takeover"])
    };
    fleet.second("alice", &elsewhere).unwrap()
}

#[tokio::test]
async fn what_the_stream_knew_already_is_asked_of_the_coordinator() {
    let mut fleet = hive(&["alice"]).await;
    let mut script = Script::open(&fleet).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let wanted = draft("count the words", Some(fresh()));
    let mut submitted = None;
    let decide = async {
        let asked = script.next().await;
        submitted = Some(task_of(&asked));
        script.done(&asked, submitted.as_ref().unwrap()).await;
    };
    let (answer, ()) = join!(alice.submit_task(&wanted), decide);
    answer.unwrap();
    // The agent comes back without its spool, and repeats itself.
    fleet.sidecar_mut("alice").unwrap().stop().await.unwrap();
    let mut second = elsewhere(&fleet);
    second.start().await.unwrap();
    let alice = second.client();
    let kept = alice.submit_task(&wanted).await.unwrap();
    assert_eq!(undecided(kept.value).1, Level::Stored, "nobody can be asked");
    let mut now = submitted.unwrap();
    now.state = TaskState::Completed;
    let answers = script.answer("task", serde_json::to_value(&now).unwrap()).await;
    let answer = alice.submit_task(&wanted).await.unwrap();
    assert_eq!(task(answer.value).state, TaskState::Completed);
    drop(answers);
    now.title = "another".parse().unwrap();
    let answers = script.answer("task", serde_json::to_value(&now).unwrap()).await;
    let other = alice.submit_task(&wanted).await.unwrap_err();
    assert_eq!(other.code(), Some(ErrorCode::IdempotencyConflict));
    drop(answers);
    let nothing = json!({ "error": { "code": "not_found", "message": "there is no such task" } });
    let _answers = script.answer("task", nothing).await;
    let kept = alice.submit_task(&wanted).await.unwrap();
    assert_eq!(undecided(kept.value).1, Level::Stored, "it may still be made");
}

#[tokio::test]
async fn what_became_of_a_verb_that_the_stream_knew_already_is_not_guessed() {
    let mut fleet = hive(&["alice"]).await;
    let mut script = Script::open(&fleet).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let (task, wanted) = (fresh(), json!({ "id": fresh(), "reason": "not needed" }));
    let decide = async {
        let asked = script.next().await;
        script.refuse(&asked, "forbidden").await;
    };
    let (answer, ()) = join!(command(&alice, task, TaskVerb::Cancel, wanted.clone()), decide);
    assert_eq!(answer, Err(ErrorCode::Forbidden));
    fleet.sidecar_mut("alice").unwrap().stop().await.unwrap();
    let mut second = elsewhere(&fleet);
    second.start().await.unwrap();
    // The task is there, but it does not tell that this was refused.
    let at = wagglebus_schemas::Timestamp::from_unix_ms(0).unwrap();
    let other = draft("work", None).into_task(task, "bob".parse().unwrap(), at);
    let _answers = script.answer("task", serde_json::to_value(&other).unwrap()).await;
    let wanted: Command = serde_json::from_value(wanted).unwrap();
    let alice = second.client();
    let kept = alice.command_task(task, TaskVerb::Cancel, &wanted).await.unwrap();
    assert_eq!(undecided(kept.value), (wanted.id.unwrap(), Level::Stored));
}

#[tokio::test]
async fn questions_are_passed_on() {
    let fleet = hive(&["alice"]).await;
    let script = Script::open(&fleet).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let request = TasksRequest {
        state: Some(TaskState::Blocked),
        limit: Some(2),
        ..TasksRequest::default()
    };
    let away = alice.tasks(&request).await.unwrap_err();
    assert_eq!(away.code(), Some(ErrorCode::CoordinatorUnavailable));
    let _tasks = script
        .answer("tasks", json!({ "items": [], "next_cursor": "x" }))
        .await;
    let page = alice.tasks(&request).await.unwrap();
    assert_eq!(page.value.next_cursor.as_deref(), Some("x"));
    let body: Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!(body["asked"], json!({ "state": "blocked", "limit": 2 }));
    let explained = json!({ "strategy": "weighted", "candidates": [], "chosen": null });
    let _explain = script.answer("explain", explained).await;
    let id = fresh();
    let explained = alice.get(&format!("/v1/tasks/{id}/explanation")).await.unwrap();
    assert_eq!(explained.value["asked"], json!({ "id": id }));
    let unknown = json!({ "error": { "code": "not_found", "message": "no such task" } });
    let _task = script.answer("task", unknown).await;
    let unknown = alice.task(id).await.unwrap_err();
    assert_eq!(unknown.code(), Some(ErrorCode::NotFound));
}

#[tokio::test]
async fn a_bad_command_is_refused_before_it_is_kept() {
    let fleet = hive(&["alice"]).await;
    let alice = fleet.sidecar("alice").unwrap().client();
    let mut long = draft("long", None);
    long.input = "x".repeat(96 * 1024).into();
    let refused = alice.submit_task(&long).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::TooLarge));
    let id = fresh();
    for (verb, fields) in [
        (TaskVerb::Progress, json!({ "epoch": 1 })),
        (TaskVerb::Complete, json!({ "epoch": 1 })),
        (TaskVerb::Cancel, json!({})),
        (TaskVerb::Assign, json!({})),
        (TaskVerb::Accept, json!({ "task_id": fresh() })),
    ] {
        let refused = command(&alice, id, verb, fields).await;
        assert_eq!(refused, Err(ErrorCode::InvalidMessage), "{verb}");
    }
    let stream = fleet.bus().admin().get_stream("WB_TASKS").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 0);
}
