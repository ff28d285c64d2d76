//! What a connection needs to know.

use std::fmt;
use std::path::PathBuf;

/// Beginning of the JetStream API where nothing renames it.
pub const JETSTREAM_API: &str = "$JS.API";

/// Where to connect, as whom, and under which names.
///
/// Files are read at each attempt, so a rotated key is picked up by the next session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses such as `nats://127.0.0.1:4222` or `tls://bus.example`; tried in this order. At least one.
    pub urls: Vec<String>,
    /// The file of an `up` ([`BusFile`](wagglebus_schemas::places::BusFile)) that says where its server is now; while it
    /// does, that is the only address. Read at each attempt: an `up` that finds its port taken takes another one.
    pub bus_file: Option<PathBuf>,
    /// Who we are.
    pub credentials: Credentials,
    /// Transport security.
    pub tls: TlsFiles,
    /// The connection's name, for people who look at the server.
    pub name: String,
    /// Beginning of the JetStream API: [`JETSTREAM_API`], or an agent's own prefix in isolated mode.
    pub api_prefix: String,
    /// Beginning of reply subjects.
    pub inbox_prefix: String,
    /// Whether [`connect`](super::connect) succeeds without a server and keeps trying in the background.
    pub retry_first: bool,
    /// Spreads the attempts of many clients after an outage; any number, best a random one.
    pub jitter_seed: u64,
}

impl Settings {
    /// Settings for one address without credentials and with the defaults of an open server.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            bus_file: None,
            credentials: Credentials::None,
            tls: TlsFiles::default(),
            name: name.into(),
            api_prefix: JETSTREAM_API.to_owned(),
            inbox_prefix: "_INBOX".to_owned(),
            retry_first: false,
            jitter_seed: 0,
        }
    }
}

/// Proof of who we are. Secrets are never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// None, or those in the address (`nats://user:password@host`, `nats://token@host`).
    #[default]
    None,
    /// A file that holds an nkey seed.
    NkeyFile(PathBuf),
    /// A `.creds` file: user JWT and seed.
    CredsFile(PathBuf),
    /// User name and password.
    User {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// A user JWT, and the seed that proves it unless it is a bearer token.
    Jwt {
        /// The JWT.
        jwt: String,
        /// The seed.
        seed: Option<String>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::NkeyFile(path) => write!(f, "NkeyFile({})", path.display()),
            Self::CredsFile(path) => write!(f, "CredsFile({})", path.display()),
            Self::User { name, .. } => write!(f, "User({name})"),
            Self::Token(_) => f.write_str("Token"),
            Self::Jwt { .. } => f.write_str("Jwt"),
        }
    }
}

/// Files and choices of transport security. TLS is also used whenever the server asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Refuse a connection without TLS.
    pub required: bool,
    /// Begin with TLS, before the server says anything.
    pub first: bool,
    /// Certificates of the authorities to trust; the system's when absent.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        for credentials in [
            Credentials::Token("s3cret".into()),
            Credentials::User {
                name: "bob".into(),
                password: "s3cret".into(),
            },
            Credentials::Jwt {
                jwt: "s3cret".into(),
                seed: Some("s3cret".into()),
            },
        ] {
            assert!(!format!("{credentials:?}").contains("s3cret"));
        }
    }
}
