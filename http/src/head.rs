//! What the head of a request says of its sender: the host it means, its token, and its own name for what it sends.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use wagglebus_schemas::error::ErrorCode;

use crate::answer::Refusal;

/// Longest idempotency key in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The host that a request means; `None` when it names none, or several.
pub fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none());
    host.and_then(|host| host.to_str().ok())
}

/// The bearer token that a request carries. Whoever compares it must take the same time wherever two tokens differ.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.split_once(' '))?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The caller's name for what it sends: a repeat under it is the same.
#[derive(Debug)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut keys = parts.headers.get_all("idempotency-key").iter();
        let Some(key) = keys.next() else {
            return Ok(Self(None));
        };
        let usable = |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len());
        match key.to_str().ok().filter(usable).filter(|_| keys.next().is_none()) {
            Some(key) => Ok(Self(Some(key.to_owned()))),
            None => Err(Refusal::new(
                ErrorCode::InvalidMessage,
                format!(
                    "Idempotency-Key is not usable: send it once, with 1 to {KEY_BYTES_MAX} visible ASCII characters"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Request};

    async fn key(values: &[&[u8]]) -> Result<Option<String>, ErrorCode> {
        let mut request = Request::post("/v1/messages").body(()).unwrap();
        for value in values {
            request
                .headers_mut()
                .append("Idempotency-Key", HeaderValue::from_bytes(value).unwrap());
        }
        let key = IdempotencyKey::from_request_parts(&mut request.into_parts().0, &()).await;
        key.map(|IdempotencyKey(key)| key)
            .map_err(|refusal| refusal.code())
    }

    #[tokio::test]
    async fn an_idempotency_key_is_short_visible_and_single() {
        assert_eq!(key(&[]).await, Ok(None));
        assert_eq!(key(&[b"order 7/a"]).await, Ok(Some("order 7/a".to_owned())));
        let long = vec![b'x'; KEY_BYTES_MAX + 1];
        for bad in [&[&b""[..]][..], &[b"a\tb\x80"], &[&long], &[b"a", b"b"]] {
            assert_eq!(key(bad).await, Err(ErrorCode::InvalidMessage), "{bad:?}");
        }
    }

    #[test]
    fn a_token_is_read_from_the_header_of_its_scheme() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(of("bearer  abc"), Some("abc".to_owned()));
        for bad in ["", "Bearer", "Bearer ", "Basic abc"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn a_host_is_named_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(host(&headers), None);
        headers.append(header::HOST, HeaderValue::from_static("localhost:80"));
        assert_eq!(host(&headers), Some("localhost:80"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(host(&headers), None);
    }
}
