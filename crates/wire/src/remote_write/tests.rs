//! Remote write at its boundary: messages of another writer in, rows and rejections out as text.

use std::sync::Arc;

use prost::Message;

use pulsora_model::batch::SeriesKeys;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry};
use pulsora_model::{ColumnKind, ColumnType, Mode, TableSchema};

use super::{Version, parse};
use crate::mutate::for_each_mutation;
use crate::render::{no_tables, render, table};

/// The messages of both versions, as their specifications have them.
mod proto {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub metadata: Vec<Label>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub exemplars: Vec<Label>,
        #[prost(message, repeated, tag = "4")]
        pub histograms: Vec<Histogram>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct Label {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct Sample {
        #[prost(double, tag = "1")]
        pub value: f64,
        #[prost(int64, tag = "2")]
        pub timestamp: i64,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct Histogram {
        #[prost(uint64, optional, tag = "1")]
        pub count_int: Option<u64>,
        #[prost(double, optional, tag = "2")]
        pub count_float: Option<f64>,
        #[prost(double, tag = "3")]
        pub sum: f64,
        #[prost(sint32, tag = "4")]
        pub schema: i32,
        #[prost(double, tag = "5")]
        pub zero_threshold: f64,
        #[prost(uint64, optional, tag = "6")]
        pub zero_count_int: Option<u64>,
        #[prost(message, repeated, tag = "8")]
        pub negative_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "9")]
        pub negative_deltas: Vec<i64>,
        #[prost(message, repeated, tag = "11")]
        pub positive_spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "12")]
        pub positive_deltas: Vec<i64>,
        #[prost(double, repeated, tag = "13")]
        pub positive_counts: Vec<f64>,
        #[prost(int32, tag = "14")]
        pub reset_hint: i32,
        #[prost(int64, tag = "15")]
        pub timestamp: i64,
        #[prost(double, repeated, tag = "16")]
        pub custom_values: Vec<f64>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct Span {
        #[prost(sint32, tag = "1")]
        pub offset: i32,
        #[prost(uint32, tag = "2")]
        pub length: u32,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct Request2 {
        #[prost(string, repeated, tag = "4")]
        pub symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub timeseries: Vec<TimeSeries2>,
    }
    #[derive(Clone, PartialEq, Message)]
    pub struct TimeSeries2 {
        #[prost(uint32, repeated, tag = "1")]
        pub labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub histograms: Vec<Histogram>,
        #[prost(message, repeated, tag = "4")]
        pub exemplars: Vec<Sample>,
        #[prost(message, optional, tag = "5")]
        pub metadata: Option<Label>,
    }
}
use proto::{Histogram, Label, Request2, Sample, Span, TimeSeries, TimeSeries2, WriteRequest};

/// The stale marker of Prometheus.
const STALE: u64 = 0x7ff0_0000_0000_0002;

fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> TimeSeries {
    TimeSeries {
        labels: labels
            .iter()
            .map(|(name, value)| Label { name: (*name).into(), value: (*value).into() })
            .collect(),
        samples: samples
            .iter()
            .map(|(value, timestamp)| Sample { value: *value, timestamp: *timestamp })
            .collect(),
        ..TimeSeries::default()
    }
}

fn v1(timeseries: Vec<TimeSeries>) -> Vec<u8> {
    WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec()
}

/// The same series as 2.0 sends them.
fn v2(timeseries: &[TimeSeries]) -> Vec<u8> {
    let mut request = Request2 { symbols: vec![String::new()], timeseries: Vec::new() };
    for series in timeseries {
        let mut labels_refs = Vec::new();
        for text in series.labels.iter().flat_map(|label| [&label.name, &label.value]) {
            let at = request.symbols.iter().position(|symbol| symbol == text);
            labels_refs.push(at.unwrap_or(request.symbols.len()) as u32);
            if at.is_none() {
                request.symbols.push(text.clone());
            }
        }
        request.timeseries.push(TimeSeries2 {
            labels_refs,
            samples: series.samples.clone(),
            histograms: series.histograms.clone(),
            ..TimeSeries2::default()
        });
    }
    request.encode_to_vec()
}

fn read(body: &[u8], version: Version) -> String {
    match parse(body, version, &no_tables) {
        Ok(read) => render(&read.parsed),
        Err(error) => format!("{}: {error}", error.code().name()),
    }
}

/// What both versions make of the series; they must agree.
fn both(timeseries: Vec<TimeSeries>) -> String {
    let two = read(&v2(&timeseries), Version::V2);
    let one = read(&v1(timeseries), Version::V1);
    assert_eq!(one, two);
    one
}

