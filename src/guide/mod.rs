//! Chapters: the mathematics of each family, then how to solve it; how to extend the library; how to read its files.
//!
//! * [`populations`]: many learners with parameters and hyperparameters;
//! * [`committees`]: one network in high dimension, seen through its overlaps;
//! * [`wide_networks`]: a wide two-layer network, seen as neurons;
//! * [`tutorial`]: a loss, an activation and a study of your own;
//! * [`output`]: the files in Python, Julia and MATLAB.
//!
//! The chapters say how things hang together; items say what they are. `EQUATIONS.md` at the root of the repository is the
//! reference of signs and scalings, and `make gallery` draws the figures of the literature.

#[doc = include_str!("populations.md")]
pub mod populations {}

#[doc = include_str!("committees.md")]
pub mod committees {}

#[doc = include_str!("wide_networks.md")]
pub mod wide_networks {}

#[doc = include_str!("tutorial.md")]
#[doc = "```text"]
#[doc = include_str!("../../validation/studies/own_loss.rs")]
#[doc = "```"]
#[doc = include_str!("tutorial_study.md")]
#[doc = "```diff"]
#[doc = include_str!("../../validation/mutants/own-loss--weak-decay.patch")]
#[doc = "```"]
#[doc = include_str!("tutorial_end.md")]
pub mod tutorial {}

#[doc = include_str!("output.md")]
pub mod output {}
