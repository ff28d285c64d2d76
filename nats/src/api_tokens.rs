//! Bearer tokens of the coordinator's API: who may speak there, and as whom.
//!
//! The operator's token lies in a file of its own, which programs of this user read. All others are shown once when they
//! are made and kept as digests: whoever reads the file cannot speak as anybody.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wagglebus_schemas::places::Places;
use wagglebus_schemas::{AgentId, Timestamp};

use crate::private_file::{self, PrivateFileError, io_error};

/// What every token begins with but the operator's: tools that look for secrets in texts know it by that.
const PREFIX: &str = "wbt_";
/// Longest name of a token in bytes.
const NAME_BYTES_MAX: usize = 63;
/// Most tokens: each request is compared with all of them.
pub const TOKENS_MAX: usize = 1_000;

/// SHA-256 of a token.
pub type TokenDigest = [u8; 32];

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Operator,
    /// To speak as this agent.
    Agent {
        /// Which.
        agent: AgentId,
    },
    /// To look.
    Viewer,
}

impl Role {
    /// Its word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Agent { .. } => "agent",
            Self::Viewer => "viewer",
        }
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// By which it is revoked.
    pub name: String,
    /// What it allows.
    #[serde(flatten)]
    pub role: Role,
    /// Digest of the token in hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file of digests is none.
    #[error("{path} is no list of tokens: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The name cannot be one.
    #[error(
        "{0:?} is no name for a token: use 1 to {NAME_BYTES_MAX} of a-z 0-9 - _, a letter or digit first"
    )]
    Name(String),
    /// There is one of this name.
    #[error("there is a token {0} already")]
    Taken(String),
    /// There is none of this name.
    #[error("there is no token {0}")]
    Unknown(String),
    /// There are too many.
    #[error("there are {TOKENS_MAX} tokens, which is the bound")]
    TooMany,
}

/// The name of the operator's own token.
pub const OPERATOR: &str = "operator";

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    tokens: Vec<TokenRecord>,
}

/// Where the tokens lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFiles {
    operator: PathBuf,
    others: PathBuf,
}

/// What changes when a file is written; equal for unchanged files.
pub type Stamp = [Option<(u64, i64, i64, u64)>; 2];

impl TokenFiles {
    /// Those of this user and hive.
    pub fn of(places: &Places) -> Self {
        Self::with_operator(places.state_dir().join("keys").join("coordinator.token"))
    }

    /// Those whose operator's token lies at `operator`; the others lie beside it.
    pub fn with_operator(operator: PathBuf) -> Self {
        Self {
            others: operator.with_file_name("api-tokens.json"),
            operator,
        }
    }

    /// The file of the operator's token.
    pub fn operator_file(&self) -> &Path {
        &self.operator
    }

    /// Makes the operator's token if there is none.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn ensure_operator(&self) -> Result<(), TokenError> {
        if let Some(dir) = self.operator.parent() {
            private_file::create_dir(dir)?;
        }
        private_file::create(&self.operator, line(&random()).as_bytes())?;
        Ok(())
    }

    /// Gives the operator a new token; the old one is refused within seconds.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn renew_operator(&self) -> Result<(), TokenError> {
        Ok(private_file::replace(&self.operator, line(&random()).as_bytes())?)
    }

    /// All tokens but the operator's own, by name.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn list(&self) -> Result<Vec<TokenRecord>, TokenError> {
        let Some(text) = private_file::read(&self.others)? else {
            return Ok(Vec::new());
        };
        let content: Content = serde_json::from_str(&text).map_err(|error| TokenError::Unreadable {
            path: self.others.clone(),
            reason: error.to_string(),
        })?;
        Ok(content.tokens)
    }

    /// Makes a token. It is told here and nowhere else.
    ///
    /// # Errors
    /// When the name is taken or none, or a file cannot be used.
    pub fn add(&self, name: &str, role: Role, at: Timestamp) -> Result<String, TokenError> {
        if !is_name(name) {
            return Err(TokenError::Name(name.to_owned()));
        }
        let _lock = self.lock()?;
        let mut tokens = self.list()?;
        if name == OPERATOR || tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Taken(name.to_owned()));
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        let token = format!("{PREFIX}{}", random());
        tokens.push(TokenRecord {
            name: name.to_owned(),
            role,
            sha256: hex(&digest(&token)),
            created_at: at,
        });
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        self.store(tokens)?;
        Ok(token)
    }

    /// Takes a token's rights away; coordinators refuse it within seconds.
    ///
    /// # Errors
    /// When there is none of this name, or a file cannot be used.
    pub fn revoke(&self, name: &str) -> Result<TokenRecord, TokenError> {
        let _lock = self.lock()?;
        let mut tokens = self.list()?;
        let place = tokens.iter().position(|token| token.name == name);
        let revoked = tokens.remove(place.ok_or_else(|| TokenError::Unknown(name.to_owned()))?);
        self.store(tokens)?;
        Ok(revoked)
    }

    /// Takes the rights of all tokens away that speak as this agent. Returns them.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn revoke_of(&self, agent: &AgentId) -> Result<Vec<TokenRecord>, TokenError> {
        if !self.others.exists() {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        let speaks = |token: &TokenRecord| matches!(&token.role, Role::Agent { agent: own } if own == agent);
        let (revoked, kept): (Vec<_>, Vec<_>) = self.list()?.into_iter().partition(speaks);
        if !revoked.is_empty() {
            self.store(kept)?;
        }
        Ok(revoked)
    }

    /// Every digest with its name and what it allows, the operator's included.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn digests(&self) -> Result<Vec<(TokenDigest, String, Role)>, TokenError> {
        let mut all = Vec::new();
        if let Some(text) = private_file::read(&self.operator)? {
            let token = text.trim();
            if !token.is_empty() {
                all.push((digest(token), OPERATOR.to_owned(), Role::Operator));
            }
        }
        for TokenRecord {
            name, role, sha256, ..
        } in self.list()?
        {
            let digest = from_hex(&sha256).ok_or_else(|| TokenError::Unreadable {
                path: self.others.clone(),
                reason: format!("the digest of {name} is none"),
            })?;
            all.push((digest, name, role));
        }
        Ok(all)
    }

    /// Changes whenever one of the files does.
    pub fn stamp(&self) -> Stamp {
        [&self.operator, &self.others].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
        })
    }

    fn store(&self, tokens: Vec<TokenRecord>) -> Result<(), TokenError> {
        // Plain data is always encoded.
        let text = serde_json::to_string_pretty(&Content { tokens }).unwrap_or_default();
        Ok(private_file::replace(&self.others, line(&text).as_bytes())?)
    }

    fn lock(&self) -> Result<File, TokenError> {
        let path = self.others.with_extension("lock");
        if let Some(dir) = path.parent() {
            private_file::create_dir(dir)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(io_error(&path, "opened"))?;
        file.lock().map_err(io_error(&path, "locked"))?;
        Ok(file)
    }
}

/// SHA-256 of a token, as it is kept.
pub fn digest(token: &str) -> TokenDigest {
    let mut digest = TokenDigest::default();
    for (to, from) in digest.iter_mut().zip(Sha256::digest(token)) {
        *to = from;
    }
    digest
}

/// 244 random bits.
fn random() -> String {
    let part = || uuid::Uuid::new_v4().simple();
    format!("{}{}", part(), part())
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'-' || b == b'_')
        && name.bytes().next().is_some_and(plain)
}

fn hex(digest: &TokenDigest) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn from_hex(text: &str) -> Option<TokenDigest> {
    let mut digest = TokenDigest::default();
    if text.len() != digest.len() * 2 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(n * 2..n * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}
