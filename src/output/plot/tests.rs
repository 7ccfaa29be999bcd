use super::*;

/// Every shape on every pair of scales.
fn sampler() -> Picture {
    let x: Vec<f64> = (1..=40).map(|i| f64::from(i) * 0.1).collect();
    let sine: Vec<f64> = x.iter().map(|x| x.sin()).collect();
    let n = [1e3, 1e4, 1e5, 1e6];
    let w1 = n.map(|n: f64| 1.4 / n.sqrt());
    let error = w1.map(|w| 0.2 * w);
    let dt = [0.1, 0.05, 0.025, 0.0125];
    let grid: Vec<f64> = (0..64).map(|i| -2.0 + (f64::from(i) + 0.5) / 16.0).collect();
    let bump: Vec<f64> = grid
        .iter()
        .flat_map(|h| grid.iter().map(move |t| (-(t - 0.5 * h).powi(2) - 4.0 * (h - 1.0).powi(2)).exp()))
        .collect();
    let low: Vec<f64> = sine.iter().map(|y| y - 0.2).collect();
    let high: Vec<f64> = sine.iter().map(|y| y + 0.2).collect();
    let edges: Vec<f64> = (0..=10).map(|i| f64::from(i) * 0.4).collect();
    let heights: Vec<f64> = (0..10).map(|i| f64::from((i * 7) % 5) * 0.2).collect();
    Picture::new(2)
        .panel(
            Panel::new("Large population", "agents N", "distance W₁ to the mean field")
                .log_x()
                .log_y()
                .points("agents", &n, &w1, &error)
                .line("fit", &n, &w1)
                .same_colour()
                .slope("slope −½", -0.5, [1e3, 0.06], [1e3, 1e6]),
        )
        .panel(
            Panel::new("Time order", "time step Δt", "error")
                .log_x()
                .log_y()
                .points("ε = 1", &dt, &dt.map(|t: f64| t * t), &[])
                .points("ε = 10⁻⁸", &dt, &dt.map(|t: f64| 1e-13 * t), &[]),
        )
        .panel(
            Panel::new("Spread", "time t", "fitness")
                .band("10–90 %", &x, &low, &high)
                .line("median", &x, &sine)
                .same_colour()
                .steps("histogram", &edges, &heights)
                .dashed("limit", &x, &vec![0.3; x.len()]),
        )
        .panel(Panel::new("Joint density", "θ", "h").heat_map("f(θ, h)", &grid, &grid, &bump))
}

#[cfg(feature = "plot")]
#[test]
fn a_picture_becomes_a_png_of_its_size() {
    let path = std::env::temp_dir().join(format!("learning-dynamics-{}.png", std::process::id()));
    sampler().write_png(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    // Two by two panels of at least 540 by 380 points, at two pixels a point.
    assert!(size(16) >= 2160 && size(20) >= 1520, "{} × {}", size(16), size(20));
    if let Ok(keep) = std::env::var("LEARNING_DYNAMICS_KEEP_PICTURE") {
        std::fs::write(keep, &bytes).unwrap();
    }
}

#[cfg(feature = "plot")]
#[test]
fn strange_data_draws_and_does_not_panic() {
    let path = std::env::temp_dir().join(format!("learning-dynamics-strange-{}.png", std::process::id()));
    let strange = [f64::NAN, 0.0, -1.0, f64::INFINITY, 1e-300];
    for panel in [Panel::new("", "", ""), Panel::new("", "", "").log_x().log_y()] {
        let picture = Picture::new(0)
            .panel(panel.clone())
            .panel(panel.clone().line("a", &strange, &strange).points("b", &strange, &strange, &strange))
            .panel(panel.clone().band("c", &strange, &strange, &strange).steps("d", &strange, &strange[1..]))
            .panel(panel.clone().line("one", &[1.0], &[1.0]))
            .panel(panel.heat_map("e", &[], &[], &[]));
        picture.write_png(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
    let ragged = Picture::new(1).panel(Panel::new("", "", "").heat_map("f", &[0.0, 1.0], &[0.0, 1.0], &[0.0; 3]));
    let error = ragged.write_png(&path).unwrap_err();
    assert_eq!(error.to_string(), "values of the mark \"f\": found 3, expected 4");
    assert!(!path.exists());
    let error = sampler().write_png("/nonexistent/a.png").unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/a.png: "), "{error}");
}

#[test]
fn a_mark_can_share_the_colour_of_the_one_before() {
    let panel = Panel::new("", "", "").line("a", &[1.0], &[1.0]).dashed("b", &[1.0], &[1.0]).same_colour();
    assert_eq!(panel.marks.iter().map(|mark| mark.same_colour).collect::<Vec<_>>(), [false, true]);
    assert_eq!(sampler().panels.len(), 4);
}
