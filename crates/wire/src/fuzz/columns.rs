//! MessagePack, CSV and Arrow IPC.

use std::sync::Arc;

use arrow::array::{Array, StringArray};
use bytes::Bytes;
use pulsora_model::batch::{SeriesKeys, TagColumn};
use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry, SeriesTags};
use pulsora_model::{KnownTable, Name, Result, TableSchema};

use super::choice::{Choice, NOW_NS};
use super::targets::of_rows;
use crate::msgpack::{self as items, MsgpackOptions};
use crate::{Parsed, arrow_ipc, csv as records};

/// Columns with and without tags, rows, a batch of both.
pub(super) const VALID_MSGPACK: &[&[u8]] = &[
    b"\x08\x83\xa1m\xa1m\xa7columns\x84\xa4time\x93\xd3\x17\x97\x9c\xfe6*\x00\x00\xd3\x17\x97\x9c\xfe6*\x00\x01\xd3\x17\x97\x9c\xfe6*\x00\x02\
\xa4host\x93\xa1a\xa1b\xa1a\xa1f\x93\xcb?\xf8\x00\x00\x00\x00\x00\x00\xc0\x03\xa1n\x93\x01\x02\xcd\x01\x00\xa4tags\x91\xa4host",
    b"\x28\x91\x84\xa1m\xa1m\xa1t\x05\xa4tags\x81\xa4host\xa1a\xa6fields\x83\xa1f\xca\x3f\x80\x00\x00\xa1b\xc3\xa1s\xd9\x01x",
    b"\x00\x81\xa5batch\x92\x83\xa1m\x05\xa1h\x07\xa1f\x92\x01\xff\x82\xa1m\xa1x\xa7columns\x82\xa4time\x92\x01\x02\xa1v\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// Plain records, quotes, numeric times.
pub(super) const VALID_CSV: &[&[u8]] = &[
    b"\x28time,host,f,n,u,b,s,at\n2024-01-01T00:00:00Z,a,1.5,-3,7,true,x,2024-01-01\n2024-01-01T00:00:01.5Z,b,,,,,,\n2024-01-01T00:00:02Z,a,2,3,4,false,y,2024-01-01T00:00:00Z\n2024-01-01T00:00:03Z,a,1e3,3,4,false,y,\n",
    b"\x04time,host,v\r\n1700000000,a,\"x\ny\"\r\n1700000001,b,\"\"\"\"\r\n\r\n1700000002,a,1.25\r\n1700000003,a,-7\r\n1700000004,,nan",
];

/// Time, a tag in a dictionary, a float with nulls, text.
pub(super) const VALID_ARROW: &[&[u8]] = &[include_bytes!("rows.arrow")];

/// A result whose series have no registry, since two registries never look alike.
pub(super) fn without_registries(mut parsed: Parsed) -> Parsed {
    for write in &mut parsed.tables {
        let series = &mut write.batch.series;
        let SeriesKeys::Known(registry) = &series.keys else { continue };
        let reader = registry.read();
        let host = |code| SeriesTags::of(reader.key(code)).map(|(_, value)| value).next();
        let values: StringArray = (0..reader.len() as u32).map(host).collect();
        assert!(series.codes.iter().all(|code| (*code as usize) < values.len()));
        let tags = vec![TagColumn { name: Name::literal("host"), values }];
        let sets = reader.len();
        drop(reader);
        series.keys = SeriesKeys::Sets { sets, tags };
    }
    parsed
}

/// The table of a choice; bit 5 gives it a registry.
struct Tables(Choice);

impl Tables {
    fn known(&self) -> Option<KnownTable> {
        let schema = self.0.table()?;
        Some(KnownTable { registry: self.registry(&schema), schema })
    }
}

impl SchemaLookup for Tables {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.0.table().filter(|_| table == "m")
    }

    fn registry(&self, _: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        self.0.bit(5).then(|| Arc::new(SeriesRegistry::new(SeriesLimits::default())))
    }
}

pub(super) fn msgpack(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let options = MsgpackOptions { precision: choice.precision(), now_ns: NOW_NS };
    items::parse(body, &options, &Tables(choice)).map(without_registries)
}

pub(super) fn csv(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let known = Tables(choice).known();
    records::parse(&Name::literal("m"), body, &choice.row_options(), known)
        .map(of_rows)
        .map(without_registries)
}

pub(super) fn arrow(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let known = Tables(choice).known();
    let body = Bytes::copy_from_slice(body);
    arrow_ipc::parse(&Name::literal("m"), body, &choice.row_options(), known)
        .map(of_rows)
        .map(without_registries)
}
