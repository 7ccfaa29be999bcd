//! Where the numbers of a file come from.

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git commit that was built, or `"unknown"`.
pub const COMMIT: &str = env!("LEARNING_DYNAMICS_COMMIT");

/// What one needs to repeat a run; becomes attributes at the root of its file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provenance {
    /// The statement of the problem, whole, in whatever form it was given.
    pub problem: String,
    /// The seed, where anything is random.
    pub seed: Option<u64>,
    /// Threads at work. Results do not depend on them; wall time does.
    pub threads: usize,
    /// Tolerances by name.
    pub tolerances: Vec<(String, f64)>,
}

impl Provenance {
    /// Of a problem without seed and tolerances, on as many threads as there are now.
    pub fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), threads: rayon::current_num_threads(), ..Self::default() }
    }

    /// With a seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// With one tolerance more.
    #[must_use]
    pub fn tolerance(mut self, name: impl Into<String>, value: f64) -> Self {
        self.tolerances.push((name.into(), value));
        self
    }
}
