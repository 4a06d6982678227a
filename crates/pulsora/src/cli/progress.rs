//! Bars on terminals; nothing where standard error is a file or a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar is drawn at most, per second: enough to look alive.
const DRAWS_PER_SECOND: u8 = 10;

/// A bar over `bytes`, or a counter where the size is not known. `{msg}` stands at its end.
pub(super) fn bytes_bar(bytes: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(bytes, target);
    let template = match bytes {
        Some(_) => "{bar:24} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta} left",
        None => "{spinner} {bytes} {bytes_per_sec} {msg}",
    };
    // The templates are literals and valid; a plain bar is no reason to fail.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over `rows`, or a counter where nobody knows how many there will be. `{msg}` stands at its end.
pub(super) fn rows_bar(rows: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(rows, target);
    let template = match rows {
        Some(_) => "{bar:24} {human_pos}/{human_len} rows {msg} {eta} left",
        None => "{spinner} {elapsed} {human_pos} rows {msg}",
    };
    // The templates are literals and valid; a plain bar is no reason to fail.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// `12,154`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `12,154 rows`.
pub(super) fn rows(number: u64) -> String {
    format!("{} {}", grouped(number), if number == 1 { "row" } else { "rows" })
}

/// `12 ms`, `3.4 s`, `2 min 5 s`.
pub(super) fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{:.0} ms", time.as_secs_f64() * 1e3),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
