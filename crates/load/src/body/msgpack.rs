//! One MessagePack item: the name of the table, the names of its tags, and columns.

use super::bytes::Places;
use crate::rows::{Kind, Row, SeriesList};

pub(super) fn write(table: &str, series: &SeriesList, rows: &[Row]) -> (Vec<u8>, Places) {
    let layout = series.layout;
    let columns = 1 + layout.tags.len() + layout.fields.len();
    let mut body = Vec::with_capacity(256 + rows.len() * (columns * 9));
    body.push(0x83);
    text(&mut body, "m");
    text(&mut body, table);
    text(&mut body, "tags");
    array(&mut body, layout.tags.len());
    layout.tags.iter().for_each(|tag| text(&mut body, tag));
    text(&mut body, "columns");
    body.extend([0xde, 0, columns as u8]);
    text(&mut body, "time");
    array(&mut body, rows.len());
    let first_time = body.len() + 1;
    for row in rows {
        body.push(0xd3);
        body.extend(row.time.to_be_bytes());
    }
    for (at, name) in layout.tags.iter().enumerate() {
        text(&mut body, name);
        array(&mut body, rows.len());
        rows.iter().for_each(|row| text(&mut body, &series.tags[row.series as usize][at]));
    }
    for (at, field) in layout.fields.iter().enumerate() {
        text(&mut body, field.name);
        array(&mut body, rows.len());
        for row in rows {
            match field.kind {
                Kind::Integer => integer(&mut body, row.values[at]),
                Kind::Hundredths => float(&mut body, f64::from(row.values[at]) / 100.0),
            }
        }
    }
    body.shrink_to_fit();
    (body, Places::BigEndian(first_time))
}

/// `positive fixint`, or `int 16` or `int 32`.
fn integer(body: &mut Vec<u8>, value: i32) {
    if let Ok(small @ 0..=127) = u8::try_from(value) {
        body.push(small);
    } else if let Ok(value) = i16::try_from(value) {
        body.push(0xd1);
        body.extend(value.to_be_bytes());
    } else {
        body.push(0xd2);
        body.extend(value.to_be_bytes());
    }
}

/// `float 64`.
fn float(body: &mut Vec<u8>, value: f64) {
    body.push(0xcb);
    body.extend(value.to_be_bytes());
}

/// `fixstr`, or `str 8`.
fn text(body: &mut Vec<u8>, text: &str) {
    match text.len() {
        length @ 0..32 => body.push(0xa0 | length as u8),
        length => body.extend([0xd9, length as u8]),
    }
    body.extend_from_slice(text.as_bytes());
}

/// `array 32`.
fn array(body: &mut Vec<u8>, items: usize) {
    body.push(0xdd);
    body.extend((items as u32).to_be_bytes());
}
