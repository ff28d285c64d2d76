//! The second act: tasks go to who can do them, wait for each other, and outlive an agent that is killed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};
use wagglebus_client::{Client, Take};
use wagglebus_schemas::api::AckRequest;
use wagglebus_schemas::notice::{Notice, NoticeKind};
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::task::{TaskDraft, TaskState, Title};
use wagglebus_schemas::{CapabilityName, Id, Timestamp};

use super::cast::Cast;
use super::crew::{Crew, operator};
use super::jobs::{Job, Killed, What};
use super::play::Scene;
use super::stage::Stage;
use super::tell;
use crate::failure::Failure;

/// How long each part of the act may take: many times what it does.
const PART_WITHIN: Duration = Duration::from_secs(45);
/// How long the news of the ends may take to reach the submitter.
const NEWS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the task takes whose agent is killed: long enough to be in hand then, for any machine.
const CRUNCH_SECONDS: f64 = 3.0;

/// A task of the act.
struct Planned {
    title: &'static str,
    needs: &'static str,
    input: Value,
    /// Waits for all tasks before it.
    last: bool,
}

impl Scene<'_> {
    /// Plays it. Returns what is missing.
    pub(super) async fn tasks(
        &mut self,
        stage: &Stage,
        cast: &mut Cast,
        crew: &mut Crew,
    ) -> Result<Vec<String>, Failure> {
        tell::crew(crew, self.output)?;
        self.jobs.able = crew.able.clone();
        let operator = operator(stage)?;
        self.known(&operator).await?;
        let (last_needs, last) = if crew.has_pane() {
            ("review", "Review what the others did")
        } else {
            ("shell", "Look at what the others did")
        };
        let plan = [
            (
                "Count the words",
                "shell",
                json!({"text": "who does what"}),
                false,
            ),
            (
                "Sort the numbers",
                "python",
                json!({"numbers": [42, 7, 19]}),
                false,
            ),
            ("Add the numbers", "rust", json!({"numbers": [42, 7, 19]}), false),
            (last, last_needs, Value::Null, true),
        ];
        for (title, needs, input, last) in plan {
            let planned = Planned {
                title,
                needs,
                input,
                last,
            };
            self.submit(&operator, planned).await?;
        }
        if !self
            .until(|scene| scene.jobs.jobs.iter().all(Job::is_completed))
            .await?
        {
            return Ok(self.jobs.missing());
        }
        self.explain(&operator).await?;
        if !self.outlives(stage, cast, crew, &operator).await? {
            return Ok(self.jobs.missing());
        }
        self.explain(&operator).await?;
        self.news(&operator).await?;
        Ok(self.jobs.missing())
    }

    /// An agent is killed with a task in hand. False when something of what must follow did not.
    async fn outlives(
        &mut self,
        stage: &Stage,
        cast: &mut Cast,
        crew: &mut Crew,
        operator: &Client,
    ) -> Result<bool, Failure> {
        let planned = Planned {
            title: "Crunch the data",
            needs: "data",
            input: json!({ "seconds": CRUNCH_SECONDS, "numbers": [3, 1, 2] }),
            last: false,
        };
        let task = self.submit(operator, planned).await?;
        let state = move |scene: &Self| scene.jobs.job(task).and_then(Job::state);
        let begun = |scene: &Self| state(scene) == Some(TaskState::InProgress);
        if !self.until(begun).await? {
            return Ok(false);
        }
        let holder = self
            .jobs
            .job(task)
            .and_then(|job| job.holders().first().copied().cloned());
        let Some(agent) = holder else { return Ok(false) };
        let at = now();
        let pid = crew.kill(cast, &agent).await?;
        self.jobs.killed = Some(Killed {
            agent: agent.clone(),
            task,
            at,
        });
        let begin = self.begin.unwrap_or(at);
        tell::aside(
            begin,
            at,
            &format!("kill -9 {pid}: the sidecar of {agent}, its task in hand"),
            self.output,
        )?;
        if !self
            .until(|scene| state(scene) == Some(TaskState::Completed))
            .await?
        {
            return Ok(false);
        }
        crew.revive(stage, cast, &agent).await?;
        let begin = self.begin.unwrap_or(at);
        let back = format!("the sidecar of {agent} is back, and its program gives its answer now");
        tell::aside(begin, now(), &back, self.output)?;
        let refused = |scene: &Self| {
            let late = |what: &What| matches!(what, What::Refused(by, _) if *by == agent);
            scene.jobs.job(task).is_some_and(|job| job.when(late).is_some())
        };
        self.until(refused).await
    }

    /// Waits until the coordinator knows everybody, or else tells what it does not.
    async fn known(&mut self, operator: &Client) -> Result<(), Failure> {
        let deadline = Instant::now() + PART_WITHIN;
        loop {
            let agents = operator.agents(None).await;
            let items = agents.map(|page| page.value.items).unwrap_or_default();
            let unknown = self.jobs.able.iter().find(|(name, able)| {
                let agent = items.iter().find(|agent| agent.agent == **name);
                !agent.is_some_and(|agent| {
                    let declared =
                        |name: &CapabilityName| agent.capabilities.iter().any(|it| it.name == *name);
                    agent.presence == Presence::Alive && able.iter().all(declared)
                })
            });
            match unknown {
                None => return Ok(()),
                Some((name, _)) if Instant::now() >= deadline => {
                    return Err(Failure::failed(format!(
                        "the coordinator does not get to know {name}"
                    )));
                }
                Some(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn submit(&mut self, operator: &Client, planned: Planned) -> Result<Id, Failure> {
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        let needs: CapabilityName = planned.needs.parse().map_err(|error| caused(&error))?;
        let title: Title = planned.title.parse().map_err(|error| caused(&error))?;
        let before = self.jobs.jobs.iter().map(|job| job.id);
        let depends_on: Vec<Id> = before.filter(|_| planned.last).collect();
        let job = Job::new(id, planned.title, needs.clone(), depends_on.clone());
        self.jobs.jobs.push(job);
        let draft = TaskDraft {
            id: Some(id),
            capabilities: vec![needs],
            input: planned.input,
            depends_on,
            ..TaskDraft::titled(title)
        };
        operator.submit_task(&draft).await?;
        Ok(id)
    }

    /// Looks at the bus until it is so. False when it does not become so in time.
    async fn until(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<bool, Failure> {
        let deadline = Instant::now() + PART_WITHIN;
        loop {
            self.look().await?;
            if is_so(self) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            timeout_at(deadline, self.watch.hint()).await.ok();
        }
    }

    /// Why each went to whom, as `wagglebus task explain` tells it; of those of which it was not told yet. Of a task that
    /// was taken over the log has the first choice, and the coordinator tells of the last.
    async fn explain(&mut self, operator: &Client) -> Result<(), Failure> {
        for job in self.jobs.jobs.iter_mut().filter(|job| job.explained.is_none()) {
            let explained = operator.explain_task(job.id).await?.value;
            tell::why(job, &explained, self.output)?;
            job.explained = Some(explained);
        }
        Ok(())
    }

    /// Takes the submitter's news, and counts them.
    async fn news(&mut self, operator: &Client) -> Result<(), Failure> {
        let deadline = Instant::now() + NEWS_WITHIN;
        while self.jobs.jobs.iter().any(|job| job.told == 0) && Instant::now() < deadline {
            let take = Take {
                max: 16,
                timeout: Duration::from_secs(1),
                ..Take::default()
            };
            for item in operator.inbox(take).await?.value.messages {
                let notice = Notice::of(&item.message).filter(|it| it.kind == NoticeKind::Completed);
                let job = notice.and_then(|notice| {
                    let mut jobs = self.jobs.jobs.iter_mut();
                    jobs.find(|job| job.id == notice.task_id)
                });
                if let Some(job) = job {
                    job.told += 1;
                }
                let done = AckRequest {
                    lease: item.lease,
                    done: true,
                };
                operator.ack(item.message.id, &done).await?;
            }
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
    ms.and_then(|ms| Timestamp::from_unix_ms(ms).ok())
        .unwrap_or(Timestamp::EPOCH)
}

fn caused(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::caused(error)
}
