//! Which configuration files count, and whether they may be trusted.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use wagglebus_schemas::places::Places;

use super::parse::parse;
use super::read::{Unusable, is_absent, others_may_write, read};
use super::trust::is_trusted;
use super::{Config, ConfigError, Origin, Scope};

/// The name of a project's file.
pub const PROJECT_FILE: &str = "wagglebus.toml";

/// Where this user's part lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigPlaces {
    /// The user's file.
    pub user_file: PathBuf,
    /// The folder of the records of trust in project files.
    pub trusted: PathBuf,
}

impl ConfigPlaces {
    /// As for all hives.
    pub fn of(places: &Places) -> Self {
        Self {
            user_file: places.user_config_file(),
            trusted: places.trusted_config_dir(),
        }
    }
}

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
    /// The user's file, and the folder of the records of trust.
    pub places: ConfigPlaces,
    /// What `~/` means in a file.
    pub home: Option<PathBuf>,
    /// The user's id: a project's file must be theirs or root's.
    pub uid: u32,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process(choice: Option<&ConfigChoice>, places: ConfigPlaces) -> Self {
        let unset = ConfigChoice::File(PathBuf::new());
        Self {
            choice: choice.filter(|choice| **choice != unset).cloned(),
            folder: std::env::current_dir().ok(),
            places,
            home: std::env::home_dir(),
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Reads the files that count.
    ///
    /// # Errors
    /// When one is there and cannot be used, or the one that was asked for is not there.
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.read(false)
    }

    /// The same, to be looked at and not to go by: with a project file that names a bus and does not count.
    ///
    /// # Errors
    /// As for [`Surroundings::load`], except that such a file is none.
    pub fn look(&self) -> Result<Config, ConfigError> {
        self.read(true)
    }

    fn read(&self, untrusted: bool) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        match &self.choice {
            Some(ConfigChoice::None) => {}
            Some(ConfigChoice::File(path)) => {
                let path = self.folder.as_deref().unwrap_or(Path::new("/")).join(path);
                let text = read(&path, None).map_err(|error| error.at(&path))?;
                self.add(&mut config, (Scope::Given, path), &text, untrusted)?;
            }
            None => {
                if let Some((path, text)) = self.project(&mut config.passed_over)? {
                    self.add(&mut config, (Scope::Project, path), &text, untrusted)?;
                }
                let path = self.places.user_file.clone();
                match read(&path, None) {
                    Ok(text) => self.add(&mut config, (Scope::User, path), &text, untrusted)?,
                    Err(Unusable::Io(error)) if is_absent(&error) => {}
                    Err(error) => return Err(error.at(&path)),
                }
            }
        }
        Ok(config)
    }

    fn add(
        &self,
        config: &mut Config,
        (mut scope, path): (Scope, PathBuf),
        text: &str,
        untrusted: bool,
    ) -> Result<(), ConfigError> {
        let content = parse(&path, text, self.home.as_deref())?;
        if scope == Scope::Project && content.names_a_bus() {
            let trusted = match others_may_write(&path) {
                Some(reason) => Err(Unusable::Foreign(reason).at(&path)),
                None if is_trusted(&self.places.trusted, &path, text) => Ok(()),
                None => Err(ConfigError::Untrusted { path: path.clone() }),
            };
            match trusted {
                Ok(()) => {}
                Err(_) if untrusted => scope = Scope::Untrusted,
                Err(error) => return Err(error),
            }
        }
        config.files.push((Origin { scope, path }, content));
        Ok(())
    }

    /// The nearest project file that is ours, upwards from the working folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn project_file(&self) -> Result<Option<PathBuf>, ConfigError> {
        let found = self.project(&mut Vec::new())?;
        Ok(found.map(|(path, _)| path))
    }

    fn project(&self, passed_over: &mut Vec<ConfigError>) -> Result<Option<(PathBuf, String)>, ConfigError> {
        for folder in self.folder.iter().flat_map(|folder| folder.ancestors()) {
            let path = folder.join(PROJECT_FILE);
            match read(&path, Some(self.uid)) {
                Ok(text) => return Ok(Some((path, text))),
                // A folder that we may pass and not look into has no file of ours.
                Err(Unusable::Io(error))
                    if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {}
                // A stranger's file in a folder that all share must neither lead nor stop us.
                Err(error @ Unusable::Foreign(_)) => passed_over.push(error.at(&path)),
                Err(error) => return Err(error.at(&path)),
            }
        }
        Ok(None)
    }
}
