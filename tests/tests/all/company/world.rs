//! The company: its server, its administrator, its own streams, and the users that it lets in for us.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};
use serde_json::{Value, json};
use wagglebus_harness::fleet::program;
use wagglebus_harness::server::TestServer;
use wagglebus_nats::keys::UserKey;

use crate::cli::Home;
use crate::cli::stock::stock_cli;

/// The administrator's user, and that of somebody who has nothing to do with us.
const ROOT: (&str, &str) = ("root", "root-password");
const OTHERS: &str = "others";

/// A company's NATS and one of its users with an export.
pub(super) struct Company {
    pub(super) home: Home,
    pub(super) server: TestServer,
    /// The administrator's JetStream.
    pub(super) root: Context,
    pub(super) api_prefix: &'static str,
}

impl Company {
    /// A server whose account has the users of a fresh export for alice and bob, and a stream of somebody else.
    pub(super) async fn open(api_prefix: &'static str) -> Self {
        let home = Home::empty();
        let out = home.path("export");
        let arguments = [
            "provision",
            "--export",
            out.to_str().unwrap(),
            "--api-prefix",
            api_prefix,
        ];
        let agents = ["--storage", "512MiB", "--agent", "alice", "--agent", "bob"];
        home.json(&[&arguments[..], &agents[..]].concat());
        let users = fs::read_to_string(out.join("permissions/users.conf")).unwrap();
        let server = TestServer::with_config(|paths| configuration(&paths.store, &users))
            .await
            .unwrap();
        let options = ConnectOptions::with_user_and_password(ROOT.0.into(), ROOT.1.into());
        let root = jetstream::new(options.connect(server.url()).await.unwrap());
        let orders = json!({"name": "ORDERS", "subjects": ["orders.>"], "storage": "file"});
        root.request("STREAM.CREATE.ORDERS", &orders)
            .await
            .map(|made: Value| assert!(made.get("error").is_none()))
            .unwrap();
        root.publish("orders.new", "one".into())
            .await
            .unwrap()
            .await
            .unwrap();
        Self {
            home,
            server,
            root,
            api_prefix,
        }
    }

    /// The administrator does what the export says, with the stock CLI. Returns what that said, or nothing where there is
    /// no such program.
    pub(super) fn apply_with_stock_tools(&self) -> Option<String> {
        let nats = stock_cli()?;
        let mut command = Command::new(self.home.path("export/apply.sh"));
        let output = command
            .env("NATS", nats)
            .env("NATS_URL", self.server.url())
            .env("NATS_USER", ROOT.0)
            .env("NATS_PASSWORD", ROOT.1)
            .env("XDG_CONFIG_HOME", self.home.path("config"))
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{said}");
        Some(said)
    }

    /// The same through the JetStream API, from the same files.
    pub(super) async fn apply_by_hand(&self) {
        for (path, config) in self.exported("streams") {
            let made: Value = self
                .root
                .request(format!("STREAM.CREATE.{}", stem(&path)), &config)
                .await
                .unwrap();
            assert!(made.get("error").is_none(), "{made}");
        }
        for (path, config) in self.exported("consumers") {
            let stem = stem(&path);
            let (stream, name) = stem.split_once('.').unwrap();
            let body = json!({"stream_name": stream, "config": config, "action": "create"});
            let made: Value = self
                .root
                .request(format!("CONSUMER.CREATE.{stream}.{name}"), &body)
                .await
                .unwrap();
            assert!(made.get("error").is_none(), "{made}");
        }
        let bucket = self.root.get_key_value("WB_enrolments").await.unwrap();
        for (path, record) in self.exported("enrolments") {
            bucket
                .create(stem(&path), record.to_string().into())
                .await
                .unwrap();
        }
    }

    /// Every file of a folder of the export, as JSON.
    fn exported(&self, folder: &str) -> Vec<(PathBuf, Value)> {
        let entries = fs::read_dir(self.home.path("export").join(folder)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let read = |path: PathBuf| {
            let value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path, value)
        };
        paths.into_iter().map(read).collect()
    }

