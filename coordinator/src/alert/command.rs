//! A command that hears of alerts: run without a shell, with the change as JSON on its standard input.

use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{self, Child};
use tokio::time::timeout;
use wagglebus_schemas::alert_settings::{self, BadCommand};

use super::Untold;
use super::notice::Notice;

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    program: String,
    arguments: Vec<String>,
}

impl Command {
    /// A program with its arguments, as a list.
    pub(crate) fn new(words: Vec<String>) -> Result<Self, BadCommand> {
        alert_settings::check_command(&words)?;
        let mut words = words.into_iter();
        Ok(Self {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
        })
    }
}

impl FromStr for Command {
    type Err = BadCommand;

    fn from_str(text: &str) -> Result<Self, BadCommand> {
        Self::new(alert_settings::command(text)?)
    }
}

impl Command {
    /// Runs it once. It is ended with all that it started when it takes too long.
    pub(super) async fn tell(&self, notice: &Notice) -> Result<(), Untold> {
        let mut command = process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            // Credentials are not its affair.
            if name.to_str().is_some_and(is_ours) {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().map_err(|error| {
            let why = format!("it does not start: {error}");
            let for_good = [std::io::ErrorKind::NotFound, std::io::ErrorKind::PermissionDenied];
            if for_good.contains(&error.kind()) {
                Untold::Never(why)
            } else {
                Untold::Again(why)
            }
        })?;
        let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        match timeout(WITHIN, converse(&mut child, &notice.json())).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Untold::Again(format!("it ended with {status}"))),
            Ok(Err(error)) => Err(Untold::Again(error.to_string())),
            Err(_) => {
                if let Some(group) = group {
                    kill_process_group(group, Signal::KILL).ok();
                }
                child.wait().await.ok();
                Err(Untold::Again(format!(
                    "it took longer than {} s",
                    WITHIN.as_secs()
                )))
            }
        }
    }
}

async fn converse(child: &mut Child, text: &[u8]) -> std::io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it may know all the same what to do.
        stdin.write_all(text).await.ok();
        stdin.shutdown().await.ok();
    }
    child.wait().await
}

fn is_ours(name: &str) -> bool {
    name.starts_with("NATS_") || name.starts_with("WAGGLEBUS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_path_or_a_list() {
        let words = |text: &str| {
            let command: Result<Command, _> = text.parse();
            command.map(|command| (command.program, command.arguments)).ok()
        };
        assert_eq!(words("/a b/page"), Some(("/a b/page".to_owned(), vec![])));
        assert_eq!(
            words(r#"["page","-q","$x"]"#),
            Some(("page".to_owned(), vec!["-q".to_owned(), "$x".to_owned()]))
        );
        for bad in ["", "[]", r#"[""]"#, "[1]", r#"["a""#] {
            assert_eq!(words(bad), None, "{bad}");
        }
    }
}
