//! Mutation kernels of one hyperparameter and the rule at the ends of its domain, each stated twice: cumulative function
//! for cells, sampler for agents.

use rand::Rng;

use super::domain::{Domain, Ends, Scale};
use super::law::Law;
use crate::error::{Error, Result, require};
use crate::numerics::normal::{below, normal_cdf, normal_density, standard_normal, uniform};

/// How one hyperparameter changes when it is copied: the kernel `m(h, dh')` before the rule at the ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Kernel {
    /// The copy is exact.
    None,
    /// A normal step in the coordinate of the [`Scale`].
    Gaussian {
        /// Its standard deviation, > 0; on the log scale that of `log h`.
        std: f64,
    },
    /// A step uniform on `[−width/2, width/2]`, in the coordinate of the [`Scale`].
    Uniform {
        /// Width of the whole interval, > 0.
        width: f64,
    },
    /// `h` times a factor drawn uniformly from the list (PBT's "perturb" has 0.8 and 1.2).
    Factor {
        /// The factors, > 0.
        factors: Vec<f64>,
    },
    /// With the given probability a fresh draw from the law, else an exact copy.
    Resample {
        /// In [0, 1].
        probability: f64,
        /// The law.
        law: Law,
    },
    /// These, one after the other; the rule at the ends holds after each.
    Sequence(Vec<Kernel>),
    /// Diffusion `D_h ∂²/∂y²` of the coordinate y of the [`Scale`] in continuous time: only with [`Selection::Replicator`](super::Selection::Replicator).
    Diffusion {
        /// `D_h`, ≥ 0.
        diffusion: f64,
    },
}

/// How often `Ends::Retry` draws again before the mutation is called impossible.
const RETRIES: usize = 10_000;

impl Kernel {
    /// The explore step of population based training (Jaderberg et al. 2017): times a factor, then with the given
    /// probability a fresh draw instead.
    pub fn perturb(factors: Vec<f64>, probability: f64, law: Law) -> Self {
        Kernel::Sequence(vec![Kernel::Factor { factors }, Kernel::Resample { probability, law }])
    }

    /// Checks the parameters against the domain.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the key.
    pub fn validated(&self, domain: &Domain) -> Result<()> {
        match self {
            Kernel::None => Ok(()),
            Kernel::Gaussian { std } => {
                require(*std > 0.0 && std.is_finite(), "mutation.std", *std, "a positive number")
            }
            Kernel::Uniform { width } => {
                let (low, high) = domain.coordinates();
                let most = 100.0 * (high - low);
                let expected = "a positive number, at most 100 times the width of the domain";
                require(*width > 0.0 && *width <= most, "mutation.width", *width, expected)
            }
            Kernel::Factor { factors } => {
                require(!factors.is_empty(), "mutation.factors (their number)", 0.0, "at least one factor")?;
                for &factor in factors {
                    require(factor > 0.0 && factor.is_finite(), "mutation.factors", factor, "positive numbers")?;
                }
                if domain.ends == Ends::Retry {
                    // With `retry` each h needs a factor that keeps it inside.
                    for h in [domain.low, domain.high] {
                        let stays = factors.iter().any(|f| domain.contains(f * h));
                        require(
                            stays,
                            "mutation.factors",
                            factors[0],
                            "a factor that keeps h inside the domain, as ends = retry draws until one does",
                        )?;
                    }
                }
                Ok(())
            }
            Kernel::Resample { probability, law } => {
                require((0.0..=1.0).contains(probability), "mutation.probability", *probability, "a number in [0, 1]")?;
                law.validated("mutation.law")?;
                if domain.scale == Scale::Log {
                    let below = law.cdf(0.0);
                    require(
                        below < 1e-6,
                        "mutation.law (mass at or below 0)",
                        below,
                        "none, as scale = log has no zero",
                    )?;
                }
                let inside = law.cdf(domain.high) - law.cdf(domain.low);
                require(
                    domain.ends != Ends::Retry || inside > 1e-3,
                    "mutation.law (mass inside the domain)",
                    inside,
                    "more than 1e-3, as ends = retry draws until it lies inside",
                )
            }
            Kernel::Sequence(parts) => parts.iter().try_for_each(|part| match part {
                Kernel::Sequence(_) | Kernel::Diffusion { .. } => Err(Error::Unsupported {
                    solver: "mutation in turn",
                    what: "a sequence or diffusion inside a sequence".into(),
                    instead: "list the kernels in one flat sequence",
                }),
                _ => part.validated(domain),
            }),
            Kernel::Diffusion { diffusion } => {
                require(*diffusion >= 0.0 && diffusion.is_finite(), "mutation.diffusion", *diffusion, "a number ≥ 0")
            }
        }
    }

