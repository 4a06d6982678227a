//! CSV with a header row: time, tags, fields.

use super::bytes::Places;
use super::digits::{time_text, value};
use crate::rows::{Layout, Row, SeriesList};

/// What follows the time in the rows of each series.
pub(super) fn heads(series: &SeriesList) -> Vec<Vec<u8>> {
    series.tags.iter().map(|values| format!(",{}", values.join(",")).into_bytes()).collect()
}

pub(super) fn write(layout: &Layout, heads: &[Vec<u8>], rows: &[Row]) -> (Vec<u8>, Places) {
    let head_bytes = heads.first().map_or(0, Vec::len);
    let mut body =
        Vec::with_capacity(256 + rows.len() * (head_bytes + 24 + layout.fields.len() * 8));
    body.extend_from_slice(b"time");
    for name in layout.tags.iter().copied().chain(layout.fields.iter().map(|field| field.name)) {
        body.push(b',');
        body.extend_from_slice(name.as_bytes());
    }
    body.push(b'\n');
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        places.push(body.len() as u32);
        body.extend(time_text(row.time));
        body.extend_from_slice(&heads[row.series as usize]);
        for (field, number) in layout.fields.iter().zip(row.values) {
            body.push(b',');
            value(&mut body, field.kind, number);
        }
        body.push(b'\n');
    }
    body.shrink_to_fit();
    (body, Places::Text(places))
}
