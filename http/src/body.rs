//! Request bodies: JSON by declaration, uncompressed, bounded while they are read.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use wagglebus_schemas::error::ErrorCode;
use wagglebus_schemas::limits::LINE_BYTES_MAX;

use crate::answer::Refusal;

/// Most bytes that are read of a body that is refused for its size, so that its connection can go on.
const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a body may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// The bytes of a JSON body, at most [`LINE_BYTES_MAX`].
#[derive(Debug)]
pub struct JsonBody(pub Bytes);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        check_headers(request.headers())?;
        let reading = read(request.into_body());
        let late = || Refusal::new(ErrorCode::InvalidJson, "the body did not arrive in time").close();
        tokio::time::timeout(ARRIVES_WITHIN, reading)
            .await
            .unwrap_or_else(|_| Err(late()))
            .map(Self)
    }
}

/// The bytes of a JSON body that may be left out where no field of it is needed.
#[derive(Debug)]
pub struct MaybeJsonBody(pub Bytes);

impl<S: Sync> FromRequest<S> for MaybeJsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if request.body().is_end_stream() {
            return Ok(Self(Bytes::from_static(b"{}")));
        }
        let JsonBody(bytes) = JsonBody::from_request(request, state).await?;
        Ok(Self(bytes))
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse =
        |message: &str, hint: &str| Err(Refusal::new(ErrorCode::UnsupportedMediaType, message).hint(hint));
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|value| value.split(';').next()).map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return refuse(
            "the body is not declared as JSON",
            "send Content-Type: application/json",
        );
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refuse(
            "encoded bodies are not decoded here",
            "send the body without Content-Encoding",
        );
    }
    Ok(())
}

async fn read(mut body: Body) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > DRAINED_BYTES_MAX as u64 {
        return Err(too_large().close());
    }
    let (mut first, mut rest, mut total) = (Bytes::new(), BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::new(ErrorCode::InvalidJson, format!("the body broke off: {error}")).close()
        })?;
        let Ok(data) = frame.into_data() else { continue };
        total = total.saturating_add(data.len());
        if total > DRAINED_BYTES_MAX {
            return Err(too_large().close());
        }
        if total > LINE_BYTES_MAX {
            // Kept no longer, but read to its end: what follows on this connection is the next request.
            (first, rest) = (Bytes::new(), BytesMut::new());
        } else if first.is_empty() {
            // Nearly every body arrives in one piece, which needs no copy.
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    if total > LINE_BYTES_MAX {
        return Err(too_large());
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_large() -> Refusal {
    Refusal::new(
        ErrorCode::TooLarge,
        format!("the body is over the bound of {LINE_BYTES_MAX} bytes"),
    )
    .hint("send a reference to the text instead")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use futures::stream;

    fn pieces(pieces: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
    }

    async fn refused(body: Body) -> (ErrorCode, bool) {
        let refusal = read(body).await.unwrap_err();
        let code = refusal.code();
        (
            code,
            refusal.into_response().headers().contains_key(header::CONNECTION),
        )
    }

    #[tokio::test]
    async fn pieces_are_joined() {
        assert_eq!(read(pieces(vec![])).await.unwrap(), "");
        let body = pieces(vec![b"{".to_vec(), vec![], b"\"a\":".to_vec(), b"1}".to_vec()]);
        assert_eq!(read(body).await.unwrap(), "{\"a\":1}");
        let full = vec![b' '; LINE_BYTES_MAX];
        assert_eq!(read(pieces(vec![full.clone()])).await.unwrap(), full);
    }

    #[tokio::test]
    async fn a_body_over_the_bound_is_read_to_its_end_unless_it_has_none_in_sight() {
        let piece = vec![b' '; 64 * 1024];
        let over = pieces(vec![piece.clone(); LINE_BYTES_MAX / piece.len() + 1]);
        assert_eq!(refused(over).await, (ErrorCode::TooLarge, false));
        let endless = pieces(vec![piece.clone(); DRAINED_BYTES_MAX / piece.len() + 1]);
        assert_eq!(refused(endless).await, (ErrorCode::TooLarge, true));
        let announced = Body::from(vec![b' '; DRAINED_BYTES_MAX + 1]);
        assert_eq!(refused(announced).await, (ErrorCode::TooLarge, true));
    }

    #[test]
    fn only_plain_json_is_read() {
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        assert!(check_headers(&headers(&[("content-type", "application/json")])).is_ok());
        assert!(check_headers(&headers(&[("content-type", "Application/JSON; charset=utf-8")])).is_ok());
        for bad in [
            &[][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/jsonp")],
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            assert_eq!(
                check_headers(&headers(bad)).unwrap_err().code(),
                ErrorCode::UnsupportedMediaType
            );
        }
    }
}
