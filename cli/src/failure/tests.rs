//! Every kind of failure: exit code, text and JSON.

use wagglebus_nats::connect::ConnectError;
use wagglebus_nats::context::ContextError;
use wagglebus_nats::error::NoAnswer;
use wagglebus_schemas::error::ErrorDetail;

use super::*;
use crate::reader::ReadError;

fn refused(code: ErrorCode) -> ErrorDetail {
    ErrorDetail::new(code, "no agent carol")
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let by_code = |exit: u8| -> Vec<&str> {
        let codes = ErrorCode::ALL
            .iter()
            .filter(|code| Failure::contract(**code, "x").exit_code() == exit);
        codes.map(|code| code.as_str()).collect()
    };
    assert_eq!(by_code(3), ["not_found", "unknown_agent", "unknown_capability"]);
    assert_eq!(by_code(4), ["level_not_reached"]);
    assert_eq!(
        by_code(5),
        ["bus_unreachable", "draining", "coordinator_unavailable"]
    );
    assert_eq!(
        by_code(3).len() + by_code(4).len() + by_code(5).len() + by_code(6).len(),
        ErrorCode::ALL.len()
    );
    assert_eq!(Failure::failed("x").exit_code(), 1);
    assert_eq!(Failure::usage(&"error: x").exit_code(), 2);
    assert_eq!(Failure::interrupted().exit_code(), 130);
}

#[test]
fn a_closed_pipe_is_silent_success_and_a_full_disk_is_not() {
    assert_eq!(
        Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(),
        0
    );
    assert_eq!(
        Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(),
        1
    );
}

#[test]
fn text_says_what_why_and_how_to_fix() {
    let failure = Failure::failed("it broke").why("it was old").fix("buy a new one");
    assert_eq!(
        failure.text(),
        "error: it broke\n  why: it was old\n  fix: buy a new one\n"
    );
    assert_eq!(Failure::failed("it broke").text(), "error: it broke\n");
}

#[test]
fn unknown_recipients_get_the_closest_names() {
    let detail = refused(ErrorCode::UnknownAgent).details(json!({ "similar": ["carla", "carlo"] }));
    let failure = Failure::from(detail);
    assert!(
        failure.text().contains("fix: did you mean carla, carlo?"),
        "{}",
        failure.text()
    );
    assert_eq!(failure.json()["error"]["details"]["similar"][1], "carlo");
    let none = Failure::from(refused(ErrorCode::UnknownAgent).details(json!({ "similar": [] })));
    assert_eq!(none.text(), "error: no agent carol\n");
}

#[test]
fn json_is_the_error_envelope_of_every_interface() {
    let failure = Failure::from(refused(ErrorCode::RateLimited).retry_after_ms(5).hint("wait"));
    let expected = json!({ "error": { "code": "rate_limited", "message": "no agent carol", "hint": "wait", "retry_after_ms": 5 } });
    assert_eq!(failure.json(), expected);
    let expected = json!({ "error": { "code": "failed", "message": "a: b" } });
    assert_eq!(Failure::failed("a").why("b").json(), expected);
}

#[test]
fn a_usage_error_names_what_is_missing() {
    let missing =
        "error: the following required arguments were not provided:\n  <TO>\n\nUsage: wagglebus send <TO>";
    let failure = Failure::usage(&missing);
    assert_eq!(
        failure.json()["error"]["message"],
        "the following required arguments were not provided: <TO>"
    );
}

#[test]
fn what_one_process_told_another_tells_again() {
    for failure in [
        Failure::failed("a").fix("b"),
        Failure::interrupted(),
        Failure::from(
            refused(ErrorCode::SpoolFull)
                .retry_after_ms(5)
                .details(json!({ "x": 1 })),
        ),
    ] {
        let again = Failure::from_json(&failure.json().to_string()).unwrap();
        assert_eq!(
            (again.json(), again.exit_code()),
            (failure.json(), failure.exit_code())
        );
    }
    for other in ["", "{}", "ready", r#"{"error":{}}"#] {
        assert!(Failure::from_json(other).is_none(), "{other}");
    }
}

#[test]
fn only_what_time_heals_is_unreachable() {
    let (address, reason) = ("127.0.0.1:1".to_owned(), "x".to_owned());
    let auth = ConnectError::Auth {
        address: address.clone(),
        reason: reason.clone(),
    };
    let tls = ConnectError::Tls {
        address: address.clone(),
        reason: reason.clone(),
    };
    let away = ConnectError::NotReachable {
        address,
        reason: reason.clone(),
    };
    let context = ContextError::Name { name: "../x".into() };
    for (failure, exit, code) in [
        (Failure::from(auth), 6, "unauthorized"),
        (Failure::from(tls), 6, "forbidden"),
        (Failure::from(away), 5, "bus_unreachable"),
        (Failure::from(context), 6, "forbidden"),
        (Failure::from(ReadError::Refused(reason)), 6, "forbidden"),
        (
            Failure::from(ReadError::NoAnswer(NoAnswer::PermissionDenied)),
            6,
            "forbidden",
        ),
        (
            Failure::from(ReadError::NoAnswer(NoAnswer::Timeout)),
            5,
            "bus_unreachable",
        ),
    ] {
        let told = failure.json();
        assert_eq!(
            (failure.exit_code(), &told["error"]["code"]),
            (exit, &json!(code)),
            "{told}"
        );
        let read_back = Failure::from_json(&told.to_string()).unwrap();
        assert_eq!(read_back.exit_code(), exit);
    }
}

#[test]
fn the_commands_that_are_named_go_where_the_failed_one_went() {
    let failure = || Failure::failed("x").fix("see it: wagglebus trace ID; start one: wagglebus up --detach");
    let fix = |failure: Failure| failure.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert_eq!(fix(failure().addressed(None, None)), fix(failure()));
    assert_eq!(
        fix(failure().addressed(Some("foo"), Some("echo"))),
        "see it: wagglebus --hive foo --as echo trace ID; start one: wagglebus --hive foo up --detach"
    );
}

#[test]
fn an_error_without_advice_names_the_usual_one_of_its_code() {
    let hint = |failure: Failure| failure.addressed(None, Some("echo")).json()["error"]["hint"].clone();
    let plain = Failure::contract(ErrorCode::LeaseLost, "x");
    assert_eq!(hint(plain), "take it again: wagglebus --as echo inbox --take 1");
    let advised = Failure::contract(ErrorCode::LeaseLost, "x").fix("wait");
    assert_eq!(hint(advised), "wait");
    assert_eq!(hint(Failure::contract(ErrorCode::TooLarge, "x")), Value::Null);
}
