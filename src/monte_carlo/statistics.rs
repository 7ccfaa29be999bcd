//! Statistics of samples, and error bars over replicates.

/// Mean of a sample (NaN if empty).
pub fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

/// Mean over replicates and its standard error `s/√R` (None for a single replicate, which knows no error).
pub fn mean_and_error(replicates: &[f64]) -> (f64, Option<f64>) {
    let n = replicates.len() as f64;
    let mean = mean(replicates);
    let squares: f64 = replicates.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, (replicates.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()))
}

/// The `q`-quantiles of a sample for several `q` in [0, 1], linear between order statistics (Hyndman & Fan 1996, type 7).
/// The sample is reordered. NaN if it is empty.
pub fn quantiles(sample: &mut [f64], q: &[f64]) -> Vec<f64> {
    if sample.is_empty() {
        return vec![f64::NAN; q.len()];
    }
    let last = sample.len() - 1;
    q.iter()
        .map(|q| {
            let place = q.clamp(0.0, 1.0) * last as f64;
            let k = place as usize;
            let (_, &mut low, above) = sample.select_nth_unstable_by(k, f64::total_cmp);
            let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
            low + (place - k as f64) * (high - low)
        })
        .collect()
}

/// Wasserstein-1 distance `∫ |F_a − F_b| dx` between two samples, each sorted.
pub fn wasserstein_samples(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    let mut x = match (a.first(), b.first()) {
        (Some(a), Some(b)) => a.min(*b),
        _ => return f64::NAN,
    };
    while i < a.len() || j < b.len() {
        let next = a.get(i).copied().unwrap_or(f64::INFINITY).min(b.get(j).copied().unwrap_or(f64::INFINITY));
        sum += (next - x) * (i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs();
        x = next;
        while i < a.len() && a[i] <= x {
            i += 1;
        }
        while j < b.len() && b[j] <= x {
            j += 1;
        }
    }
    sum
}

/// Wasserstein-1 distance `∫ |F_n − F| dx` between a sorted sample and the law whose cumulative function is linear between
/// the points `(faces, cumulative)` (as that of cell masses); nothing lies outside the faces. Exact for that law.
pub fn wasserstein_cells(sample: &[f64], faces: &[f64], cumulative: &[f64]) -> f64 {
    let n = sample.len() as f64;
    let mut below = 0;
    let mut sum = 0.0;
    // What lies outside the faces is at its distance from the nearer end.
    if let (Some(low), Some(high)) = (faces.first(), faces.last()) {
        sum += sample.iter().map(|x| (low - x).max(0.0) + (x - high).max(0.0)).sum::<f64>() / n;
    }
    for (face, level) in faces.windows(2).zip(cumulative.windows(2)) {
        let slope = (level[1] - level[0]) / (face[1] - face[0]);
        let mut x = face[0];
        loop {
            while below < sample.len() && sample[below] <= x {
                below += 1;
            }
            let end = sample.get(below).map_or(face[1], |s| s.min(face[1]));
            let left = level[0] + slope * (x - face[0]) - below as f64 / n;
            sum += integral_of_modulus(left, left + slope * (end - x), end - x);
            x = end;
            if x >= face[1] {
                break;
            }
        }
    }
    sum
}

/// `∫ |g|` for `g` linear from `a` to `b` over a stretch of length `width`.
fn integral_of_modulus(a: f64, b: f64, width: f64) -> f64 {
    if a * b >= 0.0 { 0.5 * (a + b).abs() * width } else { 0.5 * (a * a + b * b) / (a.abs() + b.abs()) * width }
}

/// Kolmogorov–Smirnov distance `sup |F_n − F|` between a sorted sample and a cumulative function, which may have jumps:
/// `cdf(x)` is `P(X ≤ x)`, `cdf_below(x)` is `P(X < x)`.
pub fn kolmogorov_smirnov(sample: &[f64], cdf: impl Fn(f64) -> f64, cdf_below: impl Fn(f64) -> f64) -> f64 {
    let n = sample.len() as f64;
    let (mut distance, mut start) = (0.0_f64, 0);
    while start < sample.len() {
        let x = sample[start];
        let end = start + sample[start..].partition_point(|y| *y <= x);
        distance = distance.max((cdf_below(x) - start as f64 / n).abs()).max((cdf(x) - end as f64 / n).abs());
        start = end;
    }
    distance
}

/// Counts of the sample in `bins` equal bins on `[low, high]`; what lies outside counts in the outermost bins.
pub fn histogram(sample: &[f64], low: f64, high: f64, bins: usize) -> Vec<f64> {
    let mut counts = vec![0.0; bins];
    let scale = bins as f64 / (high - low);
    for x in sample {
        let bin = (((x - low) * scale).max(0.0) as usize).min(bins.saturating_sub(1));
        if let Some(count) = counts.get_mut(bin) {
            *count += 1.0;
        }
    }
    counts
}
