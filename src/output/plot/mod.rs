//! Pictures: panels of lines, points, bands, steps and heat maps, as data.
//!
//! A [`Picture`] is plain data and exists without the feature `plot`; only drawing it needs the feature.

#[cfg(feature = "plot")]
mod draw;
#[cfg(test)]
mod tests;

/// Several panels in one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// How many panels stand side by side.
    pub columns: usize,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
}

impl Picture {
    /// Panels, `columns` of them side by side.
    pub fn new(columns: usize) -> Self {
        Self { columns, panels: Vec::new() }
    }

    /// Adds a panel.
    #[must_use]
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }
}

/// How the numbers of an axis are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Equal differences, equal distances.
    #[default]
    Linear,
    /// Equal ratios, equal distances. Points that are not positive are left out.
    Log,
}

/// One pair of axes and what is drawn on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Above the panel.
    pub title: String,
    /// Below it.
    pub x_label: String,
    /// Beside it.
    pub y_label: String,
    /// Scale of the horizontal axis.
    pub x_scale: Scale,
    /// Scale of the vertical axis.
    pub y_scale: Scale,
    /// Ends of the horizontal axis, where they are not to follow the data.
    pub x_range: Option<[f64; 2]>,
    /// Ends of the vertical axis, where they are not to follow the data.
    pub y_range: Option<[f64; 2]>,
    /// What is drawn, first below last. An empty label stays out of the legend.
    pub marks: Vec<Mark>,
}

/// Something drawn in a panel. Each mark but a reference slope takes the next colour; [`Panel::same_colour`] keeps
/// the one of the mark before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its name in the legend; empty for none.
    pub label: String,
    /// Whether it shares the colour of the mark before it.
    pub same_colour: bool,
    /// What it is.
    pub shape: Shape,
}

/// The shapes that a mark can have.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A line through points.
    Line {
        /// Horizontal positions.
        x: Vec<f64>,
        /// Vertical positions.
        y: Vec<f64>,
        /// Dashed, for limits and exact solutions.
        dashed: bool,
    },
    /// Markers, with vertical error bars where errors are given.
    Points {
        /// Horizontal positions.
        x: Vec<f64>,
        /// Vertical positions.
        y: Vec<f64>,
        /// Half-lengths of the error bars; empty for none.
        error: Vec<f64>,
    },
    /// The region between two curves.
    Band {
        /// Horizontal positions.
        x: Vec<f64>,
        /// The lower curve.
        low: Vec<f64>,
        /// The upper curve.
        high: Vec<f64>,
    },
    /// A histogram: one height between each two neighbouring edges.
    Steps {
        /// Edges, one more than heights.
        edges: Vec<f64>,
        /// Heights.
        heights: Vec<f64>,
    },
    /// A grey dashed power law `y ∝ x^exponent` through `through`, for log–log panels.
    Slope {
        /// The exponent.
        exponent: f64,
        /// A point on it.
        through: [f64; 2],
        /// Where it begins and ends.
        x: [f64; 2],
    },
    /// Values on a grid, in colour, with a colour bar; the label goes to the title of the panel.
    HeatMap {
        /// Columns: centres of the cells, equidistant, increasing.
        x: Vec<f64>,
        /// Rows: centres of the cells, equidistant, increasing.
        y: Vec<f64>,
        /// `values[row * x.len() + column]`.
        values: Vec<f64>,
    },
}

impl Panel {
    /// Empty linear axes.
    pub fn new(title: &str, x_label: &str, y_label: &str) -> Self {
        Self {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            x_range: None,
            y_range: None,
            marks: Vec::new(),
        }
    }

    /// Makes the horizontal axis logarithmic.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.x_scale = Scale::Log;
        self
    }

    /// Makes the vertical axis logarithmic.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.y_scale = Scale::Log;
        self
    }

    /// Fixes the ends of the horizontal axis.
    #[must_use]
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some([low, high]);
        self
    }

    /// Fixes the ends of the vertical axis.
    #[must_use]
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some([low, high]);
        self
    }

    /// Adds a line.
    #[must_use]
    pub fn line(self, label: &str, x: &[f64], y: &[f64]) -> Self {
        self.mark(label, Shape::Line { x: x.into(), y: y.into(), dashed: false })
    }

    /// Adds a dashed line.
    #[must_use]
    pub fn dashed(self, label: &str, x: &[f64], y: &[f64]) -> Self {
        self.mark(label, Shape::Line { x: x.into(), y: y.into(), dashed: true })
    }

    /// Adds markers; `error` holds the half-lengths of the error bars, or nothing.
    #[must_use]
    pub fn points(self, label: &str, x: &[f64], y: &[f64], error: &[f64]) -> Self {
        self.mark(label, Shape::Points { x: x.into(), y: y.into(), error: error.into() })
    }

    /// Adds the region between two curves.
    #[must_use]
    pub fn band(self, label: &str, x: &[f64], low: &[f64], high: &[f64]) -> Self {
        self.mark(label, Shape::Band { x: x.into(), low: low.into(), high: high.into() })
    }

    /// Adds a histogram, `edges` one longer than `heights`.
    #[must_use]
    pub fn steps(self, label: &str, edges: &[f64], heights: &[f64]) -> Self {
        self.mark(label, Shape::Steps { edges: edges.into(), heights: heights.into() })
    }

    /// Adds a grey dashed power law through a point, from `x[0]` to `x[1]`.
    #[must_use]
    pub fn slope(self, label: &str, exponent: f64, through: [f64; 2], x: [f64; 2]) -> Self {
        self.mark(label, Shape::Slope { exponent, through, x })
    }

    /// Adds a heat map; `values[row * x.len() + column]`.
    #[must_use]
    pub fn heat_map(self, label: &str, x: &[f64], y: &[f64], values: &[f64]) -> Self {
        self.mark(label, Shape::HeatMap { x: x.into(), y: y.into(), values: values.into() })
    }

    /// Gives the last mark the colour of the one before it (a line with its band, data with their fit).
    #[must_use]
    pub fn same_colour(mut self) -> Self {
        if let Some(mark) = self.marks.last_mut() {
            mark.same_colour = true;
        }
        self
    }

    fn mark(mut self, label: &str, shape: Shape) -> Self {
        self.marks.push(Mark { label: label.into(), same_colour: false, shape });
        self
    }
}
