//! What must be submitted in one pane, and what was: pure bookkeeping over texts and bytes.

use std::collections::{BTreeMap, BTreeSet};

use wagglebus_schemas::Id;

use super::frame::{shown, unframed};

/// Text around the place where two differ, in characters.
const AROUND: usize = 30;
const PASTE: &str = "\u{1b}[200~";
const PASTED: &str = "\u{1b}[201~";

/// The messages of one pane.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// What is yet to come: its name in reports, and its body as it must arrive.
    open: BTreeMap<Id, (String, String)>,
    done: BTreeSet<Id>,
    submits: usize,
    violations: Vec<String>,
}

impl Judge {
    /// A message is about to be sent.
    pub(super) fn expect(&mut self, id: Id, name: String, arrives: String) {
        self.open.insert(id, (name, arrives));
    }

    /// How many were sent and not submitted yet.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// How many texts were submitted.
    pub(super) const fn submits(&self) -> usize {
        self.submits
    }

    /// A text was submitted.
    pub(super) fn submitted(&mut self, text: &str) {
        self.submits += 1;
        let (id, body) = match unframed(text) {
            Ok(frame) => frame,
            Err(why) => return self.violations.push(why),
        };
        let again = !self.done.insert(id);
        match self.open.remove(&id) {
            Some((_, arrives)) if arrives == body => {}
            Some((name, arrives)) => self
                .violations
                .push(format!("{name} arrived changed: {}", difference(&arrives, &body))),
            None if again => self
                .violations
                .push(format!("{id} was submitted twice: {}", shown(&body))),
            None => self
                .violations
                .push(format!("{id} was never sent: {}", shown(&body))),
        }
    }

    /// Everything that was not as it must be. What is still open is lost; `known` says what is known of such a message.
    pub(super) async fn violations(self, known: impl AsyncFn(Id) -> String) -> Vec<String> {
        let mut violations = self.violations;
        for (id, (name, _)) in self.open {
            violations.push(format!("{name} was never submitted; {}", known(id).await));
        }
        violations
    }
}

/// Where two texts part.
fn difference(expected: &str, found: &str) -> String {
    let same = expected.chars().zip(found.chars());
    let same = same.take_while(|(one, other)| one == other).count();
    let around = |text: &str| {
        let part: String = text
            .chars()
            .skip(same.saturating_sub(AROUND))
            .take(2 * AROUND)
            .collect();
        shown(&part)
    };
    format!(
        "after {same} characters, {} instead of {}",
        around(found),
        around(expected)
    )
}

/// What is wrong with the bytes that a pane was given: they must be `pastes` pastes with an Enter each, without any
/// control in them but line break and tab, and nothing else.
pub(super) fn outside(bytes: &[u8], pastes: usize) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(format!("no UTF-8 from byte {} on", error.valid_up_to())),
    };
    let mut rest = text;
    for nth in 1..=pastes {
        let at = text.len() - rest.len();
        let Some((before, paste)) = rest.split_once(PASTE) else {
            return Some(format!("only {} pastes of {pastes}: {}", nth - 1, shown(rest)));
        };
        if !before.is_empty() {
            return Some(format!("byte {at}: outside of any paste: {}", shown(before)));
        }
        let Some((inside, after)) = paste.split_once(PASTED) else {
            return Some(format!("byte {at}: paste {nth} has no end"));
        };
        let bad = |char: &char| char.is_control() && *char != '\n' && *char != '\t';
        if let Some(control) = inside.chars().find(bad) {
            return Some(format!("byte {at}: {control:?} in paste {nth}"));
        }
        let Some(after) = after.strip_prefix('\r') else {
            return Some(format!(
                "byte {at}: no Enter after paste {nth}, but {}",
                shown(after)
            ));
        };
        rest = after;
    }
    (!rest.is_empty()).then(|| format!("after the last paste: {}", shown(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Id {
        Id::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn frame(number: u128, body: &str) -> String {
        let fence = "0123456789abcdef";
        let id = id(number);
        format!(
            "[wb:{fence} message from a, id {id}, normal text; data from another agent]\n| {body}\n[wb:{fence} end; x]"
        )
    }

    async fn judged(submits: &[String]) -> Vec<String> {
        let mut judge = Judge::default();
        judge.expect(id(1), "body 1".to_owned(), "one".to_owned());
        judge.expect(id(2), "body 2".to_owned(), "two".to_owned());
        for submit in submits {
            judge.submitted(submit);
        }
        assert_eq!(judge.submits(), submits.len());
        judge.violations(async |id| format!("{id} is unknown")).await
    }

    #[tokio::test]
    async fn lost_doubled_joined_changed_and_strange_are_found() {
        let (one, two) = (frame(1, "one"), frame(2, "two"));
        assert_eq!(judged(&[two.clone(), one.clone()]).await, Vec::<String>::new());
        for (submits, found) in [
            (vec![one.clone()], "body 2"),
            (vec![one.clone(), two.clone(), one.clone()], "twice"),
            (vec![one.clone(), frame(2, "twÖ")], "changed: after 2 characters"),
            (vec![one.clone(), two.clone(), frame(3, "three")], "never sent"),
            (vec![one.clone(), two.clone(), "typed".to_owned()], "no frame"),
        ] {
            let violations = judged(&submits).await;
            assert_eq!(violations.len(), 1, "{violations:?}");
            assert!(violations[0].contains(found), "{violations:?}");
        }
        // Two in one submit are one that is no frame, and two that were lost.
        assert_eq!(judged(&[one + &two]).await.len(), 3);
    }

    #[test]
    fn bytes_outside_of_pastes_are_found() {
        let paste = |text: &str| format!("{PASTE}{text}{PASTED}\r");
        let two = paste("a\n\tb") + &paste("ü");
        assert_eq!(outside(two.as_bytes(), 2), None);
        for (bytes, pastes) in [
            (two.clone(), 1),
            (two.clone(), 3),
            (format!("x{two}"), 2),
            (format!("{two}x"), 2),
            (paste("a\u{3}b"), 1),
            (paste("a\u{9b}b"), 1),
            (format!("{}x\r", paste("a").trim_end()), 1),
            (format!("{PASTE}a"), 1),
        ] {
            assert!(outside(bytes.as_bytes(), pastes).is_some(), "{bytes:?}");
        }
        assert!(outside(b"\xff", 0).is_some());
    }
}
