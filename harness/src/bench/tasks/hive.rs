//! A hive for the coordinator alone: agents are records and heartbeats, their words are published straight to the bus.
//!
//! A thousand sidecars do not fit beside a benchmark; to the coordinator these are the same.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream::Context;
use async_nats::{Client, HeaderMap, Request, Subscriber};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use wagglebus_nats::keys::UserKey;
use wagglebus_schemas::agent::Agent;
use wagglebus_schemas::api::Page;
use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::headers::MSG_ID;
use wagglebus_schemas::heartbeat::{Capability, Heartbeat, LaneDepths, Proficiency, SpoolDepth};
use wagglebus_schemas::notice::{Notice, NoticeKind};
use wagglebus_schemas::places::Durability;
use wagglebus_schemas::receipt::Receipt;
use wagglebus_schemas::state::{Presence, SessionState};
use wagglebus_schemas::{AgentId, CapabilityName, Id, Message, Timestamp};

use crate::fleet::Fleet;

/// Time between two heartbeats of one agent.
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// The heartbeats of all agents are spread over so many parts of that.
const PARTS: u32 = 30;
/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A hive of simulated agents.
pub(in crate::bench) struct Hive {
    pub(in crate::bench) fleet: Fleet,
    pub(in crate::bench) js: Context,
    pub(in crate::bench) client: Client,
    nkey: String,
    heard: Subscriber,
    beating: Vec<JoinHandle<()>>,
    agents: usize,
}

/// What the coordinator says.
#[derive(Debug)]
pub(in crate::bench) enum Said {
    /// A task is an agent's.
    Assigned { task: Id, epoch: u64, to: AgentId },
    /// A command was done, or refused.
    Verdict { command: Id, done: bool },
    /// A submitter is told that its task is completed.
    Ended,
    /// Anything else.
    Other,
}

impl Hive {
    /// A server and a coordinator, without any agent.
    pub(in crate::bench) async fn open(durability: Durability) -> Result<Self> {
        let mut fleet = Fleet::with(|conf| conf.durability = durability).await?;
        fleet.enrol(&["direct"]).await?;
        fleet.start_coordinator().await?;
        Self::of(fleet).await
    }

    /// A hive of agents that are not there yet, on this fleet.
    pub(in crate::bench) async fn of(fleet: Fleet) -> Result<Self> {
        let js = fleet.bus().admin().clone();
        let client = js.client();
        // All have one key: nobody connects with it.
        let key = UserKey::load_or_create(&fleet.bus().home().join("simulated.nk"))?;
        let heard = client.subscribe("wb.*.*.*.coordinator").await?;
        client.flush().await?;
        Ok(Self {
            nkey: key.public().as_str().to_owned(),
            fleet,
            js,
            client,
            heard,
            beating: Vec::new(),
            agents: 0,
        })
    }

    /// Enrols agents with heartbeats in this state, who can do this, and waits until the coordinator knows them.
    pub(in crate::bench) async fn join(
        &mut self,
        prefix: &str,
        count: usize,
        can: &str,
        state: SessionState,
    ) -> Result<()> {
        let store = self.js.get_key_value("WB_enrolments").await?;
        let mut names: Vec<AgentId> = Vec::new();
        for n in 0..count {
            let agent: AgentId = format!("{prefix}-{n}").parse()?;
            let record = Enrolment {
                agent: agent.clone(),
                nkey: self.nkey.clone(),
                ephemeral: false,
                rooms: Vec::new(),
                role: None,
                at: Timestamp::EPOCH,
            };
            store
                .put(agent.as_str(), serde_json::to_vec(&record)?.into())
                .await?;
            names.push(agent);
        }
        let can: CapabilityName = can.parse()?;
        let beating = beat(self.client.clone(), names, can, state);
        self.beating.push(tokio::spawn(beating));
        self.agents += count;
        let known = async {
            let mut tick = interval(LOOK_EVERY);
            loop {
                tick.tick().await;
                if self.alive().await.unwrap_or(0) >= self.agents {
                    return;
                }
            }
        };
        timeout(WITHIN, known)
            .await
            .context("the coordinator does not get to know the agents")
    }

    /// How many agents the coordinator takes for alive.
    async fn alive(&self) -> Result<usize> {
        let mut alive = 0;
        let mut query = json!({ "limit": 500 });
        loop {
            let page: Page<Agent> = serde_json::from_value(self.ask("agents", &query).await?)?;
            alive += page
                .items
                .iter()
                .filter(|agent| agent.presence == Presence::Alive)
                .count();
            match page.next_cursor {
                Some(next) => query = json!({ "limit": 500, "cursor": next }),
                None => return Ok(alive),
            }
        }
    }

    /// A question to the coordinator.
    pub(in crate::bench) async fn ask(&self, method: &str, query: &Value) -> Result<Value> {
        let request = Request::new()
            .payload(query.to_string().into())
            .inbox(self.client.new_inbox());
        let subject = format!("wb.api.{method}.operator");
        let answer = self.client.send_request(subject, request).await?;
        Ok(serde_json::from_slice(&answer.payload)?)
    }

    /// Stores a command under a new id, and does not wait for the ack.
    pub(in crate::bench) async fn command(&self, verb: &str, from: &str, body: &Value) -> Result<Id> {
        let id = Id::from_uuid(uuid::Uuid::now_v7());
        let mut headers = HeaderMap::new();
        headers.insert(MSG_ID, id.to_string());
        let subject = format!("wb.task.{verb}.normal.{from}");
        let stored = self
            .js
            .publish_with_headers(subject, headers, body.to_string().into())
            .await?;
        // The verdict says that it was stored.
        drop(stored);
        Ok(id)
    }

