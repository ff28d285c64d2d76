//! The task that begins one session after another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use wagglebus_schemas::places::BusFile;

use super::RETRY_DELAY_MAX;
use super::backoff::Backoff;
use super::dial::{Address, dial};
use super::error::ConnectError;
use super::event::{Event, EventSink};
use super::session::Session;
use super::settings::Settings;
use super::subscription::Subscriptions;

/// A wish to close; answered when it is done.
pub(super) type Close = oneshot::Sender<()>;

/// How long what is queued may take to leave when closing.
const DRAIN_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Supervisor {
    settings: Arc<Settings>,
    addresses: Vec<Address>,
    events: EventSink,
    current: watch::Sender<Option<Session>>,
    subscriptions: Arc<Mutex<Subscriptions>>,
    closing: mpsc::Receiver<Close>,
    backoff: Backoff,
    sessions: u64,
}

/// Why waiting ended.
enum Next {
    Session(Session),
    /// Asked to close, or nobody holds the connection any more.
    Close(Option<Close>),
}

impl Supervisor {
    pub(super) fn new(
        settings: Arc<Settings>,
        events: EventSink,
        current: watch::Sender<Option<Session>>,
        subscriptions: Arc<Mutex<Subscriptions>>,
        closing: mpsc::Receiver<Close>,
    ) -> Result<Self, ConnectError> {
        let addresses = settings
            .urls
            .iter()
            .map(|url| Address::parse(url))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(ConnectError::config("server address", "none is given"));
        }
        let backoff = Backoff::new(settings.jitter_seed);
        Ok(Self {
            settings,
            addresses,
            events,
            current,
            subscriptions,
            closing,
            backoff,
            sessions: 0,
        })
    }

    /// Tries each address once. The error is the first that needs a person, else the last.
    pub(super) async fn try_all(&mut self) -> Result<Session, ConnectError> {
        self.find_bus();
        let mut worst: Option<ConnectError> = None;
        for address in &self.addresses {
            match dial(&self.settings, address, self.sessions + 1, &self.events).await {
                Ok(session) => {
                    self.sessions += 1;
                    return Ok(session);
                }
                Err(error) if worst.as_ref().is_none_or(ConnectError::heals) => worst = Some(error),
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or_else(|| ConnectError::config("server address", "none is given")))
    }

    /// Looks where the server of an `up` is now. A file that is away or unreadable leaves us where we were.
    fn find_bus(&mut self) {
        let Some(path) = &self.settings.bus_file else {
            return;
        };
        let bus = std::fs::read(path)
            .ok()
            .and_then(|text| serde_json::from_slice::<BusFile>(&text).ok());
        let Some(address) = bus.and_then(|bus| Address::parse(&bus.url).ok()) else {
            return;
        };
        self.addresses = vec![address];
    }

    /// Renews the subscriptions, then makes the session the current one, then tells of it.
    pub(super) async fn announce(&self, session: &Session) {
        let mut subscriptions = self.subscriptions.lock().await;
        subscriptions.renew(session).await;
        self.current.send_replace(Some(session.clone()));
        self.events.emit(Event::Connected {
            session: session.number(),
            server: session.server().clone(),
        });
    }

    pub(super) async fn run(mut self, first: Option<Session>) {
        let mut lasting = first;
        let done = loop {
            let session = match lasting.take() {
                Some(session) => session,
                None => match self.next_session().await {
                    Next::Session(session) => {
                        self.announce(&session).await;
                        session
                    }
                    Next::Close(done) => break done,
                },
            };
            let began = Instant::now();
            let close = tokio::select! {
                () = session.ended() => None,
                close = self.closing.recv() => Some(close),
            };
            self.current.send_replace(None);
            if let Some(done) = close {
                drain(&session).await;
                break done;
            }
            self.events.emit(Event::Disconnected {
                session: session.number(),
            });
            // A session that ends as soon as it began must not make us knock without pause.
            if began.elapsed() > RETRY_DELAY_MAX {
                self.backoff.reset();
            } else if let Some(done) = self.pause().await {
                break done;
            }
        };
        self.events.emit(Event::Closed);
        if let Some(done) = done {
            // Whoever asked may be gone.
            done.send(()).ok();
        }
    }

    async fn next_session(&mut self) -> Next {
        loop {
            let attempt = self.try_all().await;
            match attempt {
                Ok(session) => return Next::Session(session),
                Err(error) => self.events.emit(Event::Retrying { error }),
            }
            if let Some(done) = self.pause().await {
                return Next::Close(done);
            }
        }
    }

    /// Waits for the next attempt; something when asked to close instead.
    async fn pause(&mut self) -> Option<Option<Close>> {
        let wait = self.backoff.next();
        tokio::select! {
            () = tokio::time::sleep(wait) => None,
            close = self.closing.recv() => Some(close),
        }
    }
}

async fn drain(session: &Session) {
    if session.client().drain().await.is_ok()
        && tokio::time::timeout(DRAIN_WITHIN, session.ended()).await.is_err()
    {
        tracing::warn!("the connection did not close in time");
    }
}
