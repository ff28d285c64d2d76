//! Which configuration files count, and whether they may be trusted.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{CONFIG_BYTES_MAX, Config, ConfigError, Origin, Scope, parse};

/// The name of a project's file.
pub const PROJECT_FILE: &str = "wagglebus.toml";

/// Which file was asked for: `--config`, `WAGGLEBUS_CONFIG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChoice {
    /// `none`: no file counts.
    None,
    /// This one alone.
    File(PathBuf),
}

impl ConfigChoice {
    /// As it is typed.
    pub fn as_os_str(&self) -> &OsStr {
        match self {
            Self::None => OsStr::new("none"),
            Self::File(path) => path.as_os_str(),
        }
    }
}

impl FromStr for ConfigChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "none" => Self::None,
            path => Self::File(path.into()),
        })
    }
}

/// What surrounds a program and says which files count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// What was asked for.
    pub choice: Option<ConfigChoice>,
    /// The working folder; `None` when it is gone.
    pub folder: Option<PathBuf>,
    /// The user's file.
    pub user_file: PathBuf,
    /// What `~/` means in a file.
    pub home: Option<PathBuf>,
    /// The user's id: a project's file must be theirs or root's.
    pub uid: u32,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process(choice: Option<&ConfigChoice>, user_file: PathBuf) -> Self {
        let unset = ConfigChoice::File(PathBuf::new());
        Self {
            choice: choice.filter(|choice| **choice != unset).cloned(),
            folder: std::env::current_dir().ok(),
            user_file,
            home: std::env::home_dir(),
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Reads the files that count.
    ///
    /// # Errors
    /// When one is there and cannot be used, or the one that was asked for is not there.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        match &self.choice {
            Some(ConfigChoice::None) => {}
            Some(ConfigChoice::File(path)) => {
                let path = self.folder.as_deref().unwrap_or(Path::new("/")).join(path);
                let text = read(&path, None).map_err(|error| error.at(&path))?;
                self.add(&mut config, Scope::Given, path, &text)?;
            }
            None => {
                if let Some((path, text)) = self.project()? {
                    self.add(&mut config, Scope::Project, path, &text)?;
                }
                let path = self.user_file.clone();
                match read(&path, None) {
                    Ok(text) => self.add(&mut config, Scope::User, path, &text)?,
                    Err(Unusable::Io(error)) if is_absent(&error) => {}
                    Err(error) => return Err(error.at(&path)),
                }
            }
        }
        Ok(config)
    }

    fn add(&self, config: &mut Config, scope: Scope, path: PathBuf, text: &str) -> Result<(), ConfigError> {
        let content = parse(&path, text, self.home.as_deref())?;
        config.files.push((Origin { scope, path }, content));
        Ok(())
    }

    /// The nearest project file, upwards from the working folder.
    fn project(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        for folder in self.folder.iter().flat_map(|folder| folder.ancestors()) {
            let path = folder.join(PROJECT_FILE);
            match read(&path, Some(self.uid)) {
                Ok(text) => return Ok(Some((path, text))),
                // A folder that we may pass and not look into has no file of ours.
                Err(Unusable::Io(error))
                    if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error.at(&path)),
            }
        }
        Ok(None)
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

enum Unusable {
    Io(io::Error),
    Foreign(String),
}

impl Unusable {
    fn at(self, path: &Path) -> ConfigError {
        let path = path.to_owned();
        match self {
            Self::Io(error) => ConfigError::Unreadable {
                path,
                reason: error.to_string(),
            },
            Self::Foreign(reason) => ConfigError::Foreign { path, reason },
        }
    }
}

/// Reads a file; with an `owner`, only one that nobody else but root may have written.
fn read(path: &Path, owner: Option<u32>) -> Result<String, Unusable> {
    // A pipe without a writer would hold us up for ever.
    if !std::fs::metadata(path).map_err(Unusable::Io)?.is_file() {
        return Err(Unusable::Io(io::Error::other("it is no regular file")));
    }
    let file = std::fs::File::open(path).map_err(Unusable::Io)?;
    let metadata = file.metadata().map_err(Unusable::Io)?;
    if let Some(owner) = owner {
        if metadata.uid() != owner && metadata.uid() != 0 {
            return Err(Unusable::Foreign(format!(
                "it belongs to user {}",
                metadata.uid()
            )));
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(Unusable::Foreign("everybody may write it".to_owned()));
        }
    }
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(Unusable::Io)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        let told = format!("it has more than {CONFIG_BYTES_MAX} bytes");
        return Err(Unusable::Io(io::Error::other(told)));
    }
    Ok(text)
}
