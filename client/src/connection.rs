//! One HTTP/1.1 connection: dialled, used for one exchange at a time, kept for the next.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::endpoint::Endpoint;

/// How long a dial may take. The other end is on this machine.
const DIAL_WITHIN: Duration = Duration::from_secs(2);

/// An open connection without a request on it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// Why an exchange on a connection failed.
#[derive(Debug)]
pub(crate) struct Broken {
    /// What hyper said.
    pub(crate) source: hyper::Error,
    /// Whether the request may have reached the other end.
    pub(crate) sent: bool,
}

impl Connection {
    /// Dials the endpoint.
    pub(crate) async fn dial(endpoint: &Endpoint) -> io::Result<Self> {
        let dial = async {
            match endpoint {
                Endpoint::Unix(path) => Self::over(UnixStream::connect(path).await?).await,
                Endpoint::Tcp { authority, .. } => {
                    let stream = TcpStream::connect(authority).await?;
                    // Requests are small and wait for their answer: Nagle would only delay them.
                    stream.set_nodelay(true)?;
                    Self::over(stream).await
                }
            }
        };
        timeout(DIAL_WITHIN, dial)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn over<S>(stream: S) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends with the sender; its error is also the error of the exchange that is under way.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self { sender })
    }

    /// Whether the other end has closed it, as far as is known.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends the request and waits for the head of the answer.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Broken> {
        if let Err(source) = self.sender.ready().await {
            return Err(Broken { source, sent: false });
        }
        self.sender.try_send_request(request).await.map_err(|mut error| {
            let sent = error.take_message().is_none();
            Broken {
                source: error.into_error(),
                sent,
            }
        })
    }
}
