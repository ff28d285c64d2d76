//! Clients of what listens on a loopback port, with the token that its file names.

use wagglebus_schemas::AgentId;
use wagglebus_schemas::places::{AgentFile, Places};

use super::Client;
use crate::discovery;
use crate::endpoint::{Endpoint, Token};
use crate::error::{Absence, ClientError};

impl Client {
    /// The client of the coordinator that leads, with the operator's token; `None` while none is there. It serves what a
    /// sidecar does, for the whole fleet and without an inbox.
    ///
    /// # Errors
    /// [`ClientError::NoBus`] when no `up` runs here or its token cannot be read, [`ClientError::Address`] when address or
    /// token are unusable.
    pub fn of_coordinator(places: &Places) -> Result<Option<Self>, ClientError> {
        let Some(address) = discovery::bus(places)?.coordinator else {
            return Ok(None);
        };
        let path = address.token_file;
        let text = discovery::read_bounded(&path).map_err(|source| ClientError::NoBus {
            absence: Absence::Unreadable { path, source },
        })?;
        let endpoint = Token::new(&String::from_utf8_lossy(&text))
            .and_then(|token| Endpoint::tcp(&address.http, token))
            .map_err(|source| ClientError::Address {
                agent: AgentId::coordinator(),
                source,
            })?;
        Ok(Some(Self::new(endpoint)))
    }

    /// The client of a running sidecar over its TCP address; `None` when it listens on its socket only.
    ///
    /// # Errors
    /// [`ClientError::Address`] when address or token are unusable, [`ClientError::NoSidecar`] when the token's file
    /// cannot be read.
    pub fn over_tcp(file: &AgentFile) -> Result<Option<Self>, ClientError> {
        let (Some(url), Some(path)) = (&file.http, &file.token_file) else {
            return Ok(None);
        };
        let text = discovery::read_bounded(path).map_err(|source| ClientError::NoSidecar {
            agent: file.agent.clone(),
            absence: Absence::Unreadable {
                path: path.clone(),
                source,
            },
        })?;
        let endpoint = Token::new(&String::from_utf8_lossy(&text))
            .and_then(|token| Endpoint::tcp(url, token))
            .map_err(|source| ClientError::Address {
                agent: file.agent.clone(),
                source,
            })?;
        Ok(Some(Self::new(endpoint)))
    }
}
