//! Random numbers that do not depend on threads or machines.
//!
//! Every block of agents draws from its own generator, keyed by (seed, purpose, replicate, block, step): nothing is carried
//! from one step to the next, so neither the number of threads nor the recorded times can change a trajectory. Normals come
//! from eight xoshiro256++ generators side by side (Blackman & Vigna 2021) and the Box–Muller transform, with polynomials for
//! log, sin and cos (those of FreeBSD's msun, error below 2⁻⁵⁸ before rounding) in plain IEEE additions, multiplications,
//! divisions and square roots. No product is ever fused with a sum, so the bits are the same with SSE2, AVX2 and AVX-512.

use multiversion::multiversion;
use rand::TryRng;
use std::convert::Infallible;

use crate::numerics::buffer::prefetch;

/// What numbers are drawn for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial h.
    InitialH = 1,
    /// Initial θ.
    InitialTheta,
    /// Noise of training.
    Training,
    /// Noise of a step that only recording sees.
    PartialStep,
    /// Who has an event, and whom it copies.
    Donors,
    /// Mutation.
    Mutation,
    /// Noise of evaluations.
    Evaluation,
    /// Whom the agents with a Poisson event copy.
    Poisson,
    /// The same, where rejection gave up.
    PoissonTable,
    /// Diffusion of h.
    Diffusion,
    /// θ from its Gibbs law before events.
    Gibbs,
    /// θ from its Gibbs law for recording.
    GibbsRecord,
    /// Initial weight vectors.
    InitialWeights,
    /// Inputs of SGD, or what the overlap chain needs to know of them.
    Inputs,
    /// Noise of labels.
    LabelNoise,
    /// Acceptance of chi-square draws.
    ChiSquare,
    /// Chi-square draws whose first proposal was rejected.
    ChiSquareRetry,
    /// The overlaps of a random student.
    RandomStudent,
    /// Second layer and directions of random neurons.
    RandomNeurons,
    /// When the agents of a staggered clock have their events.
    Phases,
    /// θ of copies, drawn anew.
    Rejuvenation,
    /// Noise of the first published evaluations.
    Publication,
}

/// The key of one stream of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    run: u64,
    place: u64,
}

/// The output function of SplitMix64 (Steele, Lea & Flood 2014), a bijection.
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Its increment.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Key {
    /// The key for one purpose in one replicate.
    pub fn new(seed: u64, purpose: Purpose, replicate: usize) -> Self {
        let run = mix(mix(seed.wrapping_add(GAMMA)) ^ (replicate as u64)).wrapping_add(GAMMA);
        Self { run: mix(run ^ (purpose as u64)), place: 0 }
    }

    /// The key for one block at one step. Distinct places give distinct states while `step < 2⁴⁰` and `block < 2²⁴`.
    #[must_use]
    pub fn at(self, block: usize, step: u64) -> Self {
        Self { run: self.run, place: mix(((block as u64) << 40) ^ step).wrapping_add(GAMMA) }
    }

    #[inline(always)]
    fn word(self, index: u64) -> u64 {
        mix(mix(self.run.wrapping_add(index.wrapping_mul(GAMMA))) ^ self.place)
    }
}

/// One xoshiro256++ generator, for what is not vectorised.
#[derive(Debug, Clone)]
pub struct Generator([u64; 4]);

impl Generator {
    /// Starts the stream of `key`.
    pub fn new(key: Key) -> Self {
        // Words 0..32 seed the eight lanes of the normals.
        Self(std::array::from_fn(|k| key.word(32 + k as u64)))
    }
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|x| (x >> 32) as u32)
    }

    #[inline]
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let s = &mut self.0;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        Ok(out)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

pub(super) const LANES: usize = 8;
type Words = [u64; LANES];
type Reals = [f64; LANES];

/// Eight generators side by side.
#[derive(Debug, Clone)]
pub(super) struct Lanes([Words; 4]);

