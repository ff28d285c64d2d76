//! The benchmark runs on real programs, and reports every case with its unit and its goal.
#![allow(clippy::unwrap_used)]
use wagglebus_harness::bench::{Plan, run};
use wagglebus_schemas::places::Durability;

#[tokio::test]
async fn every_case_is_reported() {
    let plan = Plan::smoke(Durability::Relaxed);
    let report = run(&plan, |_| {}).await.unwrap();
    println!("{}", report.table());
    let described: Vec<String> = report
        .rows
        .iter()
        .map(|row| format!("{} | {} | {:?}", row.case, row.unit.as_str(), row.goal))
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench_cases.txt");
    if std::env::var_os("WAGGLEBUS_UPDATE_GOLDEN").is_some() {
        std::fs::write(path, described.join("\n") + "\n").unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        described,
        expected.lines().collect::<Vec<_>>(),
        "WAGGLEBUS_UPDATE_GOLDEN=1 writes it anew"
    );
    for row in &report.rows {
        let once = ["all ready", " agents to ", " to tmux, ", "all joined", "all read"]
            .iter()
            .any(|case| row.case.contains(case));
        assert_eq!(
            row.rounds.len(),
            if once { 1 } else { plan.rounds },
            "{}",
            row.case
        );
        let paired = row.direct_rounds.is_empty() || row.direct_rounds.len() == row.rounds.len();
        assert!(paired, "{}", row.case);
        let sound = |figure: &f64| figure.is_finite() && *figure >= 0.0;
        assert!(row.rounds.iter().chain(&row.direct_rounds).all(sound), "{row:?}");
    }
}
