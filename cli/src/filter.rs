//! Which messages are meant: by who wrote to whom, kind, words and time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::message::MessageType;
use wagglebus_schemas::{AgentId, Hive, Message, Priority, Recipient, Timestamp};

use crate::failure::Failure;
use crate::value;

/// Chooses messages; every option narrows the choice.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only from or to this agent, or in this room (room:NAME, all)
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
    /// Only of this sender
    #[arg(long, value_name = "AGENT")]
    from: Option<AgentId>,
    /// Only of this priority
    #[arg(short, long, value_parser = value::words::<Priority>(Priority::ALL.iter().map(|p| p.as_str())))]
    priority: Option<Priority>,
    /// Only of this type
    #[arg(short = 't', long = "type", value_name = "TYPE", value_parser = value::words::<MessageType>(MessageType::ALL.iter().map(|t| t.as_str())))]
    message_type: Option<MessageType>,
    /// Only of this conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only with this text in it; capital and small letters are the same
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
}

/// Chooses messages by the time at which they were stored.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TimeArgs {
    /// Only from then on: 2h, 3d ago, or a time such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Moment>,
    /// Only up to then
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Moment>,
}

/// A point in time as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Ago(Duration),
    At(Timestamp),
}

/// `2h`, `3d`, or an RFC 3339 time.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse() {
        return Ok(Moment::At(at));
    }
    let ago = humantime::parse_duration(text).map_err(|error| {
        format!("{error}; write how long ago, such as 2h or 3d, or a time such as 2026-01-02T03:04:05Z")
    })?;
    Ok(Moment::Ago(ago))
}

impl Moment {
    /// The time that is meant, seen from `now`; what lies before all times is the first of them.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ms = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_unix_ms(now.unix_ms().saturating_sub(ms).max(0)).unwrap_or(Timestamp::EPOCH)
            }
        }
    }
}

/// This machine's time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(ms).unwrap_or(Timestamp::EPOCH)
}

/// What is asked for, checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Filter {
    with: Option<Recipient>,
    from: Option<AgentId>,
    priority: Option<Priority>,
    message_type: Option<MessageType>,
    conversation: Option<wagglebus_schemas::Id>,
    /// In small letters.
    grep: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// Whose messages are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// Those that an agent wrote, or that went to it or to one of its rooms.
    Of(&'a AgentId, &'a [String]),
    /// Everybody's.
    All,
}

impl Filter {
    /// # Errors
    /// When a name or an id is none.
    pub(crate) fn new(args: &FilterArgs, times: &TimeArgs) -> Result<Self, Failure> {
        let with = args.with.as_deref().map(value::recipient).transpose()?;
        if let Some(RecipientKind::Capability(_)) = with.as_ref().map(Recipient::kind) {
            return Err(
                Failure::invalid("messages go to agents and rooms, never to a capability itself")
                    .fix("name the agent; who has it: wagglebus agents"),
            );
        }
        let now = now();
        Ok(Self {
            with,
            from: args.from.clone(),
            priority: args.priority,
            message_type: args.message_type,
            conversation: args.conversation.as_deref().map(value::id).transpose()?,
            grep: args.grep.as_ref().map(|text| text.to_lowercase()),
            since: times.since.map(|moment| moment.at(now)),
            until: times.until.map(|moment| moment.at(now)),
        })
    }

    /// The agent that all of them are from or to, if one is asked for.
    pub(crate) fn with_agent(&self) -> Option<&Recipient> {
        self.with.as_ref().filter(|with| with.agent().is_some())
    }

    /// Whether nothing but [`Filter::with_agent`] chooses.
    pub(crate) fn is_with_only(&self) -> bool {
        let narrow = Self {
            with: self.with_agent().cloned(),
            ..Self::default()
        };
        *self == narrow
    }

