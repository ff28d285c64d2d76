//! What a reader asks for, and what it may see.

use std::collections::BTreeSet;

use wagglebus_schemas::AgentId;
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::feed::FeedKind;

use super::item::Item;
use super::position::Position;

/// Agents that one filter may name.
const AGENTS_MAX: usize = 100;

/// Which events are wanted: of these kinds, and about one of these agents. What is empty asks for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    kinds: BTreeSet<FeedKind>,
    agents: BTreeSet<AgentId>,
}

/// A request for the feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// Which events.
    pub filter: Filter,
    /// From where on; `None` is from now on.
    pub after: Option<Position>,
}

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Operators and viewers see everything.
    All,
    /// An agent sees what the log says, and of messages and receipts its own.
    Agent(AgentId),
}

impl View {
    /// Whether it may see this.
    pub fn may_see(&self, item: &Item) -> bool {
        match self {
            Self::All => true,
            Self::Agent(agent) => !item.private || item.concerns.contains(agent),
        }
    }
}

impl Filter {
    /// From lists of words.
    ///
    /// # Errors
    /// When a word is no kind or no agent's name, or there are too many.
    pub fn new<'a>(
        kinds: impl IntoIterator<Item = &'a str>,
        agents: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ErrorDetail> {
        let mut filter = Self::default();
        for kind in kinds {
            filter.add_kind(kind)?;
        }
        for agent in agents {
            filter.add_agent(agent)?;
        }
        Ok(filter)
    }

    /// Whether an event is wanted.
    pub fn takes(&self, item: &Item) -> bool {
        self.takes_kind(item.kind)
            && (self.agents.is_empty() || item.concerns.iter().any(|agent| self.agents.contains(agent)))
    }

