//! The bridge at work: takes messages and nudges from the machine, and puts them into the pane one at a time.

mod intake;

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use wagglebus_schemas::reason::HoldReason;
use wagglebus_schemas::state::SessionState;
use wagglebus_sidecar_core::event::{PaneNews, Standing};
use wagglebus_sidecar_core::inbox::Appetite;
use wagglebus_sidecar_core::record::Key;
use wagglebus_sidecar_core::terminal::inject::{Act, End, LATER_MS, hold_reason};
use wagglebus_sidecar_core::terminal::screen::Condition;

use super::job::{Job, What};
use super::listen::Listener;
use super::pane::{Look, Pane};
use super::progress::{ProgressFile, Stage};
use super::{Settings, standing_of};
use crate::clock;
use crate::gate::{Reader, ReaderItem};
use crate::shutdown::Shutdown;

/// How long the pane is looked at after the machine asked for it, in milliseconds.
const LOOKING_MS: u64 = 20_000;
/// How long the end of what is half done may take at a shutdown, in milliseconds.
const FINISH_MS: u64 = 3_000;
/// Time between two looks for the pane's program while nothing waits, in milliseconds.
const WATCH_MS: u64 = 3_000;
/// How old a look may be that the next paste goes by, in milliseconds: tmux compares once more.
const FRESH_MS: u64 = 100;

/// The bridge at work.
pub(super) struct Work {
    settings: Settings,
    pane: Pane,
    reader: Reader,
    listener: Option<Listener>,
    /// At most one message and one urgent, and a nudge.
    jobs: Vec<Job>,
    progress: ProgressFile,
    /// The last message that the program was given.
    submitted: Option<Key>,
    nudges: u64,
    last: Option<Look>,
    look_until_ms: u64,
    next_ms: u64,
    told: Option<Standing>,
}

impl Work {
    pub(super) fn new(settings: Settings, pane: Pane, reader: Reader, listener: Option<Listener>) -> Self {
        let progress = ProgressFile::new(&settings.state_folder);
        Self {
            settings,
            pane,
            reader,
            listener,
            jobs: Vec::new(),
            progress,
            submitted: None,
            nudges: 0,
            last: None,
            look_until_ms: 0,
            next_ms: 0,
            told: None,
        }
    }

    /// Works until the shutdown, or until the event loop has ended.
    pub(super) async fn run(mut self, mut shutdown: Shutdown, begun: oneshot::Sender<()>) {
        self.resume();
        // What stands there now is what was there before.
        self.watch().await;
        self.listen().await;
        // Who waited for that may have ended meanwhile.
        begun.send(()).ok();
        loop {
            let now_ms = clock::now().mono_ms;
            let at = Instant::now() + Duration::from_millis(self.next_ms.saturating_sub(now_ms));
            tokio::select! {
                biased;
                () = shutdown.begun() => break,
                item = self.reader.next() => match item {
                    Some(item) => self.take(item),
                    None => return,
                },
                () = sleep_until(at) => self.turn().await,
            }
        }
        self.finish().await;
    }

    fn is_active(&self, now_ms: u64) -> bool {
        !self.jobs.is_empty() || now_ms < self.look_until_ms || self.listener.is_some()
    }

    fn take(&mut self, item: ReaderItem) {
        let now_ms = clock::now().mono_ms;
        match item {
            ReaderItem::Message { key, handed } => self.accept(now_ms, key, &handed),
            ReaderItem::Nudge(nudge) => self.plan_nudge(now_ms, nudge),
            ReaderItem::Look => {
                self.look_until_ms = now_ms.saturating_add(LOOKING_MS);
                self.told = None;
            }
            ReaderItem::Withdraw => self.give_back_unbegun(),
            ReaderItem::Receipt(_) => return,
        }
        self.next_ms = now_ms;
    }

    /// What goes next: what is half done, else what is urgent, else messages before nudges.
    fn current(&self) -> Option<usize> {
        let rank = |job: &Job| {
            (
                job.injection.is_unbegun(),
                !job.urgent,
                matches!(job.what, What::Nudge(_)),
            )
        };
        (0..self.jobs.len()).min_by_key(|at| self.jobs.get(*at).map(rank))
    }

    async fn turn(&mut self) {
        let now_ms = clock::now().mono_ms;
        let pause_ms = if self.is_active(now_ms) {
            LATER_MS
        } else {
            WATCH_MS
        };
        self.next_ms = now_ms.saturating_add(pause_ms);
        self.listen().await;
        match self.current() {
            Some(at) => self.inject(at).await,
            None if now_ms < self.look_until_ms => {
                let quiet = self.last.take().filter(|last| self.pane.is_quiet(last));
                let look = match quiet {
                    Some(last) => last,
                    None => self.pane.look(None).await,
                };
                self.tell_standing(&look);
                if look.below_mode == Condition::Busy && self.pane.profile().quiet_ms > 0 {
                    self.next_ms = now_ms
                        .saturating_add(self.pane.profile().quiet_ms)
                        .min(self.next_ms);
                }
                self.last = Some(look);
            }
            None => {
                self.pane.rest();
                self.watch().await;
            }
        }
    }

    async fn listen(&mut self) {
        if let Some(listener) = &mut self.listener {
            listener.look(&mut self.pane).await;
        }
    }

    /// While nothing waits only who is there is of interest.
    async fn watch(&mut self) {
        let known_gone = self.told.map(|told| told.state == SessionState::Gone);
        if known_gone != Some(!self.pane.is_present().await) {
            let look = self.pane.look(None).await;
            self.tell_standing(&look);
            self.last = Some(look);
        }
    }

