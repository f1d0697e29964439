//! The curves of a run as SVG.

use std::fmt::Write;

use super::run::LogLine;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 48.0;

/// What is drawn of a line.
type Curve = fn(&LogLine) -> f64;

/// Held-out output loss, input loss, cosine and the whole model's held-out loss over the seconds of training, one below the other.
pub fn svg(lines: &[LogLine]) -> String {
    let curves: [(&str, Curve); 4] = [
        ("output loss of held-out windows, nats a token", |line| {
            line.held_output
        }),
        ("input loss, running mean", |line| line.input),
        ("cosine of rows of held-out tokens", |line| line.cosine),
        (
            "loss of the whole model over held-out windows, nats a token",
            |line| line.held_model,
        ),
    ];
    let height = HEIGHT * curves.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n"
    );
    let last = lines.iter().map(|line| line.seconds).fold(1.0, f64::max);
    for (index, (name, value)) in curves.into_iter().enumerate() {
        let top = index as f64 * HEIGHT;
        let values: Vec<(f64, f64)> = lines
            .iter()
            // The first input loss is not taken yet.
            .filter(|line| value(line) != 0.0)
            .map(|line| (line.seconds, value(line)))
            .collect();
        let low = values.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
        let high = values
            .iter()
            .map(|(_, y)| *y)
            .fold(f64::NEG_INFINITY, f64::max);
        let range = (high - low).max(1e-9);
        let points: String = values
            .iter()
            .map(|(x, y)| {
                let x = MARGIN + x / last * (WIDTH - 2.0 * MARGIN);
                let y = top + HEIGHT - MARGIN - (y - low) / range * (HEIGHT - 2.0 * MARGIN);
                format!("{x:.1},{y:.1} ")
            })
            .collect();
        let (left, base) = (MARGIN, top + HEIGHT - MARGIN);
        let _ = write!(
            svg,
            "<text x=\"{left}\" y=\"{:.0}\">{name}: {low:.4} to {high:.4} over {last:.0} s</text>\n\
             <path d=\"M{left} {:.0}V{base}H{:.0}\" fill=\"none\" stroke=\"#999\"/>\n\
             <polyline points=\"{points}\" fill=\"none\" stroke=\"#0a6\" stroke-width=\"2\"/>\n",
            top + MARGIN - 12.0,
            top + MARGIN,
            WIDTH - MARGIN,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_log_is_a_point() {
        let lines: Vec<LogLine> = (0..4)
            .map(|step| LogLine {
                step,
                seconds: step as f64,
                input: 1.0 / (step + 1) as f64,
                output: 5.0,
                held_output: 5.0 - step as f64,
                cosine: 0.5,
                ..LogLine::default()
            })
            .collect();
        let svg = svg(&lines);
        assert_eq!(svg.matches("<polyline").count(), 4);
        let first = svg.split("points=\"").nth(1).unwrap();
        let points = first.split('"').next().unwrap();
        assert_eq!(points.split_whitespace().count(), 4);
        // The first value is the greatest, so it stands at the top; the last at the right end.
        assert!(points.starts_with("48.0,48.0"), "{points}");
        assert!(points.trim_end().ends_with("592.0,172.0"), "{points}");
    }
}
