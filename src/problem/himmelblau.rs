//! Himmelblau's function, dθ = 2: four wells.

use super::loss::{Fitness, Loss};

/// What the hyperparameter does to [`Himmelblau`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing: `L = H(θ)/scale`.
    None,
    /// It moves the wells: `L = H(θ − h)/scale`, by `(h_1, 0)` if there is one hyperparameter, by `(h_1, h_2)` if there are two.
    Shift,
    /// It is a temperature: `L = H(θ)/(scale·h_1)`, h_1 > 0.
    Temperature,
    /// It weighs the second term: `L = [(x² + y − 11)² + h_1 (x + y² − 7)²]/scale`.
    Coefficient,
}

/// `L = H(θ)/scale` with `H(x,y) = (x² + y − 11)² + (x + y² − 7)²` (Himmelblau 1972), which is 0 in four wells, and a
/// hyperparameter in one of several [`Role`]s. As a fitness it is `−H(θ)/scale`, whatever the role.
///
/// Under its Gibbs law `∝ exp(−H/s)` `E[xy] = ¼` at any temperature s.
#[derive(Debug, Clone, PartialEq)]
pub struct Himmelblau {
    /// What `H` is divided by, > 0.
    pub scale: f64,
    /// What h does.
    pub role: Role,
}

impl Himmelblau {
    /// Where `H = 0`, to 1e-15.
    pub const WELLS: [[f64; 2]; 4] = [
        [3.0, 2.0],
        [-2.805_118_086_952_745, 3.131_312_518_250_573],
        [-3.779_310_253_377_747, -3.283_185_991_286_17],
        [3.584_428_340_330_491_7, -1.848_126_526_964_404],
    ];

    /// `H/scale` without a hyperparameter.
    pub fn new(scale: f64) -> Self {
        Self { scale, role: Role::None }
    }

    /// Argument of H, the weight of its second term, and one over what it is divided by.
    #[inline(always)]
    fn frame(&self, theta: &[f64], h: &[f64]) -> (f64, f64, f64, f64) {
        let (x, y, inverse) = (theta[0], theta[1], 1.0 / self.scale);
        match (self.role, h) {
            (Role::Shift, [a]) => (x - a, y, 1.0, inverse),
            (Role::Shift, [a, b, ..]) => (x - a, y - b, 1.0, inverse),
            (Role::Temperature, [a, ..]) => (x, y, 1.0, inverse / a),
            (Role::Coefficient, [a, ..]) => (x, y, *a, inverse),
            (Role::None, _) | (_, []) => (x, y, 1.0, inverse),
        }
    }
}

impl Loss for Himmelblau {
    fn value(&self, theta: &[f64], h: &[f64]) -> f64 {
        let (x, y, weight, inverse) = self.frame(theta, h);
        let (p, q) = (x * x + y - 11.0, x + y * y - 7.0);
        (p * p + weight * (q * q)) * inverse
    }

    fn gradient(&self, theta: &[f64], h: &[f64], out: &mut [f64]) {
        let (x, y, weight, inverse) = self.frame(theta, h);
        let (p, q) = (x * x + y - 11.0, weight * (x + y * y - 7.0));
        out[0] = (4.0 * x * p + 2.0 * q) * inverse;
        out[1] = (2.0 * p + 4.0 * y * q) * inverse;
    }

    fn dimension(&self) -> usize {
        2
    }
}

impl Fitness for Himmelblau {
    fn value(&self, theta: &[f64], _h: &[f64]) -> f64 {
        let (p, q) = (theta[0] * theta[0] + theta[1] - 11.0, theta[0] + theta[1] * theta[1] - 7.0);
        -(p * p + q * q) / self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 4] = [Role::None, Role::Shift, Role::Temperature, Role::Coefficient];

    #[test]
    fn wells_are_zeros_of_value_and_gradient() {
        for well in Himmelblau::WELLS {
            let loss = Himmelblau::new(100.0);
            let mut gradient = [0.0; 2];
            loss.gradient(&well, &[], &mut gradient);
            assert!(Loss::value(&loss, &well, &[]) < 1e-28 && gradient.iter().all(|g| g.abs() < 1e-13), "{well:?}");
        }
    }

    #[test]
    fn gradients_are_those_of_the_value() {
        for role in ROLES {
            let loss = Himmelblau { scale: 50.0, role };
            for (theta, h) in [([0.3, -1.2], vec![0.7]), ([-2.0, 3.1], vec![1.3, 0.4])] {
                let mut gradient = [0.0; 2];
                loss.gradient(&theta, &h, &mut gradient);
                for k in 0..2 {
                    let at = |step: f64| {
                        let mut theta = theta;
                        theta[k] += step;
                        Loss::value(&loss, &theta, &h)
                    };
                    let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                    // Rounding 1e-15/1e-5 and curvature 1e-10.
                    assert!((difference - gradient[k]).abs() < 1e-8, "{role:?} {k}: {difference} {}", gradient[k]);
                }
            }
        }
    }
}
