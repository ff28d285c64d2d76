//! Ways to log in that must not work, or must not help.

use serde_json::json;
use wagglebus_nats::keys::UserKey;

use super::lab::Lab;
use super::raw::{Outcome, Raw};

/// Every login; who got in and should not have.
pub(super) async fn attack(lab: &mut Lab) -> Vec<String> {
    let url = lab.bus.url().to_owned();
    let mallory = lab.bus.agent_key("mallory").unwrap();
    let [own, bobs] = ["mallory", "bob"].map(|name| lab.bus.agent_key(name).unwrap().public().to_string());
    let stranger = tempfile::tempdir().unwrap();
    let stranger = UserKey::load_or_create(&stranger.path().join("x.nk")).unwrap();
    let mut findings = Vec::new();
    for (what, key, fields) in [
        ("nobody", &mallory, json!({})),
        ("bob with mallory's signature", &mallory, json!({"nkey": bobs})),
        (
            "a key that nobody enrolled",
            &stranger,
            json!({"nkey": stranger.public().as_str()}),
        ),
        ("a user name", &mallory, json!({"user": "bob", "pass": "bob"})),
        ("a token", &mallory, json!({"auth_token": bobs})),
        (
            "a forged jwt",
            &mallory,
            json!({"nkey": bobs, "jwt": "eyJ0eXAiOiJKV1QifQ.e30.x"}),
        ),
        ("no signature", &mallory, json!({"nkey": own, "sig": ""})),
    ] {
        match Raw::login(&url, key, "_INBOX_mallory", fields).await {
            Err(error) if error.contains("Authorization Violation") => {}
            Err(error) => findings.push(format!("{what}: {error}")),
            Ok(_) => findings.push(format!("{what} gets in")),
        }
    }
    // The account that a client states is no claim that counts; its name is free text.
    for (what, fields) in [
        ("the account BUS", json!({"nkey": own, "account": "BUS"})),
        ("the name bob", json!({"nkey": own, "name": "bob"})),
    ] {
        let Ok(mut raw) = Raw::login(&url, &mallory, "_INBOX_mallory", fields).await else {
            continue;
        };
        let outcome = raw.request("$JS.API.STREAM.NAMES", &[], "").await;
        if matches!(&outcome, Outcome::Reply(reply) if reply.json()["error"].is_null()) {
            findings.push(format!("{what} counts: {outcome:?}"));
        }
    }
    findings
}
