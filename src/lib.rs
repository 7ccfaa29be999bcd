//! Solves the macroscopic equations of machine learning, and proves each solver right.
//!
//! *What does training do, seen from far away?* This version answers for three families:
//!
//! * **populations** of learners: each has parameters θ, trained by noisy gradient descent, and hyperparameters h, changed by
//!   selection and mutation (population based training);
//! * **single networks in high dimension**: a soft committee machine that learns from another one by online SGD, seen through
//!   its overlaps (order parameters);
//! * **wide two-layer networks** on single-index targets, seen as neurons `(a_i, s_i)`.
//!
//! Every problem is stated once and solved in three ways that share nothing but the statement:
//!
//! | statement | mean-field equation | Monte Carlo twin | exact twin |
//! |---|---|---|---|
//! | [`problem::Population`] | [`kinetic::Kinetic`], [`averaged::Averaged`] | [`monte_carlo::Agents`] | [`exact`] |
//! | [`problem::Committee`] | [`order_parameters::OrderParameters`], [`order_parameters::Fluctuations`] | [`monte_carlo::OnlineSgd`], [`monte_carlo::OverlapChain`] | [`exact::LinearStudent`] |
//! | [`problem::SingleIndex`]; their law [`problem::NeuronLaw`] | [`neurons::NeuronFlow`]; [`neurons::NeuronDensity`] | [`monte_carlo::Network`] | [`exact::LearningOrder`] |
//!
//! # The equations
//!
//! Many agents are a density `f(t,θ,h)`; `⟨g⟩ = ∫∫ g f dθ dh`. Everything is dimensionless.
//!
//! ```text
//! agents      dθ = −(μ/ε) ∂_θL dt + √(2D/ε) dW;   at events (θ,h) ← a donor's, then h mutates
//! kinetic     ∂_t f = (1/ε) ∂_θ·( μ f ∂_θL + D ∂_θf ) + κ( M_h[ w(F) f/⟨w(F)⟩ ] − f )
//! averaged    ∂_t ρ = κ( M_h[ w̄ρ/⟨w̄⟩ ] − ρ ),     w̄(h) = ∫ w(F) G_h dθ,  G_h ∝ exp(−μL/D)        (ε → 0)
//! replicator  ∂_t f = (1/ε) ∂_θ( … ) + D_h ∂²_h f + β( F − ⟨F⟩ ) f                              (no clock)
//! ```
//! Clocks are Poisson (as written), periodic (`f ← M_h[wf/⟨w⟩]` at `T_s, 2T_s, …`) or staggered (each agent at times of its own);
//! rules on ranks replace `wf/⟨w⟩` by what they keep and what they copy, and only copies mutate. Grids hold one or two parameters
//! and one or two hyperparameters, agents any number.
//!
//! One network, weights in `R^d`, `d → ∞`, one fresh sample a step, `t = steps/d`; `Γ` is its error, `δ_l = a_l g'(u_l)`:
//!
//! ```text
//! sgd         w_l ← w_l − τ Γ δ_l x/√d − (τλ/d) w_l,    u = w·x/√d + b,    Γ = Σ a_l g(u_l) − Σ a*_n g*(v_n) − σξ
//! overlaps    dQ/dt = −τ E[Γ(δũᵀ + ũδᵀ)] + (τ²/B) E[Γ²δδᵀ] − 2τλQ,    dM/dt = −τ E[Γδṽᵀ] − τλM,    E_g = ½E[(Γ + σξ)²]
//! errors      C' = JC + CJᵀ + G        (covariance of √d times the deviation at finite d)
//! ```
//!
//! A network `(1/m) Σ_i a_i σ(⟨u_i,x⟩)`, `|u_i| = 1`, on a target `φ(⟨u*,x⟩)`; `s_i = ⟨u_i,u*⟩`, `r_ij = ⟨u_i,u_j⟩` ([`neurons`]
//! states the full flow):
//!
//! ```text
//! neurons     ε a_i' = V(s_i) − (1/m) Σ_j a_j U(r_ij),    s_i' = a_i (1−s_i²)( V'(s_i) − (1/m) Σ_j a_j s_j U'(s_i s_j) )
//! density     ∂_t μ + ∂_a(μG)/ε + ∂_s(μ a (1−s²) G') = 0,    G(s) = V(s) − ∫ a' U(s s') dμ'        (m → ∞)
//! ```
//!
//! # Symbols
//!
//! | symbol | identifier | meaning |
//! |---|---|---|
//! | `θ` | `theta` | parameters of an agent, trained |
//! | `h` | `h` | its hyperparameters, selected and mutated |
//! | `L(θ,h)` | [`problem::Loss`] | training loss |
//! | `F(θ,h)` | [`problem::Fitness`] | what selection sees |
//! | `D`, `μ` | `diffusion`, `mobility` | θ-noise and speed of training; numbers or functions of h |
//! | `ε` | `epsilon` | time of training over time of selection |
//! | `κ`, `T_s` | [`problem::Clock`] | rate of selection events; time between them |
//! | `w(F)`, `β` | [`problem::Rule`] | weight of an agent, `exp(βF)` by default |
//! | `M_h` | [`problem::Kernel`], [`grid::MutationOperator`] | mutation, one [`grid::AxisMutation`] a hyperparameter |
//! | `y(h)` | [`problem::Scale`] | coordinate in which h moves: h, or log h |
//! | `D_h` | `Kernel::Diffusion` | mutation in continuous time |
//! | `f`, `ρ` | `density/f`, `marginal_h/rho` | joint density; density of h |
//! | `π` | `density/published`, [`averaged::Averaged::published`] | density of published states (asynchronous populations) |
//! | `(Σw)²/(N Σw²)` | `diagnostics/effective_sample_size` | agents that selection can tell apart, as a share of N |
//! | `1/Σ share²` | `lineage/effective_number` | effective number of ancestors |
//! | `G_h` | [`grid::Potential::gibbs`] | Boltzmann–Gibbs density of θ given h |
//! | `w̄`, `F̄` | [`averaged::Effective`] | effective weight and fitness |
//! | `w`, `w*` | | weight vectors of student (K) and teacher (M), in `R^d` |
//! | `Q`, `M` (or `R`), `P` (or `T`) | `order_parameters/Q`, `order_parameters/M`, [`problem::Teacher::overlaps`] | `w·w/d`, `w·w*/d`, `w*·w*/d` |
//! | `a`, `b` | `weights`, `biases` | second layer and biases; with a star the teacher's |
//! | `g` | [`problem::Activation`] | activation |
//! | `τ` (or `η`), `τ_a`, `τ_b` | [`problem::LearningRate`], `second_layer_rate`, `bias_rate` | learning rates |
//! | `λ`, `σ²`, `B` | `weight_decay`, `noise_variance`, `batch` | weight decay (`λ/d` a step), label noise, batch size |
//! | `β`, `γ`, `α` | [`problem::Momentum`] | momentum (here β is not that of selection) |
//! | `E_g` | `errors/generalization_error` | half the mean squared error without label noise |
//! | `σ`, `φ` | `activation`, `target` ([`problem::Link`]) | activation and target of a wide network |
//! | `σ_k`, `φ_k`, `h_k` | [`gaussian::HermiteSeries`] | Hermite coefficients; normalised probabilists' Hermite polynomials |
//! | `U`, `V` | [`gaussian::DualKernel`] | `E[σ(x)σ(y)]`, `E[σ(x)φ(y)]` at correlation r |
//! | `a_i`, `s_i`, `r_ij` | `neurons/a`, `neurons/s`, `neurons/r` | second layer, alignment with the target, overlaps of m neurons |
//! | `ε` | [`problem::SingleIndex::epsilon`] | here time of the second layer over time of the first |
//! | `R`, `R_k` | [`gaussian::Risk`] | risk `½E[(f − φ)²]`, its part of degree k |
//! | `I2`, `I3`, `I4`, `J2` | [`gaussian`] | expectations over the fields |
//!
//! # Example
//!
//! The kinetic equation and its agents, from one statement:
//!
//! ```
//! use std::{ops::ControlFlow, sync::Arc};
//! use learning_dynamics::{frame::Solver, grid::Axis, kinetic::{Kinetic, Steps}, monte_carlo::*, problem::*, record::Series};
//!
//! let problem = Population {
//!     epsilon: 0.1,
//!     diffusion: 0.1.into(),
//!     mobility: 1.0.into(),
//!     loss: Arc::new(Quadratic::new(1.0, 1)),                                  // ½(θ − h)²
//!     fitness: Arc::new(FitnessFn(|theta: f64, _h: f64| -(theta - 0.5).powi(2))),
//!     h: vec![Domain::linear(-3.0, 3.0, Ends::Reflect)],
//!     selection: Selection::Events { rule: Rule::Boltzmann { beta: 1.0 }, clock: Clock::Periodic { every: 0.5 } },
//!     evaluation: Evaluation::default(),
//!     inheritance: Inheritance::default(),
//!     mutation: vec![Kernel::Gaussian { std: 0.2 }],
//!     initial: Initial { h: vec![Law::Uniform { low: -1.0, high: 1.0 }], theta: InitialTheta::Equilibrium },
//! };
//! let mut kinetic = Kinetic::new(problem.clone(), Axis::uniform("theta", -3.5, 3.5, 128)?, 120, Steps::Tolerance(1e-4))?;
//! let mut mean_field = Series::new();
//! kinetic.run(&[1.0, 5.0], &mut |frame| mean_field.visit(frame))?;
//!
//! let settings = AgentSettings { agents: 20_000, step: TrainingStep::LearningRate(0.05), ..AgentSettings::default() };
//! let mut particles = Series::new();
//! Agents::new(problem, settings)?.run(&[1.0, 5.0], &mut |frame| particles.visit(frame))?;
//!
//! let (a, b) = (mean_field.last("moments", "mean_h")?[0], particles.last("moments", "mean_h")?[0]);
//! assert!((a - b).abs() < 0.02, "{a} {b}");
//! # Ok::<(), learning_dynamics::Error>(())
//! ```
//!
//! # Reading on
//!
//! [`guide`] has a chapter a family (mathematics first), a tutorial (a new loss, a new activation, a new study) and the lines that open
//! the output in Python, Julia and MATLAB. The command `learning-dynamics` solves problems stated in files.
//!
//! # Modules
//!
//! [`problem`] what is solved · [`gaussian`] expectations · [`grid`] axes and discrete operators · [`kinetic`], [`averaged`],
//! [`order_parameters`], [`neurons`] mean-field solvers · [`monte_carlo`] agents and SGD · [`exact`] closed forms · [`record`] series and
//! schedules · [`output`] HDF5, checkpoints and pictures · `input` problems stated in files · [`frame`] what solvers show · [`error`]. Each may use those before it, and the
//! mean-field solvers, `monte_carlo` and `exact` never use one another.
//!
//! # Features
//!
//! `cli` (default): the command line and `input`; has the next two. `hdf5`: output in HDF5, needs libhdf5. `plot`: pictures.
//! `static-hdf5`: builds libhdf5 from source.

pub mod averaged;
pub mod error;
pub mod exact;
pub mod frame;
pub mod gaussian;
pub mod grid;
pub mod guide;
#[cfg(feature = "cli")]
pub mod input;
pub mod kinetic;
pub mod monte_carlo;
pub mod neurons;
pub mod numerics;
pub mod order_parameters;
pub mod output;
pub mod problem;
pub mod record;

pub use error::{Error, Result, Warning};

#[cfg(test)]
mod resume_tests;

/// The code blocks of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
