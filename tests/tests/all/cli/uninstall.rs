//! `init` begins a project's hive, `uninstall` takes back what was put here, and no mail with it unasked.

use std::fs;

use wagglebus_harness::fleet::program;

use super::Home;

impl Home {
    fn left(&self) -> Vec<&'static str> {
        let places = [
            "state/wagglebus/wb",
            "run/wb",
            "config/nats/context/wagglebus.json",
        ];
        places
            .into_iter()
            .filter(|place| self.path(place).exists())
            .collect()
    }
}

#[test]
fn what_was_put_here_is_taken_back_and_no_mail_with_it_unasked() {
    let (mut home, _) = Home::up();
    home.sidecars(&["alice"]);
    fs::create_dir_all(home.path("config/wagglebus")).unwrap();
    let own = home.path("config/wagglebus/config.toml");
    fs::write(&own, "hive = 'wb'\n").unwrap();
    home.json(&["send", "operator", "unread"]);

    let (code, listed, said) = home.run(&["uninstall", "--purge"]);
    assert!(
        code == 2 && said.contains("--yes") && listed.contains("NATS context"),
        "{listed}{said}"
    );
    let (code, _, said) = home.run(&["uninstall", "--yes"]);
    assert!(code == 6 && said.contains("alice"), "a sidecar runs: {said}");
    home.agents
        .pop()
        .map(|mut alice| (alice.kill(), alice.wait()))
        .unwrap()
        .1
        .unwrap();
    let (code, _, said) = home.run(&["uninstall", "--purge", "--yes"]);
    assert!(code == 6 && said.contains("operator 1"), "mail is unread: {said}");
    assert_eq!(home.left().len(), 3, "nothing was removed");

    let (code, _, said) = home.run(&["uninstall", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(home.left(), ["state/wagglebus/wb"], "keys and messages stay");
    let (code, _, said) = home.run(&["uninstall", "--purge", "--yes"]);
    assert!(code == 6 && said.contains("not known"), "{said}");
    let (code, _, said) = home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = home.run(&["uninstall", "--purge", "--discard-unread", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(home.left(), Vec::<&str>::new());
    assert!(own.exists(), "what the user wrote stays");
    let (code, _, said) = home.run(&["uninstall", "--purge"]);
    assert!(code == 0 && said.contains("nothing of this hive"), "{said}");
}

#[test]
fn a_project_has_a_hive_of_its_own() {
    let (home, _) = Home::up();
    let folder = home.path("My Project");
    fs::create_dir(&folder).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = home.command(program::find("wagglebus").unwrap());
        let output = command.current_dir(&folder).args(arguments).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    let (code, said) = run(&["init"]);
    assert!(code == 0 && said.contains("hive myproject"), "{said}");
    let (code, said) = run(&["config", "show", "--origin"]);
    assert!(
        code == 0 && said.contains("myproject") && said.contains("project file"),
        "{said}"
    );
    let (code, said) = run(&["init", "other"]);
    assert!(code == 6 && said.contains("is there already"), "{said}");
}