    /// Whether nothing is asked for, and so everything is meant.
    pub(crate) fn takes_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a message that was stored at `at` is meant.
    pub(crate) fn takes(&self, message: &Message, at: Timestamp) -> bool {
        let with = |with: &Recipient| match with.kind() {
            RecipientKind::Agent(agent) => {
                message.from_agent == *agent || message.to_agent.agent() == Some(agent)
            }
            // `all` and `room:all` are two spellings of one room.
            RecipientKind::Room(_) | RecipientKind::Capability(_) => message.to_agent.kind() == with.kind(),
        };
        self.with.as_ref().is_none_or(with)
            && self.from.as_ref().is_none_or(|from| *from == message.from_agent)
            && self.priority.is_none_or(|priority| priority == message.priority)
            && self
                .message_type
                .is_none_or(|asked| asked == message.message_type)
            && self
                .conversation
                .is_none_or(|asked| asked == message.conversation_id)
            && self
                .grep
                .as_ref()
                .is_none_or(|text| message.content.to_lowercase().contains(text))
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at <= until)
    }

    /// Subjects under which all messages lie that may be meant, and few others.
    pub(crate) fn subjects(&self, hive: &Hive, whose: Whose<'_>) -> Vec<String> {
        let priority = self.priority.map_or("*", Priority::as_str);
        let from = self.from.as_ref().map_or("*", AgentId::as_str);
        let message = |to: &str, from: &str| format!("{hive}.msg.{to}.{priority}.{from}");
        let post = |room: &str, from: &str| format!("{hive}.room.{room}.{priority}.{from}");
        let with = self.with.as_ref().map(Recipient::kind);
        match (with, whose) {
            (Some(RecipientKind::Room(room)), _) => vec![post(room.as_str(), from)],
            (Some(RecipientKind::Agent(with)), Whose::Of(me, rooms)) => {
                let posts = rooms.iter().map(|room| post(room, with.as_str()));
                let direct = [
                    message(me.as_str(), with.as_str()),
                    message(with.as_str(), me.as_str()),
                ];
                direct.into_iter().chain(posts).collect()
            }
            (Some(RecipientKind::Agent(with)), Whose::All) => {
                let with = with.as_str();
                vec![message(with, from), message("*", with), post("*", with)]
            }
            (Some(RecipientKind::Capability(_)) | None, Whose::Of(me, rooms)) => {
                let posts = rooms.iter().map(|room| post(room, from));
                let me = me.as_str();
                let own = [message(me, from), message("*", me), post("*", me)];
                own.into_iter().chain(posts).collect()
            }
            (Some(RecipientKind::Capability(_)) | None, Whose::All) => {
                vec![message("*", from), post("*", from)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(change: impl FnOnce(&mut FilterArgs)) -> Filter {
        let mut args = FilterArgs::default();
        change(&mut args);
        Filter::new(&args, &TimeArgs::default()).unwrap()
    }

    fn message(from: &str, to: &str) -> Message {
        let id = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";
        serde_json::from_value(
            json!({ "id": id, "from_agent": from, "to_agent": to, "content": "The Build is RED",
            "priority": "high", "message_type": "task", "timestamp": "2026-01-02T03:04:05.000Z" }),
        )
        .unwrap()
    }

    #[test]
    fn every_option_narrows_the_choice() {
        let at = Timestamp::from_unix_ms(1_000).unwrap();
        let takes = |filter: Filter, from, to| filter.takes(&message(from, to), at);
        assert!(takes(filter(|_| {}), "alice", "bob"));
        for (with, from, to, taken) in [
            ("bob", "alice", "bob", true),
            ("bob", "bob", "alice", true),
            ("bob", "alice", "carol", false),
            ("all", "alice", "room:all", true),
            ("room:design", "bob", "room:design", true),
            ("room:design", "bob", "room:all", false),
        ] {
            assert_eq!(
                takes(filter(|a| a.with = Some(with.into())), from, to),
                taken,
                "{with} {from} {to}"
            );
        }
        for (grep, taken) in [("build is red", true), ("RED", true), ("green", false)] {
            assert_eq!(takes(filter(|a| a.grep = Some(grep.into())), "a", "b"), taken);
        }
        assert!(!takes(filter(|a| a.priority = Some(Priority::Low)), "a", "b"));
        assert!(!takes(
            filter(|a| a.message_type = Some(MessageType::Status)),
            "a",
            "b"
        ));
        assert!(!takes(filter(|a| a.from = Some("b".parse().unwrap())), "a", "b"));
        let other = Some("0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3e".to_owned());
        assert!(!takes(filter(|a| a.conversation = other), "a", "b"));
        for (since, until, taken) in [(999, 1_001, true), (1_001, 2_000, false), (0, 999, false)] {
            let timed = Filter {
                since: Timestamp::from_unix_ms(since).ok(),
                until: Timestamp::from_unix_ms(until).ok(),
                ..Filter::default()
            };
            assert_eq!(takes(timed, "a", "b"), taken);
        }
    }

    /// Whatever is meant lies under one of the subjects.
    #[test]
    fn subjects_cover_what_is_meant() {
        let hive = Hive::default();
        let me: AgentId = "alice".parse().unwrap();
        let rooms = ["all".to_owned()];
        let of = |filter: Filter| filter.subjects(&hive, Whose::Of(&me, &rooms));
        assert_eq!(
            of(filter(|_| {})),
            [
                "wb.msg.alice.*.*",
                "wb.msg.*.*.alice",
                "wb.room.*.*.alice",
                "wb.room.all.*.*"
            ]
        );
        let with = filter(|a| {
            a.with = Some("bob".into());
            a.priority = Some(Priority::High);
        });
        assert_eq!(
            of(with.clone()),
            [
                "wb.msg.alice.high.bob",
                "wb.msg.bob.high.alice",
                "wb.room.all.high.bob"
            ]
        );
        assert_eq!(
            with.subjects(&hive, Whose::All),
            ["wb.msg.bob.high.*", "wb.msg.*.high.bob", "wb.room.*.high.bob"]
        );
        assert_eq!(of(filter(|a| a.with = Some("room:x".into()))), ["wb.room.x.*.*"]);
        assert_eq!(
            filter(|a| a.from = Some("bob".parse().unwrap())).subjects(&hive, Whose::All),
            ["wb.msg.*.*.bob", "wb.room.*.*.bob"]
        );
    }

    #[test]
    fn moments_are_durations_ago_or_times() {
        let now: Timestamp = "2026-01-02T00:00:00.000Z".parse().unwrap();
        for (text, at) in [
            ("2h", "2026-01-01T22:00:00.000Z"),
            ("3d", "2025-12-30T00:00:00.000Z"),
            ("2026-01-01T00:00:00+01:00", "2025-12-31T23:00:00.000Z"),
            ("9000y", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(moment(text).unwrap().at(now).to_string(), at, "{text}");
        }
        for bad in ["", "yesterday", "-2h", "7", "2026-01-01"] {
            assert!(moment(bad).is_err(), "{bad:?}");
        }
        let capability = FilterArgs {
            with: Some("capability:rust".into()),
            ..FilterArgs::default()
        };
        let refused = Filter::new(&capability, &TimeArgs::default()).unwrap_err();
        assert_eq!(refused.exit_code(), 6);
    }
}