    /// Submits a task that needs this capability.
    pub(in crate::bench) async fn submit(&self, needs: &str) -> Result<Id> {
        let draft = json!({
            "title": "a task of the benchmark", "capabilities": [needs], "input": { "branch": "parser", "line": 17 },
            "park": true,
        });
        self.command("submit", "operator", &draft).await
    }

    /// An agent completes what it holds.
    pub(in crate::bench) async fn complete(&self, task: Id, epoch: u64, by: &AgentId) -> Result<Id> {
        let body = json!({ "task_id": task, "epoch": epoch, "result": { "ok": true } });
        self.command("complete", by.as_str(), &body).await
    }

    /// The next thing that the coordinator says, and when it came.
    pub(in crate::bench) async fn hear(&mut self) -> Result<(Said, Instant)> {
        let message = timeout(WITHIN, self.heard.next())
            .await
            .context("the coordinator says nothing")?
            .context("the subscription has ended")?;
        let at = Instant::now();
        let tokens: Vec<&str> = message.subject.split('.').collect();
        let said = match tokens.as_slice() {
            ["wb", "receipt", _, level @ ("done" | "dead"), "coordinator"] => {
                let receipt: Receipt = serde_json::from_slice(&message.payload)?;
                Said::Verdict {
                    command: receipt.message_id,
                    done: *level == "done",
                }
            }
            ["wb", "msg", to, _, "coordinator"] => {
                let notice: Message = serde_json::from_slice(&message.payload)?;
                match Notice::of(&notice) {
                    Some(notice) if notice.kind == NoticeKind::Assigned => Said::Assigned {
                        task: notice.task_id,
                        epoch: notice.epoch.context("an assignment without a number")?,
                        to: to.parse()?,
                    },
                    Some(notice) if notice.kind == NoticeKind::Completed => Said::Ended,
                    Some(_) | None => Said::Other,
                }
            }
            _ => Said::Other,
        };
        Ok((said, at))
    }

    /// Waits until a task is somebody's.
    pub(in crate::bench) async fn assigned(&mut self, id: Id) -> Result<(u64, AgentId, Instant)> {
        loop {
            match self.hear().await? {
                (Said::Assigned { task, epoch, to }, at) if task == id => return Ok((epoch, to, at)),
                (Said::Verdict { command, done: false }, _) if command == id => {
                    bail!("the submission was refused")
                }
                _ => {}
            }
        }
    }

    /// Waits for the verdict of a command.
    pub(in crate::bench) async fn verdict(&mut self, id: Id) -> Result<(bool, Instant)> {
        loop {
            if let (Said::Verdict { command, done }, at) = self.hear().await?
                && command == id
            {
                return Ok((done, at));
            }
        }
    }

    /// The whole life of one task; returns when it was assigned, and when it was completed.
    pub(in crate::bench) async fn one(&mut self, needs: &str) -> Result<[Duration; 2]> {
        let begun = Instant::now();
        let task = self.submit(needs).await?;
        let (epoch, agent, at) = self.assigned(task).await?;
        let assigned = at.saturating_duration_since(begun);
        let begun = Instant::now();
        let command = self.complete(task, epoch, &agent).await?;
        let (done, at) = self.verdict(command).await?;
        ensure!(done, "{agent} may not complete what it holds");
        Ok([assigned, at.saturating_duration_since(begun)])
    }

    /// Process id of the coordinator that was started first of those that run.
    pub(in crate::bench) fn coordinator(&self) -> Result<u32> {
        let first = self.fleet.coordinators().first();
        Ok(first.context("no coordinator runs")?.pid())
    }
}

impl Drop for Hive {
    fn drop(&mut self) {
        for beating in &self.beating {
            beating.abort();
        }
    }
}

/// Heartbeats of all of them, spread evenly, the first round at once.
async fn beat(client: Client, names: Vec<AgentId>, can: CapabilityName, state: SessionState) {
    let mut seq = 0;
    let part = names.len().div_ceil(usize::try_from(PARTS).unwrap_or(1)).max(1);
    let mut tick = interval(BEAT_EVERY / PARTS);
    loop {
        seq += 1;
        for names in names.chunks(part) {
            if seq > 1 {
                tick.tick().await;
            }
            for agent in names {
                let Ok(beat) = serde_json::to_vec(&heartbeat(agent, seq, &can, state)) else {
                    return;
                };
                if client
                    .publish(format!("wb.hb.{agent}"), beat.into())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
        // Fewer agents than parts still beat only every three seconds.
        let beaten = names.len().div_ceil(part);
        for _ in beaten..usize::try_from(PARTS).unwrap_or(0) {
            tick.tick().await;
        }
    }
}

fn heartbeat(agent: &AgentId, seq: u64, can: &CapabilityName, state: SessionState) -> Heartbeat {
    Heartbeat {
        agent: agent.clone(),
        epoch: 1,
        seq,
        interval_ms: 3_000,
        state,
        hold: None,
        bridges: Vec::new(),
        inbox: LaneDepths::default(),
        in_flight: Vec::new(),
        spool: SpoolDepth::default(),
        agent_cpu_ms: None,
        agent_rss_bytes: None,
        cpu_ms: 0,
        rss_bytes: 0,
        version: "0.1.0".to_owned(),
        capabilities: vec![Capability {
            name: can.clone(),
            proficiency: Proficiency::DEFAULT,
        }],
        resources: None,
        slots: None,
        at: Timestamp::EPOCH,
    }
}
