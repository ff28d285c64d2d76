//! The benchmark runs on real programs, and reports every case.
#![allow(clippy::unwrap_used)]
use wagglebus_harness::bench::{Plan, run};
use wagglebus_schemas::places::Durability;

#[tokio::test]
async fn every_case_is_reported() {
    let report = run(&Plan::smoke(Durability::Relaxed), |_| {}).await.unwrap();
    println!("{}", report.table());
    assert_eq!(report.rows.len(), 47);
}
