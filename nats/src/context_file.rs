//! Contexts for the stock `nats` CLI, so that it works on our server as it is (TOPOLOGY 10).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wagglebus_schemas::places::Places;

use crate::keys::BusUser;
use crate::private_file::{self, PrivateFileError};

/// How every description of ours begins; a file that says otherwise belongs to the user.
const OURS: &str = "wagglebus: ";

/// A context of the stock CLI that `up` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockContext {
    /// `wagglebus`: reads everything.
    Inspector,
    /// `wagglebus-admin`: may do everything.
    Admin,
}

/// What became of a context file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is there and says what it should.
    Done(PathBuf),
    /// A file of the user has this name; it was left alone.
    NotOurs(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
struct ContextFile {
    #[serde(default)]
    description: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    nkey: PathBuf,
}

impl StockContext {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Inspector, Self::Admin];

    /// Its name, as in `nats --context wagglebus`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inspector => "wagglebus",
            Self::Admin => "wagglebus-admin",
        }
    }

    /// Its file.
    pub fn file(self, places: &Places) -> PathBuf {
        places.nats_context_dir().join(format!("{}.json", self.name()))
    }

    const fn user(self) -> BusUser {
        match self {
            Self::Inspector => BusUser::Inspector,
            Self::Admin => BusUser::Admin,
        }
    }

    const fn purpose(self) -> &'static str {
        match self {
            Self::Inspector => "reads everything, changes nothing by accident",
            Self::Admin => "may do everything on the bus",
        }
    }

    /// Writes the context for the server at `url`, unless the user has another one of this name.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn write(self, places: &Places, url: &str) -> Result<Written, PrivateFileError> {
        let path = self.file(places);
        if !is_ours_or_absent(&path)? {
            return Ok(Written::NotOurs(path));
        }
        let context = ContextFile {
            description: format!("{OURS}hive {}, {}", places.hive(), self.purpose()),
            url: url.to_owned(),
            nkey: self.user().seed_file(places),
        };
        // Two texts and a path of ours always become JSON.
        let text = serde_json::to_string_pretty(&context).unwrap_or_default();
        private_file::create_dir(&places.nats_context_dir())?;
        private_file::replace(&path, text.as_bytes())?;
        Ok(Written::Done(path))
    }

    /// Whether the context is there and was written for this hive.
    pub fn is_there(self, places: &Places) -> bool {
        let text = std::fs::read(self.file(places)).unwrap_or_default();
        serde_json::from_slice::<ContextFile>(&text).is_ok_and(|context| {
            context.description.starts_with(OURS) && context.nkey == self.user().seed_file(places)
        })
    }

    /// Removes the context if it is ours. Returns whether it was there.
    ///
    /// # Errors
    /// When the file cannot be read or removed.
    pub fn remove(self, places: &Places) -> Result<bool, PrivateFileError> {
        let path = self.file(places);
        if !path.exists() || !is_ours_or_absent(&path)? {
            return Ok(false);
        }
        std::fs::remove_file(&path).map_err(private_file::io_error(&path, "removed"))?;
        Ok(true)
    }
}

/// The stock CLI writes its contexts readable for others; ours is recognised by what it says.
fn is_ours_or_absent(path: &Path) -> Result<bool, PrivateFileError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        result => result.map_err(private_file::io_error(path, "read"))?,
    };
    let context: Result<ContextFile, _> = serde_json::from_slice(&bytes);
    Ok(context.is_ok_and(|context| context.description.starts_with(OURS)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use wagglebus_schemas::Hive;
    use wagglebus_schemas::places::PlacesSource;

    use super::*;

    fn places(home: &Path) -> Places {
        let source = PlacesSource {
            home: Some(home.into()),
            temporary: home.into(),
            ..PlacesSource::default()
        };
        Places::new(Hive::default(), &source).unwrap()
    }

    #[test]
    fn a_context_is_written_again_and_removed_when_it_is_ours() {
        let home = tempfile::tempdir().unwrap();
        let places = places(home.path());
        for context in StockContext::ALL {
            let Written::Done(path) = context.write(&places, "nats://127.0.0.1:1").unwrap() else {
                panic!()
            };
            assert!(
                path.ends_with(format!(".config/nats/context/{}.json", context.name())),
                "{path:?}"
            );
            context.write(&places, "nats://127.0.0.1:2").unwrap();
            let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(json["url"], "nats://127.0.0.1:2");
            assert!(Path::new(json["nkey"].as_str().unwrap()).is_absolute());
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(context.remove(&places).unwrap());
            assert!(!context.remove(&places).unwrap());
        }
    }

    #[test]
    fn the_users_own_context_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let places = places(home.path());
        let path = StockContext::Inspector.file(&places);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for theirs in [
            "{\"description\":\"mine\",\"url\":\"nats://a\"}",
            "{}",
            "not json",
            "",
        ] {
            fs::write(&path, theirs).unwrap();
            let written = StockContext::Inspector
                .write(&places, "nats://127.0.0.1:2")
                .unwrap();
            assert_eq!(written, Written::NotOurs(path.clone()));
            assert!(!StockContext::Inspector.remove(&places).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
        }
    }
}
