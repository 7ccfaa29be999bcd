//! Pictures as PNG.

use std::path::Path;
use std::sync::Arc;

use kuva::TickFormat;
use kuva::backend::raster::RasterBackend;
use kuva::plot::heatmap::ColorMap;
use kuva::plot::legend::LegendPosition;
use kuva::plot::line::LineStyle;
use kuva::plot::scatter::MarkerShape;
use kuva::plot::{BandPlot, Heatmap, LinePlot, ScatterPlot};
use kuva::render::figure::Figure;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;

use super::{Mark, Panel, Picture, Scale, Shape};
use crate::error::{Error, Result};

/// Okabe and Ito (2008), told apart with any colour vision; dark ones first, and no yellow on white.
const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
/// The same at a quarter of their strength: what a band looks like on white.
const PALE: [&str; 7] = ["#BFDCEC", "#F4D7BF", "#BFE7DC", "#F2DDE9", "#F9E7BF", "#D5ECF9", "#BFBFBF"];
/// Marker shapes change with the colours, for print without them.
const MARKERS: [MarkerShape; 4] =
    [MarkerShape::Circle, MarkerShape::Square, MarkerShape::Triangle, MarkerShape::Diamond];
const GREY: &str = "#777777";
/// Width and height of a panel, in points; drawn at [`DENSITY`] pixels each.
const PANEL: (f64, f64) = (540.0, 380.0);
const DENSITY: f32 = 2.0;

impl Picture {
    /// Draws the picture into a PNG file.
    ///
    /// Points that are not numbers, or not positive on a logarithmic axis, are left out.
    ///
    /// # Errors
    /// [`Error::Shape`] if the lists of a mark do not go together, [`Error::Library`] if it cannot be drawn, [`Error::File`] if the file cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.panels.iter().flat_map(|panel| &panel.marks).try_for_each(check)?;
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns).max(1);
        let (plots, layouts) = self.panels.iter().map(draw).unzip();
        let figure = Figure::new(rows, columns)
            .with_structure((0..self.panels.len()).map(|panel| vec![panel]).collect())
            .with_plots(plots)
            .with_layouts(layouts)
            .with_cell_size(PANEL.0, PANEL.1)
            .with_spacing(24.0);
        let png = RasterBackend::new()
            .with_scale(DENSITY)
            .render_scene(&figure.render())
            .map_err(|message| Error::Library { library: "kuva", message })?;
        std::fs::write(path, png)
            .map_err(|error| Error::File { path: path.display().to_string(), message: error.to_string() })
    }
}

fn check(mark: &Mark) -> Result<()> {
    let pairs = match &mark.shape {
        Shape::Line { x, y, .. } => vec![(y.len(), x.len())],
        Shape::Points { x, y, error } if error.is_empty() => vec![(y.len(), x.len())],
        Shape::Points { x, y, error } => vec![(y.len(), x.len()), (error.len(), x.len())],
        Shape::Band { x, low, high } => vec![(low.len(), x.len()), (high.len(), x.len())],
        Shape::Steps { edges, heights } => vec![(edges.len(), heights.len() + 1)],
        Shape::Slope { .. } => Vec::new(),
        Shape::HeatMap { x, y, values } => vec![(values.len(), x.len() * y.len())],
    };
    match pairs.into_iter().find(|(found, expected)| found != expected) {
        None => Ok(()),
        Some((found, expected)) => {
            Err(Error::Shape { what: format!("values of the mark {:?}", mark.label), found, expected })
        }
    }
}

/// An axis. Logarithms are taken here: the library's own logarithmic axes end at 1e-10.
#[derive(Clone, Copy)]
struct Axis {
    log: bool,
    low: f64,
    high: f64,
    fixed: bool,
}

