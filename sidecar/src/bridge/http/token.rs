//! The bearer token that guards the TCP form of the API.

use std::fmt;
use std::hint::black_box;
use std::path::Path;

use axum::http::HeaderMap;
use wagglebus_http::head::bearer;
use wagglebus_nats::private_file::{self, PrivateFileError};

/// A token: whoever can read its file may use the API.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// A token of 244 random bits, written to a file that only this user can read. Each start makes a new one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn create(path: &Path) -> Result<Self, PrivateFileError> {
        let part = || uuid::Uuid::new_v4().simple();
        let token = Self(format!("{}{}", part(), part()));
        private_file::replace(path, format!("{}\n", token.0).as_bytes())?;
        Ok(token)
    }

    /// Whether a request carries the token. Takes the same time wherever two tokens differ.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(given) = bearer(headers) else {
            return false;
        };
        let pairs = self.0.bytes().zip(given.bytes());
        let difference = pairs.fold(0, |difference, (ours, theirs)| {
            black_box(difference | (ours ^ theirs))
        });
        given.len() == self.0.len() && difference == 0
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
    use axum::http::header;

    #[test]
    fn only_the_whole_token_counts() {
        let token = Token("0123456789abcdef".to_owned());
        let carries = |value: &str| {
            token.is_in(&HeaderMap::from_iter([(
                header::AUTHORIZATION,
                value.parse().unwrap(),
            )]))
        };
        assert!(carries("Bearer 0123456789abcdef"));
        assert!(carries("bearer  0123456789abcdef"));
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
        ] {
            assert!(!carries(bad), "{bad}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
    }

    #[test]
    fn the_token_is_never_shown() {
        assert!(!format!("{:?}", Token("secret".to_owned())).contains("secret"));
    }
}
