//! Asks a nats-server binary for its version, in bounded time.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::version::{ServerVersion, VersionError};

/// A healthy binary answers in milliseconds; the bound is for a cold disk and for a program that is no server at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A binary that was written a moment ago may still be open for writing in a child that another thread is starting.
const BUSY_RETRIES: u32 = 50;
const BUSY_DELAY: Duration = Duration::from_millis(20);

/// Why a file cannot serve as nats-server.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no file.
    #[error("not there")]
    Absent,
    /// The operating system could not run it.
    #[error("cannot be run")]
    Unrunnable(#[source] io::Error),
    /// It did not answer in time.
    #[error("did not answer --version within {} s", ANSWER_WITHIN.as_secs())]
    Silent,
    /// It ran and failed, or answered something else.
    #[error("did not answer --version like nats-server")]
    Foreign(#[source] VersionError),
}

/// The version that the binary at `path` says it has.
///
/// # Errors
/// When the file is missing, does not run, stays silent, or is another program.
pub async fn version_of(path: &Path) -> Result<ServerVersion, ProbeError> {
    if !path.is_file() {
        return Err(ProbeError::Absent);
    }
    let output = timeout(ANSWER_WITHIN, banner(path))
        .await
        .map_err(|_| ProbeError::Silent)?;
    let output = output.map_err(ProbeError::Unrunnable)?;
    ServerVersion::from_banner(&String::from_utf8_lossy(&output)).map_err(ProbeError::Foreign)
}

async fn banner(path: &Path) -> io::Result<Vec<u8>> {
    let mut command = Command::new(path);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for _ in 0..BUSY_RETRIES {
        match command.output().await {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => sleep(BUSY_DELAY).await,
            result => return Ok(result?.stdout),
        }
    }
    Ok(command.output().await?.stdout)
}
