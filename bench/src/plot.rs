//! A log-log plot of several panels as SVG, for light and dark backgrounds.

use std::fmt::Write as _;

const COLOURS: [&str; 3] = ["#d9480f", "#2b8a3e", "#1c7ed6"];
/// Size of a panel in SVG units.
const WIDTH: f64 = 330.0;
const HEIGHT: f64 = 230.0;
/// Margins for the axis labels and the legend.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 45.0;
const TOP: f64 = 30.0;

pub(crate) struct Panel {
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws the panels, two per row.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2) as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <style>text{{fill:#333}}.axis{{stroke:#999}}.grid{{stroke:#8884}}\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}}}</style>\n",
        2.0 * WIDTH,
        rows * HEIGHT
    );
    for (at, panel) in panels.iter().enumerate() {
        let _ = write!(
            out,
            "<g transform=\"translate({} {})\">\n{}</g>\n",
            (at % 2) as f64 * WIDTH,
            (at / 2) as f64 * HEIGHT,
            draw_panel(panel)
        );
    }
    out + "</svg>\n"
}

fn draw_panel(panel: &Panel) -> String {
    let (right, floor) = (WIDTH - 15.0, HEIGHT - BOTTOM);
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let (x_low, x_high) = decades(points().map(|point| point.0));
    let (y_low, y_high) = decades(points().map(|point| point.1));
    let x = |value: f64| LEFT + (value.log10() - x_low) / (x_high - x_low) * (right - LEFT);
    let y = |value: f64| floor - (value.max(1e-9).log10() - y_low) / (y_high - y_low) * (floor - TOP);
    let mut out = String::new();
    for power in x_low as i32..=x_high as i32 {
        let at = x(10_f64.powi(power));
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{at:.1} {TOP}V{floor}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            floor + 15.0,
            tick_label(power)
        );
    }
    for power in y_low as i32..=y_high as i32 {
        let at = y(10_f64.powi(power));
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 5.0,
            at + 4.0,
            tick_label(power)
        );
    }
    let _ = writeln!(out, "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{floor}H{right}\"/>");
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(LEFT, right),
        floor + 33.0,
        panel.x
    );
    let _ = writeln!(
        out,
        "<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(TOP, floor),
        panel.y
    );
    for (at, (line, colour)) in panel.lines.iter().zip(COLOURS).enumerate() {
        let path: Vec<_> = line.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            path.join(" ")
        );
        let left = LEFT + 8.0 + at as f64 * 80.0;
        let _ = writeln!(
            out,
            "<path stroke=\"{colour}\" stroke-width=\"3\" d=\"M{left} 18h14\"/><text x=\"{}\" y=\"22\">{}</text>",
            left + 18.0,
            line.name
        );
    }
    out
}

/// Returns the exponents of the powers of ten that enclose all values.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = (low.max(1e-3).log10().floor(), high.max(1e-3).log10().ceil());
    (low, high.max(low + 1.0))
}

fn tick_label(power: i32) -> String {
    match power {
        6.. => format!("{} M", 10_u64.pow(power.unsigned_abs() - 6)),
        3..=5 => format!("{} k", 10_u64.pow(power.unsigned_abs() - 3)),
        _ => format!("{}", 10_f64.powi(power)),
    }
}
