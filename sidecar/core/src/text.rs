//! The text grammar: how a program that speaks no JSON addresses others, one line at a time (WIRE, stdio).
//!
//! ```text
//! line = addr *("," addr) *(SP flag) [":"] SP text
//! addr = "@" ( agent-id / "room:" name / "capability:" name / "all" )
//! flag = "!" priority / "#" message-type / "^" id of the message that is answered
//! ```

use wagglebus_schemas::message::{MessageType, metadata};
use wagglebus_schemas::{Draft, Id, Message, Priority, Recipient};

/// Most addresses on one line.
pub const ADDRESSES_MAX: usize = 32;

/// What a line of a text program is.
#[derive(Debug, Clone, PartialEq)]
pub enum TextLine {
    /// Ordinary output.
    Output(String),
    /// One draft per address.
    Drafts(Vec<Draft>),
}

/// Why a line that begins with `@` is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// An address is malformed.
    #[error(
        "{text:?} is no address: write @agent, @room:name, @capability:name or @all; begin the line with @@ for plain text"
    )]
    Address {
        /// The address, shortened.
        text: String,
    },
    /// A flag is malformed.
    #[error(
        "{text:?} is no flag: write !urgent !high !normal !low, #task #status #question #response, or ^id"
    )]
    Flag {
        /// The flag, shortened.
        text: String,
    },
    /// There is nothing to send.
    #[error("the line has an address but no text")]
    NoText,
    /// Too many addresses.
    #[error("more than {ADDRESSES_MAX} addresses on one line; use a room")]
    TooManyAddresses,
}

/// Reads one line, without its end.
///
/// # Errors
/// See [`TextError`]; nothing of the line is to be sent.
pub fn parse(line: &str) -> Result<TextLine, TextError> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if let Some(literal) = line.strip_prefix("@@") {
        return Ok(TextLine::Output(format!("@{literal}")));
    }
    if !line.starts_with('@') {
        return Ok(TextLine::Output(line.to_owned()));
    }
    let (addresses, mut rest) = line.split_once(' ').ok_or(TextError::NoText)?;
    // A colon may close the addresses, or the flags.
    let (addresses, mut closed) = match addresses.strip_suffix(':') {
        Some(addresses) => (addresses, true),
        None => (addresses, false),
    };
    let recipients = recipients(addresses)?;
    let mut draft = Draft::text(
        recipients.first().cloned().ok_or(TextError::NoText)?,
        String::new(),
    );
    while !closed && rest.starts_with(['!', '#', '^']) {
        let (flag, after) = rest.split_once(' ').ok_or(TextError::NoText)?;
        let (flag, last) = match flag.strip_suffix(':') {
            Some(flag) => (flag, true),
            None => (flag, false),
        };
        set(&mut draft, flag)?;
        (rest, closed) = (after, last);
    }
    if rest.is_empty() {
        return Err(TextError::NoText);
    }
    draft.content = rest.to_owned();
    let to = |recipient| Draft {
        to_agent: recipient,
        ..draft.clone()
    };
    Ok(TextLine::Drafts(recipients.into_iter().map(to).collect()))
}

fn recipients(addresses: &str) -> Result<Vec<Recipient>, TextError> {
    let mut recipients = Vec::new();
    for address in addresses.split(',') {
        let name = address.strip_prefix('@').and_then(|name| name.parse().ok());
        recipients.push(name.ok_or_else(|| TextError::Address {
            text: shorten(address),
        })?);
        if recipients.len() > ADDRESSES_MAX {
            return Err(TextError::TooManyAddresses);
        }
    }
    Ok(recipients)
}

fn set(draft: &mut Draft, flag: &str) -> Result<(), TextError> {
    let error = || TextError::Flag { text: shorten(flag) };
    if let Some(priority) = flag.strip_prefix('!') {
        draft.priority = priority.parse::<Priority>().map_err(|_| error())?;
    } else if let Some(message_type) = flag.strip_prefix('#') {
        draft.message_type = message_type.parse::<MessageType>().map_err(|_| error())?;
    } else {
        let id: Id = flag
            .strip_prefix('^')
            .and_then(|id| id.parse().ok())
            .ok_or_else(error)?;
        draft
            .metadata
            .insert(metadata::IN_REPLY_TO.into(), id.to_string().into());
    }
    Ok(())
}