#[test]
fn samples_become_rows_of_the_table_of_their_metric() {
    let text = both(vec![
        series(
            &[("__name__", "up"), ("instance", "a:1"), ("job", "x")],
            &[(1.0, 1_700_000_000_123)],
        ),
        series(&[("__name__", "load"), ("job", "x")], &[(0.5, 1_000), (0.0, 2_000), (-1.5, -1)]),
        series(
            &[("__name__", "up"), ("instance", "b:1"), ("job", "")],
            &[(0.0, 1_700_000_000_123)],
        ),
        series(&[("__name__", "bare")], &[(f64::INFINITY, 0)]),
        series(&[("__name__", "nothing")], &[]),
    ]);
    assert_eq!(
        text,
        "up/upsert[instance=a:1,job=x] value=1.0 1700000000123000000\n\
         up/upsert[instance=b:1] value=0.0 1700000000123000000\n\
         load/upsert[job=x] value=0.5 1000000000\n\
         load/upsert[job=x] value=0.0 2000000000\n\
         load/upsert[job=x] value=-1.5 -1000000\n\
         bare/upsert[] value=inf 0\n"
    );
}

#[test]
fn stale_markers_keep_every_bit() {
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    let body =
        v1(vec![series(&[("__name__", "up")], &[(f64::from_bits(STALE), 1), (f64::NAN, 2)])]);
    let parsed = parse(&body, Version::V1, &no_tables).unwrap().parsed;
    let values = parsed.tables[0].batch.fields[0].values.as_primitive::<Float64Type>().clone();
    assert_eq!(values.value(0).to_bits(), STALE);
    assert_eq!(values.value(1).to_bits(), f64::NAN.to_bits());
}

#[test]
fn labels_that_are_taken_get_another_name() {
    let labels = [("__name__", "m"), ("count", "c"), ("time", "t"), ("value", "v")];
    assert_eq!(
        both(vec![series(&labels, &[(1.0, 1)])]),
        "m/upsert[count=c,label_time=t,label_value=v] value=1.0 1000000\n"
    );
    let schemas = table("m", Mode::Upsert, &[("time", ColumnKind::Tag, ColumnType::Utf8)]);
    let read = parse(&v1(vec![series(&labels, &[(1.0, 1)])]), Version::V1, &schemas).unwrap();
    assert_eq!(
        render(&read.parsed),
        "m/upsert[count=c,time=t,label_value=v] value=1.0 1000000\n",
        "this table's time column is `at`"
    );
}

#[test]
fn native_histograms_are_fields() {
    let mut whole = series(&[("__name__", "h"), ("job", "x"), ("schema", "s")], &[]);
    whole.histograms.push(Histogram {
        count_int: Some(10),
        sum: 18.5,
        schema: 3,
        zero_threshold: 0.001,
        zero_count_int: Some(2),
        positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 1, length: 2 }],
        positive_deltas: vec![1, 2, -3, 4],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        negative_deltas: vec![1],
        timestamp: 5,
        ..Histogram::default()
    });
    let mut custom = series(&[("__name__", "h")], &[]);
    custom.histograms.push(Histogram {
        count_float: Some(2.5),
        sum: 1.0,
        schema: -53,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_counts: vec![0.5, 2.0],
        custom_values: vec![0.1, 5.0],
        timestamp: 6,
        ..Histogram::default()
    });
    assert_eq!(
        both(vec![whole.clone(), custom]),
        "h/upsert[job=x,label_schema=s] count=10.0,sum=18.5,schema=3i,zero_threshold=0.001,zero_count=2i,\
         positive_buckets=\"{\\\"-2\\\":1,\\\"-1\\\":3,\\\"2\\\":4}\",negative_buckets=\"{\\\"0\\\":1}\" 5000000\n\
         h/upsert[] count=2.5,sum=1.0,schema=-53i,zero_threshold=0.0,zero_count=0i,\
         positive_buckets=\"{\\\"0\\\":0.5,\\\"1\\\":2}\",negative_buckets=\"{}\",custom_values=\"[0.1,5]\" 6000000\n"
    );
    let parsed = parse(&v1(vec![whole.clone()]), Version::V1, &no_tables).unwrap();
    assert_eq!((parsed.histograms, parsed.parsed.rows), (1, 1));
    whole.histograms[0].positive_deltas.pop();
    whole.histograms[0].timestamp = 7;
    whole.histograms.push(Histogram {
        positive_spans: vec![Span { offset: 0, length: u32::MAX }; 3],
        ..Histogram::default()
    });
    whole.histograms.push(Histogram {
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_deltas: vec![-1],
        ..Histogram::default()
    });
    whole.samples.push(Sample { value: 1.0, timestamp: 1 });
    assert_eq!(
        both(vec![whole]),
        "h/upsert[job=x,schema=s] value=1.0 1000000\n\
         ! index 0: the histogram's spans and buckets do not fit each other\n\
         ! index 0: the histogram's spans and buckets do not fit each other\n\
         ! index 0: a bucket's count is negative\n"
    );
}

