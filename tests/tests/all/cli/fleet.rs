//! `fleet apply` and `agent`: agents that a file describes come up, stay, change and go.

use std::fs;

use serde_json::{Value, json};

use super::{Home, until};
use crate::program::repository;

/// The agents of an answer with what became of them.
fn results(applied: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let agents = applied["agents"].as_array().unwrap();
    agents
        .iter()
        .map(|agent| (text(&agent["agent"]), text(&agent["result"])))
        .collect()
}

#[test]
fn the_eight_roles_of_the_example_start_and_work() {
    let (home, _) = Home::up();
    let file = repository("examples/fleets/eight-roles.toml");
    let file = file.to_str().unwrap();
    let planned = home.json(&["fleet", "apply", file, "--dry-run"]);
    assert_eq!(planned["applied"], false);
    assert!(
        results(&planned).iter().all(|(_, result)| result == "planned"),
        "{planned}"
    );
    assert_eq!(
        home.json(&["auth", "ls"])["items"].as_array().unwrap().len(),
        1,
        "nobody was let in"
    );

    let applied = home.json(&["fleet", "apply", file]);
    let expected: Vec<(String, String)> = (1..=8)
        .map(|n| (format!("agent-{n}"), "applied".to_owned()))
        .collect();
    assert_eq!(results(&applied), expected, "{applied}");
    assert!(
        applied["agents"]
            .as_array()
            .unwrap()
            .iter()
            .all(|agent| agent["sidecar_pid"].is_number())
    );
    until(|| {
        let agents = home.json(&["agent", "ls"]);
        let alive = agents["items"].as_array().unwrap().iter();
        alive
            .filter(|agent| agent["presence"] == "alive" && agent["capabilities"] != json!([]))
            .count()
            == 8
    });

    let shown = home.json(&["agent", "show", "agent-6"]);
    assert!(
        shown["detail"]["role"]
            .as_str()
            .unwrap()
            .starts_with("Coordination and communication"),
        "{shown}"
    );
    assert_eq!(
        (
            &shown["detail"]["slots"],
            &shown["detail"]["resources"][0]["name"]
        ),
        (&json!(4), &json!("cpu_cores"))
    );
    let rooms: Vec<&Value> = shown["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["name"])
        .collect();
    assert_eq!(rooms, ["all", "operations", "team"]);
    let (code, text, said) = home.run(&["agent", "show", "agent-6"]);
    assert!(
        code == 0 && text.contains("coordination, declared 10 of 10, not measured yet"),
        "{text}{said}"
    );
    let (code, _, said) = home.run(&["agent", "show", "agent-66"]);
    assert!(code == 3 && said.contains("did you mean agent-6"), "{said}");

    let submit = [
        "task",
        "submit",
        "review the interfaces",
        "--capability",
        "architecture",
    ];
    let done = home.json(
        &[
            &submit[..],
            &["--resource", "memory_mb=100", "--wait", "completed"],
        ]
        .concat(),
    );
    assert!(
        done["result"]
            .as_str()
            .unwrap()
            .starts_with("agent-2 (Architecture: decides"),
        "{done}"
    );
    assert_eq!(done["resources"]["memory_mb"], 100.0);
    let shown = home.json(&["agent", "show", "agent-2"]);
    assert_eq!(shown["detail"]["skills"][0]["outcomes"], 1.0, "{shown}");

    // What is there stays as it is: the same processes.
    let pids = |home: &Home| {
        (1..=8)
            .map(|n| home.file(&format!("run/wb/agent-{n}.json"))["pid"].clone())
            .collect::<Vec<_>>()
    };
    let before = pids(&home);
    let again = home.json(&["fleet", "apply", file]);
    assert!(
        results(&again).iter().all(|(_, result)| result == "unchanged"),
        "{again}"
    );
    assert_eq!(pids(&home), before);
}

#[test]
fn a_fleet_changes_shrinks_and_comes_back_with_the_bus() {
    let (home, _) = Home::up();
    let file = home.path("crew.toml");
    let apply = |more: &[&str]| home.run(&[&["fleet", "apply", file.to_str().unwrap()], more].concat());
    fs::write(
        &file,
        "rooms = [\"crew\"]\n[agents.ann]\nhttp = true\n[agents.ben]\nhttp = true\n[agents.cat]\n",
    )
    .unwrap();
    let (code, text, said) = apply(&[]);
    assert_eq!(code, 0, "{text}{said}");
    assert!(
        text.contains("+ ann: let in, join room crew, start its sidecar"),
        "{text}"
    );
    assert!(text.contains("+ cat: let in, join room crew\n"), "{text}");
    let ben = home.file("run/wb/ben.json")["pid"].clone();

    // What must be restarted waits for --yes; whoever is not named any more, for --prune.
    fs::write(
        &file,
        "[agents.ann]\nhttp = true\ncapabilities = { rust = 7 }\n[agents.cat]\nrooms = [\"crew\"]\n",
    )
    .unwrap();
    let (code, text, said) = apply(&[]);
    assert!(code == 2 && said.contains("--yes"), "{code} {text}{said}");
    assert!(
        text.contains("= ben: as it should be (with --prune: end its sidecar, take its way in)"),
        "{text}"
    );
    let (code, text, said) = apply(&["--yes"]);
    assert_eq!(code, 0, "{text}{said}");
    until(|| {
        home.json(&["agent", "show", "ann"])["capabilities"] == json!([{"name": "rust", "proficiency": 7}])
    });
    assert_eq!(
        home.file("run/wb/ben.json")["pid"],
        ben,
        "nobody is removed without --prune"
    );

    let (code, text, said) = apply(&["--prune", "--yes"]);
    assert_eq!(code, 0, "{text}{said}");
    assert!(
        text.contains("- ben: end its sidecar, take its way in") && !home.path("run/wb/ben.json").exists(),
        "{text}"
    );
    assert_eq!(home.run(&["agent", "show", "ben"]).0, 3);
    let rooms = home.json(&["agent", "show", "ann"])["rooms"].clone();
    assert_eq!(rooms.as_array().unwrap().len(), 1, "{rooms}");
    let (_, text, _) = apply(&["--prune"]);
    assert_eq!(text, "= ann: as it should be\n= cat: as it should be\n");

    // The next `up` runs them again.
    assert_eq!(home.run(&["down"]).0, 0);
    until(|| !home.path("run/wb/ann.json").exists());
    assert_eq!(home.run(&["up", "--detach", "--relaxed"]).0, 0);
    until(|| home.path("run/wb/ann.json").exists());
    let (code, _, said) = home.run(&["send", "ann", "welcome back"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_fleet_sets_the_strategy_and_a_task_may_name_its_own() {
    let (home, _) = Home::up();
    let file = home.path("crew.toml");
    fs::write(
        &file,
        "strategy = \"round_robin\"\n[agents.ann]\nhttp = true\ncapabilities = [\"rust\"]\nslots = 4\n",
    )
    .unwrap();
    let apply = ["fleet", "apply", file.to_str().unwrap()];
    assert_eq!(home.json(&apply)["strategy"], "round_robin");
    assert_eq!(
        home.json(&apply)["strategy"],
        Value::Null,
        "it is as the file says"
    );
    until(|| home.json(&["agent", "show", "ann"])["presence"] == "alive");
    for (more, expected) in [
        (&[][..], "round_robin"),
        (&["--strategy", "weighted"], "weighted"),
    ] {
        let submit = [
            "task",
            "submit",
            "work",
            "--capability",
            "rust",
            "--wait",
            "assigned",
        ];
        let task = home.json(&[&submit[..], more].concat());
        let why = home.json(&["task", "explain", task["id"].as_str().unwrap()]);
        assert_eq!(
            (&why["strategy"], &why["chosen"]),
            (&json!(expected), &json!("ann")),
            "{why}"
        );
    }
}

#[test]
fn what_cannot_be_is_told_agent_by_agent() {
    let mut home = Home::up().0;
    home.sidecars(&["ann"]);
    let file = home.path("crew.toml");
    let run =
        |home: &Home, more: &[&str]| home.run(&[&["fleet", "apply", file.to_str().unwrap()], more].concat());
    fs::write(
        &file,
        "[agents.Ann]\nslots = 0\n[agents.ben]\ncapabilites = { rust = 8 }\ncommand = \"x\"\n",
    )
    .unwrap();
    let (code, _, said) = run(&home, &["--json"]);
    assert_eq!(code, 6, "{said}");
    let error: Value = serde_json::from_str(&said).unwrap();
    let faults = error["error"]["details"]["faults"].as_array().unwrap();
    let places: Vec<_> = faults
        .iter()
        .map(|fault| (fault["line"].as_u64().unwrap(), fault["key"].as_str().unwrap()))
        .collect();
    let expected = [
        (1, "agents.Ann"),
        (2, "agents.Ann.slots"),
        (4, "agents.ben.capabilites"),
        (5, "agents.ben.command"),
    ];
    assert_eq!(places, expected, "{error}");
    assert!(
        faults
            .iter()
            .all(|fault| !fault["hint"].as_str().unwrap().is_empty())
    );
    assert_eq!(run(&home, &["--config", "none"]).0, 6);
    assert_eq!(home.run(&["fleet", "apply", "nothing.toml"]).0, 3);

    // One whose sidecar somebody runs by hand, and one that is fine.
    fs::write(&file, "[agents.ann]\nhttp = true\n[agents.ben]\nhttp = true\n").unwrap();
    let (code, text, said) = run(&home, &[]);
    assert_eq!(code, 1, "{text}{said}");
    assert!(
        text.contains("! ann: its sidecar runs already") && text.contains("ben runs, sidecar process"),
        "{text}"
    );
    assert!(
        said.contains("1 of 2 agents are not as the file says: ann"),
        "{said}"
    );
}

#[test]
fn an_agent_is_let_in_and_out_as_by_auth() {
    let (home, _) = Home::up();
    let added = home.json(&["agent", "add", "carol"]);
    assert!(
        added["seed_file"].as_str().unwrap().ends_with("keys/carol.nk"),
        "{added}"
    );
    until(|| {
        home.json(&["agents"])["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|agent| agent["agent"] == "carol")
    });
    assert_eq!(home.json(&["agent", "ls"])["items"].as_array().unwrap().len(), 2);
    assert_eq!(home.json(&["agent", "rm", "carol"])["discarded"], 0);
    assert_eq!(home.run(&["agent", "rm", "carol"]).0, 3);
}
