//! Tests of the configuration as text. That a server takes it, and what it is worth, is tested on real ones.

use std::path::Path;

use nkeys::KeyPair;
use wagglebus_schemas::{AgentId, Hive};

use super::*;
use crate::keys::PublicKey;
use crate::topology::Sizing;

fn key() -> PublicKey {
    KeyPair::new_user().public_key().parse().unwrap()
}

fn conf(form: Form) -> String {
    let keys = BusKeys {
        system: key(),
        coordinator: key(),
        admin: key(),
        inspector: key(),
    };
    let store = ConfPath::try_from(Path::new("/var/lib/js")).unwrap();
    let sizing = Sizing::new(1 << 30, 1).unwrap();
    ServerConf {
        form,
        ..ServerConf::on_loopback(Hive::default(), store, sizing, keys)
    }
    .render()
}

fn roster(form: Form, names: &[&str]) -> Roster {
    let mut roster = Roster::new(form);
    for name in names {
        assert!(roster.admit(&name.parse().unwrap(), &key()).unwrap());
    }
    roster
}

#[test]
fn an_account_imports_what_its_agent_may_do() {
    let roster = roster(Form::AccountPerAgent, &["alice"]);
    let text = roster.render(&Hive::default());
    for line in [
        "\"A_alice\" {",
        "  limits { max_connections: 2, max_payload: 524288 }",
        "    { service: { account: BUS, subject: \"wb.msg.*.*.alice\" } }",
        "    { service: { account: BUS, subject: \"wb.api.*.alice\" }, share: true }",
        "    { service: { account: BUS, subject: \"$JS.API.CONSUMER.MSG.NEXT.WB_MESSAGES.alice_low\" }, to: \"wb.js.CONSUMER.MSG.NEXT.WB_MESSAGES.alice_low\" }",
        "    { service: { account: BUS, subject: \"$JS.ACK.WB_MESSAGES.alice_low.>\" } }",
        "    { stream: { account: BUS, subject: \"wb.wake.*.alice.*\" } }",
    ] {
        assert_eq!(
            text.lines().filter(|found| *found == line).count(),
            1,
            "{line}\n{text}"
        );
    }
    assert_eq!(text.matches("account: BUS").count(), 26);
}

#[test]
fn a_user_of_the_shared_account_hears_its_own_inbox_and_wakes_only() {
    let text = roster(Form::SharedAccount, &["alice"]).render(&Hive::default());
    assert!(
        text.contains("    subscribe: { allow: [ \"_INBOX_alice.>\", \"wb.wake.*.alice.*\" ] }"),
        "{text}"
    );
    assert!(text.contains("\"wb.js.CONSUMER.INFO.WB_MESSAGES.alice_urgent\"\n"));
    assert!(!text.contains("\"$JS.API"), "{text}");
}

#[test]
fn a_roster_is_read_back_from_its_file() {
    for form in Form::ALL {
        let roster = roster(form, &["alice", "bob", "0-1_2", "agent"]);
        let text = roster.render(&Hive::default());
        assert_eq!(Roster::parse(&text).unwrap(), roster);
        assert_eq!(
            Roster::parse(&Roster::new(form).render(&Hive::default())).unwrap(),
            Roster::new(form)
        );
    }
}

#[test]
fn a_damaged_file_is_not_taken_for_a_roster() {
    let whole = roster(Form::AccountPerAgent, &["alice"]).render(&Hive::default());
    let line = whole.lines().nth(1).unwrap().to_owned();
    let (first, rest) = whole.split_once('\n').unwrap();
    for damaged in [
        String::new(),
        rest.to_owned(),
        whole.replace("account-per-agent", "account-per-person"),
        whole.replace("# agent alice U", "# agent alice X"),
        whole.replace("# agent alice", "# agent Alice"),
        whole.replace("# agent alice ", "# agent alice"),
        format!("{first}\n{line}\n{line}\n"),
        format!("{first}\n{line}\n{}\n", line.replace("alice", "mallory")),
    ] {
        assert!(Roster::parse(&damaged).is_err(), "{damaged}");
    }
}

#[test]
fn one_key_is_one_agent() {
    let mut roster = roster(Form::AccountPerAgent, &["alice"]);
    let alice: AgentId = "alice".parse().unwrap();
    let (old, new) = (roster.agents()[&alice].clone(), key());
    assert!(!roster.admit(&alice, &old).unwrap());
    assert!(matches!(
        roster.admit(&"bob".parse().unwrap(), &old),
        Err(RosterError::KeyTaken { .. })
    ));
    assert!(roster.admit(&alice, &new).unwrap());
    assert_eq!(roster.agents().len(), 1);
    assert!(
        roster.admit(&"bob".parse().unwrap(), &old).unwrap(),
        "a key that was given up is free"
    );
}

#[test]
fn the_bus_exports_exactly_the_template() {
    for form in Form::ALL {
        let text = conf(form);
        let exports = wagglebus_schemas::permission::shared_grants(&Hive::default());
        for grant in &exports {
            assert!(text.contains(&format!(": \"{}\"", grant.subject)), "{grant:?}");
        }
        let bus = text
            .split("BUS {")
            .nth(1)
            .unwrap()
            .split("imports: [")
            .next()
            .unwrap();
        let lines = bus
            .split("exports: [")
            .nth(1)
            .unwrap()
            .lines()
            .filter(|line| line.contains("{ s"))
            .count();
        assert_eq!(lines, exports.len());
        assert_eq!(bus.matches("response: stream, threshold: \"35s\"").count(), 2);
        assert!(
            !text.contains("no_auth_user") && !text.contains("allow_responses"),
            "rule T5"
        );
    }
}

#[test]
fn durability_and_size_stand_in_the_file() {
    let text = conf(Form::AccountPerAgent);
    assert!(text.contains("sync_interval: always"));
    assert_eq!(text.matches("max_file: 2147483648").count(), 2);
}