#[test]
fn bad_series_never_lose_good_ones() {
    let good = |time| series(&[("__name__", "m"), ("a", "1")], &[(1.0, time)]);
    let long = "x".repeat(256);
    let many: Vec<(String, String)> = (0..300).map(|n| (format!("l{n}"), "v".to_owned())).collect();
    let many: Vec<(&str, &str)> = std::iter::once(("__name__", "m"))
        .chain(many.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .collect();
    let text = both(vec![
        good(1),
        series(&[("job", "x")], &[(1.0, 1)]),
        series(&[("__name__", ""), ("job", "x")], &[(1.0, 1)]),
        series(&[("__name__", "m"), ("a", "1"), ("a", "2")], &[(1.0, 1)]),
        series(&[("__name__", "new"), ("a", "1")], &[(1.0, i64::MAX), (2.0, 2)]),
        series(&[("__name__", "m"), (&long, "x")], &[(1.0, 1)]),
        series(&many, &[(1.0, 1)]),
        series(&[("__name__", "m"), ("__name__", "n")], &[(1.0, 1)]),
        good(2),
    ]);
    let cut = &long[..40];
    let wanted = format!(
        "m/upsert[a=1] value=1.0 1000000\n\
         m/upsert[a=1] value=1.0 2000000\n\
         new/upsert[a=1] value=2.0 2000000\n\
         ! index 1: the series has no label __name__\n\
         ! index 2: a name is empty (give a name of 1 to 255 bytes)\n\
         ! index 3 [a]: tag \"a\" comes twice\n\
         ! index 4: time 9223372036854775807 is out of range: it lies outside 1677-09-21 to 2262-04-11 (check the unit of the times (parameter precision or time_format))\n\
         ! index 5 [{long}]: a name of 256 bytes is too long: \"{cut}\"… (give a name of 1 to 255 bytes)\n\
         ! index 6: the series has more than 256 labels\n\
         ! index 7: the label __name__ comes twice\n"
    );
    assert_eq!(text, wanted);
}

#[test]
fn columns_of_the_table_decide() {
    let schemas = table(
        "m",
        Mode::Append,
        &[
            ("value", ColumnKind::Field, ColumnType::I64),
            ("note", ColumnKind::Field, ColumnType::Utf8),
        ],
    );
    let body = v1(vec![
        series(&[("__name__", "m"), ("note", "n")], &[(1.5, 1), (2.5, 2)]),
        series(&[("__name__", "m")], &[(3.0, 3)]),
    ]);
    let read = parse(&body, Version::V1, &schemas).unwrap();
    assert_eq!(
        render(&read.parsed),
        "m/upsert[] note=\"n\",value=1.5 1000000\n\
         m/upsert[] note=\"n\",value=2.5 2000000\n\
         m/upsert[] value=3.0 3000000\n"
    );
    let schemas = table("m", Mode::Upsert, &[("value", ColumnKind::Field, ColumnType::Utf8)]);
    let read = parse(&body, Version::V1, &schemas).unwrap().parsed;
    assert_eq!((read.rows, read.rejected), (0, 3));
    assert_eq!(read.details[0].text.as_deref(), Some("m{note=\"n\"}"));
}

#[test]
fn labels_may_stand_anywhere() {
    let label = |name: &str, value: &str| series(&[(name, value)], &[]).encode_to_vec();
    let sample = |time| series(&[], &[(1.0, time)]).encode_to_vec();
    let unknown = b"\x50\x07".to_vec();
    let message =
        [label("a", "1"), sample(1), label("__name__", "m"), unknown, sample(2), label("b", "2")]
            .concat();
    let mut body = Vec::new();
    crate::protobuf::put_bytes(&mut body, 1, &message);
    assert_eq!(
        read(&body, Version::V1),
        "m/upsert[a=1,b=2] value=1.0 1000000\nm/upsert[a=1,b=2] value=1.0 2000000\n"
    );
}

/// A table with a registry.
struct Known(Arc<TableSchema>, Arc<SeriesRegistry>);

impl SchemaLookup for Known {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        (table == &*self.0.name).then(|| self.0.clone())
    }

    fn registry(&self, _: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        Some(self.1.clone())
    }
}

