//! What the machine hands to the bridge becomes a text on its way.

use wagglebus_schemas::limits::MESSAGE_BYTES_MAX;
use wagglebus_schemas::{Message, Priority, decode};
use wagglebus_sidecar_core::effect::Handed;
use wagglebus_sidecar_core::event::PaneNews;
use wagglebus_sidecar_core::inbox::pane::Nudge;
use wagglebus_sidecar_core::record::Key;
use wagglebus_sidecar_core::terminal::fence::Fence;
use wagglebus_sidecar_core::terminal::frame::Framing;
use wagglebus_sidecar_core::terminal::inject::Injection;
use wagglebus_sidecar_core::terminal::profile::InputRule;

use super::Work;
use crate::bridge::tmux::job::{Job, What};
use crate::bridge::tmux::progress::Stage;
use crate::clock;

impl Work {
    /// Goes on with what a former process had begun.
    pub(super) fn resume(&mut self) {
        let Some(progress) = self.progress.load(&self.settings.secret) else {
            return self.progress.clear();
        };
        if progress.stage == Stage::Submitted {
            self.submitted = progress.key;
            return;
        }
        let fence = progress.fence(&self.settings.secret);
        let entered = progress.stage == Stage::Entering;
        let injection = Injection::resumed(clock::now().mono_ms, progress.urgent, entered);
        self.jobs.push(Job::former(progress, fence, injection));
    }

    pub(super) fn accept(&mut self, now_ms: u64, key: Key, handed: &Handed) {
        if self.submitted.as_ref() == Some(&key) {
            // A former process had come so far and could not say so.
            return self.reader.injected(key);
        }
        let former = What::Former(key.clone());
        if let Some(job) = self.jobs.iter_mut().find(|job| job.what == former) {
            job.what = What::Message(key);
            return;
        }
        // The machine has decoded it before, so it can be read, and has seen that it fits.
        let message: Result<Message, _> = decode::record("message", &handed.raw, MESSAGE_BYTES_MAX);
        let fence = Fence::of_message(&self.settings.secret, &key);
        let text = message.as_ref().ok().and_then(|message| {
            let framing = self.framing();
            framing.message(fence, message, handed.redelivered)
        });
        let (Ok(message), Some(text)) = (message, text) else {
            tracing::error!(id = %key.id, "a message cannot be shown in the pane; please report this");
            return self.reader.pane(PaneNews::Returns {
                key,
                untouched: false,
            });
        };
        let urgent = message.priority == Priority::Urgent;
        let injection = self.injection(now_ms, urgent, &text);
        let job = Job::new(What::Message(key), urgent, 0, (fence, text), injection);
        if urgent {
            self.jobs.iter_mut().for_each(|job| job.injection.hasten());
        }
        self.jobs.push(job);
    }

    /// What was not begun goes back as it came.
    pub(super) fn give_back_unbegun(&mut self) {
        let (unbegun, begun) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|job| matches!(job.what, What::Message(_)) && job.injection.is_unbegun());
        self.jobs = begun;
        let unbegun: Vec<Job> = unbegun;
        for job in unbegun {
            if let What::Message(key) = job.what {
                self.reader.pane(PaneNews::Returns { key, untouched: true });
            }
        }
    }

    pub(super) fn plan_nudge(&mut self, now_ms: u64, nudge: Nudge) {
        let is_unbegun_nudge = |job: &Job| matches!(job.what, What::Nudge(_)) && job.injection.is_unbegun();
        self.jobs.retain(|job| !is_unbegun_nudge(job));
        let mail = nudge.mail;
        if mail.waiting == 0 || self.jobs.iter().any(|job| matches!(job.what, What::Nudge(_))) {
            return;
        }
        self.nudges = self.nudges.saturating_add(1);
        // Unlike a message a nudge is another one after a restart.
        let number = self.settings.life.wrapping_add(self.nudges);
        let fence = Fence::of_nudge(&self.settings.secret, number);
        let text = self.framing().nudge(fence, mail.waiting, mail.urgent);
        let urgent = mail.urgent > 0;
        let injection = self.injection(now_ms, urgent, &text);
        self.jobs.push(Job::new(
            What::Nudge(nudge.number),
            urgent,
            number,
            (fence, text),
            injection,
        ));
    }

    fn framing(&self) -> Framing<'_> {
        Framing {
            form: self.pane.profile().form,
            verified: self.settings.verified,
            me: &self.settings.me,
            program: &self.settings.program,
            reads_output: self.listener.is_some(),
        }
    }

    fn injection(&self, now_ms: u64, urgent: bool, text: &str) -> Injection {
        let profile = self.pane.profile();
        let delay_ms = profile.enter_delay.for_bytes(text.len());
        let reads_lines = matches!(profile.input, InputRule::Cursor(_));
        Injection::new(now_ms, urgent, delay_ms, reads_lines)
    }
}