    /// `P(y' ≤ to | y = from)` in the coordinate of the scale, on the whole line, before the rule at the ends.
    ///
    /// For a sequence (which applies the rule at the ends after each part) and for diffusion this is the exact copy.
    pub fn cdf(&self, scale: Scale, from: f64, to: f64) -> f64 {
        match self {
            Kernel::Gaussian { std } => normal_cdf((to - from) / std),
            Kernel::Uniform { width } => ((to - from) / width + 0.5).clamp(0.0, 1.0),
            Kernel::Factor { factors } => {
                let stays_below = |f: &&f64| match scale {
                    Scale::Linear => *f * from <= to,
                    Scale::Log => from + f.ln() <= to,
                };
                factors.iter().filter(stays_below).count() as f64 / factors.len() as f64
            }
            Kernel::Resample { probability, law } => {
                probability * law.cdf(scale.value(to)) + (1.0 - probability) * f64::from(from <= to)
            }
            Kernel::None | Kernel::Sequence(_) | Kernel::Diffusion { .. } => f64::from(from <= to),
        }
    }

    /// [`Kernel::cdf`] averaged over `from` uniform on `[a, b]`; at `a = b` the cdf itself.
    pub fn mean_cdf(&self, scale: Scale, a: f64, b: f64, to: f64) -> f64 {
        let width = b - a;
        if width <= 0.0 {
            return self.cdf(scale, a, to);
        }
        let stay = ((to - a) / width).clamp(0.0, 1.0);
        match self {
            Kernel::Gaussian { std } => {
                // G' = Φ; the form with −|x| keeps the tails.
                let g = |x: f64| x.max(0.0) + normal_density(x) - x.abs() * normal_cdf(-x.abs());
                (std / width * (g((to - a) / std) - g((to - b) / std))).clamp(0.0, 1.0)
            }
            Kernel::Uniform { width: step } => {
                let g = |x: f64| {
                    if x <= -0.5 {
                        0.0
                    } else if x >= 0.5 {
                        x
                    } else {
                        0.5 * (x + 0.5) * (x + 0.5)
                    }
                };
                (step / width * (g((to - a) / step) - g((to - b) / step))).clamp(0.0, 1.0)
            }
            Kernel::Factor { factors } => {
                let one = |f: &f64| {
                    let source = match scale {
                        Scale::Linear => to / f,
                        Scale::Log => to - f.ln(),
                    };
                    ((source - a) / width).clamp(0.0, 1.0)
                };
                factors.iter().map(one).sum::<f64>() / factors.len() as f64
            }
            Kernel::Resample { probability, law } => {
                probability * law.cdf(scale.value(to)) + (1.0 - probability) * stay
            }
            Kernel::None | Kernel::Sequence(_) | Kernel::Diffusion { .. } => stay,
        }
    }

    /// One draw of `h'` given `h = from`, inside the domain.
    ///
    /// # Errors
    /// [`Error::NotConverged`] if `Ends::Retry` cannot find a place inside.
    pub fn sample<R: Rng + ?Sized>(&self, from: f64, domain: &Domain, rng: &mut R) -> Result<f64> {
        if let Kernel::Sequence(parts) = self {
            return parts.iter().try_fold(from, |h, part| part.sample(h, domain, rng));
        }
        for _ in 0..RETRIES {
            let to = self.propose(domain.scale, from, rng);
            match domain.ends {
                Ends::Reflect => return Ok(domain.reflect(to)),
                Ends::Clip => return Ok(to.clamp(domain.low, domain.high)),
                Ends::Retry if domain.contains(to) => return Ok(to),
                Ends::Retry => {}
            }
        }
        Err(Error::NotConverged {
            what: "the mutation with ends = retry",
            iterations: RETRIES,
            residual: from,
            tolerance: domain.high,
        })
    }

    fn propose<R: Rng + ?Sized>(&self, scale: Scale, from: f64, rng: &mut R) -> f64 {
        let step = |y: f64| scale.value(scale.coordinate(from) + y);
        match self {
            Kernel::None | Kernel::Sequence(_) | Kernel::Diffusion { .. } => from,
            Kernel::Gaussian { std } => step(std * standard_normal(rng)),
            Kernel::Uniform { width } => step(width * (uniform(rng) - 0.5)),
            Kernel::Factor { factors } => from * factors[below(rng, factors.len())],
            Kernel::Resample { probability, law } => {
                if uniform(rng) < *probability {
                    law.sample(rng)
                } else {
                    from
                }
            }
        }
    }
}
