//! A line chart as SVG: a few series over days. Small enough to write; it needs no script, and the
//! report stays a single file.

use std::fmt::Write as _;

use jiff::civil::Date;

/// The size of the drawing, in user units.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 280.0;
/// The frame around the lines: left, right, top, bottom.
const FRAME: (f64, f64, f64, f64) = (44.0, 12.0, 12.0, 28.0);

/// One line of a chart.
pub struct Series {
    /// Its name, for the legend.
    pub name: String,
    /// The class that gives its colour.
    pub class: &'static str,
    /// A value for each day of the chart; none where nothing was known.
    pub values: Vec<Option<usize>>,
}

/// A day that is marked by a vertical line.
pub struct Mark {
    /// The day.
    pub day: Date,
    /// What begins or happens.
    pub name: String,
}

/// Draws the series over `days`, with marks where phases begin.
pub fn draw(days: &[Date], series: &[Series], marks: &[Mark]) -> String {
    let top = series.iter().flat_map(|series| series.values.iter().flatten()).max().copied().unwrap_or(0);
    let scale = Scale { days: days.len(), top: nice_top(top) };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Channel sizes over time\">\n"
    );
    for step in 0..=4 {
        let value = scale.top * step / 4;
        let y = scale.y(value);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"axis\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            FRAME.0,
            WIDTH - FRAME.1,
            FRAME.0 - 6.0,
            y + 4.0
        );
    }
    for mark in marks {
        let Some(index) = days.iter().position(|day| *day == mark.day) else { continue };
        let x = scale.x(index);
        // A label that would run over the right edge stands on the left of its line.
        let (at, anchor) = if x > WIDTH * 0.85 { (x - 4.0, "end") } else { (x + 4.0, "start") };
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>\
             <text class=\"axis\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            FRAME.2,
            HEIGHT - FRAME.3,
            HEIGHT - 10.0,
            mark.name,
        );
    }
    for line in series {
        let _ = writeln!(svg, "<path class=\"{}\" d=\"{}\"/>", line.class, path(line, &scale));
    }
    svg.push_str("</svg>\n");
    svg
}

struct Scale {
    days: usize,
    top: usize,
}

impl Scale {
    fn x(&self, index: usize) -> f64 {
        let span = self.days.saturating_sub(1).max(1) as f64;
        FRAME.0 + (WIDTH - FRAME.0 - FRAME.1) * index as f64 / span
    }

    fn y(&self, value: usize) -> f64 {
        let height = HEIGHT - FRAME.2 - FRAME.3;
        HEIGHT - FRAME.3 - height * value as f64 / self.top.max(1) as f64
    }
}

/// The next multiple of 20 above the highest value, so that the four steps of the grid are whole.
fn nice_top(top: usize) -> usize {
    (top / 20 + 1) * 20
}

fn path(series: &Series, scale: &Scale) -> String {
    let mut path = String::new();
    let mut pen = 'M';
    for (index, value) in series.values.iter().enumerate() {
        match value {
            Some(value) => {
                let _ = write!(path, "{pen}{:.1} {:.1}", scale.x(index), scale.y(*value));
                pen = 'L';
            }
            None => pen = 'M',
        }
    }
    path
}
