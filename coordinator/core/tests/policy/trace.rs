//! Arrivals and sizes of a real service (tests/data/azure_llm_trace/README.md).

use std::path::Path;

/// For each request: the time since the one before and its size, both with mean 1.
pub(crate) fn gaps_and_sizes() -> Vec<(f64, f64)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/azure_llm_trace/requests.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let number = |field: &str| field.parse::<f64>().unwrap();
    let requests: Vec<(f64, f64)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(gap, size)| (number(gap), number(size)))
        .collect();
    let mean = |of: fn(&(f64, f64)) -> f64| requests.iter().map(of).sum::<f64>() / requests.len() as f64;
    let (gap, size) = (mean(|r| r.0), mean(|r| r.1));
    requests.iter().map(|r| (r.0 / gap, r.1 / size)).collect()
}
