//! Which products the noise averages, sorted by the set of fields that they need.

use super::unit::Powers;

/// `E[g'_i g'_k g_a g_b]` for all indices that a set of distinct fields serves.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) fields: Vec<usize>,
    /// The powers that occur, for each of the fields.
    pub(super) kinds: Vec<Vec<Powers>>,
    pub(super) integrands: Vec<Integrand>,
}

/// One product over the fields of a set.
#[derive(Debug, Clone)]
pub(super) struct Integrand {
    pub(super) powers: Vec<Powers>,
    /// Which of [`Set::kinds`], for each of the fields.
    pub(super) kind: Vec<usize>,
    /// `(i K + k, a, b, multiplicity)`.
    pub(super) uses: Vec<(usize, usize, usize, f64)>,
}

/// All sets that the noise of K students among n fields needs.
pub(super) fn sets(students: usize, n: usize) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for i in 0..students {
        for k in i..students {
            for a in 0..n {
                for b in a..n {
                    let mut fields = vec![i, k, a, b];
                    fields.sort_unstable();
                    fields.dedup();
                    let count = |f: usize, list: [usize; 2]| list.iter().filter(|&&x| x == f).count() as u8;
                    let powers: Vec<Powers> = fields.iter().map(|&f| (count(f, [i, k]), count(f, [a, b]))).collect();
                    let at = sets.iter().position(|set| set.fields == fields).unwrap_or_else(|| {
                        let kinds = vec![Vec::new(); fields.len()];
                        sets.push(Set { fields, kinds, integrands: Vec::new() });
                        sets.len() - 1
                    });
                    let set = &mut sets[at];
                    let at = set.integrands.iter().position(|one| one.powers == powers).unwrap_or_else(|| {
                        let mut kind = Vec::new();
                        for (kinds, &powers) in set.kinds.iter_mut().zip(&powers) {
                            kind.push(kinds.iter().position(|&p| p == powers).unwrap_or(kinds.len()));
                            if kind.last() == Some(&kinds.len()) {
                                kinds.push(powers);
                            }
                        }
                        set.integrands.push(Integrand { powers, kind, uses: Vec::new() });
                        set.integrands.len() - 1
                    });
                    let multiplicity = if a == b { 1.0 } else { 2.0 };
                    set.integrands[at].uses.push((i * students + k, a, b, multiplicity));
                }
            }
        }
    }
    sets
}
