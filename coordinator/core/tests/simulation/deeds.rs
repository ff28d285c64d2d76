//! What agents ask for, truly and falsely, in time and too late.

use serde_json::{Value, json};
use wagglebus_coordinator_core::task::FreshIds as _;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::task::TaskDraft;
use wagglebus_schemas::{Draft, Id};

use crate::bus::Command;
use crate::sabotage::Sabotage;
use crate::sim::{Due, Sim};

impl Sim {
    /// An agent does what it does.
    pub(crate) fn act(&mut self, at: usize) {
        let after = self.chance.between(200, 2_500);
        self.after(after, Due::Act(at));
        let agent = &self.agents[at];
        if !agent.beats || agent.hangs_until > self.now_ms {
            return;
        }
        if self.calm {
            return self.finish_all(at);
        }
        let is_operator = agent.enrolment.is_none();
        match self.chance.below(20) {
            0..5 => self.submit(at),
            5 => self.submit_again(at),
            6 => self.claim(at),
            7 if self.weather.liars => self.lie(at),
            8 if self.weather.floods => {
                for _ in 0..self.chance.between(10, 150) {
                    self.work(at);
                }
            }
            9 => self.cancel(at),
            14 if is_operator => self.know(),
            10..14 if is_operator => self.give(at),
            14 | 15 if is_operator => self.control(at),
            16 if self.chance.percent(30) => self.announce(at),
            17 if self.chance.percent(20) => self.mumble(at),
            _ => self.work(at),
        }
    }

    fn submit(&mut self, at: usize) {
        if self.tasks.len() > 60 {
            return;
        }
        let id = self.ids.fresh();
        let mut draft = TaskDraft::titled(format!("task {}", self.tasks.len()).parse().unwrap());
        if self.chance.percent(60) {
            let name = self.chance.pick(&["rust", "docs", "ops", "rust", "docs", "rare"]);
            draft.capabilities.push(name.parse().unwrap());
        }
        draft.park = self.chance.percent(60);
        if self.chance.percent(30) && !self.tasks.is_empty() {
            let many = self.chance.between(1, 3);
            draft.depends_on = (0..many).map(|_| self.chance.pick(&self.tasks)).collect();
        }
        draft.max_attempts = u32::try_from(self.chance.below(4)).unwrap().try_into().ok();
        draft.accept_timeout_ms = self.chance.between(2_000, 20_000).try_into().ok();
        draft.input = json!({"text": "x".repeat(self.chance.below(40))});
        self.tasks.push(id);
        self.agents[at].drafts.push((id, draft.clone()));
        self.say(at, TaskVerb::Submit, id, &serde_json::to_value(draft).unwrap());
    }

    /// The same draft once more, or another one under the same id, after the stream forgot it.
    fn submit_again(&mut self, at: usize) {
        let Some((id, mut draft)) = self.drafted(at) else {
            return;
        };
        if self.chance.percent(50) {
            draft.title = "another".parse().unwrap();
        }
        let body = serde_json::to_vec(&draft).unwrap();
        let command = Command {
            verb: TaskVerb::Submit,
            from: self.agents[at].name.clone(),
            msg_id: id.to_string(),
            body,
        };
        self.bus.forget_command(&command.msg_id);
        let delay = self.delay();
        self.after(delay, Due::Command(command));
    }

    fn drafted(&mut self, at: usize) -> Option<(Id, TaskDraft)> {
        let liar = self.weather.liars && self.chance.percent(30);
        let of = if liar {
            self.chance.below(self.agents.len())
        } else {
            at
        };
        let drafts = &self.agents[of].drafts;
        (!drafts.is_empty()).then(|| self.chance.pick(drafts))
    }

    fn claim(&mut self, at: usize) {
        if let Some(task) = self.some_task() {
            self.tell(at, TaskVerb::Accept, json!({"task_id": task}));
        }
    }

    fn cancel(&mut self, at: usize) {
        let Some((task, _)) = self.drafted(at) else { return };
        self.tell(
            at,
            TaskVerb::Cancel,
            json!({"task_id": task, "reason": "not wanted"}),
        );
    }

    fn give(&mut self, at: usize) {
        let Some(task) = self.some_task() else { return };
        let to = self.chance.below(self.agents.len());
        let to = self.agents[to].name.clone();
        let force = self.chance.percent(60);
        self.tell(
            at,
            TaskVerb::Assign,
            json!({"task_id": task, "agent": to, "force": force}),
        );
    }

    /// The operator stops somebody, or all, or lets them go on; sometimes what cannot be.
    fn control(&mut self, at: usize) {
        let stopped = self.checker.machines.stopped();
        if !stopped.is_empty() && self.chance.percent(60) {
            let agent = self.chance.pick(&stopped);
            return self.tell(at, TaskVerb::Control, json!({"agent": agent, "action": "resume"}));
        }
        let to = self.chance.below(self.agents.len());
        let agent = self.chance.percent(80).then(|| self.agents[to].name.clone());
        let actions: &[&str] = match (&agent, self.chance.percent(10)) {
            (Some(_), false) => &["pause", "pause", "resume"],
            (None, false) => &["halt"],
            (_, true) => &["pause", "resume", "halt"],
        };
        let action = self.chance.pick(actions);
        self.tell(at, TaskVerb::Control, json!({"agent": agent, "action": action}));
    }

