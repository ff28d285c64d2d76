//! Credentials, as the client library takes them.

use std::path::Path;
use std::sync::Arc;

use async_nats::{AuthError, ConnectOptions, ServerAddr};

use super::error::ConnectError;
use super::settings::Credentials;

/// Adds `credentials`, or those in the address when there are none. Files are read now.
pub(super) async fn apply(
    options: ConnectOptions,
    credentials: &Credentials,
    address: &ServerAddr,
) -> Result<ConnectOptions, ConnectError> {
    Ok(match credentials {
        Credentials::None => from_address(options, address),
        Credentials::NkeyFile(path) => options.nkey(seed(path).await?),
        Credentials::CredsFile(path) => {
            let text = read("credentials file", path).await?;
            options.credentials(&text).map_err(|error| {
                ConnectError::config(format!("credentials file {}", path.display()), error)
            })?
        }
        Credentials::User { name, password } => options.user_and_password(name.clone(), password.clone()),
        Credentials::Token(token) => options.token(token.clone()),
        Credentials::Jwt { jwt, seed } => {
            let key = match seed {
                Some(seed) => Some(Arc::new(
                    nkeys::KeyPair::from_seed(seed)
                        .map_err(|error| ConnectError::config("user seed", error))?,
                )),
                None => None,
            };
            options.jwt(jwt.clone(), move |nonce| {
                // A bearer token needs no signature.
                let signed = key.as_ref().map_or(Ok(Vec::new()), |key| key.sign(&nonce));
                std::future::ready(signed.map_err(AuthError::new))
            })
        }
    })
}

/// `nats://user:password@host` and `nats://token@host`, which the library leaves to its caller.
fn from_address(options: ConnectOptions, address: &ServerAddr) -> ConnectOptions {
    match (address.username(), address.password()) {
        (Some(name), Some(password)) => options.user_and_password(name.to_owned(), password.to_owned()),
        (Some(token), None) => options.token(token.to_owned()),
        (None, _) => options,
    }
}

async fn seed(path: &Path) -> Result<String, ConnectError> {
    let text = read("nkey file", path).await?;
    // Plain, or between the dashed lines that the stock tools write.
    let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU"));
    let bad = |reason: &str| ConnectError::config(format!("nkey file {}", path.display()), reason);
    let seed = seed.ok_or_else(|| bad("it holds no user seed (a line that begins with SU)"))?;
    // The library's message for a bad seed would be lost among login errors.
    nkeys::KeyPair::from_seed(seed).map_err(|_| bad("its seed is damaged"))?;
    Ok(seed.to_owned())
}

async fn read(what: &'static str, path: &Path) -> Result<String, ConnectError> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|error| ConnectError::File {
            what,
            path: path.to_owned(),
            reason: error.to_string(),
        })
}