impl Lanes {
    #[inline(always)]
    pub(super) fn new(key: Key) -> Self {
        let mut state = [[0; LANES]; 4];
        for (k, words) in state.iter_mut().enumerate() {
            for (lane, word) in words.iter_mut().enumerate() {
                *word = key.word((k * LANES + lane) as u64);
            }
        }
        Self(state)
    }

    #[inline(always)]
    fn next(&mut self) -> Words {
        let [s0, s1, s2, s3] = &mut self.0;
        let mut out = [0; LANES];
        for k in 0..LANES {
            out[k] = s0[k].wrapping_add(s3[k]).rotate_left(23).wrapping_add(s0[k]);
            let t = s1[k] << 17;
            s2[k] ^= s0[k];
            s3[k] ^= s1[k];
            s1[k] ^= s2[k];
            s0[k] ^= s3[k];
            s2[k] ^= t;
            s3[k] = s3[k].rotate_left(45);
        }
        out
    }

    /// Sixteen independent standard normals.
    #[inline(always)]
    pub(super) fn normals(&mut self) -> [Reals; 2] {
        let (a, b) = (self.next(), self.next());
        let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
        for k in 0..LANES {
            let radius = (-2.0 * log_unit(a[k])).sqrt();
            let (sin, cos) = sin_cos_eighth(b[k]);
            // Bit 0 swaps sine and cosine, bit 1 turns by π: the eighth circles on both sides of 0 become the whole circle.
            let swap = (b[k] & 1).wrapping_neg();
            let sign = (b[k] & 2) << 62;
            let (sin, cos) = (sin.to_bits(), cos.to_bits());
            let change = (sin ^ cos) & swap;
            x[k] = radius * f64::from_bits((cos ^ change) ^ sign);
            y[k] = radius * f64::from_bits((sin ^ change) ^ sign);
        }
        [x, y]
    }
}

const ONE: u64 = 0x3ff0_0000_0000_0000;
const HALF_ULP: f64 = 1.0 / (1u64 << 53) as f64;

