//! Subjects with wildcards.

/// The tokens of `subject` that stand for the wildcards of `filter`; `None` when it does not match.
pub(super) fn captures<'a>(filter: &str, subject: &'a str) -> Option<Vec<&'a str>> {
    let mut tokens = subject.split('.');
    let mut captured = Vec::new();
    for wanted in filter.split('.') {
        if wanted == ">" {
            return tokens.next().map(|_| captured);
        }
        let token = tokens.next()?;
        if wanted == "*" {
            captured.push(token);
        } else if wanted != token {
            return None;
        }
    }
    tokens.next().is_none().then_some(captured)
}

pub(super) fn matches(filter: &str, subject: &str) -> bool {
    captures(filter, subject).is_some()
}

/// `template` with `{{wildcard(n)}}` replaced by the n-th capture.
pub(super) fn expand(template: &str, captures: &[&str]) -> String {
    let numbered = captures.iter().zip(1..);
    numbered.fold(template.to_owned(), |text, (token, n)| {
        text.replace(&format!("{{{{wildcard({n})}}}}"), token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_nats() {
        for (filter, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.b", "a.c", false),
        ] {
            assert_eq!(matches(filter, subject), expected, "{filter} {subject}");
        }
        let captured = captures("wb.msg.*.*.*", "wb.msg.bob.low.alice").unwrap();
        let wake = expand("wb.wake.msg.{{wildcard(1)}}.{{wildcard(2)}}", &captured);
        assert_eq!(wake, "wb.wake.msg.bob.low");
    }
}
