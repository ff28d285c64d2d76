//! The inspector: sees everything, and cannot slip.

use serde_json::json;
use wagglebus_nats::conf::Form;
use wagglebus_nats::keys::{BusUser, UserKey};

use super::lab::Lab;
use super::raw::{Outcome, Raw};

#[tokio::test]
async fn an_inspector_reads_everything_and_writes_nothing() {
    for form in Form::ALL {
        let mut lab = Lab::open(form).await;
        let key = UserKey::load(&BusUser::Inspector.seed_file(lab.bus.places())).unwrap();
        let fields = json!({"nkey": key.public().as_str()});
        let mut inspector = Raw::login(lab.bus.url(), &key, "_INBOX", fields).await.unwrap();
        let before = lab.before().await;
        for (call, shows) in [
            ("STREAM.NAMES", "WB_MESSAGES"),
            ("STREAM.INFO.WB_MESSAGES", "wb.msg.*.urgent.*"),
            ("CONSUMER.INFO.WB_MESSAGES.bob_urgent", "wb.msg.bob.urgent.*"),
            ("DIRECT.GET.WB_MESSAGES.wb.msg.bob.urgent.alice", "waiting"),
            ("DIRECT.GET.KV_WB_enrolments.$KV.WB_enrolments.bob", "nkey"),
        ] {
            let answer = inspector
                .request(&format!("$JS.API.{call}"), &[], "")
                .await
                .reply();
            assert!(answer.text().contains(shows), "{call}: {}", answer.text());
        }
        let held = lab.held.clone();
        for subject in [
            "wb.msg.bob.urgent.alice",
            "wb.event.task.coordinator",
            "$KV.WB_enrolments.bob",
            "$JS.API.STREAM.PURGE.WB_MESSAGES",
            "$JS.API.STREAM.DELETE.WB_MESSAGES",
            "$JS.API.STREAM.UPDATE.WB_MESSAGES",
            "$JS.API.STREAM.MSG.DELETE.WB_MESSAGES",
            "$JS.API.CONSUMER.DELETE.WB_MESSAGES.bob_urgent",
            "$JS.API.CONSUMER.CREATE.KV_WB_enrolments.x",
            "$JS.API.CONSUMER.PAUSE.WB_MESSAGES.bob_urgent",
            &held,
        ] {
            let outcome = inspector.request(subject, &[], "+ACK").await;
            assert!(matches!(outcome, Outcome::Violation), "{subject}: {outcome:?}");
        }
        let own = |change: &&String| !change.contains("$JS.API") && !change.contains("_INBOX.");
        let changed = lab.after(&before).await;
        assert_eq!(changed.iter().filter(own).collect::<Vec<_>>(), [""; 0]);
        // What the stock CLI needs for `stream view` and `sub --stream`.
        let view = json!({"stream_name": "WB_MESSAGES", "config": {
            "name": "view", "deliver_policy": "all", "ack_policy": "none", "mem_storage": true,
            "inactive_threshold": 5_000_000_000_i64,
        }});
        let made = inspector
            .request("$JS.API.CONSUMER.CREATE.WB_MESSAGES.view", &[], &view.to_string())
            .await;
        assert_eq!(made.error_code(), None, "{made:?}");
        let pull = r#"{"batch":1,"no_wait":true}"#;
        let seen = inspector
            .request("$JS.API.CONSUMER.MSG.NEXT.WB_MESSAGES.view", &[], pull)
            .await
            .reply();
        assert_eq!(seen.text(), "held");
    }
}
