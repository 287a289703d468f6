//! Lines over the seconds of a run, as SVG: no script, no font, no file from elsewhere.

use maud::{Markup, html};

/// A line of a chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// The class that gives it its colour.
    pub(super) class: &'a str,
    /// One for each second.
    pub(super) values: &'a [f64],
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
/// Left of the chart, for the numbers.
const MARGIN: f64 = 60.0;
/// As many points are drawn: more than a screen has columns for. Of the seconds that share one, the highest.
const POINTS: usize = 720;

/// A chart with a name; nothing where there is nothing to draw a line through.
pub(super) fn chart(title: &str, lines: &[Line<'_>]) -> Markup {
    let seconds = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let top = lines.iter().flat_map(|line| line.values).copied().fold(0.0_f64, f64::max);
    if seconds < 2 || top <= 0.0 {
        return html! {};
    }
    html! {
        figure {
            figcaption {
                (title) " "
                @for line in lines { span.key { i.(line.class) {} " " (line.name) } }
            }
            svg viewBox=(format!("0 0 {} {}", WIDTH + MARGIN, HEIGHT + 24.0)) role="img" aria-label=(title) {
                @for part in [0.0, 0.5, 1.0] {
                    @let y = HEIGHT - part * HEIGHT + 4.0;
                    line.grid x1=(MARGIN) x2=(MARGIN + WIDTH) y1=(y) y2=(y) {}
                    text x=(MARGIN - 6.0) y=(y + 4.0) text-anchor="end" { (number(part * top)) }
                }
                text x=(MARGIN) y=(HEIGHT + 20.0) { "0 s" }
                text x=(MARGIN + WIDTH) y=(HEIGHT + 20.0) text-anchor="end" { (seconds) " s" }
                @for line in lines {
                    polyline.(line.class) points=(points(line.values, seconds, top)) {}
                }
            }
        }
    }
}

fn points(values: &[f64], seconds: usize, top: f64) -> String {
    let together = seconds.div_ceil(POINTS).max(1);
    let last = (seconds.div_ceil(together) - 1).max(1) as f64;
    let highest = values.chunks(together).map(|chunk| chunk.iter().copied().fold(0.0_f64, f64::max));
    let at = |(n, value): (usize, f64)| {
        format!("{:.1},{:.1}", MARGIN + n as f64 / last * WIDTH, 4.0 + HEIGHT - value / top * HEIGHT)
    };
    highest.enumerate().map(at).collect::<Vec<_>>().join(" ")
}

/// Three digits are as many as an eye reads off a chart.
pub(super) fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        0.0 => "0".to_owned(),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_stays_inside_of_its_frame_and_has_a_bounded_number_of_points() {
        let values: Vec<f64> = (0..10_000).map(|n| f64::from(n % 100)).collect();
        let drawn = points(&values, values.len(), 99.0);
        let pairs: Vec<(f64, f64)> = (drawn.split(' '))
            .map(|pair| pair.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert!(pairs.len() <= POINTS);
        assert!(pairs.iter().all(|(x, y)| (MARGIN..=MARGIN + WIDTH).contains(x) && (4.0..=4.0 + HEIGHT).contains(y)));
        assert_eq!(points(&[1.0], 1, 1.0), "60.0,4.0");
        for nothing in [&[0.0, 0.0][..], &[1.0], &[]] {
            assert!(chart("t", &[Line { name: "n", class: "sent", values: nothing }]).into_string().is_empty());
        }
    }

    #[test]
    fn numbers_are_short() {
        let short = [0.0, 0.256, 3.149, 250.4, 12_345.0, 2_500_000.0].map(number);
        assert_eq!(short, ["0", "0.26", "3.1", "250", "12.3k", "2.50M"]);
    }
}
