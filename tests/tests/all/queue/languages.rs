//! The queues of other languages: each runs its own test program on the sidecars of alice and bob.

use super::open;
use crate::program::Program;

/// Runs a test program, which is given the names of both agents and finds their sidecars by the run folder.
async fn passes(program: &str) {
    let (fleet, _) = open().await;
    let run = fleet.bus().places().run_dir().parent().unwrap();
    let agents = ["alice", "bob"];
    let tester = Program::start(&fleet, "tester", program, &agents, &[("WAGGLEBUS_RUN", run)]).await;
    let (code, said) = tester.exit_code().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("ok: sent, received, acknowledged, remembered\n"),
        "{said}"
    );
}

#[tokio::test]
async fn python() {
    passes("examples/02-python-http/test_agent_message_queue.py").await;
}
