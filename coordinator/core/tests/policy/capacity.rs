//! How much work a fleet can do at most: the fluid limit, a linear program, solved by the simplex method.

/// The largest rate of tasks (mean tasks per unit of time) that `speed × success × availability` can complete when tasks
/// of type c are the part `shares[c]` of all, with failed attempts done again. No policy can do more.
///
/// Maximise λ with Σ_c y_ac ≤ availability for each agent and λ·share_c ≤ Σ_a speed_ac·success_ac·y_ac for each type.
pub(crate) fn capacity(rates: &[Vec<f64>], shares: &[f64], availability: f64) -> f64 {
    let (agents, types) = (rates.len(), shares.len());
    let (rows, lambda) = (agents + types, agents * types);
    // Columns: y by agent and type, λ, one slack per row, right side.
    let width = lambda + 1 + rows + 1;
    let mut table = vec![vec![0.0; width]; rows + 1];
    for (row, line) in table.iter_mut().enumerate().take(rows) {
        line[lambda + 1 + row] = 1.0;
    }
    for agent in 0..agents {
        for kind in 0..types {
            table[agent][agent * types + kind] = 1.0;
            table[agents + kind][agent * types + kind] = -rates[agent][kind];
        }
        table[agent][width - 1] = availability;
    }
    for kind in 0..types {
        table[agents + kind][lambda] = shares[kind];
    }
    table[rows][lambda] = -1.0;
    let mut basis: Vec<usize> = (0..rows).map(|row| lambda + 1 + row).collect();
    // Bland's rule: the first column that helps, the first row that limits it; it cannot go in circles.
    while let Some(column) = (0..width - 1).find(|column| table[rows][*column] < -1e-9) {
        let limits = (0..rows).filter(|row| table[*row][column] > 1e-9);
        let pivot = limits
            .map(|row| (table[row][width - 1] / table[row][column], basis[row], row))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (_, _, row) = pivot.expect("the rate is bounded");
        let by = table[row][column];
        table[row].iter_mut().for_each(|value| *value /= by);
        let line = table[row].clone();
        for other in (0..=rows).filter(|other| *other != row) {
            let factor = table[other][column];
            if factor != 0.0 {
                let pairs = table[other].iter_mut().zip(&line);
                pairs.for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
        basis[row] = column;
    }
    table[rows][width - 1]
}

#[test]
fn capacity_of_fleets_that_can_be_counted() {
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    near(capacity(&[vec![2.0]], &[1.0], 0.5), 1.0);
    // Each does what it does best.
    near(capacity(&[vec![1.0, 0.1], vec![0.1, 1.0]], &[0.5, 0.5], 1.0), 2.0);
    // The first must help: x of its time goes to the second type, 1 - x = 0.2 λ, 1 + x = 0.8 λ.
    near(capacity(&[vec![1.0, 1.0], vec![0.0, 1.0]], &[0.2, 0.8], 1.0), 2.0);
}
