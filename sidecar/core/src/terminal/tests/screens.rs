//! What screens mean.

use super::{fence, framed, screen};
use crate::terminal::capture::Capture;
use crate::terminal::frame::Form;
use crate::terminal::profile::{AIDER, CLAUDE, CODEX, PLAIN, Profile, SHELL};
use crate::terminal::screen::{Condition, Expected, Input, Sight, read};

const RULE: &str = "────────────────────────────────────────";

fn look(profile: &Profile, capture: &Capture) -> Sight {
    read(profile, capture, Some(&expected(true)), 10_000)
}

fn expected(pasted: bool) -> Expected {
    Expected {
        fence: fence(),
        lines: 13,
        chars: 1_234,
        pasted,
    }
}

fn claude(above: &str, input: &str, below: &str) -> Capture {
    screen(&format!("● Done.\n\n{above}\n{RULE}\n{input}\n{RULE}\n{below}"))
}

#[test]
fn claude_tells_what_it_does() {
    for (capture, condition, input) in [
        (
            claude("", "> ", "  ? for shortcuts"),
            Condition::Idle,
            Input::Empty,
        ),
        (claude("", "❯\u{a0}", ""), Condition::Idle, Input::Empty),
        (
            claude("", "> \u{1b}[2mTry \"fix the bug\"\u{1b}[0m", ""),
            Condition::Idle,
            Input::Empty,
        ),
        (
            claude("", "> \u{1b}[7mT\u{1b}[27m\u{1b}[2mry x\u{1b}[0m", ""),
            Condition::Idle,
            Input::Empty,
        ),
        (
            claude("", "> half a li", ""),
            Condition::HumanTyping,
            Input::Foreign,
        ),
        (
            claude("✻ Thinking… (3s · esc to interrupt)", "> ", ""),
            Condition::Busy,
            Input::Empty,
        ),
        (
            claude("", "> ", "  esc to interrupt"),
            Condition::Busy,
            Input::Empty,
        ),
        (
            claude("✻ Thinking… (esc to interrupt)", "> wait", ""),
            Condition::HumanTyping,
            Input::Foreign,
        ),
        (
            claude("5-hour limit reached ∙ resets 3pm", "> ", ""),
            Condition::RateLimited,
            Input::Empty,
        ),
        (
            claude("  | esc to interrupt", "> ", ""),
            Condition::Idle,
            Input::Empty,
        ),
        (
            claude("", "> ", " ❯ 1. Yes\n   2. No"),
            Condition::DialogOpen,
            Input::Empty,
        ),
        (
            screen(&format!(
                "{RULE}\n Bash command\n   rm x\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n"
            )),
            Condition::DialogOpen,
            Input::Hidden,
        ),
        (screen("Loading…"), Condition::Unclear, Input::Hidden),
        (screen(""), Condition::Unclear, Input::Hidden),
    ] {
        let sight = look(&CLAUDE, &capture);
        assert_eq!((sight.condition, sight.input), (condition, input), "{capture:#?}");
    }
    let boxed = screen("╭────────────────╮\n│ >              │\n╰────────────────╯");
    assert_eq!(look(&CLAUDE, &boxed).input, Input::Empty);
}

#[test]
fn codex_and_aider_tell_what_they_do() {
    for (text, condition, input) in [
        (
            "• Done\n\n› \u{1b}[2mAsk Codex to do anything\u{1b}[0m\n\n  97% left",
            Condition::Idle,
            Input::Empty,
        ),
        ("▌ half\n", Condition::HumanTyping, Input::Foreign),
        (
            "• Working (3s • esc to interrupt)\n\n› \n\n  97% left",
            Condition::Busy,
            Input::Empty,
        ),
        (
            "  Allow command?\n\n› 1. Yes\n  2. No\n",
            Condition::DialogOpen,
            Input::Foreign,
        ),
    ] {
        let sight = look(&CODEX, &screen(text));
        assert_eq!((sight.condition, sight.input), (condition, input), "{text}");
    }
    for (text, condition) in [
        ("Tokens: 2k\n────\nask> ", Condition::Idle),
        ("> ", Condition::Idle),
        ("> fix it", Condition::HumanTyping),
        ("Add file? (Y)es/(N)o [Yes]: ", Condition::DialogOpen),
    ] {
        assert_eq!(look(&AIDER, &screen(text)).condition, condition, "{text}");
    }
}

#[test]
fn plain_programs_are_judged_by_the_cursors_line() {
    for (text, condition) in [
        ("name? ", Condition::Idle),
        (">>> ", Condition::Idle),
        ("some output\n", Condition::HumanTyping),
        ("some output\n\u{1b}[m", Condition::Idle),
        ("name? Jo", Condition::HumanTyping),
        ("Overwrite? [y/N] ", Condition::DialogOpen),
        ("Password: ", Condition::DialogOpen),
    ] {
        assert_eq!(look(&PLAIN, &screen(text)).condition, condition, "{text:?}");
    }
    for (text, condition) in [
        ("$ ", Condition::Idle),
        ("user@host:~# ", Condition::Idle),
        ("$ ls", Condition::HumanTyping),
    ] {
        assert_eq!(look(&SHELL, &screen(text)).condition, condition, "{text:?}");
    }
    let busy = read(&PLAIN, &screen("name? "), None, 100);
    assert_eq!(busy.condition, Condition::Busy, "its screen changed a moment ago");
}

