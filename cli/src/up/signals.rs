//! Wishes that something that runs on ends in good order.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::failure::Failure;

/// Where such wishes come from.
#[derive(Debug)]
pub(crate) struct End {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// The end of standard input, where that counts.
    input: Option<oneshot::Receiver<Infallible>>,
}

/// A wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// SIGINT, whose exit code is its own.
    Interrupt,
    /// Any other.
    Stop,
}

impl Wish {
    /// How the process reports it.
    pub(crate) fn failure(self) -> Option<Failure> {
        (self == Self::Interrupt).then(Failure::interrupted)
    }
}

impl End {
    /// Listens to SIGINT, SIGTERM and SIGHUP, and with `bound` to the end of standard input.
    pub(crate) fn listen(bound: bool) -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed("signals cannot be received").why(error.to_string()))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            input: bound.then(end_of_input),
        })
    }

    /// The first wish.
    pub(crate) async fn wished(mut self) -> Wish {
        let input = async {
            match &mut self.input {
                // Its sender does nothing but end.
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Interrupt,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Stop,
            () = input => Wish::Stop,
        }
    }
}

/// The signal by which `attach` and `detach` say that attachments changed.
pub(crate) fn attachments() -> Result<Signal, Failure> {
    signal(SignalKind::user_defined1())
        .map_err(|error| Failure::failed("signals cannot be received").why(error.to_string()))
}

/// A thread of its own, because the runtime would wait at its end for a read that never returns.
fn end_of_input() -> oneshot::Receiver<Infallible> {
    let (ended, end) = oneshot::channel::<Infallible>();
    std::thread::spawn(move || {
        // An input that cannot be read has ended as well.
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        drop(ended);
    });
    end
}
