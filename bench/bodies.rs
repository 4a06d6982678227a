//! The rows as line protocol, MessagePack columns and CSV.

use std::io::Write;
use std::str::FromStr;

use crate::cpu::{FIELDS, Fleet, Row, TAGS};

/// How rows are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Line protocol, `POST /write`.
    Line,
    /// One MessagePack item of columns with declared tags, `POST /api/v1/write/msgpack`.
    Msgpack,
    /// CSV with a header row, `POST /tables/{t}/ingest`.
    Csv,
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Protocol, ()> {
        match text {
            "line" => Ok(Protocol::Line),
            "msgpack" => Ok(Protocol::Msgpack),
            "csv" => Ok(Protocol::Csv),
            _ => Err(()),
        }
    }
}

impl Protocol {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Line => "line protocol",
            Protocol::Msgpack => "MessagePack columns",
            Protocol::Csv => "CSV",
        }
    }

    /// Path and parameters for writing to a table.
    pub fn path(self, table: &str) -> String {
        match self {
            Protocol::Line => "/write?precision=ns".to_owned(),
            Protocol::Msgpack => "/api/v1/write/msgpack?precision=ns".to_owned(),
            Protocol::Csv => {
                format!("/tables/{table}/ingest?time_format=ns&tags={}", TAGS.join(","))
            }
        }
    }

    /// Content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Protocol::Line => "text/plain",
            Protocol::Msgpack => "application/msgpack",
            Protocol::Csv => "text/csv",
        }
    }
}

/// Writes bodies for one table and fleet.
pub struct Bodies<'a> {
    protocol: Protocol,
    table: &'a str,
    fleet: &'a Fleet,
    /// For each host what its lines begin with.
    heads: Vec<Vec<u8>>,
    /// For each field and value what stands in a line, 101 for each field.
    pieces: Vec<Vec<u8>>,
}

/// Why writing into a `Vec` needs no error handling.
const VEC: &str = "a Vec takes every write";

/// Values of a field: 0 to 100.
const VALUES: usize = 101;

impl<'a> Bodies<'a> {
    /// What all lines of a host, a field and a value share is made here, once.
    pub fn new(protocol: Protocol, table: &'a str, fleet: &'a Fleet) -> Bodies<'a> {
        let heads = fleet.tags.iter().map(|tags| match protocol {
            Protocol::Line => {
                let tags = TAGS.iter().zip(tags).map(|(name, value)| format!(",{name}={value}"));
                format!("{table}{}", tags.collect::<String>()).into_bytes()
            }
            Protocol::Msgpack | Protocol::Csv => format!(",{}", tags.join(",")).into_bytes(),
        });
        let pieces = FIELDS.iter().enumerate().flat_map(|(at, name)| {
            let separator = if at == 0 { ' ' } else { ',' };
            (0..VALUES).map(move |value| match protocol {
                Protocol::Line => format!("{separator}{name}={value}i").into_bytes(),
                Protocol::Msgpack | Protocol::Csv => format!(",{value}").into_bytes(),
            })
        });
        Bodies { protocol, table, fleet, heads: heads.collect(), pieces: pieces.collect() }
    }

    /// The body of one request.
    pub fn body(&self, rows: &[Row]) -> Vec<u8> {
        match self.protocol {
            Protocol::Line => self.lines(rows),
            Protocol::Msgpack => columns(self.table, self.fleet, rows),
            Protocol::Csv => self.csv(rows),
        }
    }

    fn lines(&self, rows: &[Row]) -> Vec<u8> {
        let mut body = Vec::with_capacity(rows.len() * 370);
        for rows in rows.chunk_by(|a, b| a.time == b.time) {
            let time = format!(" {}\n", rows[0].time);
            for row in rows {
                body.extend_from_slice(&self.heads[row.host]);
                self.values(row, &mut body);
                body.extend_from_slice(time.as_bytes());
            }
        }
        body
    }

    fn csv(&self, rows: &[Row]) -> Vec<u8> {
        let mut body = Vec::with_capacity(rows.len() * 160);
        writeln!(body, "time,{},{}", TAGS.join(","), FIELDS.join(",")).expect(VEC);
        for row in rows {
            write!(body, "{}", row.time).expect(VEC);
            body.extend_from_slice(&self.heads[row.host]);
            self.values(row, &mut body);
            body.push(b'\n');
        }
        body
    }

    fn values(&self, row: &Row, body: &mut Vec<u8>) {
        for (field, value) in row.values.iter().enumerate() {
            body.extend_from_slice(&self.pieces[field * VALUES + usize::from(*value)]);
        }
    }
}

fn columns(table: &str, fleet: &Fleet, rows: &[Row]) -> Vec<u8> {
    let mut body = Vec::with_capacity(rows.len() * 120);
    body.push(0x83);
    text(&mut body, "m");
    text(&mut body, table);
    text(&mut body, "tags");
    array(&mut body, TAGS.len());
    TAGS.iter().for_each(|tag| text(&mut body, tag));
    text(&mut body, "columns");
    body.extend([0xde, 0, (1 + TAGS.len() + FIELDS.len()) as u8]);
    text(&mut body, "time");
    array(&mut body, rows.len());
    for row in rows {
        body.push(0xd3);
        body.extend(row.time.to_be_bytes());
    }
    for (at, name) in TAGS.iter().enumerate() {
        text(&mut body, name);
        array(&mut body, rows.len());
        rows.iter().for_each(|row| text(&mut body, &fleet.tags[row.host][at]));
    }
    for (at, name) in FIELDS.iter().enumerate() {
        text(&mut body, name);
        array(&mut body, rows.len());
        // Values up to 100 are one-byte integers.
        body.extend(rows.iter().map(|row| row.values[at]));
    }
    body
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