    /// Where the seed of a user lies that was made at the export.
    pub(super) fn seed(&self, name: &str) -> PathBuf {
        self.home
            .path(&format!("state/wagglebus/wb/keys/named/{name}.nk"))
    }

    /// The options that name this bus, as one of these users.
    pub(super) fn named(&self, user: &str) -> Vec<String> {
        let seed = self.seed(user).to_str().unwrap().to_owned();
        let options = [
            ("--server", self.server.url().to_owned()),
            ("--nkey", seed),
            ("--api-prefix", self.api_prefix.to_owned()),
        ];
        options
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }

    /// As the administrator.
    pub(super) fn as_root(&self) -> [String; 2] {
        let url = self
            .server
            .url()
            .replace("nats://", &format!("nats://{}:{}@", ROOT.0, ROOT.1));
        ["--server".to_owned(), url]
    }

    /// The address with somebody else's user in it.
    pub(super) fn url_of_others(&self) -> String {
        self.server
            .url()
            .replace("nats://", &format!("nats://{OTHERS}:{OTHERS}@"))
    }

    /// A plain connection as one of the exported users.
    pub(super) async fn connect(&self, user: &str) -> Client {
        let key = UserKey::load(&self.seed(user)).unwrap();
        let options =
            ConnectOptions::with_nkey(key.seed().unwrap()).custom_inbox_prefix(format!("_INBOX_{user}"));
        options.connect(self.server.url()).await.unwrap()
    }

    /// Starts the coordinator and waits until it knows the roster.
    pub(super) fn start_coordinator(&mut self) {
        let mut command = self.home.command(program::find("wagglebus-coordinator").unwrap());
        let ready = self.home.path("coordinator.ready");
        command
            .args(self.named("coordinator"))
            .arg("--ready-file")
            .arg(ready);
        self.home.keep(command, "coordinator.ready", "coordinator.log");
    }

    /// Starts a sidecar that is told where its bus is by options.
    pub(super) fn start_sidecar(&mut self, agent: &str) {
        let mut command = self.home.command(program::find("wagglebus").unwrap());
        command
            .args(["sidecar", "--agent", agent])
            .args(self.named(agent))
            .arg("http");
        self.home
            .keep(command, &format!("run/wb/{agent}.json"), "sidecars.log");
    }

    /// The same by a `wagglebus.toml` in its folder.
    pub(super) fn start_sidecar_by_file(&mut self, agent: &str) {
        let folder = self.home.path(agent);
        fs::create_dir(&folder).unwrap();
        let (url, seed, prefix) = (self.server.url(), self.seed(agent), self.api_prefix);
        let file = format!(
            "[bus]\nserver = '{url}'\nnkey = '{}'\napi_prefix = '{prefix}'\n",
            seed.display()
        );
        let path = folder.join("wagglebus.toml");
        fs::write(&path, file).unwrap();
        self.home.json(&["config", "trust", path.to_str().unwrap()]);
        let mut command = self.home.command(program::find("wagglebus").unwrap());
        command
            .args(["sidecar", "--agent", agent, "http"])
            .current_dir(folder);
        self.home
            .keep(command, &format!("run/wb/{agent}.json"), "sidecars.log");
    }

    /// What the administrator's server has logged about refused users.
    pub(super) fn violations(&self) -> Vec<String> {
        let log = self.server.log();
        log.lines()
            .filter(|line| line.contains("Violation"))
            .map(str::to_owned)
            .collect()
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn configuration(store: &Path, users: &str) -> String {
    let (root, password) = ROOT;
    format!(
        r#"
max_payload: 1MB
jetstream {{ store_dir: {store:?}, max_mem: 64M, max_file: 4G, domain: hub }}
accounts {{
  SYS {{ users: [ {{ user: sys, password: sys }} ] }}
  COMPANY {{
    jetstream: enabled
    users: [
      {{ user: {root}, password: {password} }}
      {{ user: {OTHERS}, password: {OTHERS}, permissions: {{
          publish: {{ allow: [ "orders.>", "$JS.API.STREAM.INFO.ORDERS" ] }}, subscribe: {{ allow: [ "_INBOX.>" ] }} }} }}
{users}
    ]
  }}
}}
system_account: SYS
"#
    )
}
