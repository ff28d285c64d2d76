//! The permission template: which subjects cross from an agent to the bus and back, as data.
//!
//! One table serves every form in which a server can be told: exports of the bus account, imports of an account per
//! agent (TOPOLOGY 5), imports and user permissions of a shared account (TOPOLOGY 3), an administrator's export, and
//! the audit. Nothing else grants a right.

use crate::hive::Hive;
use crate::id::AgentId;
use crate::priority::Priority;
use crate::stream::{lane_consumer, receipts_consumer};
use crate::subject::agent_api_prefix;

/// How a subject crosses between the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Requests from the agent; at most one reply each.
    Service,
    /// Requests from the agent with several replies (pulls).
    ServiceStream,
    /// Requests from the agent that carry who asked, as attested by the server.
    ServiceShared,
    /// Messages from the bus to the agent.
    Stream,
}

/// One line of the template.
///
/// Placeholders: `{hive}`, `{HIVE}`, `{agent}` (the agent's own token), `{lane}` (its four lane consumers),
/// `{receipts}` (its receipts consumer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Right {
    crossing: Crossing,
    subject: &'static str,
    /// Whether the agent sees it below its own JetStream API prefix instead of `$JS.API`.
    api: bool,
}

const fn right(crossing: Crossing, subject: &'static str) -> Right {
    Right {
        crossing,
        subject,
        api: false,
    }
}

const fn api(crossing: Crossing, subject: &'static str) -> Right {
    Right {
        crossing,
        subject,
        api: true,
    }
}

const RIGHTS: [Right; 17] = [
    right(Crossing::Service, "{hive}.msg.*.*.{agent}"),
    right(Crossing::Service, "{hive}.room.*.*.{agent}"),
    right(Crossing::Service, "{hive}.task.*.*.{agent}"),
    right(Crossing::Service, "{hive}.receipt.*.*.{agent}"),
    right(Crossing::Service, "{hive}.report.*.{agent}"),
    right(Crossing::Service, "{hive}.dlq.*.{agent}"),
    right(Crossing::Service, "{hive}.hb.{agent}"),
    right(Crossing::ServiceShared, "{hive}.api.*.{agent}"),
    right(Crossing::Service, "$KV.{HIVE}_leases.{agent}"),
    api(
        Crossing::Service,
        "$JS.API.DIRECT.GET.KV_{HIVE}_leases.$KV.{HIVE}_leases.{agent}",
    ),
    api(
        Crossing::ServiceStream,
        "$JS.API.CONSUMER.MSG.NEXT.{HIVE}_MESSAGES.{lane}",
    ),
    api(Crossing::Service, "$JS.API.CONSUMER.INFO.{HIVE}_MESSAGES.{lane}"),
    right(Crossing::Service, "$JS.ACK.{HIVE}_MESSAGES.{lane}.>"),
    api(
        Crossing::ServiceStream,
        "$JS.API.CONSUMER.MSG.NEXT.{HIVE}_RECEIPTS.{receipts}",
    ),
    api(
        Crossing::Service,
        "$JS.API.CONSUMER.INFO.{HIVE}_RECEIPTS.{receipts}",
    ),
    right(Crossing::Service, "$JS.ACK.{HIVE}_RECEIPTS.{receipts}.>"),
    right(Crossing::Stream, "{hive}.wake.*.{agent}.*"),
];

/// A subject that crosses, as the bus account and as the agent's account know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How it crosses.
    pub crossing: Crossing,
    /// The subject in the bus account.
    pub subject: String,
    /// The subject in the agent's account, where that differs.
    pub local: Option<String>,
}

impl Grant {
    /// The subject that the agent uses.
    pub fn local_subject(&self) -> &str {
        self.local.as_deref().unwrap_or(&self.subject)
    }

    /// Whether the agent publishes on it (else it subscribes to it).
    pub fn is_publish(&self) -> bool {
        self.crossing != Crossing::Stream
    }
}

