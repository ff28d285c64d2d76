//! A stream reader's end of the gate.

use tokio::sync::mpsc;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_sidecar_core::effect::Handed;
use wagglebus_sidecar_core::event::{Event, PaneNews, ReaderId};
use wagglebus_sidecar_core::inbox::pane::Nudge;
use wagglebus_sidecar_core::record::Key;

/// A message or notice for a stream reader.
#[derive(Debug)]
pub(crate) enum ReaderItem {
    /// A message; to be confirmed by [`Reader::injected`].
    Message { key: Key, handed: Box<Handed> },
    /// A receipt about a message of the agent's.
    Receipt(Box<Receipt>),
    /// Mail may wait for a pane: it is to be looked at.
    Look,
    /// A pane is to be told of waiting mail.
    Nudge(Nudge),
    /// A pane gives back what it has not begun to put in.
    Withdraw,
}

/// A stream reader; when it is dropped, what it holds goes back.
pub(crate) struct Reader {
    reader: ReaderId,
    items: mpsc::Receiver<ReaderItem>,
    endings: mpsc::UnboundedSender<Event>,
}

impl Reader {
    pub(super) const fn new(
        reader: ReaderId,
        items: mpsc::Receiver<ReaderItem>,
        endings: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            reader,
            items,
            endings,
        }
    }

    /// The next message or notice; `None` when the event loop has ended. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<ReaderItem> {
        self.items.recv().await
    }

    /// The bridge handed a message over and verified it.
    pub(crate) fn injected(&self, key: Key) {
        let reader = self.reader;
        self.endings.send(Event::Injected { reader, key }).ok();
    }

    /// What the bridge of a pane tells.
    pub(crate) fn pane(&self, news: PaneNews) {
        let reader = self.reader;
        self.endings.send(Event::Pane { reader, news }).ok();
    }

    /// Keeps what it holds, but takes nothing new while `paused`: its connection is gone and may come back.
    pub(crate) fn pause(&self, paused: bool) {
        let reader = self.reader;
        self.endings.send(Event::ReaderPaused { reader, paused }).ok();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.endings
            .send(Event::ReaderClosed { reader: self.reader })
            .ok();
    }
}
