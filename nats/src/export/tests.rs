//! What is in an export.

use serde_json::Value;

use super::*;
use crate::connect::JETSTREAM_API;

const KEY: &str = "UD45DHCT3UOJ5GUBDO7RYT2NXT4RX7OPDZXIR4JKYNOPPYRIGPAY7UKF";

fn export(api_prefix: &str) -> Export {
    let key: PublicKey = KEY.parse().unwrap();
    let agents = ["bob", "alice"].map(|name| (name.parse().unwrap(), key.clone()));
    Export {
        hive: Hive::default(),
        sizing: Sizing::new(1 << 30, 3).unwrap(),
        api_prefix: api_prefix.to_owned(),
        agents: agents.into(),
        coordinator: key.clone(),
        inspector: key.clone(),
        admin: key.clone(),
        system: key,
    }
}

fn text(files: &[ExportFile], path: &str) -> String {
    files.iter().find(|file| file.path == path).unwrap().text.clone()
}

#[test]
fn an_export_is_complete_and_always_the_same() {
    let files = export(JETSTREAM_API).files();
    assert_eq!(files, export(JETSTREAM_API).files());
    let count = |folder: &str| files.iter().filter(|file| file.path.starts_with(folder)).count();
    assert_eq!(
        (
            count("streams/"),
            count("consumers/"),
            count("enrolments/"),
            files.len()
        ),
        (12, 10, 2, 30)
    );
    let stream: Value = serde_json::from_str(&text(&files, "streams/WB_MESSAGES.json")).unwrap();
    assert_eq!(stream["num_replicas"], 3);
    let apply = text(&files, "apply.sh");
    for line in [
        "stream KV_WB_leases",
        "consumer WB_RECEIPTS alice_receipts",
        "enrolment WB_enrolments bob",
    ] {
        assert!(apply.lines().any(|found| found == line), "{line}\n{apply}");
    }
    let commands: Vec<&str> = apply.lines().filter(|line| !line.starts_with('#')).collect();
    for word in ["rm ", "purge", "delete", "del "] {
        let found = commands
            .iter()
            .find(|line| line.contains(word) && !line.contains("trap"));
        assert_eq!(found, None, "{word}");
    }
    let executable: Vec<_> = files
        .iter()
        .filter(|file| file.executable)
        .map(|file| &*file.path)
        .collect();
    assert_eq!(executable, ["apply.sh", "permissions/nsc.sh"]);
}

#[test]
fn what_the_script_replaces_is_there_to_be_replaced() {
    let files = export(JETSTREAM_API).files();
    let lane = text(&files, "consumers/WB_MESSAGES.alice_low.json");
    assert_eq!(
        lane.matches("\"wagglebus.joined.all\": \"0\"").count(),
        1,
        "{lane}"
    );
    let record = text(&files, "enrolments/alice.json");
    assert_eq!(record.matches("\"joined_seq\": 0").count(), 1, "{record}");
    assert_eq!(
        record.matches("\"at\": \"1970-01-01T00:00:00.000Z\"").count(),
        1,
        "{record}"
    );
}

#[test]
fn nobody_may_do_more_than_the_work_asks_for() {
    let (hive, alice) = (Hive::default(), "alice".parse().unwrap());
    let api = "$JS.hub.API";
    let users = [
        Permissions::of_agent(&hive, &alice, api),
        Permissions::of_coordinator(&hive, api),
        Permissions::of_inspector(&hive, api),
    ];
    for user in &users {
        for word in [
            "STREAM.CREATE",
            "STREAM.UPDATE",
            "DELETE",
            "PURGE",
            "$SYS",
            "SNAPSHOT",
        ] {
            // Its own log, where a snapshot covers it, and snapshots.
            let own = |subject: &&String| {
                [
                    ".API.STREAM.PURGE.WB_EVENTS",
                    ".API.STREAM.PURGE.OBJ_WB_snapshots",
                ]
                .iter()
                .any(|end| subject.ends_with(end))
            };
            let theirs = user.publish.iter().filter(|subject| !own(subject));
            let found: Vec<&String> = theirs.filter(|subject| subject.contains(word)).collect();
            assert!(found.is_empty(), "{word}: {found:?}");
        }
        assert!(
            !user
                .publish
                .iter()
                .chain(&user.subscribe)
                .any(|subject| subject == ">")
        );
    }
    let [agent, _, inspector] = &users;
    for user in [agent, inspector] {
        assert!(!user.publish.iter().any(|subject| subject.contains("PURGE")));
    }
    assert!(!agent.responds && !agent.publish.iter().any(|subject| subject.contains("CREATE")));
    assert_eq!(agent.subscribe, ["_INBOX_alice.>", "wb.wake.*.alice.*"]);
    assert!(
        agent
            .publish
            .contains(&"$JS.hub.API.CONSUMER.MSG.NEXT.WB_MESSAGES.alice_low".to_owned())
    );
}
