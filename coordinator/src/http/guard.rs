//! Under which name we are called, and from which page: decided before anything else of a request is looked at.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use wagglebus_http::Refusal;
use wagglebus_http::head::host;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

/// Lets requests through that mean us.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => Refusal::from(error).into_response(),
    }
}

fn check(headers: &HeaderMap) -> Result<(), ErrorDetail> {
    let Some(host) = host(headers).filter(|host| is_loopback_host(host)) else {
        // A page whose name was made to resolve to this machine is stopped here.
        return Err(
            ErrorDetail::new(ErrorCode::ForbiddenHost, "this host name is not ours")
                .hint("name 127.0.0.1, [::1] or localhost in the Host header"),
        );
    };
    for origin in headers.get_all(header::ORIGIN) {
        let ours = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"));
        if !ours.is_some_and(|ours| ours.eq_ignore_ascii_case(host)) {
            let message = "pages of other origins may not use this API";
            return Err(
                ErrorDetail::new(ErrorCode::ForbiddenOrigin, message).hint("programs send no Origin header")
            );
        }
    }
    Ok(())
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&'static str, &str)]) -> Option<ErrorCode> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        headers.extend(pairs.map(|(name, value): (header::HeaderName, _)| (Some(name), value)));
        check(&headers).err().map(|error| error.code)
    }

    #[test]
    fn only_names_of_this_machine_are_ours() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:80",
            "LocalHost:7788",
            "[::1]",
            "[::1]:7788",
        ] {
            assert_eq!(refused(&[("host", host)]), None, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost:x",
        ] {
            assert_eq!(
                refused(&[("host", host)]),
                Some(ErrorCode::ForbiddenHost),
                "{host}"
            );
        }
        assert_eq!(refused(&[]), Some(ErrorCode::ForbiddenHost));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(refused(&two), Some(ErrorCode::ForbiddenHost));
    }

    #[test]
    fn only_our_own_page_may_ask() {
        let from = |origin| refused(&[("host", "localhost:7788"), ("origin", origin)]);
        assert_eq!(from("http://localhost:7788"), None);
        for origin in [
            "null",
            "http://localhost:3000",
            "https://localhost:7788",
            "http://127.0.0.1:7788",
            "http://evil.example",
        ] {
            assert_eq!(from(origin), Some(ErrorCode::ForbiddenOrigin), "{origin}");
        }
    }
}
