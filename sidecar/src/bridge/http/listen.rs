//! Where the API listens: a unix socket of this user, and on request a loopback port.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use wagglebus_nats::private_file::{self, PrivateFileError};

use super::guard::{Guard, TcpGuard};
use super::token::Token;

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Somebody answers at the socket.
    #[error("fenced: another sidecar of this agent serves at {path}")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The token cannot be kept where only this user reads it.
    #[error("cannot keep the token of the API: {0}")]
    Token(#[from] PrivateFileError),
    /// The system refused the socket.
    #[error("cannot listen at {path}: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Whoever owns the folder can put his own socket in place of ours.
    #[error("cannot listen in {path}: it belongs to another user; remove it, or set WAGGLEBUS_RUN")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The port is taken, or not ours to take.
    #[error("cannot listen at {address}: {source}; give --listen another port, or 0 for any")]
    Port {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The address can be reached from other machines.
    #[error("{address} is no loopback address; the API listens on this machine only")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// A source of connections.
pub(super) trait Listen {
    /// A connection.
    type Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static;

    /// The next connection, and what guards it. Cancel-safe.
    async fn accept(&self) -> io::Result<(Self::Stream, Guard)>;
}

/// The unix socket. Its file goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file: another process may have put its own there meanwhile.
    file: (u64, u64),
}

impl Socket {
    /// Listens at a path in a folder that only this user can enter, and makes it so. What a dead process left there is replaced.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub(super) fn bind(path: &Path) -> Result<Self, ListenError> {
        let failure = |source| ListenError::Socket {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            private_file::create_dir(folder).map_err(|error| failure(io::Error::other(error)))?;
            if !is_made_private(folder).map_err(failure)? {
                return Err(ListenError::Folder {
                    path: folder.to_owned(),
                });
            }
        }
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if std::os::unix::net::UnixStream::connect(path).is_ok() {
                    return Err(ListenError::InUse {
                        path: path.to_owned(),
                    });
                }
                std::fs::remove_file(path).map_err(failure)?;
                UnixListener::bind(path).map_err(failure)?
            }
            result => result.map_err(failure)?,
        };
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failure)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            file: identity(path).map_err(failure)?,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// Lets nobody but its owner into a folder; false when that is not us.
fn is_made_private(folder: &Path) -> io::Result<bool> {
    let found = std::fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() {
        return Ok(false);
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700))?;
    }
    Ok(true)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Listen for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Guard)> {
        let (stream, _) = self.listener.accept().await?;
        let uid = stream.peer_cred()?.uid();
        let own = uid == rustix::process::getuid().as_raw();
        Ok((stream, if own { Guard::Own } else { Guard::Stranger { uid } }))
    }
}

/// A loopback port.
#[derive(Debug)]
pub(super) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    guard: Arc<TcpGuard>,
}

impl Port {
    /// Listens at a loopback address; port 0 is any free one.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub(super) async fn bind(address: SocketAddr, token: Token) -> Result<Self, ListenError> {
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback { address });
        }
        let failure = |source| ListenError::Port { address, source };
        let listener = TcpListener::bind(address).await.map_err(failure)?;
        let address = listener.local_addr().map_err(failure)?;
        Ok(Self {
            listener,
            address,
            guard: Arc::new(TcpGuard::new(address, token)),
        })
    }

    /// Its base URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Listen for Port {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Guard)> {
        let (stream, _) = self.listener.accept().await?;
        // Without it an answer waits for the peer's delayed ack.
        stream.set_nodelay(true)?;
        Ok((stream, Guard::Tcp(self.guard.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/bob.sock");
        let socket = Socket::bind(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(Socket::bind(&path), Err(ListenError::InUse { .. })));
        let moved = dir.path().join("run/old.sock");
        std::fs::rename(&path, &moved).unwrap();
        let newer = Socket::bind(&path).unwrap();
        drop(socket);
        assert!(
            path.exists(),
            "an older process must not remove a newer one's socket"
        );
        drop(newer);
        assert!(!path.exists());
        std::fs::rename(&moved, &path).unwrap();
        assert!(Socket::bind(&path).is_ok(), "nobody answers there");
    }

    #[tokio::test]
    async fn the_folder_of_a_socket_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let _socket = Socket::bind(&folder.join("bob.sock")).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let elsewhere = Socket::bind(&link.join("carol.sock"));
        assert!(
            matches!(elsewhere, Err(ListenError::Folder { .. })),
            "{elsewhere:?}"
        );
    }

    #[tokio::test]
    async fn a_port_is_loopback_and_free() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::create(&dir.path().join("token")).unwrap();
        let any = Port::bind("127.0.0.1:0".parse().unwrap(), token.clone())
            .await
            .unwrap();
        assert!(any.url().starts_with("http://127.0.0.1:"), "{}", any.url());
        let taken = Port::bind(any.address, token.clone()).await;
        assert!(matches!(taken, Err(ListenError::Port { .. })));
        let open = Port::bind("0.0.0.0:0".parse().unwrap(), token).await;
        assert!(matches!(open, Err(ListenError::NotLoopback { .. })));
    }
}
