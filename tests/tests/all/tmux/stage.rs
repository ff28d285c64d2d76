//! A tmux server of its own, and programs in its panes that tell what they were given.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use wagglebus_client::{Client, SendOptions};
use wagglebus_harness::fleet::{Fleet, Options};
use wagglebus_schemas::api::SendAnswer;
use wagglebus_schemas::{Draft, Level};

use crate::messages::WITHIN;

/// How often something is looked for that only files and screens tell.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until something is the case; `shown` says what is there when it never is.
pub(crate) async fn until(mut happened: impl FnMut() -> bool, shown: impl Fn() -> String) {
    let deadline = Instant::now() + WITHIN;
    while !happened() {
        assert!(Instant::now() < deadline, "it did not happen: {}", shown());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A tmux server in a folder of its own. Dropped, it is gone with all its panes.
pub(crate) struct Tmux {
    folder: tempfile::TempDir,
}

impl Tmux {
    /// Starts it. Without tmux the test fails: what it proves cannot be proven otherwise.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("wagglebus-tmux-").tempdir();
        let tmux = Self {
            folder: folder.unwrap(),
        };
        tmux.run(&[
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "40",
            "-s",
            "main",
            "exec tail -f /dev/null",
        ]);
        tmux
    }

    pub(crate) fn socket(&self) -> String {
        self.path("socket").to_string_lossy().into_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One call; returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "tmux {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn call(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("tmux")
            .args(["-u", "-f", "/dev/null", "-S", &self.socket()])
            .args(arguments)
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .env("LC_ALL", "C.UTF-8")
            .env("SHELL", "/bin/sh")
            .output()
            .expect("tmux is needed for these tests: apt-get install tmux")
    }

    /// A new pane that runs a shell command. Returns its id.
    pub(crate) fn pane(&self, command: &str) -> String {
        self.run(&["new-window", "-d", "-P", "-F", "#{pane_id}", command])
    }

    /// A pane whose program tells what it is given, started by itself.
    pub(crate) async fn reader(&self, name: &str) -> Reader {
        self.reader_by(name, |command| format!("exec {command}")).await
    }

    /// The same, started by the shell command that `by` makes of its own.
    pub(crate) async fn reader_by(&self, name: &str, by: impl FnOnce(&str) -> String) -> Reader {
        let reader = self.prepare(name, "");
        let pane = self.pane(&by(&reader.command));
        let reader = Reader { pane, ..reader };
        reader.ready(1).await;
        reader
    }

    /// The files of a reader that is to be started in a pane that runs already.
    pub(crate) fn prepare(&self, name: &str, pane: &str) -> Reader {
        let (log, orders) = (
            self.path(&format!("{name}.log")),
            self.path(&format!("{name}.orders")),
        );
        fs::write(&log, "").unwrap();
        let made = Command::new("mkfifo").arg(&orders).status().unwrap();
        assert!(made.success());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/tmux/reader.py");
        Reader {
            command: format!(
                "python3 {} {} {}",
                script.display(),
                log.display(),
                orders.display()
            ),
            pane: pane.to_owned(),
            log,
            orders,
        }
    }

    /// What a pane shows.
    pub(crate) fn screen(&self, pane: &str) -> String {
        self.run(&["capture-pane", "-p", "-t", pane])
    }

    /// A value of a pane as tmux formats it.
    pub(crate) fn value(&self, pane: &str, format: &str) -> String {
        self.run(&["display-message", "-p", "-t", pane, format])
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // By its own socket: no other server is touched.
        self.call(&["kill-server"]);
    }
}

/// A program in a pane that tells what it is given (`reader.py`).
pub(crate) struct Reader {
    pub(crate) pane: String,
    /// How it is started.
    pub(crate) command: String,
    log: PathBuf,
    orders: PathBuf,
}

impl Reader {
    /// What it told so far.
    pub(crate) fn facts(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The texts that were submitted.
    pub(crate) fn submits(&self) -> Vec<String> {
        let facts = self.facts();
        let submits = facts.iter().filter_map(|fact| fact["submit"].as_str());
        submits.map(str::to_owned).collect()
    }

    /// All bytes that it was given.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let facts = self.facts();
        let hex: String = facts.iter().filter_map(|fact| fact["bytes"].as_str()).collect();
        let pairs = hex.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// How many pastes it was given.
    pub(crate) fn pastes(&self) -> usize {
        self.bytes()
            .windows(6)
            .filter(|bytes| bytes == b"\x1b[200~")
            .count()
    }

    /// Waits until it has been started this often.
    pub(crate) async fn ready(&self, times: usize) {
        let starts = || {
            self.facts()
                .iter()
                .filter(|fact| !fact["ready"].is_null())
                .count()
        };
        until(|| starts() >= times, || format!("{:?}", self.facts())).await;
    }

    /// Waits until this many texts were submitted.
    pub(crate) async fn submitted(&self, count: usize) -> Vec<String> {
        let shown = || {
            let facts = self.facts();
            let last = facts.iter().rev().take(6).map(|fact| format!("{fact:.300}"));
            let last: Vec<String> = last.collect();
            format!("{} of {count} submits; last: {last:#?}", self.submits().len())
        };
        until(|| self.submits().len() >= count, shown).await;
        self.submits()
    }

    /// Has it do something, and waits until that is done.
    pub(crate) async fn order(&self, order: &str) {
        let obeyed = || self.facts().iter().filter(|fact| fact["obeyed"] == order).count();
        let before = obeyed();
        self.order_only(order);
        until(|| obeyed() > before, || format!("{:?}", self.facts())).await;
    }

    /// Has it do something that it does not tell.
    pub(crate) fn order_only(&self, order: &str) {
        let mut orders = fs::File::options().write(true).open(&self.orders).unwrap();
        writeln!(orders, "{order}").unwrap();
    }
}

/// How a sidecar puts messages into a pane; further arguments follow.
pub(crate) fn into_pane(tmux: &Tmux, pane: &str, arguments: &[&str]) -> Options {
    Options::tmux(&tmux.path("socket"), pane, arguments)
}

/// What the reader looks like, without pauses, and bodies as text.
pub(crate) const READER: &[&str] = &["--profile", "claude", "--inject", "body", "--enter-delay", "0"];

/// A hive in which `alice` sends by HTTP and `bob` is a reader in a pane.
pub(crate) async fn reader_hive(arguments: &[&str]) -> (Tmux, Reader, Fleet) {
    let tmux = Tmux::start();
    let reader = tmux.reader("bob").await;
    let mut fleet = crate::messages::hive(&["alice"]).await;
    fleet.enrol(&["bob"]).await.unwrap();
    fleet
        .start("bob", &into_pane(&tmux, &reader.pane, arguments))
        .await
        .unwrap();
    (tmux, reader, fleet)
}

/// Sends and waits for a level.
pub(crate) async fn send_until(client: &Client, draft: &Draft, level: Level) -> SendAnswer {
    let options = SendOptions {
        wait: Some(level),
        timeout: Some(WITHIN),
        park: true,
    };
    client.send(draft, options).await.unwrap().value
}

/// Waits until the sender of a message is told that it is held for this reason.
pub(crate) async fn held(client: &Client, sent: &SendAnswer, reason: &str) {
    let deadline = Instant::now() + WITHIN;
    loop {
        let trace = client.trace(sent.id).await.unwrap().value;
        let last = trace
            .receipts
            .last()
            .map(|receipt| serde_json::to_value(receipt).unwrap());
        if last
            .as_ref()
            .is_some_and(|last| last["level"] == "held" && last["reason"] == reason)
        {
            assert!(trace.explanation.contains(reason), "{}", trace.explanation);
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not held for {reason}: {last:?} {}",
            trace.explanation
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
