//! Slopes and orders.

/// The exponent `p` of `y ∝ x^p` by least squares on the logarithms, and its standard error: (slope, standard error).
///
/// Needs three points, since two leave nothing to judge the fit by, and positive finite numbers;
/// NaN otherwise, which fails every gate.
pub fn fit_slope(x: &[f64], y: &[f64]) -> (f64, f64) {
    if x.len() != y.len() || x.len() < 3 {
        return (f64::NAN, f64::NAN);
    }
    let n = x.len() as f64;
    let logs: Vec<(f64, f64)> = x.iter().zip(y).map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean_x = logs.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = logs.iter().map(|p| p.1).sum::<f64>() / n;
    let spread = logs.iter().map(|p| (p.0 - mean_x).powi(2)).sum::<f64>();
    let slope = logs.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum::<f64>() / spread;
    let residual = logs.iter().map(|p| (p.1 - mean_y - slope * (p.0 - mean_x)).powi(2)).sum::<f64>();
    (slope, (residual / (n - 2.0) / spread).sqrt())
}

/// `log₂(e_k / e_{k+1})`: the observed orders of errors on grids or steps that are halved each time.
pub fn observed_orders(errors: &[f64]) -> Vec<f64> {
    errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_of_a_power_law() {
        let x = [1.0, 10.0, 100.0, 1000.0];
        let exact = x.map(|x: f64| 3.0 * x.powf(-0.5));
        let (slope, error) = fit_slope(&x, &exact);
        // Rounding of a handful of logarithms.
        assert!((slope + 0.5).abs() < 1e-14 && error < 1e-14, "{slope} {error}");
    }

    #[test]
    fn standard_error_of_a_slope_by_hand() {
        // ln x = 0, 1, 2 and ln y = 0, 1, 0: slope 0, residual 2/3 on 1 degree of freedom, spread 2.
        let e = std::f64::consts::E;
        let (slope, error) = fit_slope(&[1.0, e, e * e], &[1.0, e, 1.0]);
        assert!(slope.abs() < 1e-14 && (error - (1.0_f64 / 3.0).sqrt()).abs() < 1e-14, "{slope} {error}");
    }

    #[test]
    fn what_cannot_be_fitted_is_nan() {
        assert!(fit_slope(&[1.0, 2.0], &[1.0, 2.0]).0.is_nan());
        assert!(fit_slope(&[1.0, 2.0, 3.0], &[1.0, -2.0, 3.0]).0.is_nan());
        assert!(fit_slope(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]).0.is_nan());
    }

    #[test]
    fn orders_of_halved_grids() {
        assert_eq!(observed_orders(&[16.0, 4.0, 1.0, 0.5]), [2.0, 2.0, 1.0]);
    }
}