impl Axis {
    fn new(scale: Scale, fixed: Option<[f64; 2]>, values: impl Iterator<Item = f64>) -> Self {
        let mut axis =
            Self { log: scale == Scale::Log, low: f64::INFINITY, high: f64::NEG_INFINITY, fixed: fixed.is_some() };
        let ends = fixed.map(Vec::from).unwrap_or_else(|| values.collect());
        let unmapped = axis;
        for value in ends.into_iter().filter_map(|value| unmapped.map(value)) {
            axis.low = axis.low.min(value);
            axis.high = axis.high.max(value);
        }
        if axis.low > axis.high {
            (axis.low, axis.high) = (0.0, 1.0);
        }
        if axis.log && !axis.fixed {
            // Room around the data, and for at least three powers of two.
            let centre = 0.5 * (axis.low + axis.high);
            let half = (0.54 * (axis.high - axis.low)).max(0.35);
            (axis.low, axis.high) = (centre - half, centre + half);
        } else if axis.low == axis.high {
            let half = 0.5 * axis.low.abs().max(1.0);
            (axis.low, axis.high) = (axis.low - half, axis.high + half);
        }
        axis
    }

    /// Where a value lies, if it has a place.
    fn map(self, value: f64) -> Option<f64> {
        let mapped = if self.log { value.log10() } else { value };
        (mapped.is_finite()).then_some(mapped)
    }

    /// Distance of the ticks, and how they read.
    fn ticks(self) -> Option<(f64, TickFormat)> {
        if !self.log {
            return None;
        }
        let span = self.high - self.low;
        if span < 1.5 {
            // Less than two decades would show one or two powers of ten: powers of two instead.
            return Some((2f64.log10(), TickFormat::Custom(Arc::new(|mapped| plain(10f64.powf(mapped))))));
        }
        Some(((span / 7.0).ceil(), TickFormat::Custom(Arc::new(power_of_ten))))
    }
}

/// Three digits, for the powers of two.
fn plain(value: f64) -> String {
    if !(1e-3..1e5).contains(&value) {
        return format!("{value:.1e}");
    }
    let decimals = (2.0 - value.log10().floor()).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn power_of_ten(exponent: f64) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let superscript = |c: char| match c.to_digit(10) {
        Some(digit) => DIGITS[digit as usize],
        None => '⁻',
    };
    format!("10{}", format!("{exponent:.0}").chars().map(superscript).collect::<String>())
}

fn draw(panel: &Panel) -> (Vec<Plot>, Layout) {
    let x_axis = Axis::new(panel.x_scale, panel.x_range, panel.marks.iter().flat_map(|mark| extent(&mark.shape, 0)));
    let y_axis = Axis::new(panel.y_scale, panel.y_range, panel.marks.iter().flat_map(|mark| extent(&mark.shape, 1)));
    let mut plots = Vec::new();
    let (mut colour, mut taken) = (0, false);
    for mark in &panel.marks {
        if !matches!(mark.shape, Shape::Slope { .. } | Shape::HeatMap { .. }) {
            colour += usize::from(taken && !mark.same_colour);
            taken = true;
        }
        if matches!(mark.shape, Shape::Band { .. }) && !mark.label.is_empty() {
            // The library leaves bands out of its legend; a mark without points stands in for it.
            let swatch = ScatterPlot::new().with_data(Vec::<(f64, f64)>::new()).with_marker(MarkerShape::Square);
            plots.push(Plot::Scatter(swatch.with_color(PALE[colour % PALE.len()]).with_legend(&mark.label)));
        }
        plots.push(shape(mark, colour, x_axis, y_axis));
    }
    let mut layout = Layout::auto_from_plots(&plots)
        .with_title(title(panel))
        .with_x_label(&panel.x_label)
        .with_y_label(&panel.y_label)
        .with_title_size(15)
        .with_label_size(14)
        .with_tick_size(12)
        .with_body_size(12)
        .with_box_axes()
        .with_legend_position(LegendPosition::OutsideRightTop)
        .with_legend_box(false);
    if let Some((step, format)) = x_axis.ticks() {
        layout = layout.with_x_tick_step(step).with_x_tick_format(format);
    }
    if let Some((step, format)) = y_axis.ticks() {
        layout = layout.with_y_tick_step(step).with_y_tick_format(format);
    }
    if x_axis.log || x_axis.fixed || panel.marks.iter().any(|mark| matches!(mark.shape, Shape::HeatMap { .. })) {
        layout = layout.with_x_axis_min(x_axis.low).with_x_axis_max(x_axis.high);
    }
    if y_axis.log || y_axis.fixed || panel.marks.iter().any(|mark| matches!(mark.shape, Shape::HeatMap { .. })) {
        layout = layout.with_y_axis_min(y_axis.low).with_y_axis_max(y_axis.high);
    }
    (plots, layout)
}

