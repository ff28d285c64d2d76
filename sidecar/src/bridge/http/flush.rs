//! Proof of a write: tells when bytes that an answer streams have left this process.
//!
//! The HTTP library buffers. It flushes its connection only once its buffer is empty, so a flush proves that everything
//! which was taken from an answer's body before is with the system.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is to be told at the next flush.
type Notice = Box<dyn FnOnce() + Send>;

/// The flushes of one connection.
#[derive(Clone, Default)]
pub(super) struct Flushes(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Spares the lock on connections where nobody waits.
    any: AtomicBool,
    notices: Mutex<Vec<Notice>>,
}

impl Flushes {
    /// Calls `notice` when what was given to the connection so far is written. Never, when the connection breaks.
    pub(super) fn once_written(&self, notice: impl FnOnce() + Send + 'static) {
        self.lock().push(Box::new(notice));
        self.0.any.store(true, Ordering::Release);
    }

    /// Lets the handler of a request know the flushes of its connection.
    pub(super) fn lend_to<B>(&self, request: &mut Request<B>) {
        request.extensions_mut().insert(self.clone());
    }

    fn flushed(&self) {
        if self.0.any.swap(false, Ordering::Acquire) {
            let notices = std::mem::take(&mut *self.lock());
            notices.into_iter().for_each(|notice| notice());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Notice>> {
        // Nothing panics while it is held.
        self.0.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that tells its flushes.
pub(super) struct Flushed<S> {
    stream: S,
    flushes: Flushes,
}

impl<S> Flushed<S> {
    pub(super) fn new(stream: S) -> (Self, Flushes) {
        let flushes = Flushes::default();
        (
            Self {
                stream,
                flushes: flushes.clone(),
            },
            flushes,
        )
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flushed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flushed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.flushes.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn a_notice_comes_with_the_flush_and_once() {
        let (mut stream, flushes) = Flushed::new(tokio::io::sink());
        let told = Arc::new(Mutex::new(0));
        let count = told.clone();
        flushes.once_written(move || *count.lock().unwrap() += 1);
        stream.write_all(b"x").await.unwrap();
        assert_eq!(*told.lock().unwrap(), 0);
        stream.flush().await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(*told.lock().unwrap(), 1);
    }
}
