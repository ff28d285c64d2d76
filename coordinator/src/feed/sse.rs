//! The feed as server-sent events.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use wagglebus_coordinator_core::feed::frame;

use super::reader::{Happening, Reader, Shown};

/// A stream of events until `end` resolves. Nothing is read ahead: what a client does not take is not even looked for.
pub(crate) fn events(reader: Reader, end: impl Future<Output = ()> + Send + 'static) -> Response {
    let first = Bytes::from(frame::open(reader.position()));
    let all = stream::iter([first])
        .chain(shown(reader))
        .map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(all.take_until(Box::pin(end))));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn shown(reader: Reader) -> impl Stream<Item = Bytes> {
    stream::unfold(reader, |mut reader| async {
        let bytes = bytes(reader.next().await)?;
        Some((bytes, reader))
    })
}

/// None when the stream has to end.
fn bytes(happening: Happening) -> Option<Bytes> {
    let mut out = Vec::new();
    match happening {
        Happening::Shown(all) => {
            for shown in all {
                match shown {
                    Shown::Event(position, item) => frame::event(&mut out, position, &item),
                    Shown::Gap(position, gap) => frame::gap(&mut out, position, &gap),
                    Shown::Metric(counters) => frame::metric(&mut out, &counters),
                }
            }
        }
        Happening::Ping(position, moved) => frame::ping(&mut out, moved.then_some(position)),
        Happening::Ended => return None,
    }
    Some(out.into())
}