/// `ln u` for `u = (k + ½) 2⁻⁵²`, `k` the upper 52 bits.
#[inline(always)]
fn log_unit(bits: u64) -> f64 {
    let u = f64::from_bits((bits >> 12) | ONE) - 1.0 + HALF_ULP;
    // u = 2^e m with m in [√½, √2): 0x3fe6a09e… is √½.
    let shifted = u.to_bits().wrapping_add(ONE - 0x3fe6_a09e_667f_3bcd);
    // The magic constant turns the biased exponent into a number without a conversion instruction.
    let e = f64::from_bits((shifted >> 52) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (3.999_999_999_940_942e-1 + w * (2.222_219_843_214_978_4e-1 + w * 1.531_383_769_920_937_3e-1));
    let odd = z
        * (6.666_666_666_666_735e-1
            + w * (2.857_142_874_366_239e-1 + w * (1.818_357_216_161_805e-1 + w * 1.479_819_860_511_658_6e-1)));
    e * std::f64::consts::LN_2 + (2.0 * s + s * (even + odd))
}

/// `(sin x, cos x)` for `x` uniform on `(−π/4, π/4)`, from the upper 52 bits.
#[inline(always)]
fn sin_cos_eighth(bits: u64) -> (f64, f64) {
    let x = (f64::from_bits((bits >> 12) | ONE) - 1.5 + HALF_ULP) * std::f64::consts::FRAC_PI_2;
    let z = x * x;
    let w = z * z;
    let sin = -1.666_666_666_666_663_2e-1
        + z * (8.333_333_333_322_49e-3 + z * -1.984_126_982_985_795e-4)
        + z * w * (2.755_731_370_707_006_8e-6 + z * (-2.505_076_025_340_686_3e-8 + z * 1.589_690_995_211_55e-10));
    let cos = z * (4.166_666_666_666_66e-2 + z * (-1.388_888_888_887_411e-3 + z * 2.480_158_728_947_673e-5))
        + w * w * (-2.755_731_435_139_066_3e-7 + z * (2.087_572_321_298_175e-9 + z * -1.135_964_755_778_82e-11));
    (x + x * (z * sin), 1.0 - (0.5 * z - z * cos))
}

/// Fills `out` with independent standard normals of the stream `key`.
pub fn fill_normals(key: Key, out: &mut [f64]) {
    fill_dispatched(key, out);
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn fill_dispatched(key: Key, out: &mut [f64]) {
    fill_body(key, out);
}

#[inline(always)]
fn fill_body(key: Key, out: &mut [f64]) {
    let mut lanes = Lanes::new(key);
    let mut chunks = out.chunks_exact_mut(2 * LANES);
    for chunk in &mut chunks {
        let [x, y] = lanes.normals();
        chunk[..LANES].copy_from_slice(&x);
        chunk[LANES..].copy_from_slice(&y);
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty() {
        let draws = lanes.normals();
        rest.copy_from_slice(&draws.as_flattened()[..rest.len()]);
    }
}

/// The start of the stream `key`. Seeding takes 64 rounds of SplitMix64, which this does with vector instructions.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn start_lanes(key: Key) -> Lanes {
    Lanes::new(key)
}

/// Goes on with the stream of `lanes`: as many normals as fill whole draws of sixteen. Meanwhile `next`, which the caller is
/// about to use, comes into the cache.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn more_normals(lanes: &mut Lanes, out: &mut [f64], next: &[f64]) {
    let mut local = lanes.clone();
    let draws = out.as_chunks_mut::<{ 2 * LANES }>().0;
    // An even share with each draw: all at once would be more than the core can have under way.
    let mut shares = next.chunks(next.len().div_ceil(draws.len().max(1)).max(1));
    for chunk in draws {
        prefetch(shares.next().unwrap_or_default());
        let [x, y] = local.normals();
        chunk[..LANES].copy_from_slice(&x);
        chunk[LANES..].copy_from_slice(&y);
    }
    *lanes = local;
}

/// One training step of a block, `θ ← θ − drift·gradient + amplitude·ξ`, each slice one number a component.
///
/// Draws the same numbers as [`fill_normals`] with this key. Returns whether all θ are finite afterwards.
pub fn noisy_step(key: Key, theta: &mut [f64], gradient: &[f64], drift: &[f64], amplitude: &[f64]) -> bool {
    step_dispatched(key, theta, gradient, drift, amplitude)
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn step_dispatched(key: Key, theta: &mut [f64], gradient: &[f64], drift: &[f64], amplitude: &[f64]) -> bool {
    step_body(key, theta, gradient, drift, amplitude)
}

#[inline(always)]
fn step_body(key: Key, theta: &mut [f64], gradient: &[f64], drift: &[f64], amplitude: &[f64]) -> bool {
    const WIDTH: usize = 2 * LANES;
    let mut lanes = Lanes::new(key);
    // x·0 is 0 for finite x and NaN otherwise.
    let mut finite = [0.0; WIDTH];
    let (theta, theta_rest) = theta.as_chunks_mut::<WIDTH>();
    let (gradient, gradient_rest) = gradient.as_chunks::<WIDTH>();
    let (drift, drift_rest) = drift.as_chunks::<WIDTH>();
    let (amplitude, amplitude_rest) = amplitude.as_chunks::<WIDTH>();
    for (((theta, gradient), drift), amplitude) in theta.iter_mut().zip(gradient).zip(drift).zip(amplitude) {
        let draws = lanes.normals();
        let draws = draws.as_flattened();
        for k in 0..WIDTH {
            theta[k] = theta[k] - drift[k] * gradient[k] + amplitude[k] * draws[k];
            finite[k] += theta[k] * 0.0;
        }
    }
    let mut sum: f64 = finite.iter().sum();
    if !theta_rest.is_empty() {
        let draws = lanes.normals();
        let rest = theta_rest.iter_mut().zip(gradient_rest).zip(drift_rest).zip(amplitude_rest);
        for ((((theta, gradient), drift), amplitude), draw) in rest.zip(draws.as_flattened()) {
            *theta = *theta - drift * gradient + amplitude * draw;
            sum += *theta * 0.0;
        }
    }
    sum == 0.0
}

#[cfg(test)]
#[path = "rng_tests.rs"]
mod tests;
