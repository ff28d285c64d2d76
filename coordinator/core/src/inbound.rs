//! Bytes from the bus to events, or a named reason why they are ignored.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wagglebus_schemas::decode;
use wagglebus_schemas::enrolment::Enrolment;
use wagglebus_schemas::heartbeat::Heartbeat;
use wagglebus_schemas::subject::Subject;
use wagglebus_schemas::{AgentId, Hive};

use crate::effect::Ignored;
use crate::event::{Event, Request};
use crate::liveness::Connection;
use crate::order::ReplyTo;

/// Longest heartbeat in bytes; a usual one has about 1 KiB.
pub const HEARTBEAT_BYTES_MAX: usize = 32 * 1024;
/// Longest enrolment record in bytes; it grows with the rooms.
pub const ENROLMENT_BYTES_MAX: usize = 256 * 1024;
/// Longest notice of the server in bytes.
pub const NOTICE_BYTES_MAX: usize = 64 * 1024;

/// Reads a heartbeat. That sender and body agree is the roster's to check.
///
/// # Errors
/// When subject or body cannot be read.
pub fn heartbeat(hive: &Hive, subject: &str, bytes: &[u8]) -> Result<Event, Ignored> {
    const WHAT: &str = "heartbeat";
    let Ok(Subject::Heartbeat { from }) = Subject::parse(hive, subject) else {
        return Err(unreadable(
            WHAT,
            subject,
            "the subject is not that of a heartbeat",
        ));
    };
    let heartbeat: Heartbeat = record(WHAT, subject, bytes, HEARTBEAT_BYTES_MAX)?;
    Ok(Event::Heartbeat {
        from,
        heartbeat: Box::new(heartbeat),
    })
}

/// Reads an enrolment from its bucket.
///
/// # Errors
/// When key or value cannot be read, or the value is about another agent than the key.
pub fn enrolment(key: &str, bytes: &[u8]) -> Result<Enrolment, Ignored> {
    const WHAT: &str = "enrolment";
    let sender: AgentId = agent_key(key)?;
    let enrolment: Enrolment = record(WHAT, key, bytes, ENROLMENT_BYTES_MAX)?;
    if enrolment.agent == sender {
        Ok(enrolment)
    } else {
        Err(Ignored::Forged {
            what: WHAT,
            sender,
            claimed: enrolment.agent,
        })
    }
}

/// Reads the key of an enrolment.
///
/// # Errors
/// When it is no agent's name.
pub fn agent_key(key: &str) -> Result<AgentId, Ignored> {
    key.parse().map_err(|error| unreadable("enrolment", key, error))
}

/// Reads a request. Its body is judged later, since its sender shall get an answer.
///
/// # Errors
/// When the subject is not that of a method, or nobody waits for the answer.
pub fn request(hive: &Hive, subject: &str, reply: Option<&str>, body: &[u8]) -> Result<Event, Ignored> {
    const WHAT: &str = "request";
    let Ok(Subject::Api { method, from }) = Subject::parse(hive, subject) else {
        return Err(unreadable(WHAT, subject, "the subject is not that of a method"));
    };
    let Some(reply) = reply else {
        return Err(unreadable(WHAT, subject, "it names no reply subject"));
    };
    Ok(Event::Request(Request {
        method,
        from,
        body: body.to_vec(),
        reply: ReplyTo(reply.to_owned()),
    }))
}

/// Subjects on which posts to rooms pass by.
pub fn post_filter(hive: &Hive) -> String {
    format!("{hive}.room.*.*.*")
}

/// Reads that a post passed by. Its body is the members' affair.
///
/// # Errors
/// When the subject is not that of a post.
pub fn post(hive: &Hive, subject: &str) -> Result<Event, Ignored> {
    let parsed = Subject::parse(hive, subject);
    let Ok(Subject::Room { room, priority, from }) = parsed else {
        return Err(unreadable("post", subject, "the subject is not that of a post"));
    };
    Ok(Event::Posted { room, priority, from })
}

/// The fields that we need of the server's notice of a connection (`io.nats.server.advisory.v1.client_connect` and
/// `client_disconnect`).
#[derive(Debug, Deserialize)]
struct Notice {
    server: NoticeServer,
    client: NoticeClient,
}

#[derive(Debug, Deserialize)]
struct NoticeServer {
    id: String,
}

