//! Lists of the fleet's messages and conversations: what is on them, in pages, and for whom.

use serde_json::{Value, json};
use wagglebus_nats::api_tokens::Role;

use super::client::Api;
use super::{agent, counts, operator, token, world};
use crate::messages::{WITHIN, ack, take};

fn contents(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    items
        .iter()
        .map(|item| item["content"].as_str().unwrap())
        .collect()
}

async fn send(from: &Api, draft: Value) -> Value {
    let sent = from.post("/v1/messages?park=1", &draft).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.json()
}

#[tokio::test]
async fn messages_and_conversations_are_listed_to_whom_they_concern() {
    let fleet = world(&[]).await;
    let operator = operator(&fleet, 0);
    let alice = operator.with(&agent(&fleet, "alice"));
    let bob = operator.with(&agent(&fleet, "bob"));
    let viewer = operator.with(&token(&fleet, "eyes", Role::Viewer));
    counts(&viewer).await;
    assert_eq!(contents(&operator.get("/v1/messages").await.json()), [""; 0]);

    let one = send(&alice, json!({"to_agent": "bob", "content": "one"})).await;
    let conversation = one["conversation_id"].as_str().unwrap();
    let two = json!({"to_agent": "alice", "content": "two", "conversation_id": conversation});
    send(&bob, two).await;
    send(&alice, json!({"to_agent": "carol", "content": "three"})).await;
    send(&operator, json!({"to_agent": "all", "content": "four"})).await;

    let page = viewer.get("/v1/messages?limit=2").await.json();
    assert_eq!(contents(&page), ["one", "two"]);
    let next = format!(
        "/v1/messages?limit=2&cursor={}",
        page["next_cursor"].as_str().unwrap()
    );
    let page = viewer.get(&next).await.json();
    assert_eq!(
        (contents(&page), &page["next_cursor"]),
        (vec!["three", "four"], &Value::Null)
    );
    for (who, path, expected) in [
        (&operator, "/v1/messages?order=desc&limit=1", &["four"][..]),
        (&operator, "/v1/messages?with=carol", &["three"]),
        (&alice, "/v1/messages?with=bob", &["one", "two"]),
        (&bob, "/v1/messages", &["one", "two", "four"]),
        (&bob, "/v1/messages?with=carol", &[]),
    ] {
        assert_eq!(contents(&who.get(path).await.json()), expected, "{path}");
    }

    let listed = |page: Value| -> Vec<Value> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|one| one["participants"].clone()).collect()
    };
    let with_bob = viewer.get("/v1/conversations?with=bob").await.json();
    assert_eq!(
        (&with_bob["items"][0]["id"], &with_bob["items"][0]["status"]),
        (&json!(conversation), &json!("active"))
    );
    let all = listed(viewer.get("/v1/conversations").await.json());
    assert_eq!(
        all,
        [
            json!(["all", "operator"]),
            json!(["alice", "carol"]),
            json!(["alice", "bob"])
        ]
    );
    let bobs = listed(bob.get("/v1/conversations").await.json());
    assert_eq!(bobs, [json!(["all", "operator"]), json!(["alice", "bob"])]);

    let path = format!("/v1/conversations/{conversation}/messages");
    assert_eq!(contents(&bob.get(&path).await.json()), ["one", "two"]);
    let carol = operator.with(&agent(&fleet, "carol"));
    counts(&carol).await;
    assert_eq!(carol.get(&path).await.refusal(), (404, "not_found".to_owned()));
    for bad in ["limit=0", "limit=501", "cursor=7", "order=up", "wiht=bob"] {
        let refused = viewer.get(&format!("/v1/messages?{bad}")).await;
        assert_eq!(refused.refusal(), (400, "invalid_query".to_owned()), "{bad}");
    }

    let client = fleet.sidecar("bob").unwrap().client();
    let item = take(&client, 1).await.remove(0);
    ack(&client, &item).await;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    let acknowledged = async {
        let path = format!("/v1/messages?with={}&limit=1", item.message.from_agent);
        while viewer.get(&path).await.json()["items"][0]["acknowledged"] != true {
            tick.tick().await;
        }
    };
    tokio::time::timeout(WITHIN, acknowledged).await.unwrap();
}
