//! Line protocol.

use super::bytes::Places;
use super::digits::{time_text, value};
use crate::rows::{Kind, Layout, Row, SeriesList};

/// What the lines of each series begin with.
pub(super) fn heads(table: &str, series: &SeriesList) -> Vec<Vec<u8>> {
    let names = series.layout.tags;
    let head = |values: &Vec<String>| {
        let tags = names.iter().zip(values).map(|(name, value)| format!(",{name}={value}"));
        format!("{table}{}", tags.collect::<String>()).into_bytes()
    };
    series.tags.iter().map(head).collect()
}

pub(super) fn write(layout: &Layout, heads: &[Vec<u8>], rows: &[Row]) -> (Vec<u8>, Places) {
    let head_bytes = heads.first().map_or(0, Vec::len);
    let mut body = Vec::with_capacity(rows.len() * (head_bytes + 32 + layout.fields.len() * 24));
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        body.extend_from_slice(&heads[row.series as usize]);
        for (at, (field, number)) in layout.fields.iter().zip(row.values).enumerate() {
            body.push(if at == 0 { b' ' } else { b',' });
            body.extend_from_slice(field.name.as_bytes());
            body.push(b'=');
            value(&mut body, field.kind, number);
            if field.kind == Kind::Integer {
                body.push(b'i');
            }
        }
        body.push(b' ');
        places.push(body.len() as u32);
        body.extend(time_text(row.time));
        body.push(b'\n');
    }
    body.shrink_to_fit();
    (body, Places::Text(places))
}