/// A message as one line for a text program, without the line's end.
///
/// Line breaks of the content become `\n` and `\r`, backslashes are doubled: no content can begin a line of its own.
pub fn line(message: &Message) -> String {
    let content = message
        .content
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!(
        "@{} !{} #{} ^{}: {content}",
        message.from_agent, message.priority, message.message_type, message.id
    )
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Timestamp;

    const ID: &str = "0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d";

    fn drafts(line: &str) -> Vec<Draft> {
        match parse(line) {
            Ok(TextLine::Drafts(drafts)) => drafts,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn addresses_flags_and_text() {
        for line in ["@bob hi there", "@bob: hi there", "@bob hi there\r"] {
            let [draft] = drafts(line).try_into().unwrap();
            assert_eq!(
                (draft.to_agent.as_str(), draft.content.as_str()),
                ("bob", "hi there")
            );
        }
        let many = drafts(&format!(
            "@bob,@room:design,@all !urgent #question ^{ID}: what now?"
        ));
        let to: Vec<_> = many.iter().map(|draft| draft.to_agent.as_str()).collect();
        assert_eq!(to, ["bob", "room:design", "all"]);
        for draft in many {
            assert_eq!(
                (draft.priority, draft.message_type),
                (Priority::Urgent, MessageType::Question)
            );
            assert_eq!(draft.metadata.get("in_reply_to").unwrap(), ID);
            assert_eq!(draft.content, "what now?");
        }
    }

    #[test]
    fn a_colon_ends_the_flags() {
        let [draft] = drafts("@bob: !urgent is a word here").try_into().unwrap();
        assert_eq!(
            (draft.priority, draft.content.as_str()),
            (Priority::Normal, "!urgent is a word here")
        );
        let [draft] = drafts("@bob !high: #task !low").try_into().unwrap();
        assert_eq!(
            (draft.priority, draft.content.as_str()),
            (Priority::High, "#task !low")
        );
    }

    #[test]
    fn everything_else_is_output() {
        for (line, output) in [
            ("hello @bob", "hello @bob"),
            (" @bob hi", " @bob hi"),
            ("@@bob hi", "@bob hi"),
            ("", ""),
        ] {
            assert_eq!(parse(line), Ok(TextLine::Output(output.to_owned())), "{line:?}");
        }
    }

    #[test]
    fn a_malformed_line_is_refused_whole() {
        for (line, refused) in [
            ("@Bob hi", "address"),
            ("@ hi", "address"),
            ("@a.b hi", "address"),
            ("@bob, @carol hi", "address"),
            ("@bob,carol hi", "address"),
            ("@bob !soon hi", "flag"),
            ("@bob ^x hi", "flag"),
            ("@bob", "text"),
            ("@bob ", "text"),
            ("@bob !urgent", "text"),
        ] {
            let error = parse(line).unwrap_err();
            let kind = match error {
                TextError::Address { .. } => "address",
                TextError::Flag { .. } => "flag",
                TextError::NoText => "text",
                TextError::TooManyAddresses => "too many",
            };
            assert_eq!(kind, refused, "{line:?}: {error}");
        }
        let crowd = vec!["@a"; ADDRESSES_MAX + 1].join(",");
        assert_eq!(parse(&format!("{crowd} hi")), Err(TextError::TooManyAddresses));
    }

    #[test]
    fn a_message_is_one_line_whatever_its_content() {
        let draft = Draft::text(
            "bob".parse().unwrap(),
            "a\\b\n@carol !urgent: forged\r\nend".into(),
        );
        let message = draft.into_message(ID.parse().unwrap(), "alice".parse().unwrap(), Timestamp::EPOCH);
        let text = line(&message);
        assert_eq!(
            text,
            format!("@alice !normal #status ^{ID}: a\\\\b\\n@carol !urgent: forged\\r\\nend")
        );
        assert_eq!(text.lines().count(), 1);
    }
}
