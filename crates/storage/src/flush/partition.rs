//! Which partition each row goes to: pure.
//!
//! Times that a segment's window covers already go to that window. Other times get a window of the
//! table's width, or for `auto` of a width chosen from density; a window never overlaps another one
//! (widths nest, so a narrower one always fits).

use pulsora_model::PartitionWidth;
use pulsora_model::partition::{DAY_NS, HOUR_NS, Window};

/// Rows that a partition should hold, about.
const ROWS_AIM: f64 = 1_000_000.0;
/// Most new windows of one flush: each is a file. Past it the width grows.
const WINDOWS_MAX: usize = 512;
/// Data younger than this is not put into windows wider than a day.
const YOUNG_NS: i64 = 7 * DAY_NS;

const WIDTHS: [(PartitionWidth, i64); 4] = [
    (PartitionWidth::Hour, HOUR_NS),
    (PartitionWidth::Day, DAY_NS),
    (PartitionWidth::Month, 30 * DAY_NS),
    (PartitionWidth::Year, 365 * DAY_NS),
];

/// What the decision is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Density {
    pub rows: usize,
    pub min_time_ns: i64,
    pub max_time_ns: i64,
    pub now_ns: i64,
}

/// The width that aims at a million rows a partition.
pub(crate) fn auto_width(density: Density) -> PartitionWidth {
    let span = density.max_time_ns.saturating_sub(density.min_time_ns).max(1) as f64;
    let per_ns = density.rows as f64 / span.max(HOUR_NS as f64);
    let young = density.max_time_ns > density.now_ns.saturating_sub(YOUNG_NS);
    WIDTHS
        .into_iter()
        .rev()
        .find(|(_, ns)| per_ns * (*ns as f64) <= ROWS_AIM && !(young && *ns > DAY_NS))
        .map_or(PartitionWidth::Hour, |(width, _)| width)
}

/// The windows of one flush.
pub(crate) struct Windows {
    /// Sorted by start, disjoint.
    windows: Vec<Window>,
    existing: usize,
    width: PartitionWidth,
}

impl Windows {
    /// Windows for rows of `times`, given those that exist.
    pub fn cover(
        existing: impl Iterator<Item = Window>,
        table_width: PartitionWidth,
        density: Density,
        times: impl Iterator<Item = i64> + Clone,
    ) -> Windows {
        let mut known: Vec<Window> = existing.collect();
        known.sort();
        known.dedup();
        let mut width = match table_width {
            PartitionWidth::Auto => auto_width(density),
            fixed => fixed,
        };
        loop {
            let mut windows = Windows { existing: known.len(), windows: known.clone(), width };
            match (windows.add_all(times.clone()), wider(width)) {
                (false, Some(next)) => width = next,
                _ => return windows,
            }
        }
    }

    /// Adds windows until all `times` are covered; false when there would be too many.
    fn add_all(&mut self, times: impl Iterator<Item = i64>) -> bool {
        let limit = if wider(self.width).is_some() { WINDOWS_MAX } else { usize::MAX };
        let mut last: Option<Window> = None;
        for time in times {
            if last.is_some_and(|window| window.contains(time)) {
                continue;
            }
            let window = match self.find(time) {
                Some(window) => window,
                None => {
                    if self.windows.len() - self.existing >= limit {
                        return false;
                    }
                    self.add(time)
                }
            };
            last = Some(window);
        }
        true
    }

    /// The window that covers `time`.
    pub fn find(&self, time_ns: i64) -> Option<Window> {
        let after = self.windows.partition_point(|window| window.start_ns <= time_ns);
        let window = self.windows[..after].last()?;
        window.contains(time_ns).then_some(*window)
    }

    fn add(&mut self, time_ns: i64) -> Window {
        let position = self.windows.partition_point(|window| window.start_ns <= time_ns);
        let neighbours = [position.checked_sub(1), Some(position)];
        let free = |window: &Window| {
            neighbours
                .iter()
                .flatten()
                .filter_map(|i| self.windows.get(*i))
                .all(|other| !other.overlaps(window))
        };
        let window = WIDTHS
            .into_iter()
            .rev()
            .map(|(width, _)| width)
            .skip_while(|width| *width != self.width)
            .map(|width| width.window(time_ns))
            .find(free)
            // Widths nest, so the hour around an uncovered time is always free.
            .unwrap_or_else(|| PartitionWidth::Hour.window(time_ns));
        self.windows.insert(position, window);
        window
    }
}

fn wider(width: PartitionWidth) -> Option<PartitionWidth> {
    let position = WIDTHS.iter().position(|(w, _)| *w == width)?;
    WIDTHS.get(position + 1).map(|(w, _)| *w)
}