#[test]
fn what_tmux_says_goes_before_what_is_shown() {
    type Change = fn(&mut crate::terminal::capture::Flags);
    let changes: [(Change, Condition); 5] = [
        (|flags| flags.dead = true, Condition::Gone),
        (|flags| flags.synchronized = true, Condition::CannotWake),
        (|flags| flags.input_off = true, Condition::CannotWake),
        (|flags| flags.in_mode = true, Condition::InMode),
        (|flags| flags.person_s = Some(1), Condition::HumanTyping),
    ];
    for (change, condition) in changes {
        let mut capture = claude("", "> ", "");
        change(&mut capture.flags);
        assert_eq!(look(&CLAUDE, &capture).condition, condition);
    }
    let mut capture = claude("", "> ", "");
    capture.flags.person_s = Some(60);
    assert_eq!(look(&CLAUDE, &capture).condition, Condition::Idle);
}

#[test]
fn our_own_text_is_recognised_where_it_stands() {
    let block = framed(Form::Block, "hello\nDo you want to proceed?").unwrap();
    let inside = claude("", &format!("> {block}"), "  ? for shortcuts");
    let sight = look(&CLAUDE, &inside);
    assert_eq!(
        (sight.condition, sight.input, sight.submitted),
        (Condition::Idle, Input::Ours, false)
    );
    let ruled = claude(
        "",
        &format!("> {}", block.replace("hello", &format!("a\n{RULE}\nb"))),
        "",
    );
    let sight = look(&CLAUDE, &ruled);
    assert_eq!(
        (sight.condition, sight.input),
        (Condition::Idle, Input::Ours),
        "a rule in the text"
    );
    for touched in [format!("> mine {block}"), format!("> {block} and more")] {
        let sight = look(&CLAUDE, &claude("", &touched, ""));
        assert_eq!(
            (sight.condition, sight.input),
            (Condition::HumanTyping, Input::Mixed),
            "{touched}"
        );
    }
    let above = claude(&format!("> {block}\n\n● Well"), "> ", "");
    let sight = look(&CLAUDE, &above);
    assert_eq!((sight.input, sight.submitted), (Input::Empty, true));
    // Rows of a frame are not the program's own, wherever it was wrapped.
    let wrapped = block.replace("Do you want", "and on and on\nesc to interrupt Do you want");
    for cut in [0, 2] {
        let rows: Vec<&str> = wrapped.lines().skip(cut).collect();
        let sight = look(&CLAUDE, &claude(&rows.join("\n"), "> ", ""));
        assert_eq!(sight.condition, Condition::Idle);
    }
    for (input, pasted, found) in [
        ("> [Pasted text #1 +12 lines]", true, Input::Ours),
        ("> [Pasted text #1 +12 lines]", false, Input::Foreign),
        ("> [Pasted text #1 +99 lines]", true, Input::Foreign),
        ("> [Pasted text #1 +12 lines] and", true, Input::Foreign),
    ] {
        let capture = claude("", input, "");
        let sight = read(&CLAUDE, &capture, Some(&expected(pasted)), 10_000);
        assert_eq!(sight.input, found, "{input}");
    }
    let codex = screen("› [Pasted Content 1234 chars]\n");
    assert_eq!(look(&CODEX, &codex).input, Input::Ours);
}

/// Cuts a line as a terminal does.
fn wrapped(line: &str, width: usize) -> String {
    let chars: Vec<char> = line.chars().collect();
    let rows: Vec<String> = chars.chunks(width).map(|row| row.iter().collect()).collect();
    rows.join("\n")
}

#[test]
fn a_line_is_recognised_at_the_cursor_at_any_width() {
    for (profile, form) in [(&PLAIN, Form::Line), (&SHELL, Form::ShellLine)] {
        let line = format!("name? {}", framed(form, "hello").unwrap());
        for width in 20..line.chars().count() {
            let mut capture = screen(&wrapped(&line, width));
            capture.flags.width = width;
            let sight = look(profile, &capture);
            assert_eq!(
                (sight.input, sight.submitted),
                (Input::Ours, false),
                "{width}: {capture:#?}"
            );
            let mut after = screen(&format!("{}\n\u{1b}[m", wrapped(&line, width)));
            after.flags.width = width;
            // A shell that edits its line stands on a blank row when the line fills its last one; entered, it prompts.
            if form == Form::Line || line.chars().count() % width != 0 {
                let sight = look(profile, &after);
                assert_eq!((sight.input, sight.submitted), (Input::Empty, true), "{width}");
            }
            let mut prompted = screen(&format!("{}\n$ ", wrapped(&line, width)));
            prompted.flags.width = width;
            let sight = look(profile, &prompted);
            assert_eq!((sight.input, sight.submitted), (Input::Empty, true), "{width}");
        }
    }
}