    /// Somebody says something to everybody.
    fn announce(&mut self, at: usize) {
        let draft = Draft::text("all".parse().unwrap(), "listen".to_owned());
        let (from, wall) = (self.agents[at].name.clone(), self.nodes[0].wall(self.now_ms));
        let message = draft.into_message(self.ids.fresh(), from, wall);
        let delay = self.delay();
        self.after(delay, Due::Message(Box::new(message)));
    }

    fn some_task(&mut self) -> Option<Id> {
        (!self.tasks.is_empty()).then(|| self.chance.pick(&self.tasks))
    }

    /// Something about an assignment, in whatever order; those that are over are spoken of for a while.
    fn work(&mut self, at: usize) {
        let jobs = &self.agents[at].jobs;
        if jobs.is_empty() {
            return;
        }
        let job = self.chance.pick(jobs);
        let mut body = json!({"task_id": job.task, "epoch": job.epoch});
        let verb = self.chance.pick(&[
            TaskVerb::Accept,
            TaskVerb::Accept,
            TaskVerb::Progress,
            TaskVerb::Progress,
            TaskVerb::Block,
            TaskVerb::Resume,
            TaskVerb::Complete,
            TaskVerb::Fail,
            TaskVerb::Refuse,
        ]);
        self.fill(verb, &mut body);
        if matches!(verb, TaskVerb::Complete | TaskVerb::Fail | TaskVerb::Refuse) && self.chance.percent(50) {
            self.agents[at].jobs.retain(|known| known.task != job.task);
        }
        self.tell(at, verb, body);
    }

    fn fill(&mut self, verb: TaskVerb, body: &mut Value) {
        match verb {
            TaskVerb::Progress => {
                let hundredths = u32::try_from(self.chance.below(101)).unwrap();
                body["progress"] = (f64::from(hundredths) / 100.0).into();
                if self.chance.percent(50) {
                    body["note"] = "on my way".into();
                }
            }
            TaskVerb::Block | TaskVerb::Refuse | TaskVerb::Cancel => body["reason"] = "because".into(),
            TaskVerb::Complete => body["result"] = json!({"n": self.chance.below(100)}),
            TaskVerb::Fail => {
                body["error"] = "it broke".into();
                body["retryable"] = self.chance.percent(70).into();
            }
            TaskVerb::Assign => body["agent"] = "agent-1".into(),
            TaskVerb::Control => {
                body["action"] = self.chance.pick(&["pause", "resume", "halt"]).into();
                if self.chance.percent(70) {
                    body["agent"] = "agent-0".into();
                }
            }
            TaskVerb::Accept | TaskVerb::Resume | TaskVerb::Submit => {}
        }
    }

    /// Somebody else's task, an epoch that never was, fields that are missing or wrong, bytes that are nothing.
    fn lie(&mut self, at: usize) {
        if self.chance.percent(3) {
            return self.overdo(at);
        }
        if self.chance.percent(10) && !self.bus.mail.is_empty() {
            let letter = self.chance.below(self.bus.mail.len());
            let (from, notice) = (self.agents[at].name.clone(), self.bus.mail[letter].id);
            return self.reply(from, notice);
        }
        let verb = self.chance.pick(TaskVerb::ALL);
        let task = match self.some_task() {
            Some(task) if self.chance.percent(90) => task,
            _ => self.ids.fresh(),
        };
        let mut body = json!({"task_id": task});
        if self.chance.percent(80) {
            body["epoch"] = self.chance.below(6).into();
        }
        if self.chance.percent(85) {
            self.fill(verb, &mut body);
        }
        let id = self.ids.fresh();
        match self.chance.below(10) {
            0 => body = json!("what?"),
            1 => body["id"] = self.ids.fresh().to_string().into(),
            2 => body["progress"] = 7.into(),
            3 => {
                let command = Command {
                    verb,
                    from: self.agents[at].name.clone(),
                    msg_id: format!("no id {id}"),
                    body: b"{".to_vec(),
                };
                return self.after(1, Due::Command(command));
            }
            _ => {}
        }
        self.say(at, verb, id, &body);
    }

    pub(crate) fn tell(&mut self, at: usize, verb: TaskVerb, body: Value) {
        let id = self.ids.fresh();
        self.say(at, verb, id, &body);
    }

    /// Stores a command, some time; a lost answer makes a second copy under the same id.
    fn say(&mut self, at: usize, verb: TaskVerb, id: Id, body: &Value) {
        let command = Command {
            verb,
            from: self.agents[at].name.clone(),
            msg_id: id.to_string(),
            body: serde_json::to_vec(body).unwrap(),
        };
        let mut delay = self.delay();
        if self.is_lost() {
            delay += 5_000;
        }
        if self.is_lost() {
            self.after(delay + 5_000, Due::Command(command.clone()));
        }
        self.after(delay, Due::Command(command));
    }

    /// Whatever it holds is completed, as far as it can know.
    fn finish_all(&mut self, at: usize) {
        if self.sabotage == Some(Sabotage::NobodyWorks) {
            return;
        }
        let name = self.agents[at].name.clone();
        if self.agents[at].enrolment.is_none() {
            for agent in self.checker.machines.stopped() {
                self.tell(at, TaskVerb::Control, json!({"agent": agent, "action": "resume"}));
            }
        }
        for (task, epoch) in self.checker.held_by(&name) {
            if self.chance.percent(60) {
                let body = json!({"task_id": task, "epoch": epoch, "result": "done"});
                self.tell(at, TaskVerb::Complete, body);
            }
        }
    }
}
