//! The local HTTP API. (Interface that serve.rs uses: `open`, `Api::{url, token_file, serve}`.)

use std::path::{Path, PathBuf};

use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::gate::Gate;
use crate::shutdown::Shutdown;

pub(crate) struct Api(#[allow(dead_code)] Gate);

pub(crate) async fn open(
    _socket: &Path,
    _listen: Option<std::net::SocketAddr>,
    _places: &Places,
    gate: Gate,
) -> Result<Api, Failure> {
    Ok(Api(gate))
}

impl Api {
    pub(crate) fn url(&self) -> Option<String> {
        None
    }
    pub(crate) fn token_file(&self) -> Option<PathBuf> {
        None
    }
    pub(crate) async fn serve(self, mut shutdown: Shutdown) {
        shutdown.begun().await
    }
}
