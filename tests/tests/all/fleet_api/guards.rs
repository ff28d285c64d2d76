//! What is refused: tokens that do not count, too much at once, other names, other pages, bodies that are none.

use std::time::{Duration, Instant};

use serde_json::json;
use wagglebus_nats::api_tokens::Role;

use super::{counts, operator, token, tokens, world};

#[tokio::test]
async fn a_token_counts_until_it_is_revoked() {
    let fleet = world(&[]).await;
    let operator = operator(&fleet, 0);
    let nobody = operator.with("wbt_nothing");
    assert_eq!(
        nobody.get("/v1/agents").await.refusal(),
        (401, "unauthorized".to_owned())
    );
    assert_eq!(nobody.post("/v1/tasks", &json!({"title": "x"})).await.status, 401);
    let anonymous = super::client::Api::at(&fleet.coordinator_http(0).unwrap());
    let refused = anonymous.get("/openapi.json").await;
    assert!(refused.status == 401 && refused.head.to_lowercase().contains("www-authenticate: bearer"));
    for path in ["/livez", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(anonymous.get(path).await.status, 200, "{path}");
    }

    let eyes = operator.with(&token(&fleet, "eyes", Role::Viewer));
    counts(&eyes).await;
    let ticket = eyes.send("POST", "/v1/tickets", &eyes.host(), "").await;
    assert!(
        ticket.status == 201 && ticket.json()["ticket"].is_string(),
        "{ticket:?}"
    );
    tokens(&fleet).revoke("eyes").unwrap();
    let revoked = Instant::now();
    while eyes.get("/v1/agents").await.status != 401 {
        assert!(revoked.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert_eq!(operator.get("/v1/agents").await.status, 200);
    tokens(&fleet).renew_operator().unwrap();
    let renewed = super::operator(&fleet, 0);
    counts(&renewed).await;
    assert_eq!(operator.get("/v1/agents").await.status, 401, "the old one");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let fleet = world(&["--rate", "5"]).await;
    let operator = operator(&fleet, 0);
    let mut refused = None;
    for _ in 0..200 {
        let answer = operator.get("/v1/agents").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.refusal(), (429, "rate_limited".to_owned()));
    assert!(
        refused.head.to_lowercase().contains("retry-after: 1"),
        "{refused:?}"
    );
    let metrics = operator.get("/metrics").await;
    assert_eq!(metrics.status, 200, "supervisors are not counted");
    let counted = "http_requests_total{route=\"/v1/agents\",status=\"429\"} 1";
    assert!(metrics.body.contains(counted), "{}", metrics.body);
}

#[tokio::test]
async fn other_names_other_pages_and_bad_requests_are_refused() {
    let fleet = world(&[]).await;
    let operator = operator(&fleet, 0);
    let get = async |headers: &str| operator.send("GET", "/v1/agents", headers, "").await;
    assert_eq!(
        get("Host: evil.example\r\n").await.refusal(),
        (403, "forbidden_host".to_owned())
    );
    let host = operator.host();
    let foreign = get(&format!("{host}Origin: http://evil.example\r\n")).await;
    assert_eq!(foreign.refusal(), (403, "forbidden_origin".to_owned()));
    let own = host.trim_end().replace("Host: ", "http://");
    assert_eq!(get(&format!("{host}Origin: {own}\r\n")).await.status, 200);

    for (path, code) in [
        ("/v1/agents?limti=1", "invalid_query"),
        ("/v1/agents?limit=0", "invalid_query"),
        ("/v1/agents?limit=x", "invalid_query"),
        ("/v1/tasks?state=nothing", "invalid_query"),
    ] {
        assert_eq!(
            operator.get(path).await.refusal(),
            (400, code.to_owned()),
            "{path}"
        );
    }
    assert_eq!(
        operator.get("/v1/tasks/nothing").await.refusal(),
        (404, "not_found".to_owned())
    );
    assert_eq!(
        operator.get("/v1/inbox").await.refusal(),
        (404, "not_found".to_owned())
    );
    let json = format!("{host}Content-Type: application/json\r\n");
    let post =
        async |headers: &str, body: &str| operator.send("POST", "/v1/tasks", headers, body).await.refusal();
    assert_eq!(post(&json, "{").await, (400, "invalid_json".to_owned()));
    assert_eq!(post(&json, "{}").await, (400, "invalid_message".to_owned()));
    assert_eq!(
        post(&host, "{}").await,
        (415, "unsupported_media_type".to_owned())
    );
    let long = json!({"title": "x", "input": "y".repeat(100 * 1024)}).to_string();
    assert_eq!(post(&json, &long).await, (413, "too_large".to_owned()));
    let longer = " ".repeat(2 * 1024 * 1024);
    assert_eq!(post(&json, &longer).await, (413, "too_large".to_owned()));
    let put = operator.send("PUT", "/v1/tasks", &json, "{}").await;
    assert_eq!(put.status, 405);
    let document = operator.get("/openapi.json").await.json();
    assert_eq!(document["info"]["title"], "wagglebus coordinator");
}
