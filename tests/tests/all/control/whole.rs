//! The verbs of the command line and the paths of the API, with a coordinator by script.

use serde_json::json;
use wagglebus_schemas::command::ControlAction;
use wagglebus_schemas::error::ErrorCode;

use crate::commands::script::Script;
use crate::messages::hive;

#[tokio::test]
async fn a_control_is_a_command_of_the_operator_and_of_nobody_else() {
    let fleet = hive(&["operator", "bob"]).await;
    let mut script = Script::open(&fleet).await;
    let operator = fleet.sidecar("operator").unwrap().client();
    let bob = "bob".parse().unwrap();
    for (agent, action) in [
        (Some(&bob), ControlAction::Pause),
        (Some(&bob), ControlAction::Resume),
        (None, ControlAction::Halt),
        (None, ControlAction::Resume),
    ] {
        let state = json!({ "entity": "agent", "id": "bob", "state": "paused" });
        let decide = async {
            let asked = script.next().await;
            assert_eq!(asked.subject, "wb.task.control.urgent.operator");
            assert_eq!(asked.body["action"], json!(action));
            assert_eq!(asked.body.get("agent"), agent.map(|agent| json!(agent)).as_ref());
            script.verdict(&asked, "done", json!({ "result": state })).await;
        };
        let (answer, ()) = tokio::join!(operator.control(agent, action), decide);
        assert_eq!(answer.unwrap().value, state);
    }
    let kept = operator.control(None, ControlAction::Halt).await.unwrap();
    assert_eq!(kept.value["level"], "stored", "nobody decides");
    script.next().await;
    let refusing = async {
        let asked = script.next().await;
        script.refuse(&asked, "unknown_agent").await;
    };
    let (answer, ()) = tokio::join!(operator.control(Some(&bob), ControlAction::Pause), refusing);
    assert_eq!(answer.unwrap_err().code(), Some(ErrorCode::UnknownAgent));

    let other = fleet.sidecar("bob").unwrap().client();
    for (agent, action) in [(Some(&bob), ControlAction::Pause), (None, ControlAction::Halt)] {
        let refused = other.control(agent, action).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::Forbidden));
    }
}
