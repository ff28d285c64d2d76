//! NATS user keys: made once, kept in files that only their owner can read.
//!
//! The keys of agents lie where `Places::agent_seed_file` says; those of the bus itself in a folder of their own beside
//! them, because an agent may be called `inspector`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nkeys::{KeyPair, KeyPairType};
use wagglebus_schemas::places::Places;

use crate::private_file::{self, PrivateFileError};

/// Whose key of the bus itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BusUser {
    /// The system account: server statistics, cutting connections.
    System,
    /// Everything in the bus account: provisioning and enrolment.
    Admin,
    /// The coordinators.
    Coordinator,
    /// Reads everything, for people and stock tools.
    Inspector,
}

impl BusUser {
    /// Every user.
    pub const ALL: [Self; 4] = [Self::System, Self::Admin, Self::Coordinator, Self::Inspector];

    /// Its name in file names and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Admin => "admin",
            Self::Coordinator => "coordinator",
            Self::Inspector => "inspector",
        }
    }

    /// The file of its seed.
    pub fn seed_file(self, places: &Places) -> PathBuf {
        places
            .state_dir()
            .join("keys")
            .join("bus")
            .join(format!("{}.nk", self.as_str()))
    }
}

/// The file of a seed that was made for somebody else's NATS: an agent, the coordinator or an inspector there. Apart from
/// the keys of our own bus, so that changing one changes nothing on the other.
pub fn named_bus_seed_file(places: &Places, name: &str) -> PathBuf {
    places
        .state_dir()
        .join("keys")
        .join("named")
        .join(format!("{name}.nk"))
}

/// A public user key, `U…`: base 32 with a checksum, so it is safe to write anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(String);

impl PublicKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PublicKey {
    type Err = KeyTextError;
    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let pair = KeyPair::from_public_key(text).map_err(|_| KeyTextError)?;
        // Decoding is lenient about the case; the server is not.
        if pair.key_pair_type() != KeyPairType::User || pair.public_key() != text {
            return Err(KeyTextError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A text that is no public user key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no public NATS user key: it has 56 characters, begins with U and ends in a checksum")]
pub struct KeyTextError;

/// A user key with its secret. It cannot be printed.
pub struct UserKey {
    pair: KeyPair,
    public: PublicKey,
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is no file.
    #[error("{path} does not exist: enrol the agent first")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// Its file holds something else. The text itself is never shown.
    #[error("{path} holds no seed of a NATS user (SU…): restore it, or remove it to get a new key")]
    NoSeed {
        /// The file.
        path: PathBuf,
    },
    /// No key can be made.
    #[error("no key could be made: the system gives no random numbers")]
    NoRandom,
}

impl UserKey {
    /// The key in a file, made now if there is none. Several makers at the same time get the same key.
    ///
    /// # Errors
    /// When the file can be read by others, holds something else, or cannot be written.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        if let Some(key) = Self::load_if_there(path)? {
            return Ok(key);
        }
        if let Some(dir) = path.parent() {
            private_file::create_dir(dir)?;
        }
        let seed = KeyPair::new_user().seed().map_err(|_| KeyError::NoRandom)?;
        private_file::create(path, format!("{seed}\n").as_bytes())?;
        // Not the seed made above: somebody else may have been faster.
        Self::load(path)
    }

    /// The key in a file.
    ///
    /// # Errors
    /// When there is none, it can be read by others, or holds something else.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::load_if_there(path)?.ok_or_else(|| KeyError::Absent {
            path: path.to_owned(),
        })
    }

    fn load_if_there(path: &Path) -> Result<Option<Self>, KeyError> {
        let Some(text) = private_file::read(path)? else {
            return Ok(None);
        };
        let no_seed = || KeyError::NoSeed {
            path: path.to_owned(),
        };
        let pair = KeyPair::from_seed(text.trim_end()).map_err(|_| no_seed())?;
        let public = pair.public_key().parse().map_err(|_| no_seed())?;
        Ok(Some(Self { pair, public }))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A signature of what a server sent for this purpose.
    ///
    /// # Errors
    /// Never for a key from a seed; the signing library says otherwise.
    pub fn sign(&self, nonce: &[u8]) -> Result<Vec<u8>, nkeys::error::Error> {
        self.pair.sign(nonce)
    }

    /// The seed, for a client library that signs itself. Never to be logged or passed on a command line.
    ///
    /// # Errors
    /// Never for a key from a seed; the signing library says otherwise.
    pub fn seed(&self) -> Result<String, nkeys::error::Error> {
        self.pair.seed()
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/alice.nk");
        assert!(matches!(UserKey::load(&path), Err(KeyError::Absent { .. })));
        let key = UserKey::load_or_create(&path).unwrap();
        let again = UserKey::load_or_create(&path).unwrap();
        assert_eq!(key.public(), again.public());
        assert!(key.public().as_str().starts_with('U'));
        let seed = key.seed().unwrap();
        assert!(!format!("{key:?}").contains(&seed[2..]));
        let signature = key.sign(b"nonce").unwrap();
        let verifier = KeyPair::from_public_key(key.public().as_str()).unwrap();
        assert!(verifier.verify(b"nonce", &signature).is_ok());
    }

    #[test]
    fn a_file_with_something_else_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alice.nk");
        let account = KeyPair::new_account().seed().unwrap();
        for text in ["", "SUAx", "hunter2", &account] {
            private_file::replace(&path, text.as_bytes()).unwrap();
            let error = UserKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::NoSeed { .. }), "{error}");
            assert!(text.is_empty() || !error.to_string().contains(text));
            assert_eq!(private_file::read(&path).unwrap().unwrap(), text);
        }
    }

    #[test]
    fn public_keys_are_checked() {
        let good = KeyPair::new_user().public_key();
        assert_eq!(good.parse::<PublicKey>().unwrap().as_str(), good);
        let account = KeyPair::new_account().public_key();
        let flipped = format!("{}A{}", &good[..20], &good[21..]);
        let seed = KeyPair::new_user().seed().unwrap();
        for bad in [
            "",
            "U",
            &account,
            &good.to_lowercase(),
            &format!("{good}\n"),
            &format!("{good}\""),
            &seed,
        ] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad:?}");
        }
        assert!(flipped == good || flipped.parse::<PublicKey>().is_err());
    }
}
