//! Sums whose order of operations is fixed by the data alone, never by threads or instruction sets.

use multiversion::multiversion;

const LANES: usize = 16;

fn fold(lanes: [f64; LANES]) -> f64 {
    lanes.iter().sum()
}

macro_rules! lane_sum {
    ($(#[$doc:meta])* $name:ident($($slice:ident),+) = |$($x:ident),+| $term:expr) => {
        $(#[$doc])*
        #[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
        pub fn $name($($slice: &[f64]),+) -> f64 {
            let n = [$($slice.len()),+].into_iter().min().unwrap_or(0);
            $(let $slice = &$slice[..n];)+
            let mut lanes = [0.0; LANES];
            let blocks = n / LANES;
            for block in 0..blocks {
                let at = block * LANES;
                $(let $slice = &$slice[at..at + LANES];)+
                for lane in 0..LANES {
                    $(let $x = $slice[lane];)+
                    lanes[lane] += $term;
                }
            }
            for k in blocks * LANES..n {
                $(let $x = $slice[k];)+
                lanes[k - blocks * LANES] += $term;
            }
            fold(lanes)
        }
    };
}

lane_sum!(
    /// `Σ x`.
    sum(a) = |x| x
);
lane_sum!(
    /// `Σ |x|`.
    sum_abs(a) = |x| x.abs()
);
lane_sum!(
    /// `Σ |min(x, 0)|`.
    sum_negative(a) = |x| (-x).max(0.0)
);
lane_sum!(
    /// `Σ xy`.
    dot(a, b) = |x, y| x * y
);
lane_sum!(
    /// `Σ xyz`.
    dot3(a, b, c) = |x, y, z| x * y * z
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_agree_with_plain_loops() {
        for n in [0, 1, 15, 16, 17, 1000] {
            let a: Vec<f64> = (0..n).map(|k| ((k * 37 % 101) as f64) - 50.0).collect();
            let b: Vec<f64> = (0..n).map(|k| (k % 7) as f64).collect();
            // Whole numbers: every order of summation gives the same bits.
            assert_eq!(sum(&a), a.iter().sum::<f64>());
            assert_eq!(sum_abs(&a), a.iter().map(|x| x.abs()).sum::<f64>());
            assert_eq!(sum_negative(&a), a.iter().filter(|x| **x < 0.0).map(|x| -x).sum::<f64>());
            assert_eq!(dot(&a, &b), a.iter().zip(&b).map(|(x, y)| x * y).sum::<f64>());
            assert_eq!(dot3(&a, &b, &b), a.iter().zip(&b).map(|(x, y)| x * y * y).sum::<f64>());
        }
    }
}
