//! The ready file: tells the starter that the roster is known, and where `/readyz` is.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;
use wagglebus_nats::private_file;

use crate::failure::Failure;

/// Says once that the program is ready.
#[derive(Debug)]
pub(crate) struct Ready {
    file: Option<PathBuf>,
    http: SocketAddr,
    said: bool,
}

impl Ready {
    pub(crate) const fn new(file: Option<PathBuf>, http: SocketAddr) -> Self {
        Self {
            file,
            http,
            said: false,
        }
    }

    /// Writes the file the first time; nothing later.
    pub(crate) fn say(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.said, true) {
            return Ok(());
        }
        let http = format!("http://{}", self.http);
        if let Some(path) = &self.file {
            let line = json!({ "pid": std::process::id(), "http": http });
            private_file::replace(path, format!("{line}\n").as_bytes())?;
        }
        tracing::info!(%http, "ready");
        Ok(())
    }
}
