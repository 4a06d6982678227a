//! Spans of time as people write them: `250ms`, `1h30m`, `30d`.

use std::time::Duration;

/// Units and their nanoseconds, the longest first. Weeks are read and not written.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What is told of a text that is no span.
pub const SPAN_HINT: &str = "use numbers with us, ms, s, m, h, d or w: 250ms, 1h30m, 30d";

/// Reads a span: whole numbers, each with its unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`, `w`), or `0`.
/// `None` when it is something else, or 2^64 nanoseconds (584 years) or longer.
pub fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total_ns: u64 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '_')?;
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.replace('_', "").parse().ok()?;
        total_ns = total_ns.checked_add(number.checked_mul(unit_ns(unit)?)?)?;
        rest = tail.trim_start();
        parts += 1;
    }
    (parts > 0).then(|| Duration::from_nanos(total_ns))
}

fn unit_ns(unit: &str) -> Option<u64> {
    let unit = match unit {
        "µs" => "us",
        "min" => "m",
        "day" | "days" => "d",
        "hour" | "hours" => "h",
        "w" | "week" | "weeks" => return Some(7 * UNITS[0].1),
        other => other,
    };
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ns)| *ns)
}

/// The span as [`parse_span`] reads it, in as few units as it needs.
pub fn span_text(span: Duration) -> String {
    let mut left = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0".to_owned();
    }
    let mut text = String::new();
    for (unit, ns) in UNITS {
        if left >= ns {
            text += &format!("{}{unit}", left / ns);
            left %= ns;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        let second = Duration::from_secs(1);
        for (text, span) in [
            ("0", Duration::ZERO),
            ("250ms", second / 4),
            ("1h30m", second * 5_400),
            ("30d", second * 30 * 86_400),
            ("2d12h", second * 60 * 3_600),
            ("1us", Duration::from_micros(1)),
        ] {
            assert_eq!(parse_span(text), Some(span), "{text}");
            assert_eq!(span_text(span), text);
        }
        assert_eq!(parse_span(" 1_000 s "), Some(second * 1_000));
        assert_eq!(parse_span("1w"), parse_span("7 days"));
        for text in
            ["", " ", "d", "30", "-1d", "1.5h", "1x", "99999999999999999999d", "30000w9999999999d"]
        {
            assert_eq!(parse_span(text), None, "{text:?}");
        }
    }
}