#[derive(Debug, Deserialize)]
struct NoticeClient {
    id: u64,
    /// The public key that logged in. Never the client's `name`, which is free text (TOPOLOGY 4, Who connected).
    #[serde(default)]
    user: Option<String>,
}

/// Subjects on which the server's notices arrive.
pub fn notice_filter(hive: &Hive) -> String {
    format!("{hive}.sys.>")
}

/// Reads a notice of the server; `Ok(None)` when it is of no interest: failed logins, and users without a key.
///
/// The subject is `<hive>.sys.connect` or `.disconnect`, with the account's name behind it where each agent has an
/// account of its own (TOPOLOGY 3, 5).
///
/// # Errors
/// When the body cannot be read.
pub fn notice(hive: &Hive, subject: &str, bytes: &[u8]) -> Result<Option<Event>, Ignored> {
    let kind = subject
        .strip_prefix(hive.as_str())
        .and_then(|rest| rest.strip_prefix(".sys."))
        .and_then(|rest| rest.split('.').next());
    let opened = match kind {
        Some("connect") => true,
        Some("disconnect") => false,
        Some(_) | None => return Ok(None),
    };
    let notice: Notice = record("server notice", subject, bytes, NOTICE_BYTES_MAX)?;
    let connection = Connection {
        server: notice.server.id,
        id: notice.client.id,
    };
    Ok(notice.client.user.map(|nkey| {
        if opened {
            Event::Opened { nkey, connection }
        } else {
            Event::Closed { nkey, connection }
        }
    }))
}

fn record<T: DeserializeOwned>(
    what: &'static str,
    subject: &str,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, Ignored> {
    decode::record(what, bytes, bytes_max).map_err(|error| unreadable(what, subject, error))
}

fn unreadable(what: &'static str, subject: &str, reason: impl std::fmt::Display) -> Ignored {
    Ignored::Unreadable {
        what,
        subject: subject.chars().take(80).collect(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(subject: &str, body: &str) -> Result<Option<Event>, Ignored> {
        notice(&Hive::default(), subject, body.as_bytes())
    }

    #[test]
    fn notices_are_read_in_both_forms_of_the_configuration() {
        let body =
            r#"{"type":"x","server":{"id":"S","name":"n"},"client":{"id":7,"user":"UKEY","name":"bob"}}"#;
        let (nkey, connection) = (
            "UKEY".to_owned(),
            Connection {
                server: "S".to_owned(),
                id: 7,
            },
        );
        let opened = Event::Opened {
            nkey: nkey.clone(),
            connection: connection.clone(),
        };
        let closed = Event::Closed { nkey, connection };
        for (subject, event) in [
            ("wb.sys.connect.A_alice", Some(&opened)),
            ("wb.sys.connect", Some(&opened)),
            ("wb.sys.disconnect.A_alice", Some(&closed)),
            ("wb.sys.disconnect", Some(&closed)),
            ("wb.sys.autherr.S", None),
            ("acme.sys.connect", None),
        ] {
            assert_eq!(read(subject, body).unwrap().as_ref(), event, "{subject}");
        }
    }

    #[test]
    fn a_notice_without_a_key_is_of_no_interest_and_a_broken_one_is_named() {
        let nobody = r#"{"server":{"id":"S"},"client":{"id":7}}"#;
        assert_eq!(read("wb.sys.connect", nobody), Ok(None));
        for body in ["", "{}", r#"{"server":{"id":"S"},"client":{"id":-1}}"#] {
            let ignored = read("wb.sys.connect", body).unwrap_err();
            assert_eq!(ignored.kind(), "unreadable", "{body}");
        }
    }

    #[test]
    fn an_enrolment_under_anothers_key_is_forged() {
        let key = format!("U{:A<55}", "");
        let body = format!(
            r#"{{"agent":"bob","nkey":"{key}","ephemeral":false,"rooms":[],"at":"2026-01-02T03:04:05.678Z"}}"#
        );
        assert_eq!(enrolment("bob", body.as_bytes()).unwrap().agent.as_str(), "bob");
        assert_eq!(enrolment("alice", body.as_bytes()).unwrap_err().kind(), "forged");
        for key in ["a.b", ">", ""] {
            assert_eq!(enrolment(key, body.as_bytes()).unwrap_err().kind(), "unreadable");
        }
    }
}
