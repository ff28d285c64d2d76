//! The NATS micro service `wagglebus` (NATS ADR-32), and one `wagglebus_agent` for each living agent, as `$SRV` tells:
//! of several coordinators the leader tells it.
//!
//! Written here and not taken from the client library: an API error has a body beside its headers, which the library's
//! service cannot send, and the agents' instances answer on behalf of others.

mod record;

use std::collections::BTreeMap;
use std::time::Duration;

use wagglebus_coordinator_core::roster::{Member, Roster};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::state::Presence;
use wagglebus_schemas::subject::{ApiMethod, filter};
use wagglebus_schemas::{Hive, Timestamp};

pub(crate) use record::Answer;
use record::{Counts, Endpoint, Instance, Verb};

/// Where services are asked who they are: everybody, a service by name, an instance by its id.
pub(crate) const DISCOVERY: [&str; 9] = [
    "$SRV.PING",
    "$SRV.PING.*",
    "$SRV.PING.*.*",
    "$SRV.INFO",
    "$SRV.INFO.*",
    "$SRV.INFO.*.*",
    "$SRV.STATS",
    "$SRV.STATS.*",
    "$SRV.STATS.*.*",
];
/// The queue group of the endpoints, as services have it by default.
pub(crate) const QUEUE_GROUP: &str = "q";

const SERVICE: &str = "wagglebus";
const SERVICE_DESCRIPTION: &str = "Who is there: agents, agent, resolve; rooms: rooms, join, leave; tasks: tasks, task, explain; machines: fsm";
const AGENT_SERVICE: &str = "wagglebus_agent";
const AGENT_DESCRIPTION: &str = "An agent on the bus; send it messages, it has no endpoints";

/// The service and its counts.
#[derive(Debug)]
pub(crate) struct Service {
    hive: Hive,
    id: String,
    version: &'static str,
    started: Timestamp,
    counts: BTreeMap<ApiMethod, Counts>,
}

impl Service {
    /// A service whose instance id is `id`.
    pub(crate) fn new(hive: Hive, id: String, version: &'static str, started: Timestamp) -> Self {
        let counts = ApiMethod::ALL.iter().map(|method| (*method, Counts::default()));
        Self {
            hive,
            id,
            version,
            started,
            counts: counts.collect(),
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&mut self, method: ApiMethod, error: Option<&ErrorDetail>, busy: Duration) {
        let error = error.map(|error| format!("{}:{}", error.code.status(), error.message));
        self.counts.entry(method).or_default().add(error, busy);
    }

    /// The answers to a discovery request: none when it asks for other services.
    pub(crate) fn discover(&self, subject: &str, roster: &Roster) -> Vec<Answer> {
        let mut tokens = subject.split('.').skip(1);
        let Some(verb) = tokens.next().and_then(Verb::parse) else {
            return Vec::new();
        };
        let (name, id) = (tokens.next(), tokens.next());
        let asked = |own_name: &str, own_id: &str| {
            name.is_none_or(|name| name == own_name) && id.is_none_or(|id| id == own_id)
        };
        let ours = asked(SERVICE, &self.id).then(|| self.instance());
        let living = roster.members().filter(|member| is_living(member));
        let agents = living.filter(|member| asked(AGENT_SERVICE, member.agent().as_str()));
        let instances = ours.into_iter().chain(agents.map(agent_instance));
        instances.map(|instance| instance.answer(verb)).collect()
    }

    fn instance(&self) -> Instance {
        let endpoints = self.counts.iter().map(|(method, counts)| Endpoint {
            name: method.as_str(),
            subject: filter::api(&self.hive, *method),
            queue_group: QUEUE_GROUP,
            counts: counts.clone(),
        });
        Instance {
            name: SERVICE,
            id: self.id.clone(),
            version: self.version.to_owned(),
            metadata: BTreeMap::from([("hive", self.hive.to_string())]),
            description: SERVICE_DESCRIPTION,
            started: self.started,
            endpoints: endpoints.collect(),
        }
    }
}

fn is_living(member: &Member) -> bool {
    match member.presence() {
        Presence::Alive | Presence::Suspect => true,
        Presence::Lost | Presence::Never => false,
    }
}

fn agent_instance(member: &Member) -> Instance {
    let agent = member.record();
    let capabilities = agent.capabilities.iter();
    let capabilities: Vec<&str> = capabilities.map(|capability| capability.name.as_str()).collect();
    Instance {
        name: AGENT_SERVICE,
        id: agent.agent.to_string(),
        version: semver_or_zero(&agent.version).to_owned(),
        metadata: BTreeMap::from([
            ("agent", agent.agent.to_string()),
            ("capabilities", capabilities.join(",")),
        ]),
        description: AGENT_DESCRIPTION,
        started: agent.enrolled_at,
        endpoints: Vec::new(),
    }
}

/// Tools refuse versions that are none, and this one comes from outside.
fn semver_or_zero(version: &str) -> &str {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let plain = version.len() <= 64
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+.".contains(&b));
    if plain && numbers.len() == 3 && numbers.iter().all(is_number) {
        version
    } else {
        "0.0.0"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::error::ErrorCode;

    fn service() -> Service {
        let started = Timestamp::from_unix_ms(0).unwrap();
        Service::new(Hive::default(), "I1".to_owned(), "1.2.3", started)
    }

    #[test]
    fn only_the_service_asked_for_answers() {
        let (service, roster) = (service(), Roster::default());
        for (subject, answers) in [
            ("$SRV.PING", 1),
            ("$SRV.PING.wagglebus", 1),
            ("$SRV.PING.wagglebus.I1", 1),
            ("$SRV.PING.wagglebus.I2", 0),
            ("$SRV.PING.other", 0),
            ("$SRV.PING.wagglebus_agent", 0),
            ("$SRV.SCHEMA", 0),
            ("$SRV", 0),
        ] {
            assert_eq!(service.discover(subject, &roster).len(), answers, "{subject}");
        }
    }

    #[test]
    fn statistics_count_requests_errors_and_time() {
        let mut service = service();
        let error = ErrorDetail::new(ErrorCode::UnknownAgent, "no agent is named bbo");
        service.answered(ApiMethod::Resolve, None, Duration::from_micros(10));
        service.answered(ApiMethod::Resolve, Some(&error), Duration::from_micros(30));
        let stats = service.discover("$SRV.STATS.wagglebus", &Roster::default());
        let stats = serde_json::to_value(&stats[0]).unwrap();
        let endpoints = stats["endpoints"].as_array().unwrap();
        let resolve = endpoints.iter().find(|e| e["name"] == "resolve").unwrap();
        assert_eq!(resolve["subject"], "wb.api.resolve.*");
        assert_eq!(resolve["num_requests"], 2);
        assert_eq!(resolve["num_errors"], 1);
        assert_eq!(resolve["last_error"], "404:no agent is named bbo");
        assert_eq!(resolve["average_processing_time"], 20_000);
        let idle = endpoints.iter().find(|e| e["name"] == "agents").unwrap();
        assert_eq!(idle["average_processing_time"], 0);
    }

    #[test]
    fn a_version_that_is_none_is_not_told() {
        for (version, told) in [
            ("0.1.0", "0.1.0"),
            ("1.2.3-rc.1+x", "1.2.3-rc.1+x"),
            ("", "0.0.0"),
            ("1.2", "0.0.0"),
            ("1.2.x", "0.0.0"),
            ("1.2.3-\u{1b}[31m", "0.0.0"),
        ] {
            assert_eq!(semver_or_zero(version), told);
        }
    }
}