/// The colour bar of the library bears no label, so that the name of a heat map stands in the title.
fn title(panel: &Panel) -> String {
    let heat_map = panel.marks.iter().find(|mark| matches!(mark.shape, Shape::HeatMap { .. }));
    match heat_map.map(|mark| mark.label.as_str()).filter(|label| !label.is_empty()) {
        Some(label) if panel.title.is_empty() => label.to_owned(),
        Some(label) => format!("{}: {label}", panel.title),
        None => panel.title.clone(),
    }
}

/// Wider gaps than the library's own, which close up at this line width.
fn dashes() -> LineStyle {
    LineStyle::Custom("7 6".into())
}

/// Fewer points, at least a dash and a gap apart: the library begins its pattern anew at each, so that a line through many
/// points would look solid. The ends of steps stay.
fn spaced(points: &[(f64, f64)], x_axis: Axis, y_axis: Axis) -> Vec<(f64, f64)> {
    let place = |axis: Axis, size: f64, value: f64| 0.8 * size * value / (axis.high - axis.low);
    let far = |a: (f64, f64), b: (f64, f64)| {
        place(x_axis, PANEL.0, a.0 - b.0).hypot(place(y_axis, PANEL.1, a.1 - b.1)) >= 13.0
    };
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (k, &point) in points.iter().enumerate() {
        if kept.last().is_none_or(|&last| far(point, last)) || points.get(k + 1).is_none_or(|&next| far(next, point)) {
            kept.push(point);
        }
    }
    kept
}

/// All values of a shape along x (0) or y (1).
fn extent(shape: &Shape, along: usize) -> Vec<f64> {
    let mut values = Vec::new();
    match shape {
        Shape::Line { x, y, .. } => values.extend_from_slice([x, y][along]),
        Shape::Points { x, y, error } => {
            values.extend_from_slice([x, y][along]);
            if along == 1 {
                values.extend(y.iter().zip(error).flat_map(|(y, error)| [y - error, y + error]));
            }
        }
        Shape::Band { x, low, high } => {
            values.extend_from_slice([x, low][along]);
            values.extend_from_slice([x, high][along]);
        }
        Shape::Steps { edges, heights } => values.extend_from_slice([edges, heights][along]),
        Shape::Slope { exponent, through, x } => {
            values.extend(if along == 0 { *x } else { x.map(|x| through[1] * (x / through[0]).powf(*exponent)) });
        }
        Shape::HeatMap { x, y, .. } => values.extend(cells([x, y][along])),
    }
    values
}

/// The outer ends of equidistant cells.
fn cells(centres: &[f64]) -> [f64; 2] {
    match centres {
        [] => [0.0, 1.0],
        [one] => [one - 0.5, one + 0.5],
        [first, .., last] => {
            let half = 0.5 * (last - first) / (centres.len() - 1) as f64;
            [first - half, last + half]
        }
    }
}

