//! The rectangular assignment problem with forbidden pairs: as many pairs as possible, at the least total cost.

use std::ops::Neg;

use pathfinding::kuhn_munkres::{Weights, kuhn_munkres};

/// Costs are clamped to this, both ways, so that no sum overflows: as parts of a mean task, 10,000 each, a hundred million of them.
pub const COST_MAX: i64 = 1_000_000_000_000;

/// Pairs rows with columns, each at most once: as many pairs as possible, among those the cheapest set. `cost` of a pair
/// is `None` when it is forbidden. Returns the column of each row.
///
/// The answer depends on the costs alone; of several equally cheap sets lower rows and columns are taken, and the lower
/// row gets the lower column, in so far as one number can say it.
pub fn solve(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> Option<i64>) -> Vec<Option<usize>> {
    let table = Table::new(rows, columns, cost);
    let mut pairs = vec![None; rows];
    if table.short == 0 {
        return pairs;
    }
    let matched = match table.narrow() {
        Some(narrow) => kuhn_munkres(&narrow).1,
        None => kuhn_munkres(&table).1,
    };
    for (short, long) in matched.into_iter().enumerate() {
        let (row, column) = if table.turned {
            (long, short)
        } else {
            (short, long)
        };
        if table.at(short, long) > table.forbidden
            && let Some(pair) = pairs.get_mut(row)
        {
            *pair = Some(column);
        }
    }
    pairs
}

/// The weights of the library, which wants no more rows than columns and takes the largest sum.
struct Table<C> {
    short: usize,
    long: usize,
    /// Whether rows and columns changed places.
    turned: bool,
    /// Row by row.
    weights: Vec<C>,
    /// Whatever weighs as little as this is forbidden.
    forbidden: C,
}

impl Table<i128> {
    fn new(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> Option<i64>) -> Self {
        let turned = rows > columns;
        let (short, long) = if turned { (columns, rows) } else { (rows, columns) };
        let cells = (0..short).flat_map(|s| (0..long).map(move |l| if turned { (l, s) } else { (s, l) }));
        let costs: Vec<(usize, usize, Option<i128>)> = cells
            .map(|(row, column)| {
                let cost = cost(row, column).map(|cost| i128::from(cost.clamp(-COST_MAX, COST_MAX)));
                (row, column, cost)
            })
            .collect();
        let [r, c, n] = [rows, columns, short].map(|n| i128::try_from(n).unwrap_or(i128::MAX));
        let largest = costs.iter().filter_map(|(_, _, cost)| cost.map(i128::abs)).max();
        // A pair's share in settling ties is at most 2·r·c, so that all of them together never outweigh a cost of 1.
        let unit = 2 * r * c * n + 1;
        // One forbidden pair more is worse than all that the allowed ones may cost.
        let forbidden = -(2 * largest.unwrap_or(0) + 1) * unit * (n + 1);
        let weight = |(row, column, cost): (usize, usize, Option<i128>)| {
            cost.map_or(forbidden, |cost| -(cost * unit + tie(row, column, r, c)))
        };
        Self {
            short,
            long,
            turned,
            weights: costs.into_iter().map(weight).collect(),
            forbidden,
        }
    }

    /// The same in half the width, which is twice as fast, where no sum of the solver can leave it: its labels stay
    /// below (rows + 1) times the largest weight.
    fn narrow(&self) -> Option<Table<i64>> {
        let rows = i128::try_from(self.short).ok()?;
        let bound = self.forbidden.checked_mul(4 * (rows + 1))?;
        i64::try_from(bound).ok()?;
        let weights: Result<Vec<i64>, _> = self.weights.iter().map(|weight| i64::try_from(*weight)).collect();
        Some(Table {
            short: self.short,
            long: self.long,
            turned: self.turned,
            weights: weights.ok()?,
            forbidden: i64::try_from(self.forbidden).ok()?,
        })
    }
}

/// Grows with the row and with the column, and over a whole set of pairs it is least when rows and columns rise together.
fn tie(row: usize, column: usize, rows: i128, columns: i128) -> i128 {
    let [row, column] = [row, column].map(|n| i128::try_from(n).unwrap_or(0));
    row * columns + column * rows - row * column
}

impl<C: Copy + Neg<Output = C>> Weights<C> for Table<C> {
    fn rows(&self) -> usize {
        self.short
    }

