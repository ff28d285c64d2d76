//! The life of a bus: a real nats-server, with shell scripts in place of sidecar and coordinator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Says that it is ready as a sidecar does, and ends in good order.
const SIDECAR: &str = r#"#!/bin/sh
trap 'exit 0' TERM
run=$WAGGLEBUS_RUN/$WAGGLEBUS_HIVE
printf '{"agent":"operator","pid":%d,"socket":"/nowhere","http":null,"token_file":null,"epoch":1}' $$ > "$run/operator.tmp"
mv "$run/operator.tmp" "$run/operator.json"
while :; do sleep 0.05; done
"#;

const COORDINATOR: &str = r#"#!/bin/sh
trap 'exit 0' TERM
echo ready > "$2"
while :; do sleep 0.05; done
"#;

struct Home {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Home {
    fn new(sidecar: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/wagglebus");
        fs::create_dir(folder.path().join("bin")).unwrap();
        let own = env!("CARGO_BIN_EXE_wagglebus");
        fs::hard_link(own, &program)
            .or_else(|_| fs::copy(own, &program).map(drop))
            .unwrap();
        for (name, script) in [
            ("wagglebus-sidecar", sidecar),
            ("wagglebus-coordinator", COORDINATOR),
        ] {
            let path = program.with_file_name(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder, program }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The environment decides where nats-server is found; everything else is ours.
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "WAGGLEBUS_HIVE",
            "WAGGLEBUS_AGENT",
            "NATS_URL",
        ] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.folder.path())
            .env("WAGGLEBUS_RUN", self.path("run"));
        command.env("XDG_CACHE_HOME", cache());
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn bus(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("run/wb/bus.json")).unwrap()).unwrap()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!(".local/state/wagglebus/wb/logs/{name}.log"))).unwrap()
    }
}

/// Whatever happens in a test, no program is left behind.
impl Drop for Home {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

fn cache() -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from)
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

fn runs(pid: u32) -> bool {
    wagglebus_client::process::exists(pid)
}

/// The first line that `up` prints, which means that it is ready.
fn ready(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    serde_json::from_str(&line).unwrap_or_else(|_| {
        let mut why = String::new();
        child.stderr.as_mut().unwrap().read_to_string(&mut why).unwrap();
        panic!("{line}{why}")
    })
}

#[test]
fn up_in_the_background_status_and_down() {
    let home = Home::new(SIDECAR);
    let (code, stdout, stderr) = home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(
        stdout.contains("relaxed") && stdout.contains("WB_MESSAGES") && stderr.contains("wagglebus down"),
        "{stdout}{stderr}"
    );

    let bus = home.bus();
    let (server, supervisor) = (number(&bus["pid"]), number(&bus["supervisor_pid"]));
    assert!(runs(server) && runs(supervisor));
    assert_eq!(
        fs::metadata(home.path("run/wb/bus.json"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let context: Value =
        serde_json::from_slice(&fs::read(home.path(".config/nats/context/wagglebus.json")).unwrap()).unwrap();
    assert_eq!(context["url"], bus["url"]);

    let (code, stdout, _) = home.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &status["server"], &status["durability"]),
        (0, &"ok".into(), &"relaxed".into())
    );
    let streams = status["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 5, "{stdout}");
    assert_eq!(status["sidecars"][0]["agent"], "operator");

    // A second one changes nothing; in the foreground it is refused.
    assert_eq!(home.run(&["up", "--detach"]).0, 0);
    let (code, _, stderr) = home.run(&["up"]);
    assert_eq!(code, 1);
    assert!(stderr.contains(&format!("process {supervisor}")), "{stderr}");

    let (code, stdout, _) = home.run(&["down"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("ended: up"), "{stdout}");
    assert!(!runs(server) && !runs(supervisor) && !home.path("run/wb/bus.json").exists());
    let (code, stdout, stderr) = home.run(&["down"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert_eq!(home.run(&["status"]).0, 5);
}

#[test]
fn the_server_is_replaced_under_the_same_url_and_the_next_up_comes_back_there() {
    let home = Home::new(SIDECAR);
    let mut up = home.command(&["--json", "up", "--relaxed"]).spawn().unwrap();
    let first = ready(&mut up);
    signal(number(&first["pid"]), Signal::KILL);
    let mut told = BufReader::new(up.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("runs again")));
    let second = home.bus();
    assert_ne!(second["pid"], first["pid"]);
    assert_eq!(second["url"], first["url"]);

    signal(up.id(), Signal::TERM);
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert!(!runs(number(&second["pid"])) && !home.path("run/wb/bus.json").exists());

    let mut up = home.command(&["--json", "up"]).spawn().unwrap();
    let third = ready(&mut up);
    assert_eq!(
        (&third["url"], &third["durability"], &third["storage_bytes"]),
        (&first["url"], &"always".into(), &first["storage_bytes"])
    );
    assert_eq!(
        third["changed"],
        serde_json::json!([]),
        "the streams are still there"
    );
    signal(up.id(), Signal::INT);
    assert_eq!(up.wait().unwrap().code(), Some(130));
}

#[test]
fn what_a_killed_up_leaves_behind_is_ended_by_the_next() {
    let home = Home::new(SIDECAR);
    let mut up = home.command(&["--json", "up", "--relaxed"]).spawn().unwrap();
    ready(&mut up);
    let operator: Value =
        serde_json::from_slice(&fs::read(home.path("run/wb/operator.json")).unwrap()).unwrap();
    let left_over = number(&operator["pid"]);
    signal(up.id(), Signal::KILL);
    up.wait().unwrap();
    assert!(runs(left_over));
    let (code, stdout, stderr) = home.run(&["down"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("operator") && stdout.contains("coordinator"),
        "{stdout}"
    );
    assert!(!runs(left_over));
}

#[test]
fn a_bus_that_does_not_come_up_says_why_and_leaves_nothing() {
    let home = Home::new("#!/bin/sh\necho no such luck >&2; exit 7\n");
    let (code, stdout, stderr) = home.run(&["up", "--detach", "--relaxed"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("no such luck"), "{stderr}");
    assert!(!home.path("run/wb/bus.json").exists());
    assert!(home.log("nats-server").contains("Server Exiting"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, _, stderr) = home.run(&["up", "--port", &port]);
    assert_eq!(code, 1);
    assert!(stderr.contains(&format!("port {port} is in use")), "{stderr}");
}
