//! How many steps are made between two looks of a watch. No result depends on it.

/// Numbers gone through between two looks, some hundredth of a second; and in each of several runs at least, so that starting
/// them costs nothing. Few in tests, so that there are looks at all.
const ALL: f64 = if cfg!(test) { 2e3 } else { 3e7 };
const EACH: f64 = if cfg!(test) { 1.0 } else { 1e5 };

/// For runs whose steps go through `work` numbers each.
pub(super) fn between_looks(work: f64, runs: usize) -> u64 {
    (ALL / (work * runs as f64)).max(EACH / work).ceil().max(1.0) as u64
}