/// Everything that crosses for some agent, with wildcards: the exports of the bus account, and the imports of an
/// account that all agents share.
pub fn shared_grants(hive: &Hive) -> Vec<Grant> {
    let wildcard = |subject: &str| {
        ["{agent}", "{lane}", "{receipts}"]
            .iter()
            .fold(subject.to_owned(), |s, p| s.replace(p, "*"))
    };
    RIGHTS
        .iter()
        .map(|right| right.grant(hive, &wildcard(right.subject)))
        .collect()
}

/// Everything that crosses for one agent: the imports of its own account, and its permissions in a shared one.
pub fn agent_grants(hive: &Hive, agent: &AgentId) -> Vec<Grant> {
    let expand = |right: &Right| -> Vec<Grant> {
        let subject = right
            .subject
            .replace("{agent}", agent.as_str())
            .replace("{receipts}", &receipts_consumer(agent));
        if subject.contains("{lane}") {
            let lane =
                |p: &Priority| right.grant(hive, &subject.replace("{lane}", &lane_consumer(agent, *p)));
            Priority::ALL.iter().map(lane).collect()
        } else {
            vec![right.grant(hive, &subject)]
        }
    };
    RIGHTS.iter().flat_map(expand).collect()
}

/// Beginning of an agent's reply subjects in a shared account, such as `_INBOX_alice`.
pub fn inbox_prefix(agent: &AgentId) -> String {
    format!("_INBOX_{agent}")
}

impl Right {
    fn grant(&self, hive: &Hive, subject: &str) -> Grant {
        let subject = subject
            .replace("{hive}", hive.as_str())
            .replace("{HIVE}", &hive.upper());
        let local = self
            .api
            .then(|| subject.replacen("$JS.API", &agent_api_prefix(hive), 1));
        Grant {
            crossing: self.crossing,
            subject,
            local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_import_ends_in_the_agents_own_name_or_consumer() {
        let alice: AgentId = "alice".parse().unwrap();
        for grant in agent_grants(&Hive::default(), &alice) {
            let own = grant
                .subject
                .split('.')
                .any(|token| token == "alice" || token.starts_with("alice_"));
            assert!(own, "{grant:?}");
        }
    }

    #[test]
    fn the_shared_form_imports_wildcard_services_only() {
        for grant in shared_grants(&Hive::default()) {
            assert!(grant.subject.contains('*'), "rule T1: {grant:?}");
        }
    }

    #[test]
    fn the_shared_form_covers_what_an_agent_gets() {
        let (hive, bob) = (Hive::default(), "bob".parse().unwrap());
        let shared = shared_grants(&hive);
        let covered = |wide: &str, narrow: &str| {
            let tail = wide.ends_with('>');
            let wide: Vec<_> = wide.trim_end_matches(".>").split('.').collect();
            let narrow: Vec<_> = narrow.trim_end_matches(".>").split('.').collect();
            (wide.len() == narrow.len() || tail) && wide.iter().zip(&narrow).all(|(w, n)| *w == "*" || w == n)
        };
        for grant in agent_grants(&hive, &bob) {
            let wide = shared
                .iter()
                .find(|s| covered(&s.subject, &grant.subject))
                .expect("an export");
            assert_eq!(wide.crossing, grant.crossing);
            assert!(covered(wide.local_subject(), grant.local_subject()));
        }
    }

    #[test]
    fn an_agent_reaches_its_api_below_its_own_prefix() {
        let grants = agent_grants(&Hive::default(), &"alice".parse().unwrap());
        let pull = grants
            .iter()
            .find(|g| g.subject.ends_with("alice_urgent") && g.crossing == Crossing::ServiceStream);
        assert_eq!(
            pull.unwrap().local_subject(),
            "wb.js.CONSUMER.MSG.NEXT.WB_MESSAGES.alice_urgent"
        );
        assert_eq!(grants.len(), 11 + 3 * 4 + 3);
    }
}
