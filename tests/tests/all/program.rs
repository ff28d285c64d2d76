//! Programs of other languages as processes: their output in a file, nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wagglebus_harness::fleet::Fleet;
use wagglebus_harness::fleet::process::{Process, Start};

/// Two busy cores with many programs starting at once still make this.
pub(super) const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running program.
pub(super) struct Program {
    process: Process,
    stdout: PathBuf,
}

/// A file of the repository.
pub(super) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

impl Program {
    /// Starts a program; its output lies below the fleet's folder under `name`.
    pub(super) async fn start(
        fleet: &Fleet,
        name: &str,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Self {
        let folder = fleet.bus().home().join("programs");
        fs::create_dir_all(&folder).unwrap();
        let stdout = folder.join(format!("{name}.out"));
        let path = std::env::var_os("PATH").unwrap();
        let mut all = vec![
            ("PATH".to_owned(), path.into()),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".into()),
        ];
        all.extend(
            environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_path_buf())),
        );
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let start = Start {
            program: "/bin/sh".into(),
            arguments: [
                "-c",
                "exec \"$@\" >>\"$0\"",
                &text(&stdout),
                &text(&repository(program)),
            ]
            .into_iter()
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect(),
            environment: all,
            log: folder.join(format!("{name}.log")),
        };
        let process = start.start().await.unwrap();
        Self { process, stdout }
    }

    /// What it wrote on its standard output.
    pub(super) fn output(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Waits until it has said these words on its standard error `count` times.
    pub(super) async fn says(&self, words: &str, count: usize) {
        let deadline = Instant::now() + WITHIN;
        while self.process.log().matches(words).count() < count {
            assert!(
                Instant::now() < deadline,
                "{words:?} was not said:\n{}",
                self.process.log()
            );
            sleep(LOOK_EVERY).await;
        }
    }

    /// Everything that it said on its standard error.
    pub(super) fn log(&self) -> String {
        self.process.log()
    }

    /// Waits for its end and returns its exit code.
    pub(super) async fn exit_code(mut self) -> (Option<i32>, String) {
        let status = self.process.end(WITHIN).await.unwrap();
        (status.code(), format!("{}{}", self.output(), self.log()))
    }

    /// Asks it to end (SIGTERM) and returns its exit code.
    pub(super) async fn terminate(self) -> Option<i32> {
        self.process.terminate(WITHIN).await.unwrap().code()
    }

    /// Kills it.
    pub(super) async fn kill(self) {
        self.process.kill().await.unwrap();
    }
}
