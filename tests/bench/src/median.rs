//! The middle of what several rounds gave: one that the machine disturbed does not move it.

/// The median; between the two in the middle where their number is even, nothing where there are none.
pub fn median(all: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<f64> = all.into_iter().collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    match all.len() {
        0 => None,
        n if n % 2 == 1 => Some(all[middle]),
        _ => Some(f64::midpoint(all[middle - 1], all[middle])),
    }
}

/// The middle of what several rounds gave, and how far apart they were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The median of the lower half.
    pub low: f64,
    /// The median of the upper half: half of the rounds are between the two.
    pub high: f64,
}

impl Spread {
    /// Of all of them; nothing where there are none.
    pub fn of(all: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = all.into_iter().collect();
        all.sort_by(f64::total_cmp);
        // Where their number is odd, the one in the middle is in both halves.
        let half = all.len().div_ceil(2);
        let (lower, upper) = (all.iter().take(half), all.iter().skip(all.len() - half));
        Some(Self { low: median(lower.copied())?, high: median(upper.copied())?, median: median(all.iter().copied())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_does_not_move_it() {
        assert_eq!(median([3.0, 900.0, 2.0]), Some(3.0));
        assert_eq!(median([4.0, 2.0]), Some(3.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn half_of_them_are_within_the_spread() {
        let of = |all: &[f64]| Spread::of(all.iter().copied()).map(|s| (s.low, s.median, s.high));
        assert_eq!(of(&[5.0, 1.0, 4.0, 2.0]), Some((1.5, 3.0, 4.5)));
        assert_eq!(of(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some((2.0, 3.0, 4.0)));
        assert_eq!(of(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(of(&[]), None);
    }
}