    fn columns(&self) -> usize {
        self.long
    }

    fn at(&self, row: usize, column: usize) -> C {
        let place = row * self.long + column;
        self.weights.get(place).copied().unwrap_or(self.forbidden)
    }

    fn neg(&self) -> Self {
        Self {
            short: self.short,
            long: self.long,
            turned: self.turned,
            weights: self.weights.iter().map(|weight| -*weight).collect(),
            forbidden: -self.forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    type Costs = Vec<Vec<Option<i64>>>;

    fn solved(costs: &Costs, columns: usize) -> Vec<Option<usize>> {
        solve(costs.len(), columns, |row, column| costs[row][column])
    }

    /// What a set of pairs is worth: rows without a pair, cost.
    fn worth(costs: &Costs, pairs: &[Option<usize>]) -> (usize, i128) {
        let cost = |(row, pair): (usize, &Option<usize>)| {
            pair.map(|column| i128::from(costs[row][column].expect("an allowed pair")))
        };
        let missing = pairs.iter().filter(|pair| pair.is_none()).count();
        (missing, pairs.iter().enumerate().filter_map(cost).sum())
    }

    /// The best of all sets of pairs, tried one by one.
    fn best(costs: &Costs, columns: usize) -> (usize, i128) {
        fn go(costs: &Costs, columns: usize, pairs: &mut Vec<Option<usize>>) -> (usize, i128) {
            let row = pairs.len();
            if row == costs.len() {
                return worth(costs, pairs);
            }
            let free = (0..columns).filter(|column| costs[row][*column].is_some());
            let choices: Vec<Option<usize>> = free
                .filter(|column| !pairs.contains(&Some(*column)))
                .map(Some)
                .chain([None])
                .collect();
            let worths = choices.into_iter().map(|choice| {
                pairs.push(choice);
                let worth = go(costs, columns, pairs);
                pairs.pop();
                worth
            });
            worths.min().unwrap()
        }
        go(costs, columns, &mut Vec::new())
    }

    fn costs() -> impl Strategy<Value = (usize, Costs)> {
        let cost = prop_oneof![
            1 => Just(None),
            3 => (-9..9_i64).prop_map(Some),
            1 => prop::sample::select(vec![i64::MIN, -COST_MAX, COST_MAX, i64::MAX]).prop_map(Some),
        ];
        (0..6_usize, 0..6_usize)
            .prop_flat_map(move |(rows, columns)| (Just(columns), vec(vec(cost.clone(), columns), rows)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

        #[test]
        fn nothing_is_cheaper_than_the_solution((columns, costs) in costs()) {
            let clamped: Costs = costs
                .iter()
                .map(|row| row.iter().map(|cost| cost.map(|cost| cost.clamp(-COST_MAX, COST_MAX))).collect())
                .collect();
            let pairs = solved(&costs, columns);
            prop_assert_eq!(pairs.len(), costs.len());
            let mut taken: Vec<usize> = pairs.iter().flatten().copied().collect();
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), pairs.iter().flatten().count(), "a column is taken twice");
            prop_assert_eq!(worth(&clamped, &pairs), best(&clamped, columns));
        }

        /// Turning the table over changes nothing but the point of view.
        #[test]
        fn rows_and_columns_may_change_places((columns, costs) in costs()) {
            let (rows, pairs) = (costs.len(), solved(&costs, columns));
            let turned = solve(columns, rows, |row, column| costs[column][row]);
            let back: Vec<Option<usize>> =
                (0..rows).map(|row| turned.iter().position(|pair| *pair == Some(row))).collect();
            prop_assert_eq!(worth(&costs, &pairs).0, worth(&costs, &back).0);
        }
    }

    #[test]
    fn ties_go_to_the_lower_row_and_column() {
        let equal = |_, _| Some(0);
        assert_eq!(solve(2, 3, equal), [Some(0), Some(1)]);
        assert_eq!(solve(3, 2, equal), [Some(0), Some(1), None]);
        assert_eq!(solve(3, 3, equal), [Some(0), Some(1), Some(2)]);
        assert_eq!(solve(0, 3, equal), []);
        assert_eq!(solve(2, 0, equal), [None, None]);
        assert_eq!(solve(2, 2, |_, _| None), [None, None]);
    }
}
