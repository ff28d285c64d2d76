//! The ready file: tells the starter that the roster is known, and where `/readyz` is.

use std::io;
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
    /// Not ready yet: a file of a former run goes.
    pub(crate) fn new(file: Option<PathBuf>, http: SocketAddr) -> Result<Self, Failure> {
        if let Some(path) = &file
            && let Err(source) = std::fs::remove_file(path)
            && source.kind() != io::ErrorKind::NotFound
        {
            let path = path.clone();
            return Err(Failure::OldReadyFile { path, source });
        }
        Ok(Self {
            file,
            http,
            said: false,
        })
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
