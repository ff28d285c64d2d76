//! Where the API listens: each coordinator at a free port or where it is told to, the leader also at a port that is known.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::net::TcpListener;

use crate::failure::Failure;

/// Where a standby listens unless told otherwise: the system chooses the port.
const ANY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
/// Where the leader listens unless told otherwise.
pub(super) const LEADER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7788));

/// A listener that is not served yet.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// Whether the leader listens at its known port, too.
    pub(crate) leader_port: bool,
}

/// Begins to listen at `address`; without one at a free port, and at the known one while leading.
pub(crate) async fn listen(address: Option<SocketAddr>) -> Result<Listening, Failure> {
    let wanted = address.unwrap_or(ANY);
    let failure = |source| Failure::Listen {
        address: wanted,
        source,
    };
    let listener = TcpListener::bind(wanted).await.map_err(failure)?;
    Ok(Listening {
        address: listener.local_addr().map_err(failure)?,
        listener,
        leader_port: address.is_none(),
    })
}
