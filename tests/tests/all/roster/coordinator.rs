//! A coordinator process for one test.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;
use wagglebus_harness::bus::TestBus;
use wagglebus_harness::fleet::program;
use wagglebus_nats::keys::BusUser;

/// Far longer than anything takes on two busy cores.
const WITHIN: Duration = Duration::from_secs(30);

/// A running coordinator; killed when dropped.
pub(super) struct Coordinator {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    ready_file: PathBuf,
}

impl Coordinator {
    /// Starts one, which is not ready yet.
    pub(super) fn launch(bus: &TestBus) -> Self {
        let ready_file = bus.places().run_dir().join("coordinator-ready.json");
        std::fs::create_dir_all(bus.places().run_dir()).unwrap();
        let mut child = Command::new(program::find("wagglebus-coordinator").unwrap())
            .env_clear()
            .env("WAGGLEBUS_SERVER", bus.url())
            .arg("--nkey-file")
            .arg(BusUser::Coordinator.seed_file(bus.places()))
            .arg("--ready-file")
            .arg(&ready_file)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            log,
            ready_file,
        }
    }

    /// Starts one and waits until it knows the roster.
    pub(super) async fn start(bus: &TestBus) -> Self {
        let mut coordinator = Self::launch(bus);
        coordinator.says(&["ready"]).await;
        coordinator
    }

    /// Waits for the next log line that contains all `words`.
    pub(super) async fn says(&mut self, words: &[&str]) {
        let mut seen = Vec::new();
        let waiting = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                if words.iter().all(|word| line.contains(word)) {
                    return;
                }
                seen.push(line);
            }
            panic!("the log ended");
        };
        let waited = timeout(WITHIN, waiting).await;
        assert!(waited.is_ok(), "{words:?} never came:\n{}", seen.join("\n"));
    }

    /// What the ready file says.
    pub(super) fn ready(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.ready_file).unwrap()).unwrap()
    }

    /// Status and body of a GET.
    pub(super) async fn get(&self, path: &str, host: &str) -> (u16, String) {
        let ready = self.ready();
        let address = ready["http"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Asks it to stop and waits for its end.
    pub(super) async fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().unwrap().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.await.unwrap().success());
        timeout(WITHIN, self.child.wait()).await.unwrap().unwrap()
    }
}
