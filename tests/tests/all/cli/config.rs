//! Configuration files: who beats whom, and what a mistake in one does, through the real programs.

use std::fs;
use std::path::PathBuf;

use wagglebus_harness::fleet::program;

use super::{Home, until};

/// The configuration files of a home, and a working folder below its project.
struct Files<'a> {
    home: &'a Home,
}

impl<'a> Files<'a> {
    fn new(home: &'a Home) -> Self {
        fs::create_dir_all(home.path("project/deep")).unwrap();
        fs::create_dir_all(home.path("config/wagglebus")).unwrap();
        Self { home }
    }

    fn project(&self, text: &str) -> PathBuf {
        let path = self.home.path("project/wagglebus.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// A project file that the user has looked at.
    fn trusted(&self, text: &str) -> PathBuf {
        let path = self.project(text);
        let (code, said) = self.run("wagglebus", &["config", "trust"], &[]);
        assert_eq!(code, 0, "{said}");
        path
    }

    fn user(&self, text: &str) {
        fs::write(self.home.path("config/wagglebus/config.toml"), text).unwrap();
    }

    /// Runs a program in the working folder. Returns its exit code and everything that it said.
    fn run(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        let mut command = self.home.command(program::find(name).unwrap());
        let command = command
            .current_dir(self.home.path("project/deep"))
            .args(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// The setting of this key as `config show` tells it: value and origin.
    fn shown(&self, key: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        let arguments = [arguments, &["--json", "config", "show"]].concat();
        let (code, said) = self.run("wagglebus", &arguments, variables);
        assert_eq!(code, 0, "{said}");
        let settings: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
        let setting = settings.iter().find(|setting| setting["key"] == key).unwrap();
        let text = |name: &str| setting[name].as_str().unwrap_or("-").to_owned();
        (text("value"), text("origin"))
    }
}

#[test]
fn options_beat_variables_beat_the_projects_file_beats_the_users() {
    let (home, _) = Home::up();
    let files = Files::new(&home);
    let hive = |arguments: &[&str], variables: &[(&str, &str)]| files.shown("hive", arguments, variables);
    assert_eq!(hive(&[], &[]), ("wb".to_owned(), "built in".to_owned()));
    files.user("hive = 'user'\n[bus]\nserver = 'nats://user:1'\ncreds = '~/user.creds'\n");
    assert_eq!(hive(&[], &[]).0, "user");
    let project = files.trusted("hive = 'project'\n[bus]\nserver = 'nats://project:1'\n");
    assert_eq!(
        hive(&[], &[]),
        (
            "project".to_owned(),
            format!("project file {}", project.display())
        )
    );
    let variable = [
        ("WAGGLEBUS_HIVE", "var"),
        ("NATS_URL", "nats://var:1"),
        ("NATS_TOKEN", "t"),
    ];
    assert_eq!(hive(&[], &variable).0, "var");
    assert_eq!(hive(&["--hive", "opt"], &variable).0, "opt");
    assert_eq!(hive(&["--config", "none"], &[]).0, "wb");

    let server = |variables: &[(&str, &str)]| files.shown("bus.server", &[], variables).0;
    assert_eq!(server(&[]), "nats://project:1");
    assert_eq!(server(&variable), "nats://var:1");
    let login = |variables: &[(&str, &str)]| files.shown("bus.credentials", &[], variables).0;
    assert_eq!(login(&[]), "-", "the user's key belongs to the user's bus");
    assert_eq!(
        login(&[("NATS_TOKEN", "t")]),
        "-",
        "nor is a token for another bus shown to it"
    );
    assert_eq!(login(&variable), "token (not shown)");
}

#[test]
fn the_running_bus_is_meant_where_no_file_names_another() {
    let (home, _) = Home::up();
    let files = Files::new(&home);
    let tail = ["tail", "--no-follow"];
    assert_eq!(files.run("wagglebus", &tail, &[]).0, 0);
    files.user("[bus]\nserver = 'nats://127.0.0.1:1'\n");
    assert_eq!(files.run("wagglebus", &tail, &[]).0, 5);
    files.trusted("[bus]\ncontext = 'wagglebus'\n");
    let (code, said) = files.run("wagglebus", &tail, &[]);
    assert_eq!(code, 0, "{said}");
    files.trusted("[bus]\nserver = 'nats://127.0.0.1:1'\nnkey = 'no-such.nk'\n");
    for (name, arguments) in [
        ("wagglebus", &tail[..]),
        ("wagglebus-coordinator", &[]),
        ("wagglebus-sidecar", &["--agent", "alice", "http"]),
    ] {
        let (code, said) = files.run(name, arguments, &[]);
        let key = home.path("project/no-such.nk");
        assert!(
            code == 6 && said.contains(key.to_str().unwrap()),
            "{name}: {said}"
        );
    }
}

#[test]
fn a_mistake_in_a_file_ends_every_program_with_its_line() {
    let (home, _) = Home::up();
    let files = Files::new(&home);
    let project = files.project("hive = 'wb'\n\n[sidecar]\nslot = 2\n");
    let place = format!("{}:4:1: unknown field `slot`", project.display());
    for (name, arguments) in [
        ("wagglebus", &["agents"][..]),
        ("wagglebus", &["config", "validate"]),
        (
            "wagglebus",
            &["--config", "none", "config", "validate", "../wagglebus.toml"],
        ),
        ("wagglebus-coordinator", &[]),
        ("wagglebus-sidecar", &["--agent", "alice", "http"]),
    ] {
        let (code, said) = files.run(name, arguments, &[]);
        // A path that was given is told as it was given.
        let told = said.contains(&place) || said.contains("wagglebus.toml:4:1: unknown field `slot`");
        assert!(code == 6 && told, "{name} {arguments:?}: {code} {said}");
    }
    let (code, said) = files.run("wagglebus", &["agents"], &[("WAGGLEBUS_CONFIG", "none")]);
    assert_eq!(code, 0, "{said}");
    // What helps to mend it works all the same.
    let other = home.path("other.toml");
    fs::write(&other, "[sidecar]\nslots = 2\n").unwrap();
    for arguments in [
        &["config", "paths"][..],
        &["config", "validate", other.to_str().unwrap()],
        &["version"],
    ] {
        let (code, said) = files.run("wagglebus", arguments, &[]);
        assert_eq!(code, 0, "{arguments:?}: {said}");
    }
    files.project("hive = 'wb'\n");
    let (code, said) = files.run("wagglebus", &["config", "validate"], &[]);
    assert!(code == 0 && said.contains(": valid"), "{said}");
}

/// The folder was written by somebody who wants to know who we are.
#[test]
fn no_program_shows_itself_to_a_bus_of_a_project_file_that_nobody_trusts() {
    let (home, _) = Home::up();
    let files = Files::new(&home);
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let address = stranger.local_addr().unwrap();
    let key = home.path("state/wagglebus/wb/keys");
    files.project(&format!(
        "[bus]\nserver = 'nats://{address}'\nnkey = '{}'\n",
        key.display()
    ));
    for (name, arguments) in [
        ("wagglebus", &["tail", "--no-follow"][..]),
        ("wagglebus", &["agents"]),
        ("wagglebus-coordinator", &[]),
        ("wagglebus-sidecar", &["--agent", "alice", "http"]),
    ] {
        let (code, said) = files.run(name, arguments, &[]);
        assert!(
            code == 6 && said.contains("wagglebus config trust"),
            "{name}: {code} {said}"
        );
    }
    // It can be looked at, and is marked.
    let (server, origin) = files.shown("bus.server", &["--quiet"], &[]);
    assert_eq!(server, format!("nats://{address}"));
    assert!(origin.starts_with("untrusted project file "), "{origin}");
    let (code, said) = files.run("wagglebus", &["config", "validate", "../wagglebus.toml"], &[]);
    assert!(
        code == 0 && said.contains(": valid") && said.contains("is not trusted"),
        "{said}"
    );
    fs::write(
        home.path("named.toml"),
        "[bus]\nserver = 'nats://h:1'\nnkey = 'no.nk'\n",
    )
    .unwrap();
    let (code, said) = files.run("wagglebus", &["config", "validate", "../../named.toml"], &[]);
    assert!(
        code == 0 && said.contains("bus.nkey: ") && said.contains("is not there"),
        "{said}"
    );
    assert!(stranger.accept().is_err(), "nobody came");
    let (code, said) = files.run("wagglebus", &["--config", "none", "agents"], &[]);
    assert_eq!(code, 0, "{said}");
}

/// A sidecar's slots from a file: with two, it hands over two messages at once.
#[test]
fn a_sidecar_goes_by_its_file() {
    let (home, _) = Home::up();
    let files = Files::new(&home);
    files.project("[sidecar]\nslots = 2\nlisten = '127.0.0.1:0'\n");
    let mut command = home.command(program::find("wagglebus").unwrap());
    command
        .current_dir(home.path("project/deep"))
        .args(["sidecar", "--agent", "alice", "http"]);
    let mut sidecar = command.spawn().unwrap();
    let file = home.path("run/wb/alice.json");
    until(|| file.exists());
    let listens = home.file("run/wb/alice.json")["http"].clone();
    for _ in 0..3 {
        home.json(&["send", "alice", "work"]);
    }
    let take = || {
        let taken = home.json(&["--as", "alice", "inbox", "--take", "1", "--timeout", "10s"]);
        taken["messages"].as_array().unwrap().len()
    };
    let taken = (take(), take());
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();
    assert!(
        listens
            .as_str()
            .is_some_and(|url| url.starts_with("http://127.0.0.1:")),
        "{listens}"
    );
    assert_eq!(taken, (1, 1));
}
