//! What the lists of permissions keep from happening, and what they cannot (docs/operations.md says the same).

use std::time::Duration;

use async_nats::Client;
use serde_json::{Value, json};
use wagglebus_nats::connect::{Credentials, Settings, connect};
use wagglebus_nats::trust::{may_send_as_others, trust};
use wagglebus_schemas::Hive;
use wagglebus_schemas::places::Trust;

use super::world::Company;
use crate::cli::until;

/// What a refused publish does is nothing; the server tells its sender, and its log.
fn refused(company: &Company, subject: &str) -> bool {
    let quoted = format!("\"{subject}\"");
    company.violations().iter().any(|line| line.contains(&quoted))
}

async fn publish(agent: &Client, subject: &str) {
    agent.publish(subject.to_owned(), "{}".into()).await.unwrap();
    agent.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_user_speaks_and_reads_for_itself_only() {
    let company = Company::open("$JS.API").await;
    company.apply_by_hand().await;
    let alice = company.connect("alice").await;
    for subject in [
        "wb.msg.bob.high.carol",
        "wb.room.all.low.bob",
        "wb.receipt.alice.done.bob",
        "wb.dlq.expired.bob",
        "wb.hb.bob",
        "wb.api.agents.bob",
        "wb.event.task.coordinator",
        "$KV.WB_leases.bob",
        "$KV.WB_enrolments.alice",
        "$JS.API.CONSUMER.MSG.NEXT.WB_MESSAGES.bob_high",
        "$JS.ACK.WB_MESSAGES.bob_high.1.1.1.1.0",
        "$JS.API.CONSUMER.CREATE.WB_MESSAGES.x",
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.STREAM.UPDATE.WB_MESSAGES",
        "$JS.API.STREAM.PURGE.WB_MESSAGES",
        "$JS.API.STREAM.MSG.GET.WB_MESSAGES",
        "$JS.API.STREAM.INFO.ORDERS",
        "orders.new",
        "$SYS.REQ.SERVER.PING",
    ] {
        publish(&alice, subject).await;
        until(|| refused(&company, subject));
    }
    // What is logged in order was not refused when something later was.
    publish(&alice, "wb.hb.alice").await;
    publish(&alice, "wb.hb.last").await;
    until(|| refused(&company, "wb.hb.last"));
    assert!(!refused(&company, "wb.hb.alice"));
    let coordinator = company.connect("coordinator").await;
    for subject in [
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.CONSUMER.DELETE.WB_MESSAGES.bob_high",
        "wb.msg.bob.high.alice",
    ] {
        publish(&coordinator, subject).await;
        until(|| refused(&company, subject));
    }
    let (code, _, said) = company.home.run(
        &[
            vec!["provision", "--plan"],
            company.named("alice").iter().map(String::as_str).collect(),
        ]
        .concat(),
    );
    assert!(code == 6 && said.contains("--export"), "{said}");
}

/// Why such a bus is called `shared`: the server does not look where an answer goes. Should a release of it begin to, this
/// test fails, and the documents may promise more.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_keeps_an_answer_from_going_astray() {
    let company = Company::open("$JS.API").await;
    company.apply_by_hand().await;
    let alice = company.connect("alice").await;
    let pull = "$JS.API.CONSUMER.MSG.NEXT.WB_MESSAGES.alice_low";
    let body = r#"{"batch":1,"no_wait":true}"#;
    alice
        .publish_with_reply(pull, "$JS.API.STREAM.DELETE.ORDERS", body.into())
        .await
        .unwrap();
    alice.flush().await.unwrap();
    let gone = async {
        loop {
            let info: Value = company
                .root
                .request("STREAM.INFO.ORDERS", &json!({}))
                .await
                .unwrap();
            if info["error"]["err_code"] == 10059 {
                return;
            }
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(10), gone).await;
    assert!(
        gone.is_ok(),
        "the server has learnt to check replies: say so in docs/operations.md"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_send_as_others_is_found_out() {
    let company = Company::open("$JS.API").await;
    let hive = Hive::default();
    let key = |user: &str| Settings {
        credentials: Credentials::NkeyFile(company.seed(user)),
        ..Settings::new(company.server.url(), "test")
    };
    let [_, root] = company.as_root();
    for (settings, others) in [
        (key("alice"), Some(false)),
        (key("_inspector"), Some(false)),
        (Settings::new(root, "test"), Some(true)),
        (Settings::new(company.url_of_others(), "test"), Some(false)),
    ] {
        assert_eq!(trust(&settings, &hive), Trust::Shared);
        let (connection, _) = connect(settings).await.unwrap();
        assert_eq!(
            may_send_as_others(&connection.session().unwrap(), &hive).await,
            others
        );
    }
}
