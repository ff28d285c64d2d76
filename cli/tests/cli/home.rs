//! A home of its own with a real nats-server and shell scripts in place of sidecar and coordinator.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Says that it is ready as a sidecar does, and ends in good order.
pub(crate) const SIDECAR: &str = r#"#!/bin/sh
trap 'exit 0' TERM
echo "told $*"
run=$WAGGLEBUS_RUN/$WAGGLEBUS_HIVE
printf '{"agent":"operator","pid":%d,"socket":"/nowhere","http":null,"token_file":null,"epoch":1}' $$ > "$run/operator.tmp"
mv "$run/operator.tmp" "$run/operator.json"
while :; do sleep 0.05; done
"#;

const COORDINATOR: &str = r#"#!/bin/sh
trap 'exit 0' TERM
echo "listens at $WAGGLEBUS_COORDINATOR_LISTEN"
printf '{"pid":%d,"http":"http://127.0.0.1:1"}' $$ > "$2.tmp"
mv "$2.tmp" "$2"
while :; do sleep 0.05; done
"#;

pub(crate) struct Home {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Home {
    pub(crate) fn new(sidecar: &str) -> Self {
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

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
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
            "WAGGLEBUS_SERVER",
            "NATS_URL",
            "NATS_CONTEXT",
        ] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.folder.path())
            .env("WAGGLEBUS_RUN", self.path("run"));
        command.env("XDG_CACHE_HOME", cache());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    pub(crate) fn bus(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("run/wb/bus.json")).unwrap()).unwrap()
    }

    pub(crate) fn log(&self, name: &str) -> String {
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

/// The first line that `up` prints, which means that it is ready.
pub(crate) fn ready(child: &mut Child) -> Value {
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
