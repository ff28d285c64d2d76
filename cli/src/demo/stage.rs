//! The stage: one temporary folder with places of its own. Nothing of the user is read, written or left.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wagglebus_client::uid;
use wagglebus_nats::private_file;
use wagglebus_nats::server::resolve;
use wagglebus_schemas::Hive;
use wagglebus_schemas::places::{Places, PlacesSource};

use crate::failure::Failure;
use crate::programs::quoted;

/// The agents' programs, so that an installed binary needs no checkout.
const PROGRAMS: [(&str, &str); 4] = [
    (
        "agent.sh",
        include_str!("../../../examples/01-bash-stdio/agent.sh"),
    ),
    (
        "agent.py",
        include_str!("../../../examples/02-python-http/agent.py"),
    ),
    (
        "worker.py",
        include_str!("../../../examples/02-python-http/worker.py"),
    ),
    ("pane.sh", include_str!("../../../examples/06-tmux-pane/agent.sh")),
];

/// Longest path of the system's temporary folder that is used, in bytes: a socket's path must stay short below it.
const TEMPORARY_BYTES_MAX: usize = 50;

/// A folder and an environment.
#[derive(Debug)]
pub(super) struct Stage {
    folder: TempDir,
    places: Places,
    environment: Vec<(String, PathBuf)>,
}

impl Stage {
    /// Makes the folder. Programs started with its environment find each other and nobody else; `server` is the
    /// nats-server that they shall run.
    pub(super) fn set(hive: &Hive, server: PathBuf) -> Result<Self, Failure> {
        let system = std::env::temp_dir();
        let temporary = if system.as_os_str().len() > TEMPORARY_BYTES_MAX {
            PathBuf::from("/tmp")
        } else {
            system
        };
        let folder = tempfile::Builder::new()
            .prefix("wagglebus-demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&temporary)
            .map_err(|error| cannot_write(&temporary, &error))?;
        let below = |name: &str| folder.path().join(name);
        let own = [
            ("WAGGLEBUS_RUN", below("run")),
            ("XDG_STATE_HOME", below("state")),
            ("XDG_CONFIG_HOME", below("config")),
        ];
        let source = PlacesSource {
            wagglebus_run: Some(below("run")),
            xdg_state: Some(below("state")),
            xdg_config: Some(below("config")),
            xdg_cache: Some(below("cache")),
            temporary,
            uid: uid(),
            ..PlacesSource::default()
        };
        let places = Places::new(hive.clone(), &source).map_err(|error| Failure::caused(&error))?;
        let mut environment: Vec<_> = inherited().collect();
        environment.extend(own.iter().map(|(name, path)| ((*name).to_owned(), path.clone())));
        environment.extend([
            ("XDG_CACHE_HOME".to_owned(), below("cache")),
            ("WAGGLEBUS_HIVE".to_owned(), hive.as_str().into()),
            ("WAGGLEBUS_CONFIG".to_owned(), "none".into()),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".into()),
            (resolve::VARIABLE.to_owned(), server),
        ]);
        let stage = Self {
            folder,
            places,
            environment,
        };
        private_file::create_dir(&stage.logs()).map_err(|error| Failure::caused(&error))?;
        for (name, text) in PROGRAMS {
            let path = stage.program(name);
            fs::write(&path, text).map_err(|error| cannot_write(&path, &error))?;
        }
        let path = stage.exports();
        fs::write(&path, exports(&own, hive)).map_err(|error| cannot_write(&path, &error))?;
        Ok(stage)
    }

    /// Where everything lies.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The places of its programs.
    pub(super) const fn places(&self) -> &Places {
        &self.places
    }

    /// The whole environment of its programs.
    pub(super) fn environment(&self) -> &[(String, PathBuf)] {
        &self.environment
    }

    /// One of the agents' programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The folder of the logs.
    pub(super) fn logs(&self) -> PathBuf {
        self.path().join("log")
    }

    /// A file for another terminal's shell to read.
    pub(super) fn exports(&self) -> PathBuf {
        self.path().join("env")
    }

    /// Removes the folder with everything in it.
    pub(super) fn strike(self) -> Result<(), Failure> {
        let path = self.path().to_owned();
        self.folder.close().map_err(|error| {
            Failure::failed(format!("{} cannot be removed", path.display()))
                .why(error.to_string())
                .fix(format!("rm -r {}", path.display()))
        })
    }
}

/// Our own environment without what would lead a program to another bus or agent.
fn inherited() -> impl Iterator<Item = (String, PathBuf)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let foreign = ["WAGGLEBUS_", "NATS_", "XDG_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        (!foreign || name == "WAGGLEBUS_LOG").then(|| (name, value.into()))
    })
}

/// Lines for a POSIX shell.
fn exports(own: &[(&str, PathBuf)], hive: &Hive) -> String {
    let mut lines: Vec<String> = own
        .iter()
        .map(|(name, path)| format!("export {name}={}", quoted(path)))
        .collect();
    lines.push(format!("export WAGGLEBUS_HIVE={hive} WAGGLEBUS_CONFIG=none"));
    lines.push("unset WAGGLEBUS_AGENT NATS_URL NATS_CONTEXT".into());
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        lines.push(format!("PATH={}:$PATH", quoted(folder)));
    }
    lines.join("\n") + "\n"
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written", path.display())).why(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_exports_whatever_the_folder_is_called() {
        let own = [("WAGGLEBUS_RUN", PathBuf::from("/tmp/it's $HOME/run"))];
        let script = format!("{}printf %s \"$WAGGLEBUS_RUN\"", exports(&own, &Hive::default()));
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "/tmp/it's $HOME/run");
    }

    #[test]
    fn a_stage_leaves_nothing() {
        let stage = Stage::set(&Hive::default(), "/nowhere".into()).unwrap();
        let path = stage.path().to_owned();
        assert!(stage.program("agent.py").is_file() && stage.places().run_dir().starts_with(&path));
        assert!(stage.environment().iter().all(|(name, _)| name != "NATS_URL"));
        stage.strike().unwrap();
        assert!(!path.exists());
    }
}
