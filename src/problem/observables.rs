//! What is read off the order parameters.

/// `M_in/√(Q_ii P_nn)`, the cosine between student i and teacher n (K×M, row-major); 0 where a vector is zero.
///
/// `q` holds the K squared norms of the students, `p` the M of the teachers, `m` is K×M row-major.
pub fn correlation(q: &[f64], m: &[f64], p: &[f64]) -> Vec<f64> {
    let rows = q.iter().zip(m.chunks_exact(p.len().max(1)));
    rows.flat_map(|(&q, row)| {
        row.iter().zip(p).map(move |(&m, &p)| if q > 0.0 && p > 0.0 { m / (q * p).sqrt() } else { 0.0 })
    })
    .collect()
}

/// How far each student has chosen its teacher: the largest |correlation| of a student less its second largest, averaged over
/// the students. 0 when all look at all teachers alike (as on the plateau), 1 when each is parallel to one of orthogonal teachers.
///
/// `correlation` is K×M row-major with `teachers` = M. With a single teacher there is nothing to choose, and it is the mean
/// |correlation|.
pub fn specialization(correlation: &[f64], teachers: usize) -> f64 {
    let rows = correlation.chunks_exact(teachers.max(1));
    let count = rows.len().max(1);
    let margin = |row: &[f64]| {
        let (first, second) = row.iter().fold((0.0_f64, 0.0_f64), |(first, second), value| {
            let value = value.abs();
            (first.max(value), second.max(value.min(first)))
        });
        first - second
    };
    rows.map(margin).sum::<f64>() / count as f64
}