    /// Whether this kind is asked for by its name.
    pub fn names(&self, kind: FeedKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether counters are wanted. They are about no agent.
    pub fn takes_metrics(&self) -> bool {
        self.takes_kind(FeedKind::Metric) && self.agents.is_empty()
    }

    fn takes_kind(&self, kind: FeedKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn add_kind(&mut self, word: &str) -> Result<(), ErrorDetail> {
        let kind = word.parse().map_err(|error| refusal(&error))?;
        self.kinds.insert(kind);
        Ok(())
    }

    fn add_agent(&mut self, name: &str) -> Result<(), ErrorDetail> {
        let agent = name.parse().map_err(|error| refusal(&error))?;
        self.agents.insert(agent);
        if self.agents.len() > AGENTS_MAX {
            return Err(refusal(&format!("at most {AGENTS_MAX} agents can be named")));
        }
        Ok(())
    }
}

impl Ask {
    /// From the parameters of a request, decoded, in their order. `kind` and `agent` may come again and hold lists with
    /// commas; `after` comes at most once; `ticket` is somebody else's.
    ///
    /// # Errors
    /// When a parameter is unknown or its value is of no use.
    pub fn read<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ErrorDetail> {
        let mut ask = Self::default();
        for (name, value) in params {
            match name {
                "kind" => value.split(',').try_for_each(|kind| ask.filter.add_kind(kind))?,
                "agent" => value
                    .split(',')
                    .try_for_each(|agent| ask.filter.add_agent(agent))?,
                "after" if ask.after.is_some() => return Err(refusal(&"after is given twice")),
                "after" => ask.after = Some(value.parse().map_err(|error| refusal(&error))?),
                "ticket" => {}
                other => {
                    let other: String = other.chars().take(40).collect();
                    let known = "use kind, agent and after";
                    return Err(refusal(&format!("{other:?} is no parameter")).hint(known));
                }
            }
        }
        Ok(ask)
    }

    /// With the header `Last-Event-ID`, which beats `after`: a browser that connects again repeats the address as it was.
    ///
    /// # Errors
    /// When it is no id of this feed. An empty one is none.
    pub fn resumed(mut self, last_event_id: Option<&str>) -> Result<Self, ErrorDetail> {
        if let Some(id) = last_event_id.map(str::trim).filter(|id| !id.is_empty()) {
            self.after = Some(id.parse().map_err(|error| refusal(&error))?);
        }
        Ok(self)
    }
}

fn refusal(why: &impl ToString) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::InvalidQuery, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::position::Source;
    use super::*;

    fn item(kind: FeedKind, concerns: &[&str], private: bool) -> Item {
        Item {
            source: Source::Events,
            seq: 1,
            kind,
            concerns: concerns.iter().map(|name| name.parse().unwrap()).collect(),
            private,
            body: Vec::new(),
        }
    }

    fn ask(params: &[(&str, &str)]) -> Result<Ask, ErrorDetail> {
        Ask::read(params.iter().copied())
    }

    #[test]
    fn a_filter_takes_its_kinds_about_its_agents() {
        let task = item(FeedKind::Task, &["bob", "alice"], false);
        let message = item(FeedKind::Message, &["carol"], true);
        for (params, wanted) in [
            (&[][..], [true, true]),
            (&[("kind", "task")], [true, false]),
            (&[("kind", "task,message")], [true, true]),
            (&[("kind", "task"), ("kind", "message")], [true, true]),
            (&[("agent", "alice")], [true, false]),
            (&[("agent", "carol,alice")], [true, true]),
            (&[("kind", "message"), ("agent", "alice")], [false, false]),
            (&[("kind", "metric")], [false, false]),
        ] {
            let filter = ask(params).unwrap().filter;
            assert_eq!(
                [filter.takes(&task), filter.takes(&message)],
                wanted,
                "{params:?}"
            );
        }
    }

    #[test]
    fn counters_are_about_no_agent() {
        assert!(ask(&[]).unwrap().filter.takes_metrics());
        assert!(ask(&[("kind", "metric")]).unwrap().filter.takes_metrics());
        assert!(!ask(&[("kind", "task")]).unwrap().filter.takes_metrics());
        assert!(!ask(&[("agent", "bob")]).unwrap().filter.takes_metrics());
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for bad in [
            ("kind", ""),
            ("kind", "tasks"),
            ("kind", "task,"),
            ("kind", "Task"),
            ("agent", ""),
            ("agent", "Bob"),
            ("agent", "a,*"),
            ("after", "7"),
            ("after", ""),
            ("limit", "5"),
            ("", ""),
        ] {
            let error = ask(&[bad]).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidQuery, "{bad:?}");
        }
        assert!(ask(&[("after", "1.2.3"), ("after", "1.2.3")]).is_err());
        let names: Vec<String> = (0..=AGENTS_MAX).map(|n| format!("a{n}")).collect();
        assert!(Filter::new([], names.iter().map(String::as_str)).is_err());
        assert!(Filter::new([], names.iter().skip(1).map(String::as_str)).is_ok());
    }

    #[test]
    fn the_header_beats_the_address() {
        let after = |ask: Ask| ask.after.map(|after| after.to_string());
        let asked = ask(&[("after", "1.2.3"), ("ticket", "x")]).unwrap();
        assert_eq!(after(asked.clone().resumed(None).unwrap()).unwrap(), "1.2.3");
        assert_eq!(after(asked.clone().resumed(Some("")).unwrap()).unwrap(), "1.2.3");
        assert_eq!(
            after(asked.clone().resumed(Some("4.5.6")).unwrap()).unwrap(),
            "4.5.6"
        );
        assert_eq!(
            asked.resumed(Some("7-3")).unwrap_err().code,
            ErrorCode::InvalidQuery
        );
    }

    #[test]
    fn an_agent_sees_the_log_and_what_is_its_own() {
        let bob = View::Agent("bob".parse().unwrap());
        let task = item(FeedKind::Task, &["alice"], false);
        let mine = item(FeedKind::Message, &["alice", "bob"], true);
        let theirs = item(FeedKind::Message, &["alice", "carol"], true);
        assert_eq!(
            [&task, &mine, &theirs].map(|item| bob.may_see(item)),
            [true, true, false]
        );
        assert!([&task, &mine, &theirs].iter().all(|item| View::All.may_see(item)));
    }
}
