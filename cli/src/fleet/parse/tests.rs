//! Fleet files: what is read, and every mistake at once.

use std::path::Path;

use super::super::{Fleet, Run};
use super::{Fault, parse};

fn read(text: &str) -> Result<Fleet, Vec<Fault>> {
    parse(text, "crew", Path::new("/"))
}

#[test]
fn a_whole_file_is_read() {
    let fleet = read(
        r#"
name = "team"
strategy = "least_connections"
rooms = ["lobby", "all"]

[agents.builder]
role = """
Builds what
others design."""
capabilities = { rust = 9, review = 4 }
resources = { memory_mb = 2048, cpu_cores = 1.5 }
rooms = ["build", "lobby"]
slots = 2
command = ["/bin/sh", "agent.sh", "--flag"]
ack = "explicit"

[agents.painter]
capabilities = ["css:7", "html"]
pane = "main:1.2"
profile = "plain"
tmux_socket = "/tmp/t"

[agents.poller]
http = true

[agents.guest]
"#,
    )
    .unwrap();
    assert_eq!(fleet.name, "team");
    assert_eq!(fleet.strategy.unwrap().as_str(), "least_connections");
    let names: Vec<&str> = fleet.agents.iter().map(|member| member.agent.as_str()).collect();
    assert_eq!(names, ["builder", "guest", "painter", "poller"]);
    let [builder, guest, painter, poller] = &fleet.agents[..] else {
        panic!()
    };
    assert_eq!(builder.role.as_deref(), Some("Builds what others design."));
    let rooms: Vec<&str> = builder.rooms.iter().map(|room| room.as_str()).collect();
    assert_eq!(rooms, ["lobby", "build"]);
    assert_eq!(
        builder.asked().unwrap().join(" "),
        "--capability review:4 --capability rust:9 --resource cpu_cores=1.5 --resource memory_mb=2048 --slots 2 \
         stdio --ack explicit --directory / --role Builds what others design. -- /bin/sh agent.sh --flag"
    );
    assert_eq!(
        painter.asked().unwrap().join(" "),
        "--capability css:7 --capability html:5 tmux --target main:1.2 -S /tmp/t --profile plain"
    );
    assert_eq!(poller.asked().unwrap(), ["http"]);
    assert_eq!((&guest.run, guest.asked()), (&Run::Elsewhere, None));
}

#[test]
fn a_file_without_a_name_is_called_as_it_lies() {
    assert_eq!(read("[agents.bob]").unwrap().name, "crew");
    let faults = parse("[agents.bob]", "My Fleet", Path::new("/")).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].key, "name");
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_what_would_be_right() {
    let text = r#"name = "crew"
strategie = "weighted"
strategy = "fair"
rooms = ["Lobby"]

[agents.Agent-1]
role = 7
capabilites = { rust = 8 }

[agents.bob]
capabilities = { rust = 11, "no go" = 3, c = "x" }
resources = { memory = 1, cpu_cores = -1 }
slots = 0
command = "run me"
pane = "%1"
inject = "shout"

[agents.operator]
ack = "auto"
command = ["./no-such-program-here"]

[agents.dave]
profile = "plain"
command = []
"#;
    let faults = read(text).unwrap_err();
    let told: Vec<String> = faults
        .iter()
        .map(|fault| fault.told(Path::new("f.toml")))
        .collect();
    let expected = [
        "f.toml:2:1: strategie: is no key of a fleet file; did you mean strategy?",
        "f.toml:3:12: strategy: \"fair\" is none; it is one of round_robin, least_connections",
        "f.toml:4:10: rooms: \"Lobby\" is no room; a name is 1 to 63 of",
        "f.toml:6:9: agents.Agent-1: is no name of an agent; did you mean agent-1?",
        "f.toml:7:8: agents.Agent-1.role: is a number; it is a text",
        "f.toml:8:1: agents.Agent-1.capabilites: is no key of a fleet file; did you mean capabilities?",
        "f.toml:11:25: agents.bob.capabilities.rust: is no proficiency; it goes from 1",
        "f.toml:11:29: agents.bob.capabilities.no go: \"no go\" is no capability; a name is",
        "f.toml:11:46: agents.bob.capabilities.c: is a text; it is a proficiency",
        "f.toml:12:15: agents.bob.resources.memory: is no resource; did you mean memory_mb?",
        "f.toml:12:39: agents.bob.resources.cpu_cores: is no amount; it is a number",
        "f.toml:13:9: agents.bob.slots: is no number of slots; how many messages",
        "f.toml:14:11: agents.bob.command: is a text; it is a list of program and arguments",
        "f.toml:15:8: agents.bob.pane: stands beside command; an agent runs in one way",
        "f.toml:16:10: agents.bob.inject: \"shout\" is unknown; it is one of auto, nudge, body",
        "f.toml:18:9: agents.operator: is a reserved name; choose another",
        "f.toml:20:12: agents.operator.command: \"./no-such-program-here\" is no file; paths begin at /",
        "f.toml:23:11: agents.dave.profile: stands without pane; it belongs to an agent with a pane",
        "f.toml:24:11: agents.dave.command: is empty; it is a list of program and arguments",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
    assert_eq!(told.len(), expected.len(), "{}", told.join("\n"));
}

#[test]
fn a_text_that_is_no_toml_is_told_as_such() {
    let faults = read("[agents.bob]\nrole = \n[agents.carol]\nslots = = 3\n").unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 4]);
    assert!(faults.iter().all(|fault| fault.key.is_empty()));
    for text in ["", "agents = 3", "[agents]"] {
        let faults = read(text).unwrap_err();
        assert_eq!((faults.len(), faults[0].key.as_str()), (1, "agents"), "{text}");
    }
}

#[test]
fn two_agents_share_no_pane() {
    let faults = read("[agents.a]\npane = \"%1\"\n[agents.b]\npane = \"%1\"\n").unwrap_err();
    assert!(faults[0].reason.contains("%1"), "{faults:?}");
    assert!(read("[agents.a]\npane = \"%1\"\n[agents.b]\npane = \"%1\"\ntmux_socket = \"/x\"\n").is_ok());
}
