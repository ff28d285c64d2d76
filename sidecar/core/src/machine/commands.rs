//! Commands about tasks: spooled like messages, decided by the coordinator, answered with its verdict.

use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::level::ReceiptLevel;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Command, Id, Priority};

use super::Sidecar;
use super::publishing::refusal;
use super::sending::{conflict, digest, encode, spool_full};
use super::waiting::{Waiter, commanded};
use crate::command::{CommandRequest, TaskCommand};
use crate::context::Context;
use crate::effect::{Answer, Effect};
use crate::record::{Closed, Out, OutKind, Record};

impl Sidecar {
    pub(super) fn command(&mut self, cx: &mut Context<'_>, request: CommandRequest) {
        let token = request.token;
        if let Err(error) = self.try_command(cx, request) {
            cx.ask(Effect::Answer {
                token,
                answer: Answer::Error(error),
            });
        }
    }

    fn try_command(&mut self, cx: &mut Context<'_>, request: CommandRequest) -> Result<(), ErrorDetail> {
        let CommandRequest {
            token,
            mut command,
            idempotency_key,
            timeout_ms,
        } = request;
        self.check_may(command.verb())?;
        command.check()?;
        let mut waiter = Waiter {
            token,
            wait: None,
            since_ms: cx.now.mono_ms,
            deadline_ms: cx.now.mono_ms.saturating_add(timeout_ms),
            position: 0,
            duplicate: false,
            unverified: false,
            verdict: true,
        };
        let id = self.identify(cx, command.take_id(), idempotency_key.as_deref())?;
        let verb = command.verb();
        let digest = match &command {
            TaskCommand::Submit(draft) => digest(&(verb, draft)),
            TaskCommand::Verb { command, .. } => digest(&(verb, command)),
        };
        if let Some(entry) = self.ledger.sent(&id) {
            let known = entry.head.as_ref().map(|head| head.digest);
            if known != Some(digest) {
                return Err(conflict(format!(
                    "id {id} was used before for another command or message"
                )));
            }
            waiter.duplicate = true;
            waiter.position = self.waiters.position_of(&id);
            return self.verdict_or_wait(cx, id, waiter);
        }
        self.check_accepting()?;
        let (priority, body) = match command {
            TaskCommand::Submit(mut draft) => {
                draft.id = Some(id);
                (draft.priority, encode(&draft)?)
            }
            TaskCommand::Verb { mut command, .. } => {
                command.id = Some(id);
                self.fill_in_epoch(verb, &mut command)?;
                (self.priority_of(verb, &command), encode(&command)?)
            }
        };
        let from = self.settings.identity.agent.clone();
        let subject = Subject::Task { verb, priority, from };
        let out = Out {
            priority,
            event_type: format!("io.wagglebus.task.v1.{verb}"),
            digest,
            idempotency_key,
            ..self.bus_record(cx, id, OutKind::Command, &subject, "task")
        };
        self.check_room(body.len()).map_err(spool_full)?;
        waiter.position = self.accept(cx, out, body).map_err(spool_full)?;
        self.waiters.accepted(id, waiter.position);
        self.wait(cx, id, waiter);
        Ok(())
    }

    /// A command that is known already: whoever gave it gets the same answer.
    fn verdict_or_wait(&mut self, cx: &mut Context<'_>, id: Id, waiter: Waiter) -> Result<(), ErrorDetail> {
        let closed = self.ledger.sent(&id).and_then(|entry| entry.closed);
        if closed == Some(Closed::Refused) {
            return Err(refusal("it was refused before"));
        }
        let decided = matches!(closed, Some(Closed::Receipted | Closed::Dead));
        // What was given up may be decided all the same, then or later.
        if decided || self.ledger.verdict(&id).is_some() {
            cx.ask(Effect::Answer {
                token: waiter.token,
                answer: commanded(id, &waiter, None),
            });
        } else {
            self.wait(cx, id, waiter);
        }
        Ok(())
    }

    /// Says of which assignment its holder speaks, where it does not say so itself. To accept a task without holding it
    /// is to claim it.
    fn fill_in_epoch(&self, verb: TaskVerb, command: &mut Command) -> Result<(), ErrorDetail> {
        let of_no_holder = matches!(verb, TaskVerb::Cancel | TaskVerb::Assign | TaskVerb::Control);
        if command.epoch.is_some() || of_no_holder {
            return Ok(());
        }
        let fact = command.task_id.as_ref().and_then(|id| self.ledger.task(id));
        let assigned = fact.map_or(0, |fact| fact.assigned);
        let over = fact.map_or(0, |fact| fact.over.max(fact.released));
        if verb == TaskVerb::Accept {
            command.epoch = (assigned > over).then_some(assigned);
            return Ok(());
        }
        if assigned == 0 {
            let message = format!("{verb} needs epoch: no assignment of this task is known here");
            return Err(ErrorDetail::new(ErrorCode::InvalidMessage, message)
                .hint("take the epoch from the task (wagglebus task show), or claim the task with accept"));
        }
        command.epoch = Some(assigned);
        Ok(())
    }

    /// Who stops others must be the operator; the coordinator says so too, but later.
    fn check_may(&self, verb: TaskVerb) -> Result<(), ErrorDetail> {
        let me = &self.settings.identity.agent;
        if verb != TaskVerb::Control || *me == AgentId::operator() {
            return Ok(());
        }
        let message = format!("{me} may not pause, resume or halt: that is the operator's");
        Err(ErrorDetail::new(ErrorCode::Forbidden, message)
            .hint("ask as the operator: wagglebus --as operator"))
    }

    fn priority_of(&self, verb: TaskVerb, command: &Command) -> Priority {
        if verb == TaskVerb::Control {
            return Priority::Urgent;
        }
        let fact = command.task_id.as_ref().and_then(|id| self.ledger.task(id));
        fact.and_then(|fact| fact.priority).unwrap_or_default()
    }

    /// The coordinator decided a command: whoever waits is told, and so are stream readers.
    pub(super) fn take_verdict(&mut self, cx: &mut Context<'_>, receipt: &Receipt) {
        let id = receipt.message_id;
        let why = match receipt.level {
            ReceiptLevel::Done => Closed::Receipted,
            ReceiptLevel::Dead => Closed::Dead,
            // No verdict says less.
            ReceiptLevel::Fetched | ReceiptLevel::Held | ReceiptLevel::Injected | ReceiptLevel::Seen => {
                return;
            }
        };
        self.note(cx, Record::OutClosed { id, why }, Some(id));
        self.learn_of_verdict(cx, receipt);
        self.waiters.decided(cx, id);
        self.tell_readers(cx, receipt);
    }

    /// The stream knew a command at its first attempt: its verdict went to a former life of this agent, and no other one
    /// follows. Of a submission the coordinator knows the task.
    pub(super) fn commanded_before(&mut self, cx: &mut Context<'_>, id: Id) {
        if self
            .ledger
            .sent(&id)
            .is_some_and(crate::ledger::OutEntry::is_command)
        {
            let why = Closed::Receipted;
            self.note(cx, Record::OutClosed { id, why }, Some(id));
            self.waiters.decided(cx, id);
        }
    }
}
