//! A text program that addresses several at once.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use wagglebus_harness::fleet::program;

use super::{Home, until};

/// Each recipient of a line has its own result: nothing is sent in silence, nothing that was sent is called refused.
#[test]
fn each_recipient_of_a_text_line_has_its_own_result() {
    let (mut home, _) = Home::up();
    home.sidecars(&["bob", "dora"]);
    let heard = home.path("heard");
    let mut sidecar = home.command(program::find("wagglebus").unwrap());
    let script = "printf '@bob hello\\n@bob,@carl,@dora: hi\\n@bob,@Not_A_Name: no\\n@dora last\\n'; exec cat > \"$0\"";
    let mut sidecar = sidecar
        .args(["sidecar", "--agent", "alice", "stdio", "--format", "text"])
        .args(["--frames", "all", "--", "sh", "-c", script])
        .arg(&heard)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let frames = || -> Vec<Value> {
        let text = fs::read_to_string(&heard).unwrap_or_default();
        let whole = text.lines().filter(|line| line.ends_with('}'));
        whole.filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    until(|| frames().len() >= 6);
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();

    let frames = frames();
    let kinds: Vec<_> = frames
        .iter()
        .map(|frame| (frame["$"].as_str().unwrap(), frame["line"].as_u64().unwrap()))
        .collect();
    let (accepted, error) = ("accepted", "error");
    let expected = [
        (accepted, 1),
        (accepted, 2),
        (error, 2),
        (accepted, 2),
        (error, 3),
        (accepted, 4),
    ];
    assert_eq!(kinds, expected, "in the order of lines and addresses: {frames:?}");
    let unknown = &frames[2]["error"];
    assert_eq!(
        (&unknown["code"], &unknown["details"]["to_agent"]),
        (&"unknown_agent".into(), &"carl".into()),
        "{unknown}"
    );
    assert!(unknown["message"].as_str().unwrap().starts_with("to carl: "));
    assert!(unknown["details"]["similar"].is_array(), "{unknown}");

    let ids = |agent: &str| -> Vec<Value> {
        let taken = home.json(&["--as", agent, "inbox", "--take", "8", "--timeout", "10s"]);
        let messages = taken["messages"].as_array().unwrap().iter();
        messages.map(|item| item["message"]["id"].clone()).collect()
    };
    let told = |at: &[usize]| -> Vec<Value> { at.iter().map(|at| frames[*at]["id"].clone()).collect() };
    assert_eq!(ids("bob"), told(&[0, 1]));
    assert_eq!(ids("dora"), told(&[3, 5]));
}
