//! `@` lines in what a pane prints.

use proptest::prelude::*;

use super::{fence, framed};
use crate::terminal::frame::Form;
use crate::terminal::output::{Output, complete};
use crate::text::TextLine;

/// The contents of the drafts that these lines ask for.
fn sent(output: &mut Output, lines: &[&str]) -> Vec<String> {
    let mut sent = Vec::new();
    for said in output.read(lines) {
        match said {
            Ok(TextLine::Drafts(drafts)) => sent.extend(drafts.into_iter().map(|draft| draft.content)),
            Ok(TextLine::Output(_)) => {}
            Err(error) => sent.push(format!("error: {error}")),
        }
    }
    sent
}

#[test]
fn a_line_is_complete_once_the_cursor_has_left_it() {
    let rows = ["one", "", "a long li", "ne, wrap", "ped", "prompt> h"];
    let joined = ["one", "", "a long li ne, wrapped", "prompt> h"];
    assert_eq!(complete(&rows, &joined, 5), joined[..3]);
    assert_eq!(complete(&rows, &joined, 4), joined[..2], "still being written");
    assert_eq!(complete(&rows, &joined, 2), joined[..2]);
    assert_eq!(complete(&rows, &joined, 0), [] as [&str; 0]);
    assert_eq!(complete(&["", "", ""], &["", "", ""], 2), ["", ""]);
}

#[test]
fn what_stood_there_first_is_not_sent() {
    let mut output = Output::default();
    assert!(sent(&mut output, &["@bob old", "$ "]).is_empty());
    assert_eq!(sent(&mut output, &["@bob old", "$ ", "@bob new"]), ["new"]);
    assert!(
        sent(&mut output, &["@bob old", "$ ", "@bob new"]).is_empty(),
        "once"
    );
}

#[test]
fn what_somebody_else_printed_is_not_sent() {
    let mut output = Output::default();
    sent(&mut output, &["one"]);
    output.forget();
    assert!(sent(&mut output, &["one", "@bob not mine"]).is_empty());
    assert_eq!(
        sent(&mut output, &["one", "@bob not mine", "@bob mine"]),
        ["mine"]
    );
}

#[test]
fn scrolling_and_repetition_neither_lose_nor_double() {
    let mut output = Output::default();
    let lines: Vec<String> = (0..200).map(|n| format!("@bob {n}")).collect();
    let window = |from: usize, to: usize| lines[from..to].iter().map(String::as_str).collect::<Vec<_>>();
    sent(&mut output, &window(0, 50));
    assert_eq!(sent(&mut output, &window(20, 60)).len(), 10);
    assert_eq!(sent(&mut output, &window(59, 120)).len(), 60);
    assert!(sent(&mut output, &window(59, 120)).is_empty());
    let mut same = Output::default();
    sent(&mut same, &[]);
    assert_eq!(sent(&mut same, &["@bob x"]).len(), 1);
    assert_eq!(sent(&mut same, &["@bob x", "@bob x"]).len(), 1, "said again");
}

#[test]
fn a_screen_that_is_drawn_anew_repeats_nothing() {
    let mut output = Output::default();
    sent(&mut output, &["one"]);
    assert_eq!(sent(&mut output, &["one", "@bob a", "two"]), ["a"]);
    assert!(sent(&mut output, &["cleared"]).is_empty());
    assert!(sent(&mut output, &["header", "one", "@bob a", "two"]).is_empty());
    assert_eq!(sent(&mut output, &["other", "@bob a", "@bob b"]), ["b"]);
}

#[test]
fn only_lines_that_begin_with_an_address_count_and_bad_ones_are_told() {
    let mut output = Output::default();
    sent(&mut output, &[]);
    let lines = [
        "| @bob !urgent: no",
        " @bob no",
        "said @bob no",
        "@@bob no",
        "@Bob no",
    ];
    let sent = sent(&mut output, &lines);
    assert!(sent.len() == 1 && sent[0].starts_with("error"), "{sent:?}");
}

#[test]
fn text_in_our_frames_is_never_sent_wherever_it_reappears() {
    let text = framed(Form::Line, "x").unwrap();
    let body = "@mallory !urgent: forged";
    let block = format!(
        "{}forged message]\n{body}\n{}; answer]",
        fence().open(),
        fence().close()
    );
    for expected in [true, false] {
        let mut output = Output::default();
        sent(&mut output, &["start"]);
        if expected {
            output.expect(fence(), &block);
        }
        let mut lines = vec!["start", "> name? "];
        lines.extend(block.lines());
        lines.push("@bob mine");
        assert_eq!(sent(&mut output, &lines), ["mine"]);
        lines.push("He said:");
        lines.extend(block.lines());
        assert!(sent(&mut output, &lines).is_empty(), "quoted");
        lines.extend(text.lines());
        lines.push("@bob again");
        assert_eq!(
            sent(&mut output, &lines),
            ["again"],
            "a frame on one line ends there"
        );
    }
}

#[test]
fn a_frame_that_is_cut_off_mutes_for_a_while_only() {
    let mut output = Output::default();
    sent(&mut output, &[]);
    let open = fence().open();
    let mut lines = vec![open.as_str(), "@bob muted"];
    assert!(sent(&mut output, &lines).is_empty());
    let long = "x".repeat(200);
    lines.extend(std::iter::repeat_n(long.as_str(), 100));
    lines.push("@bob heard");
    assert_eq!(sent(&mut output, &lines), ["heard"]);
}

proptest! {
    /// Whatever body a frame has, and however a program wraps it: nothing of it is sent.
    #[test]
    fn no_body_is_sent(content in "(@bob|!urgent|: | |\\n|[a-z]{1,9}|é|\\[wb:){0,60}", width in 8_usize..90) {
        for form in [Form::Block, Form::Line] {
            let Some(text) = framed(form, &content) else { continue };
            let mut wrapped = Vec::new();
            for line in text.split('\n') {
                let chars: Vec<char> = line.chars().collect();
                wrapped.extend(chars.chunks(width).map(|row| row.iter().collect::<String>()));
            }
            let mut output = Output::default();
            sent(&mut output, &[]);
            output.expect(fence(), &text);
            let lines: Vec<&str> = wrapped.iter().map(String::as_str).collect();
            for end in 1..=lines.len() {
                prop_assert!(sent(&mut output, &lines[..end]).is_empty());
            }
        }
    }
}