    /// Brings one text as far as it comes now.
    async fn inject(&mut self, at: usize) {
        let Some(mut job) = (at < self.jobs.len()).then(|| self.jobs.swap_remove(at)) else {
            return;
        };
        let mut look = self.first_look(&job).await;
        loop {
            let now_ms = clock::now().mono_ms;
            match job.injection.seen(now_ms, &look.sight) {
                Act::Paste => {
                    if !self.keep(&mut job, Stage::Pasting) {
                        self.next_ms = now_ms.saturating_add(LATER_MS);
                        break;
                    }
                    if let Some(listener) = &mut self.listener {
                        listener.expect(job.fence, &job.text);
                    }
                    let pasted = self
                        .pane
                        .paste(&look, job.fence, &job.text, &job.expected())
                        .await;
                    job.injection.pasted(clock::now().mono_ms, pasted.0);
                    look = pasted.1;
                    if pasted.0 == Some(false) {
                        self.progress.clear();
                        self.next_ms = now_ms.saturating_add(LATER_MS);
                        break;
                    }
                }
                Act::Enter => {
                    if !self.keep(&mut job, Stage::Entering) {
                        self.next_ms = now_ms.saturating_add(LATER_MS);
                        break;
                    }
                    let entered = self.pane.enter(&look, &job.expected()).await;
                    job.injection.entered(clock::now().mono_ms, entered.0);
                    look = entered.1;
                    if entered.0 == Some(false) {
                        self.next_ms = now_ms.saturating_add(LATER_MS);
                        break;
                    }
                }
                Act::LeaveMode => look = self.pane.leave_mode(Some(&job.expected())).await,
                Act::LookAt(at_ms) => {
                    self.next_ms = at_ms;
                    break;
                }
                Act::End(end) => {
                    self.ended(job, end);
                    self.tell_standing(&look);
                    // While the machine fetches the next message.
                    self.last = self.pane.look_ahead().await.or(Some(look));
                    self.next_ms = now_ms;
                    return;
                }
            }
        }
        self.tell_hold(&mut job);
        if job.injection.is_unbegun() {
            self.tell_standing(&look);
        }
        self.last = Some(look);
        self.jobs.push(job);
    }

    /// The look that a text goes by: a fresh one, unless the last one is from a moment ago, or shows that it must wait,
    /// and no screen has changed since.
    async fn first_look(&mut self, job: &Job) -> Look {
        let expected = job.expected();
        let last = self.last.take().filter(|last| {
            let free = hold_reason(last.sight.condition).is_none();
            let known = self.pane.is_quiet(last) && (!free || last.is_fresh(FRESH_MS));
            job.injection.is_unbegun() && known
        });
        match last {
            Some(last) => last.for_another(),
            None => self.pane.look(Some(&expected)).await,
        }
    }

    /// Keeps a step before it is taken.
    fn keep(&mut self, job: &mut Job, stage: Stage) -> bool {
        job.progress.stage = stage;
        let kept = self.progress.store(&job.progress);
        if let Err(error) = &kept {
            tracing::error!(%error, "nothing is put into the pane: its progress cannot be written");
        }
        kept.is_ok()
    }

    fn ended(&mut self, mut job: Job, end: End) {
        match end {
            End::Injected => {
                self.keep(&mut job, Stage::Submitted);
                match job.what {
                    What::Message(key) => {
                        self.submitted = Some(key.clone());
                        self.reader.injected(key);
                    }
                    What::Former(key) => self.submitted = Some(key),
                    What::Nudge(number) => self.reader.pane(PaneNews::Nudged { number }),
                }
            }
            End::Lost => {
                self.progress.clear();
                // What only a former process may have pasted was nowhere to be seen: that process's hand-over counts,
                // and this one's does not. Else three processes that are killed at a bad time make a dead letter.
                let untouched = job.is_of_former();
                match job.what {
                    What::Message(key) => {
                        tracing::warn!(id = %key.id, "a message did not arrive in the pane and comes again");
                        self.reader.pane(PaneNews::Returns { key, untouched });
                    }
                    What::Former(_) => {}
                    What::Nudge(number) => self.reader.pane(PaneNews::Nudged { number }),
                }
            }
        }
    }

    fn tell_hold(&mut self, job: &mut Job) {
        let hold: Option<HoldReason> = job.injection.hold(clock::now().mono_ms);
        if let What::Message(key) = &job.what
            && job.told != hold
        {
            job.told = hold;
            let (key, reason) = (key.clone(), hold);
            self.reader.pane(PaneNews::Holds { key, reason });
        }
    }

    /// Tells what the pane can be given, and again while the machine waits for that. Once it can be given everything it
    /// need not be looked at any more.
    fn tell_standing(&mut self, look: &Look) {
        let standing = standing_of(look.below_mode);
        if standing.appetite == Appetite::Any {
            self.look_until_ms = 0;
        }
        let pid = (standing.state != SessionState::Gone).then(|| self.pane.leader_pid());
        self.settings
            .program_state
            .send_if_modified(|known| std::mem::replace(known, pid) != pid);
        // What is not nothing counts for a moment only, and is told each time.
        if self.told != Some(standing) || standing.appetite != Appetite::None {
            self.told = Some(standing);
            self.reader.pane(PaneNews::Seen(standing));
        }
    }

    /// At the shutdown: what was begun is brought to its end, and what was not goes back as it came.
    async fn finish(mut self) {
        self.reader.pause(true);
        let until_ms = clock::now().mono_ms.saturating_add(FINISH_MS);
        while let Some(at) = self.current()
            && self.jobs.get(at).is_some_and(|job| !job.injection.is_unbegun())
            && clock::now().mono_ms < until_ms
        {
            let pause_ms = self.next_ms.saturating_sub(clock::now().mono_ms);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            self.inject(at).await;
        }
        self.give_back_unbegun();
    }
}
