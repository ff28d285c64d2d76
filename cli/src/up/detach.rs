//! `up --detach`: starts `up` again in a session of its own and waits until it is ready or has failed.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use wagglebus_client::discovery;
use wagglebus_nats::private_file;
use wagglebus_schemas::places::Durability;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use crate::up::asked::Asked;
use crate::up::lock::{self, Acquired, runs_already};
use crate::up::ready::Ready;
use crate::up::run::Options;
use crate::up::{leftovers, logs};
use crate::verb::status;

/// How long the start may take before we stop waiting: longer than everything in it may.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// Longest line by which it says that it is ready.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Has a bus running in the background when it returns. One that runs already will do.
pub(crate) async fn detach(options: Options, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let places = session.places();
    if let Acquired::Theirs(pid) = lock::acquire(places)? {
        let runs = discovery::bus(places).ok().map(|bus| bus.url);
        if let (Some(port), Some(url)) = (options.port, runs)
            && !url.ends_with(&format!(":{port}"))
        {
            return Err(runs_already(pid).why(format!("it is at {url}")).fix(format!(
                "wagglebus down, then wagglebus up --detach --port {port}"
            )));
        }
        let wanted = Asked::of(&options);
        let beyond = match Asked::load(places) {
            Some(running) => wanted.beyond(&running),
            None => Vec::new(),
        };
        if !beyond.is_empty() {
            return Err(runs_already(pid)
                .why(format!("it was started without {}", beyond.join(", ")))
                .fix("wagglebus down, then the same command again"));
        }
        output.note(runs_already(pid).what())?;
        return status::run_own(session, output).await;
    }
    private_file::create_dir(&logs::folder(places)).map_err(|error| Failure::caused(&error))?;
    let (mut child, logged) = spawn(&options, session)?;
    let pid = child.id();
    let said = tokio::select! {
        said = timeout(READY_WITHIN, first_line(child.stdout.take())) => said.unwrap_or_default(),
        _ = tokio::signal::ctrl_c() => {
            if let Some(pid) = pid {
                leftovers::send(pid, Signal::TERM).ok();
            }
            return Err(Failure::interrupted());
        }
    };
    match serde_json::from_str::<Ready>(&said) {
        Ok(ready) => ready.tell(places.hive(), output),
        Err(_) => Err(explain(&mut child, &logs::file(places, "up"), logged).await),
    }
}

/// Starts it; its own words go to a log, whose length until now is returned.
fn spawn(options: &Options, session: &Session) -> Result<(Child, u64), Failure> {
    let places = session.places();
    let path = logs::file(places, "up");
    let cannot = |error: std::io::Error| {
        Failure::failed("the background process does not start").why(error.to_string())
    };
    let log = logs::open(&path).map_err(cannot)?;
    let logged = logs::length(&path);
    let mut arguments: Vec<OsString> = [
        "--json",
        "--hive",
        places.hive().as_str(),
        "up",
        "--session-leader",
    ]
    .map(Into::into)
    .into();
    if let Some(choice) = session.config_choice() {
        arguments.extend(["--config".into(), choice.as_os_str().to_owned()]);
    }
    if let Some(port) = options.port {
        arguments.extend(["--port".into(), port.to_string().into()]);
    }
    if options.durability == Durability::Relaxed {
        arguments.push("--relaxed".into());
    }
    let own = std::env::current_exe().map_err(cannot)?;
    let child = Command::new(own)
        .args(arguments)
        .envs(options.coordinator.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(cannot)?;
    Ok((child, logged))
}

/// The first line, or nothing when it cannot be had.
pub(crate) async fn first_line(stdout: Option<ChildStdout>) -> String {
    let mut line = String::new();
    if let Some(stdout) = stdout {
        // Whatever cannot be read is no sign of readiness.
        BufReader::new(stdout.take(LINE_BYTES_MAX))
            .read_line(&mut line)
            .await
            .ok();
    }
    line
}

/// Why it failed: the last thing that it said in its log since that was `logged` bytes long, an error in JSON.
pub(crate) async fn explain(child: &mut Child, log: &Path, logged: u64) -> Failure {
    // It has closed its output, so it has ended or is about to; a hanging one is ended.
    if timeout(Duration::from_secs(10), child.wait()).await.is_err() {
        child.start_kill().ok();
    }
    let said = logs::since(log, logged);
    let told = said.lines().rev().find_map(Failure::from_json);
    told.unwrap_or_else(|| {
        Failure::failed("the bus did not come up")
            .why(said)
            .fix(format!("see {}", log.display()))
    })
}
