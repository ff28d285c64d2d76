//! Where a local API listens: a unix socket, or TCP with a bearer token.

use std::fmt;
use std::path::PathBuf;

/// Where to dial.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A unix socket; the peer's user id is the credential.
    Unix(PathBuf),
    /// A TCP address.
    Tcp {
        /// `host:port`, also sent as `Host`.
        authority: String,
        /// Sent as `Authorization: Bearer`.
        token: Token,
    },
}

/// A bearer token. Its `Debug` form does not show it.
#[derive(Clone)]
pub struct Token(String);

/// Why an address is none that we can dial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not `http://host:port`.
    #[error("{url:?} is no address of a local API: use http://127.0.0.1:PORT")]
    Url {
        /// What was given.
        url: String,
    },
    /// The token cannot be sent in a header.
    #[error("the bearer token holds characters that no header may hold")]
    Token,
}

impl Endpoint {
    /// A TCP endpoint from its base URL, as in `<agent>.json` and `bus.json`.
    ///
    /// # Errors
    /// When the URL is not plain `http://host:port`.
    pub fn tcp(url: &str, token: Token) -> Result<Self, EndpointError> {
        let authority = url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|authority| {
                let port = authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                matches!(port, Some(Ok(_))) && authority.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
            })
            .ok_or_else(|| EndpointError::Url {
                url: url.chars().take(80).collect(),
            })?;
        Ok(Self::Tcp {
            authority: authority.to_owned(),
            token,
        })
    }

    /// What to send as `Host`. A socket has no name of its own.
    pub(crate) fn authority(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp { authority, .. } => authority,
        }
    }

    /// The value of `Authorization`.
    pub(crate) fn authorization(&self) -> Option<String> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp { token, .. } => Some(format!("Bearer {}", token.0)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp { authority, .. } => authority.fmt(f),
        }
    }
}

impl Token {
    /// A token from the text of its file; white space around it does not belong to it.
    ///
    /// # Errors
    /// When it is empty or holds anything but visible ASCII.
    pub fn new(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(EndpointError::Token);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_with_a_port_is_an_endpoint() {
        let tcp = |url: &str| Endpoint::tcp(url, Token::new("t").unwrap());
        for good in ["http://127.0.0.1:7788", "http://[::1]:1/", "http://localhost:80"] {
            assert!(tcp(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:1",
            "https://h:1",
            "http://h",
            "http://h:x",
            "http://h:1/path",
            "http://h:70000",
            "http://a\r\nb:1",
        ] {
            assert!(tcp(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_token_is_never_shown_and_never_breaks_a_header() {
        let token = Token::new(" s3cret\n").unwrap();
        let endpoint = Endpoint::tcp("http://h:1", token).unwrap();
        assert_eq!(endpoint.authorization().as_deref(), Some("Bearer s3cret"));
        assert!(!format!("{endpoint:?}").contains("s3cret"));
        assert!(Token::new("a\r\nb").is_err());
        assert!(Token::new(" ").is_err());
    }
}
