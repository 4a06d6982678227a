//! Figures as lines of a Markdown table, or as JSON.

/// Figures of one program.
pub struct Report {
    json: bool,
    figures: Vec<Figure>,
}

struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
}

impl Report {
    /// No figures yet; `json` says how they are printed.
    pub fn new(json: bool) -> Report {
        Report { json, figures: Vec::new() }
    }

    /// Adds a figure.
    pub fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { what: what.into(), value, unit });
    }

    /// Prints the figures to standard output.
    pub fn print(&self) {
        for Figure { what, value, unit } in &self.figures {
            if self.json {
                println!("{}", serde_json::json!({"what": what, "value": value, "unit": unit}));
            } else {
                println!("| {what} | {} {unit} |", grouped(*value));
            }
        }
    }
}

/// Whole numbers in groups of three digits, small ones with two decimals.
fn grouped(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
