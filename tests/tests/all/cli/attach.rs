//! Three programs that run in panes already, attached without touching them, by the commands of the README alone.

use std::fs;

use serde_json::Value;

use super::{Home, until};
use crate::tmux::stage::Tmux;

/// What the fallen agent's shell would do if it were given what others write.
const EXECUTED: &str = "executed";

struct Fleet {
    home: Home,
    tmux: Tmux,
    socket: String,
}

impl Fleet {
    fn new() -> Self {
        let (home, _) = Home::up();
        let tmux = Tmux::start();
        let socket = tmux.socket();
        Self { home, tmux, socket }
    }

    fn attach(&self, pane: &str, agent: &str) -> Value {
        let arguments = ["attach", pane, "--agent", agent, "-S", &self.socket];
        self.home.json(&arguments)
    }

    /// What a program wrote into the file of this name.
    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.tmux.path(name)).unwrap_or_default()
    }

    fn pid(&self, pane: &str) -> String {
        self.tmux.value(pane, "#{pane_pid}")
    }

    fn type_in(&self, pane: &str, line: &str) {
        self.tmux.run(&["send-keys", "-t", pane, "-l", line]);
        self.tmux.run(&["send-keys", "-t", pane, "Enter"]);
    }

    fn runs(&self, pane: &str, command: &str) {
        until(|| self.tmux.value(pane, "#{pane_current_command}") == command);
    }

    fn send(&self, to: &str, text: &str, more: &[&str]) -> String {
        let sent = self.home.json(&[&["send", to, text], more].concat());
        sent["id"].as_str().unwrap().to_owned()
    }

    fn explained(&self, id: &str) -> String {
        self.home.json(&["trace", id])["explanation"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn three_panes_that_run_already_join_the_bus_and_leave_it_untouched() {
    let fleet = Fleet::new();
    let file = |name: &str| fleet.tmux.path(name).display().to_string();
    // One answers each line that it reads to another, one writes down what it reads, one is started in a shell.
    let asked = fleet
        .tmux
        .pane("exec sh -c 'while read -r line; do echo \"@writer #response: heard\"; done'");
    let writer = fleet
        .tmux
        .pane(&format!("exec sh -c 'exec cat > {}'", file("writer")));
    let falls = fleet.tmux.pane("exec sh");
    let work = format!("cat >> {}", file("falls"));
    fleet.type_in(&falls, &work);
    fleet.runs(&falls, "cat");
    let panes = [&asked, &writer, &falls];
    let before: Vec<String> = panes.iter().map(|pane| fleet.pid(pane)).collect();

    let listed = fleet.home.json(&["attach", "-S", &fleet.socket]);
    let ids: Vec<&str> = listed["panes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pane| pane["pane"].as_str().unwrap())
        .collect();
    assert!(panes.iter().all(|pane| ids.contains(&pane.as_str())), "{listed}");
    for (pane, agent) in panes.iter().zip(["asked", "writer", "falls"]) {
        assert_eq!(fleet.attach(pane, agent)["pane"], pane.as_str());
    }

    let id = fleet.send(
        "asked",
        "are you there?",
        &["-p", "urgent", "--wait", "injected", "--timeout", "30s"],
    );
    until(|| fleet.wrote("writer").contains("heard"));
    let said = fleet.wrote("writer");
    assert!(
        said.contains("message from asked (verified by the bus)"),
        "{said}"
    );
    assert!(
        fleet.explained(&id).starts_with("delivered: "),
        "{}",
        fleet.explained(&id)
    );

    // The program ends, and its shell has the pane: nothing of what comes meanwhile is typed into it.
    let cat = fleet.home.json(&["attach", "-S", &fleet.socket]);
    assert!(cat.to_string().contains("falls"), "{cat}");
    fleet.tmux.run(&["send-keys", "-t", &falls, "C-d"]);
    fleet.runs(&falls, "sh");
    let mark = file(EXECUTED);
    let texts: Vec<String> = (0..10).map(|n| format!("touch {mark}; echo {n}")).collect();
    let ids: Vec<String> = texts.iter().map(|text| fleet.send("falls", text, &[])).collect();
    until(|| fleet.explained(&ids[0]).contains("agent_gone at falls"));
    let shell = ["attach", &falls, "--agent", "falls", "-S", &fleet.socket];
    let (code, _, said) = fleet.home.run(&shell);
    assert!(code == 6 && said.contains("interactive shell"), "{said}");
    fleet.type_in(&falls, &work);
    fleet.runs(&falls, "cat");
    fleet.attach(&falls, "falls");
    until(|| {
        texts
            .iter()
            .all(|text| fleet.wrote("falls").contains(text.as_str()))
    });
    for text in &texts {
        assert_eq!(
            fleet.wrote("falls").matches(&format!("{text} [")).count(),
            1,
            "{text}"
        );
    }
    assert!(!fleet.tmux.path(EXECUTED).exists());

    // They come back with the next `up`.
    fleet.home.run(&["down"]);
    let (code, _, said) = fleet.home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!(code, 0, "{said}");
    fleet.send(
        "writer",
        "after all that",
        &["--wait", "injected", "--timeout", "30s"],
    );
    let status = fleet.home.json(&["status"]);
    let attached: Vec<(&str, &str)> = status["sidecars"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|sidecar| Some((sidecar["agent"].as_str()?, sidecar["pane"].as_str()?)))
        .collect();
    assert_eq!(
        attached,
        [("asked", asked.as_str()), ("falls", &falls), ("writer", &writer)]
    );

    for agent in ["asked", "writer", "falls"] {
        assert_eq!(fleet.home.json(&["detach", agent])["detached"], true);
    }
    let (code, _, said) = fleet.home.run(&["detach", "writer"]);
    assert!(code == 3 && said.contains("not attached"), "{said}");
    let after: Vec<String> = panes.iter().map(|pane| fleet.pid(pane)).collect();
    assert_eq!(after, before, "no program was touched");
    let status = fleet.home.json(&["status"]);
    assert_eq!(status["sidecars"].as_array().unwrap().len(), 1, "{status}");
}

/// Too long to be typed in: the agent hears of it, and the sender hears that.
#[test]
fn a_long_text_that_an_agent_was_only_told_of_is_explained() {
    let fleet = Fleet::new();
    let file = fleet.tmux.path("heard");
    let pane = fleet
        .tmux
        .pane(&format!("exec sh -c 'exec cat > {}'", file.display()));
    fleet.attach(&pane, "reader");
    let id = fleet.send("reader", &"long ".repeat(1_000), &[]);
    until(|| fleet.wrote("heard").contains("1 message waits"));
    let told = "queued at reader: it was told in its pane that mail waits";
    until(|| fleet.explained(&id).contains(told));
    let (_, said, _) = fleet.home.run(&["trace", &id]);
    assert!(said.contains("next: wagglebus --as reader inbox "), "{said}");
}

#[test]
fn in_an_attached_pane_its_agent_speaks() {
    let fleet = Fleet::new();
    let pane = fleet.tmux.pane("exec sh");
    fleet.runs(&pane, "sh");
    let attach = [
        "attach",
        &pane,
        "--agent",
        "shelly",
        "--profile",
        "shell",
        "-S",
        &fleet.socket,
    ];
    fleet.home.json(&attach);
    let said = fleet.tmux.path("said");
    let command = fleet
        .home
        .command(wagglebus_harness::fleet::program::find("wagglebus").unwrap());
    let variables: String = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={} ", name.to_str()?, value?.to_str()?)))
        .collect();
    let program = command.get_program().to_str().unwrap();
    fleet.type_in(
        &pane,
        &format!("{variables}{program} --json config show > {}", said.display()),
    );
    until(|| fs::read_to_string(&said).is_ok_and(|text| text.ends_with("]\n")));
    let settings: Vec<Value> = serde_json::from_str(&fs::read_to_string(&said).unwrap()).unwrap();
    let agent = settings.iter().find(|setting| setting["key"] == "agent").unwrap();
    assert_eq!(agent["value"], "shelly");

    fleet.type_in(
        &pane,
        &format!(
            "{variables}{program} attach {pane} --agent itself 2> {}",
            said.display()
        ),
    );
    until(|| fs::read_to_string(&said).is_ok_and(|text| text.contains("runs this command itself")));
}
