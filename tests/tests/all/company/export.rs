//! The exported files themselves, and what an administrator does with them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::world::Company;
use crate::cli::Home;
use crate::cli::stock::stock_cli;

const KEY: &str = "UD45DHCT3UOJ5GUBDO7RYT2NXT4RX7OPDZXIR4JKYNOPPYRIGPAY7UKF";

#[test]
fn an_export_is_repeatable_and_holds_no_secret() {
    let home = Home::empty();
    let (first, second) = (home.path("first"), home.path("second"));
    let carol = format!("carol={KEY}");
    let export = |folder: &str| {
        home.run(&[
            "provision",
            "--export",
            folder,
            "--agent",
            "alice",
            "--agent",
            &carol,
            "--replicas",
            "3",
        ])
    };
    let (code, said, _) = export(first.to_str().unwrap());
    assert!(
        code == 0 && said.contains(KEY) && said.contains("keys/named/alice.nk"),
        "{said}"
    );
    assert_eq!(export(second.to_str().unwrap()).0, 0);
    let compared = Command::new("diff")
        .arg("-r")
        .args([&first, &second])
        .output()
        .unwrap();
    assert!(compared.status.success(), "{compared:?}");
    let seed = fs::read_to_string(home.path("state/wagglebus/wb/keys/named/alice.nk")).unwrap();
    let secret = Command::new("grep")
        .args(["-r", seed.trim()])
        .arg(&first)
        .output()
        .unwrap();
    assert!(secret.stdout.is_empty());
    assert!(!home.path("state/wagglebus/wb/keys/named/carol.nk").exists());
    let mode = fs::metadata(first.join("apply.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);

    let (code, _, said) = export(first.to_str().unwrap());
    assert!(code == 6 && said.contains("--force"), "{said}");
    let forced = [
        "provision",
        "--force",
        "--export",
        first.to_str().unwrap(),
        "--agent",
        "alice",
    ];
    assert_eq!(home.run(&forced).0, 0);
    let (code, _, said) = home.run(&["provision", "--export", "x", "--agent", "operator"]);
    assert!(code == 6 && said.contains("reserved"), "{said}");
    assert!(!home.path("x").exists());
}

/// Without nsc: its options are looked at as the shell passes them on.
#[test]
fn the_commands_for_nsc_carry_every_permission() {
    let home = Home::empty();
    let out = home.path("export");
    let (code, ..) = home.run(&["provision", "--export", out.to_str().unwrap(), "--agent", "alice"]);
    assert_eq!(code, 0);
    let nsc = home.path("nsc");
    fs::write(&nsc, "#!/bin/sh\nprintf '%s\\n' \"$@\" END\n").unwrap();
    fs::set_permissions(&nsc, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(out.join("permissions/nsc.sh"));
    let output = command.arg("COMPANY").env("NSC", nsc).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let calls: Vec<&str> = said.split("END\n").filter(|call| !call.is_empty()).collect();
    assert_eq!(calls.len(), 3);
    let conf = fs::read_to_string(out.join("permissions/users.conf")).unwrap();
    let subjects: Vec<&str> = conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix('"'))
        .collect();
    let passed = said.lines().filter(|line| subjects.contains(line)).count();
    assert!(
        subjects.len() > 60 && passed == subjects.len(),
        "{passed} of {}",
        subjects.len()
    );
    assert!(
        calls[0].starts_with("add\nuser\n--account\nCOMPANY\n--name\nalice\n--public-key\nU"),
        "{said}"
    );
    assert!(calls[1].contains("--allow-pub-response=1000\n--response-ttl\n10s\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stock_tools_make_of_it_is_what_we_would_make() {
    if stock_cli().is_none() {
        return;
    }
    let company = Company::open("$JS.API").await;
    let first = company.apply_with_stock_tools().unwrap();
    assert_eq!(
        first.lines().filter(|line| line.starts_with("create")).count(),
        7 + 10 + 2,
        "{first}"
    );
    let again = company.apply_with_stock_tools().unwrap();
    assert!(!again.contains("create "), "{again}");

    let root = company.as_root();
    let plan = ["provision", "--plan", "--storage", "512MiB", &root[0], &root[1]];
    let plan = company.home.json(&plan);
    let steps = plan["steps"].as_array().unwrap();
    assert!(
        steps.len() == 7 && steps.iter().all(|step| step["action"] == "ok"),
        "{plan}"
    );

    // Enrolling them once more ourselves finds nothing to do, either.
    let before = company
        .root
        .get_key_value("WB_enrolments")
        .await
        .unwrap()
        .get("alice")
        .await
        .unwrap();
    let enrol = [
        "provision",
        "--storage",
        "512MiB",
        "--agent",
        "alice",
        &root[0],
        &root[1],
    ];
    company.home.json(&enrol);
    let store = company.root.get_key_value("WB_enrolments").await.unwrap();
    let record: serde_json::Value =
        serde_json::from_slice(&store.get("alice").await.unwrap().unwrap()).unwrap();
    let applied: serde_json::Value = serde_json::from_slice(&before.unwrap()).unwrap();
    assert_eq!(record, applied);
    assert_ne!(record["at"], "1970-01-01T00:00:00.000Z");
}

/// Whoever joins later does not get what was posted to everybody before.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_added_later_begins_at_the_end() {
    if stock_cli().is_none() {
        return;
    }
    let company = Company::open("$JS.API").await;
    company.apply_with_stock_tools().unwrap();
    for _ in 0..3 {
        let post = company
            .root
            .publish("wb.room.all.low.alice", "old".into())
            .await
            .unwrap();
        post.await.unwrap();
    }
    let out = company.home.path("export");
    let more = [
        "provision",
        "--force",
        "--export",
        out.to_str().unwrap(),
        "--storage",
        "512MiB",
        "--agent",
        "carol",
    ];
    company.home.json(&more);
    let said = company.apply_with_stock_tools().unwrap();
    assert_eq!(
        said.lines().filter(|line| line.starts_with("create")).count(),
        6,
        "{said}"
    );
    let info: serde_json::Value = company
        .root
        .request("CONSUMER.INFO.WB_MESSAGES.carol_low", &serde_json::json!({}))
        .await
        .unwrap();
    assert_eq!(info["config"]["metadata"]["wagglebus.joined.all"], "3");
    let store = company.root.get_key_value("WB_enrolments").await.unwrap();
    let record: serde_json::Value =
        serde_json::from_slice(&store.get("carol").await.unwrap().unwrap()).unwrap();
    assert_eq!(record["rooms"][0]["joined_seq"], 3);
}
