//! One reader of the feed: its place, what it asked for, and what happens to it next.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use wagglebus_coordinator_core::feed::{Ask, Filter, Gap, Item, Place, Position, View};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::feed::FeedKind;

use super::hub::{Gone, Hub, Seat};
use super::replay::{self, Replayed};

/// Time between two signs of life.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Records that are looked at for one answer.
const RECORDS_MAX: usize = 256;
/// Bytes after which an answer is long enough; the last record may be longer.
const BYTES_MAX: usize = 64 * 1024;

/// What happens to a reader.
#[derive(Debug)]
pub(crate) enum Happening {
    /// There is something to be shown; never empty.
    Shown(Vec<Shown>),
    /// Nothing to be shown for a while: a sign of life. The reader is there now; and if it was told another position
    /// before, this is so.
    Ping(Position, bool),
    /// It cannot be told what comes next: the reader has to begin anew from its last position.
    Ended,
}

/// Something that is shown.
#[derive(Debug)]
pub(crate) enum Shown {
    /// An event, and the position behind it.
    Event(Position, Arc<Item>),
    /// Events are missing before this position.
    Gap(Position, Gap),
    /// Counters.
    Metric(Value),
}

/// A reader. Dropped, it has left.
#[derive(Debug)]
pub(crate) struct Reader {
    hub: Arc<Hub>,
    view: View,
    /// None: nothing is wanted at present.
    filter: Option<Filter>,
    place: Place,
    turns: watch::Receiver<u64>,
    replay: Option<mpsc::Receiver<Replayed>>,
    /// The last position that the reader was told.
    told: Position,
    ping_at: Instant,
    /// Counters are due.
    counts: bool,
    _seat: Seat,
}

impl Reader {
    /// A reader that may see so much, and asks for this.
    ///
    /// # Errors
    /// When there are too many, or the streams cannot be read.
    pub(crate) async fn open(hub: &Arc<Hub>, view: View, ask: Ask) -> Result<Self, ErrorDetail> {
        let turns = hub.turns();
        let (seat, place, is_near) = hub.seat(ask.after).await?;
        let counts = ask.filter.names(FeedKind::Metric);
        Ok(Self {
            hub: hub.clone(),
            view,
            filter: Some(ask.filter),
            place,
            turns,
            replay: (!is_near).then(|| replay::start(hub.clone(), place.position())),
            told: place.position(),
            ping_at: Instant::now() + PING_EVERY,
            counts,
            _seat: seat,
        })
    }

    /// Where it is.
    pub(crate) const fn position(&self) -> Position {
        self.place.position()
    }

    /// Asks for something else, from where it is or from somewhere else on; for nothing with `None`.
    pub(crate) fn ask(&mut self, ask: Option<Ask>) {
        let Some(Ask { filter, after }) = ask else {
            self.filter = None;
            return;
        };
        self.counts = filter.names(FeedKind::Metric);
        self.filter = Some(filter);
        if let Some(after) = after {
            self.place = Place::after(after);
            self.replay = Some(replay::start(self.hub.clone(), after));
        }
    }

    /// What happens next. Cancel-safe: what was not returned is still to come.
    pub(crate) async fn next(&mut self) -> Happening {
        loop {
            if std::mem::take(&mut self.counts) && self.filter.as_ref().is_some_and(Filter::takes_metrics) {
                return Happening::Shown(vec![Shown::Metric(self.hub.counters())]);
            }
            let shown = match &mut self.replay {
                Some(replay) => {
                    let mut replayed = Vec::new();
                    tokio::select! {
                        _ = replay.recv_many(&mut replayed, RECORDS_MAX) => {}
                        () = sleep_until(self.ping_at) => return self.ping(),
                    }
                    self.replayed(replayed)
                }
                None => {
                    // Marked before the look: what comes after it makes another turn.
                    self.turns.mark_unchanged();
                    match self.look() {
                        Ok((is_all, shown)) if !is_all || !shown.is_empty() => shown,
                        Ok(_) => {
                            let turned = tokio::select! {
                                turned = self.turns.changed() => turned,
                                () = sleep_until(self.ping_at) => return self.ping(),
                            };
                            if turned.is_err() {
                                return Happening::Ended;
                            }
                            continue;
                        }
                        Err(Gone) => return Happening::Ended,
                    }
                }
            };
            if let Some(last) = shown.last() {
                if let Shown::Event(position, _) | Shown::Gap(position, _) = last {
                    self.told = *position;
                }
                return Happening::Shown(shown);
            }
            if Instant::now() >= self.ping_at {
                return self.ping();
            }
        }
    }

    /// What the hub has for this reader, and whether that is all.
    fn look(&mut self) -> Result<(bool, Vec<Shown>), Gone> {
        let (mut shown, mut bytes) = (Vec::new(), 0);
        while bytes < BYTES_MAX && shown.len() < RECORDS_MAX {
            // One by one, so that the bytes are bounded.
            let mut next = None;
            let taken = self.hub.take(&mut self.place, 1, |position, item| {
                next = Some((position, item.clone()));
            })?;
            if let Some((position, item)) = next.filter(|(_, item)| self.wants(item)) {
                bytes += item.body.len();
                shown.push(Shown::Event(position, item));
            }
            match taken {
                Ok(0) => return Ok((true, shown)),
                Ok(_) => {}
                Err(_) => {
                    if shown.is_empty() {
                        let after = self.place.position();
                        self.replay = Some(replay::start(self.hub.clone(), after));
                    }
                    return Ok((false, shown));
                }
            }
        }
        Ok((false, shown))
    }

    /// What a replay gave; nothing where it ended too early.
    fn replayed(&mut self, replayed: Vec<Replayed>) -> Vec<Shown> {
        if replayed.is_empty() {
            self.replay = Some(replay::start(self.hub.clone(), self.place.position()));
        }
        let mut shown = Vec::new();
        for replayed in replayed {
            let mut position = self.place.position();
            match replayed {
                Replayed::Record(source, seq, item) => {
                    let is_new = position.advance(source, seq);
                    if let Some(item) = item.filter(|item| is_new && self.wants(item)) {
                        shown.push(Shown::Event(position, item));
                    }
                }
                Replayed::Gap(source, seq, gap) => {
                    position.set(source, seq);
                    if self.filter.is_some() {
                        shown.push(Shown::Gap(position, gap));
                    }
                }
                Replayed::Done => self.replay = None,
            }
            self.place = Place::after(position);
        }
        shown
    }

    fn wants(&self, item: &Item) -> bool {
        self.view.may_see(item) && self.filter.as_ref().is_some_and(|filter| filter.takes(item))
    }

    fn ping(&mut self) -> Happening {
        self.ping_at = Instant::now() + PING_EVERY;
        self.counts = true;
        let position = self.place.position();
        let moved = std::mem::replace(&mut self.told, position) != position;
        Happening::Ping(position, moved)
    }
}
