//! Who may speak: decided for each request before anything else of it is looked at (RELIABILITY 4).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use wagglebus_http::head::host;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::token::Token;

/// What guards the requests of one connection.
#[derive(Debug, Clone)]
pub(super) enum Guard {
    /// The socket's peer is a process of this user.
    Own,
    /// The socket's peer is a process of another user.
    Stranger {
        /// That user.
        uid: u32,
    },
    /// TCP, where a peer has no user.
    Tcp(Arc<TcpGuard>),
}

/// What a request over TCP must carry.
#[derive(Debug)]
pub(super) struct TcpGuard {
    hosts: Vec<String>,
    token: Token,
}

impl TcpGuard {
    /// Guards a listener at this address.
    pub(super) fn new(address: SocketAddr, token: Token) -> Self {
        Self {
            hosts: vec![address.to_string(), format!("localhost:{}", address.port())],
            token,
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), ErrorDetail> {
        if !host(headers).is_some_and(|host| self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))) {
            // A page whose name was made to resolve to this machine is stopped here.
            return Err(
                ErrorDetail::new(ErrorCode::ForbiddenHost, "this host name is not ours")
                    .hint(format!("use one of {}", self.hosts.join(", "))),
            );
        }
        if !self.token.is_in(headers) {
            return Err(ErrorDetail::new(ErrorCode::Unauthorized, "no valid token").hint(
                "send Authorization: Bearer with the text of token_file in <run folder>/<hive>/<agent>.json",
            ));
        }
        Ok(())
    }
}

impl Guard {
    /// Refuses a request that may not be here.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ErrorDetail> {
        if headers.contains_key(header::ORIGIN) {
            return Err(
                ErrorDetail::new(ErrorCode::ForbiddenOrigin, "web pages may not use this API")
                    .hint("programs send no Origin header"),
            );
        }
        match self {
            Self::Own => Ok(()),
            Self::Stranger { uid } => {
                let message = format!("this socket belongs to another user than {uid}");
                Err(ErrorDetail::new(ErrorCode::Forbidden, message))
            }
            Self::Tcp(guard) => guard.check(headers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(guard: &Guard, pairs: &[(&'static str, &str)]) -> Option<ErrorCode> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        guard
            .check(&HeaderMap::from_iter(pairs))
            .err()
            .map(|error| error.code)
    }

    #[test]
    fn a_request_over_tcp_needs_our_name_and_our_token_and_no_page() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::create(&dir.path().join("token")).unwrap();
        let text = std::fs::read_to_string(dir.path().join("token")).unwrap();
        let bearer = format!("Bearer {}", text.trim());
        let guard = Guard::Tcp(Arc::new(TcpGuard::new("127.0.0.1:7700".parse().unwrap(), token)));
        let with = |host: &str| refused(&guard, &[("host", host), ("authorization", &bearer)]);
        assert_eq!(with("127.0.0.1:7700"), None);
        assert_eq!(with("LOCALHOST:7700"), None);
        for host in [
            "127.0.0.1",
            "127.0.0.1:7701",
            "evil.example:7700",
            "evil.example",
            "127.0.0.1:7700.evil.example",
        ] {
            assert_eq!(with(host), Some(ErrorCode::ForbiddenHost), "{host}");
        }
        assert_eq!(
            refused(&guard, &[("authorization", &bearer)]),
            Some(ErrorCode::ForbiddenHost)
        );
        assert_eq!(
            refused(&guard, &[("host", "127.0.0.1:7700")]),
            Some(ErrorCode::Unauthorized)
        );
        let page = [
            ("host", "127.0.0.1:7700"),
            ("authorization", &bearer),
            ("origin", "http://127.0.0.1:7700"),
        ];
        assert_eq!(refused(&guard, &page), Some(ErrorCode::ForbiddenOrigin));
    }

    #[test]
    fn the_socket_serves_its_own_user_only() {
        assert_eq!(refused(&Guard::Own, &[("host", "anything")]), None);
        assert_eq!(
            refused(&Guard::Own, &[("origin", "null")]),
            Some(ErrorCode::ForbiddenOrigin)
        );
        assert_eq!(
            refused(&Guard::Stranger { uid: 7 }, &[]),
            Some(ErrorCode::Forbidden)
        );
    }
}
