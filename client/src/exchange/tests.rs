//! Bounds in time of an exchange.

use std::str::FromStr;

use super::*;

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    // The backlog accepts; nobody reads.
    let _listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let exchange = Exchange::new(Endpoint::Unix(socket));
    let id = Id::from_str("0192f0c1-7c1e-7b11-8a52-0d6f0a1b2c3d").unwrap();
    let within = Duration::from_millis(20);
    let call = Call {
        message: Some(id),
        ..Call::get(Target::new("/livez").with("a", "b"), within)
    };
    let error = exchange.reply(&call).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Timeout { repeat_as: Some(found), .. } if *found == id),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .ends_with("did not answer GET /livez within 0.02 s"),
        "{error}"
    );
}
