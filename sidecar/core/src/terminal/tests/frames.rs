//! How messages are shown.

use proptest::prelude::*;

use super::{SECRET, fence, framed, message};
use crate::terminal::command::{Guard, is_target, outcome};
use crate::terminal::fence::Fence;
use crate::terminal::frame::{Form, Framing, LINE_BYTES_MAX, Verified, fits};

#[test]
fn a_block_says_who_and_marks_every_line() {
    let block = framed(Form::Block, "one\n@bob !urgent: two\n").unwrap();
    let fence = fence();
    let expected = format!(
        "[wb:{fence} message from alice (verified by the bus), id 01010101-0101-0101-0101-010101010101, normal status; \
         data from another agent]\n| one\n| @bob !urgent: two\n| \n\
         [wb:{fence} end; answer with: /opt/bin/wagglebus --as bob send alice TEXT]"
    );
    assert_eq!(block, expected);
}

#[test]
fn a_line_is_one_line_and_a_shell_does_nothing_with_it() {
    let line = framed(Form::Line, "a\\b\n@carol hi\tx").unwrap();
    assert!(line.contains(" | a\\\\b\\n@carol hi\\tx [wb:"), "{line}");
    let line = framed(Form::ShellLine, "it's '; touch /tmp/x; '").unwrap();
    assert!(line.starts_with(": '[wb:") && line.ends_with(" end]'"), "{line}");
    assert!(line.contains("it'\\''s '\\''; touch"), "{line}");
    assert_eq!(framed(Form::Line, &"x".repeat(4_000)), None);
    assert!(framed(Form::Line, &"x".repeat(3_700)).is_some());
}

#[test]
fn a_claimed_sender_a_room_and_a_redelivery_are_said() {
    let me = "bob".parse().unwrap();
    let framing = Framing {
        form: Form::Block,
        verified: Verified::Claimed,
        me: &me,
        program: "/a b/wagglebus",
        reads_output: true,
    };
    let mut message = message("x");
    message.to_agent = "room:design".parse().unwrap();
    let text = framing.message(fence(), &message, true).unwrap();
    for part in [
        "(claimed, not verified) to room design",
        "may have come before",
        "a line that begins with @alice",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let nudge = framing.nudge(Fence::of_nudge(&SECRET, 1), 3, 1);
    assert!(
        nudge.contains("3 messages wait (1 urgent); read with: '/a b/wagglebus' --as bob inbox --take 1")
    );
    assert_eq!(nudge.lines().count(), 1);
}

#[test]
fn what_fits_depends_on_the_form() {
    let long = message(&"\\".repeat(3_000));
    assert!(fits(Form::Block, &long, usize::MAX));
    assert!(!fits(Form::Block, &long, 2_000));
    assert!(!fits(Form::Line, &long, usize::MAX), "doubled it is too long");
    let longest: wagglebus_schemas::AgentId = "x".repeat(63).parse().unwrap();
    for (form, content) in [
        (Form::Line, "x".repeat(3_500)),
        (Form::Line, "\\".repeat(1_750)),
        (Form::ShellLine, "'".repeat(875)),
    ] {
        let mut message = message(&content);
        message.from_agent = longest.clone();
        message.to_agent = format!("room:{longest}").parse().unwrap();
        assert!(fits(form, &message, usize::MAX));
        let framing = Framing {
            form,
            verified: Verified::Claimed,
            me: &longest,
            program: "/w",
            reads_output: false,
        };
        assert!(
            framing.message(fence(), &message, true).is_some(),
            "what fits can be shown"
        );
        message.content.push('x');
        assert!(!fits(form, &message, usize::MAX));
    }
}

#[test]
fn an_act_is_guarded_by_everything_that_tmux_knows() {
    let guard = Guard::of(&super::flags(), "agent");
    let paste = guard.paste(fence(), "-");
    let condition = paste.iter().find(|word| word.starts_with("#{==:")).unwrap();
    assert!(condition.ends_with(",100/101/0000/agent}"), "{condition}");
    assert!(
        paste
            .iter()
            .any(|word| word.contains("paste-buffer -p -r -d -b wb-"))
    );
    let pause = "run-shell -d 0.001";
    assert!(!paste.iter().any(|word| word == pause));
    let pausing = guard.pausing(true).enter();
    let at = |word: &str| pausing.iter().position(|found| found == word).unwrap();
    assert!(at("if-shell") < at(pause) && at(pause) < at("capture-pane"));
    let odd = Guard::of(&super::flags(), "a,b}").enter();
    assert!(!odd.iter().any(|word| word.contains("a,b")));
    assert_eq!(outcome("wb-done\nrest"), Some((true, "rest")));
    assert_eq!(outcome("wb-refused\n"), Some((false, "")));
    assert_eq!(outcome(""), None);
    for (target, good) in [
        ("%3", true),
        ("main:1.0", true),
        ("agent-hive:agent-x", true),
        ("", false),
        ("-t", false),
        ("%-1", false),
        ("#{pid}", false),
        ("a b", false),
    ] {
        assert_eq!(is_target(target), good, "{target}");
    }
}

proptest! {
    #[test]
    fn no_body_leaves_its_frame(content in any::<String>()) {
        for form in [Form::Block, Form::Line, Form::ShellLine] {
            let Some(text) = framed(form, &content) else { continue };
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
            if form == Form::Block {
                prop_assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with("| ")));
            } else {
                prop_assert_eq!(lines.len(), 1);
                prop_assert!(text.len() <= LINE_BYTES_MAX);
                prop_assert!(!text.contains('\t'));
            }
            if form == Form::ShellLine {
                // Outside of quotes there is nothing but the null command and escaped quotes.
                let quoted = text.strip_prefix(": '").unwrap().strip_suffix('\'').unwrap();
                prop_assert!(!quoted.replace("'\\''", "").contains('\''));
            }
        }
    }
}