#[test]
fn both_versions_know_each_others_series() {
    let columns = [
        ("job", ColumnKind::Tag, ColumnType::Utf8),
        ("label_value", ColumnKind::Tag, ColumnType::Utf8),
        ("value", ColumnKind::Field, ColumnType::F64),
    ];
    let schema = table("m", Mode::Upsert, &columns)("m").unwrap();
    let registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
    let schemas = Known(schema, registry.clone());
    let one = |job: &str, more: &[(&str, &str)]| {
        let labels: Vec<_> =
            [("__name__", "m"), ("job", job), ("value", "v")].iter().chain(more).copied().collect();
        series(&labels, &[(1.0, 1)])
    };
    let codes = |body: &[u8], version| {
        let parsed = parse(body, version, &schemas).unwrap().parsed;
        let known = matches!(parsed.tables[0].batch.series.keys, SeriesKeys::Known(_));
        (render(&parsed), parsed.tables[0].batch.series.codes.to_vec(), known)
    };
    let all = vec![one("a", &[]), one("b", &[]), one("a", &[("empty", "")])];
    // By the ids of the columns.
    let rows = "m/upsert[#2=a,#3=v] value=1.0 1000000\n\
                m/upsert[#2=b,#3=v] value=1.0 1000000\n\
                m/upsert[#2=a,#3=v] value=1.0 1000000\n";
    for _ in 0..2 {
        assert_eq!(codes(&v1(all.clone()), Version::V1), (rows.into(), vec![0, 1, 0], true));
        assert_eq!(codes(&v2(&all), Version::V2), (rows.into(), vec![0, 1, 0], true));
    }
    let series_message = all[1].encode_to_vec();
    let labels = &series_message[..series_message.len() - 13];
    assert_eq!(registry.read().by_raw(labels), Some(1), "remembered as 1.0 sends them");
    let (text, _, known) = codes(&v1(vec![one("a", &[]), one("a", &[("new", "n")])]), Version::V1);
    assert_eq!(
        (text.as_str(), known),
        (
            "m/upsert[job=a,label_value=v] value=1.0 1000000\n\
             m/upsert[job=a,label_value=v,new=n] value=1.0 1000000\n",
            false
        )
    );
}

#[test]
fn references_of_labels_are_checked() {
    let request = |labels_refs: Vec<u32>| {
        let symbols = ["", "__name__", "m", "a"].map(str::to_owned).to_vec();
        let samples = vec![Sample { value: 1.0, timestamp: 1 }];
        let timeseries = vec![TimeSeries2 { labels_refs, samples, ..TimeSeries2::default() }];
        read(&Request2 { symbols, timeseries }.encode_to_vec(), Version::V2)
    };
    assert_eq!(request(vec![1, 2, 3, 2]), "m/upsert[a=m] value=1.0 1000000\n");
    assert_eq!(request(vec![1, 2, 3]), "! index 0: a label has no value\n");
    let missing = "! index 0: a label refers to a symbol that is not there\n";
    assert_eq!(request(vec![1, 2, 3, 4]), missing);
    assert_eq!(request(vec![1, 2, u32::MAX, 0]), missing);
    assert_eq!(request(vec![]), "! index 0: the series has no label __name__\n");
    assert_eq!(request(vec![0, 0]), "! index 0: the series has no label __name__\n");
}

#[test]
fn a_request_may_be_empty_or_bear_only_metadata() {
    let name = Label { name: "x".into(), value: "y".into() };
    let body = WriteRequest { timeseries: vec![], metadata: vec![name] }.encode_to_vec();
    for body in [&b""[..], &body] {
        assert_eq!(read(body, Version::V1), "");
        assert_eq!(read(body, Version::V2), "");
    }
}

#[test]
fn what_is_no_request_stores_nothing() {
    let whole = v1(vec![series(&[("__name__", "m"), ("a", "1")], &[(1.0, 1)])]);
    for cut in 1..whole.len() {
        let text = read(&whole[..cut], Version::V1);
        assert!(text.starts_with("malformed_body: "), "{cut}: {text}");
    }
    let mut not_utf8 = whole.clone();
    let at = not_utf8.windows(2).position(|pair| pair == b"\x01a").unwrap();
    not_utf8[at + 1] = 0xff;
    assert_eq!(read(&not_utf8, Version::V1), "! index 0: a label is not UTF-8\n");
    assert!(read(b"\x0a\xff\xff\xff\xff\x0f", Version::V1).starts_with("malformed_body: "));
    assert!(read(b"{\"json\":1}", Version::V1).starts_with("malformed_body: "));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut histogram = series(&[("__name__", "h"), ("job", "x")], &[(1.0, 2)]);
    histogram.histograms.push(Histogram {
        count_int: Some(10),
        positive_spans: vec![Span { offset: -2, length: 2 }],
        positive_deltas: vec![1, 2],
        ..Histogram::default()
    });
    let all = vec![series(&[("__name__", "up"), ("job", "x")], &[(1.0, 1)]), histogram];
    for (seed, version, body) in [(1, Version::V2, v2(&all)), (2, Version::V1, v1(all))] {
        for_each_mutation(&body, seed, |body| {
            let read = parse(body, version, &no_tables);
            let _ = read.map(|read| render(&read.parsed));
        });
    }
}