fn shape(mark: &Mark, colour: usize, x_axis: Axis, y_axis: Axis) -> Plot {
    let name = COLOURS[colour % COLOURS.len()];
    let place = |x: f64, y: f64| Some((x_axis.map(x)?, y_axis.map(y)?));
    let path =
        |x: &[f64], y: &[f64]| -> Vec<(f64, f64)> { x.iter().zip(y).filter_map(|(&x, &y)| place(x, y)).collect() };
    let line = |points: Vec<(f64, f64)>, colour: &str| {
        let line = LinePlot::new().with_data(points).with_color(colour).with_stroke_width(1.8);
        if mark.label.is_empty() { line } else { line.with_legend(&mark.label) }
    };
    match &mark.shape {
        Shape::Line { x, y, dashed } => {
            let points = path(x, y);
            Plot::Line(match dashed {
                true => line(spaced(&points, x_axis, y_axis), name).with_line_style(dashes()),
                false => line(points, name),
            })
        }
        Shape::Slope { exponent, through, x } => {
            // Many points, because a power law is a straight line in one pair of scales only.
            let along = |k: usize| x[0] * (x[1] / x[0]).powf(k as f64 / 64.0);
            let law = |x: f64| through[1] * (x / through[0]).powf(*exponent);
            let points = (0..=64).map(along).filter_map(|x| place(x, law(x))).collect();
            Plot::Line(line(points, GREY).with_line_style(dashes()))
        }
        Shape::Steps { edges, heights } => {
            let corners = edges
                .windows(2)
                .zip(heights)
                .flat_map(|(ends, &height)| ends.iter().map(move |&edge| (edge, height)).collect::<Vec<_>>());
            Plot::Line(line(corners.filter_map(|(x, y)| place(x, y)).collect(), name))
        }
        Shape::Band { x, low, high } => {
            let ends = x.iter().zip(low).zip(high).filter_map(|((&x, &low), &high)| {
                Some((x_axis.map(x)?, y_axis.map(low).unwrap_or(y_axis.low), y_axis.map(high)?))
            });
            let ends: Vec<(f64, f64, f64)> = ends.collect();
            let column = |pick: fn(&(f64, f64, f64)) -> f64| ends.iter().map(pick).collect::<Vec<f64>>();
            let band = BandPlot::new(column(|end| end.0), column(|end| end.1), column(|end| end.2))
                .with_color(name)
                .with_opacity(0.25);
            Plot::Band(band)
        }
        Shape::Points { x, y, error } => {
            let mut points = Vec::new();
            let mut bars = Vec::new();
            for (k, (&x, &y)) in x.iter().zip(y).enumerate() {
                let (Some(point), Some(&error)) = (place(x, y), error.get(k).or(Some(&0.0))) else { continue };
                points.push(point);
                // A bar that reaches zero runs off the bottom of a logarithmic axis.
                let low = y_axis.map(y - error).unwrap_or(y_axis.low.min(point.1));
                bars.push((point.1 - low, y_axis.map(y + error).unwrap_or(point.1) - point.1));
            }
            let mut scatter = ScatterPlot::new()
                .with_data(points)
                .with_color(name)
                .with_size(4.0)
                .with_marker(MARKERS[colour % MARKERS.len()]);
            if !error.is_empty() {
                scatter = scatter.with_y_err_asymmetric(bars);
            }
            Plot::Scatter(if mark.label.is_empty() { scatter } else { scatter.with_legend(&mark.label) })
        }
        Shape::HeatMap { x, y, values } => {
            let [x_low, x_high] = cells(x);
            let [y_low, y_high] = cells(y);
            let rows: Vec<&[f64]> = values.chunks(x.len().max(1)).collect();
            let map = Heatmap::new()
                .with_data(rows.iter().map(|row| row.iter().copied()))
                .with_color_map(ColorMap::Viridis)
                .with_x_range(x_low, x_high)
                .with_y_range(y_low, y_high)
                .with_cell_size(1.0);
            Plot::Heatmap(map)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashed_lines_keep_their_ends_and_steps() {
        let axis = Axis { log: false, low: 0.0, high: 1.0, fixed: true };
        let line: Vec<(f64, f64)> =
            (0..=1000).map(|k| (f64::from(k) * 1e-3, if k < 500 { 0.0 } else { 1.0 })).collect();
        let kept = spaced(&line, axis, axis);
        assert!(kept.len() < 40, "{}", kept.len());
        for point in [line[0], line[499], line[500], line[1000]] {
            assert!(kept.contains(&point), "{point:?}");
        }
        assert_eq!(spaced(&line[..1], axis, axis), [line[0]]);
    }
}
