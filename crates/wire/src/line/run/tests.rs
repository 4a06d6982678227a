//! Guessing against reading exactly: both must give the same, whatever the body.
//!
//! Bodies are made from a seed: lines of a few forms in a row, as senders write them, with a
//! deviation here and there; every fourth body has some bytes changed. `PULSORA_SEEDS` sets their
//! number.

use std::sync::Arc;

use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry};
use pulsora_model::time::Precision;
use pulsora_model::{
    BatchBuilder, ColumnKind, ColumnType, Mode, Name, Result, TableSchema, TableWrite,
};

use pulsora_model::builder::Room;

use super::{Clock, Expected, LastTime, Numbers, Run};
use crate::line::numbers::{FoundByKey, LineTags};
use crate::line::{LineOptions, parse, parse_exactly};
use crate::mutate::{Random, mutate};
use crate::parsed::Parsed;
use crate::render::{no_tables, render, table};

const NOW: LineOptions = LineOptions { precision: Precision::Nanosecond, now_ns: 77 };

/// What `parse` gives, as text.
fn outcome(parsed: Result<Parsed>) -> String {
    match parsed {
        Ok(parsed) => {
            let codes = |write: &TableWrite| format!("{:?}", &write.batch.series.codes[..]);
            let codes: Vec<String> = parsed.tables.iter().map(codes).collect();
            format!("{}{codes:?} {:?}", render(&parsed), parsed.details)
        }
        Err(error) => format!("{error:?} {:?}", error.detail_list()),
    }
}

/// A table `cpu` with a registry of its series.
struct Numbered<'s>(&'s dyn SchemaLookup, Arc<SeriesRegistry>);

impl SchemaLookup for Numbered<'_> {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.0.schema(table)
    }

    fn registry(&self, _: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        Some(Arc::clone(&self.1))
    }
}

#[track_caller]
fn check(body: &[u8], options: &LineOptions, schemas: &dyn SchemaLookup) -> String {
    let exact = outcome(parse_exactly(body, options, schemas));
    let guessed = outcome(parse(body, options, schemas));
    assert_eq!(guessed, exact, "{options:?} {:?}", String::from_utf8_lossy(body));
    guessed
}

/// [`check`] with series that have numbers: of tags that are new, and once they are known.
#[track_caller]
fn check_numbered(body: &[u8], options: &LineOptions, schemas: &dyn SchemaLookup) {
    // Some are forgotten at once.
    let limits = SeriesLimits { series_max: 6, raw_bytes_max: 1_024 };
    let numbered = || Numbered(schemas, Arc::new(SeriesRegistry::new(limits)));
    let (for_exact, for_guessed) = (numbered(), numbered());
    for round in 0..2 {
        let exact = outcome(parse_exactly(body, options, &for_exact));
        let guessed = outcome(parse(body, options, &for_guessed));
        assert_eq!(guessed, exact, "{round} {options:?} {:?}", String::from_utf8_lossy(body));
    }
    assert_eq!(for_exact.1.len(), for_guessed.1.len());
}

/// Lines behind the one under test, so that it is not at the end of the body, where nothing is
/// guessed.
const BEHIND: &str = "\nother,host=a f=1i 1\nother,host=a f=1i 1\n";

/// A line after three that make the parser expect one like them.
fn after_others(others: &str, line: &str) {
    let body = format!("{others}\n{others}\n{others}\n{line}\n{others}{BEHIND}");
    check(body.as_bytes(), &NOW, &no_tables);
    let body = body.replace('\n', "\r\n");
    check(body.as_bytes(), &NOW, &no_tables);
}

#[test]
fn wrong_guesses_of_every_kind() {
    let others =
        "cpu,host=a,zone=z\\ 1 int=10i,float=1.5,on=t,text=\"x\",big=7u 1700000000000000000";
    let (key, time) = ("cpu,host=a,zone=z\\ 1", "1700000000000000000");
    let fields = "int=10i,float=1.5,on=t,text=\"x\",big=7u";
    after_others(others, &format!("cpus,host=a,zone=z\\ 1 {fields} {time}"));
    after_others(others, &format!("cp {fields} {time}"));
    after_others(others, &format!("cpu {fields} {time}"));
    after_others(others, &format!("cpu,host=a {fields} {time}"));
    after_others(others, &format!("cpu,host=a\\ {fields} {time}"));
    after_others(others, &format!("cpu\\,host=a {fields} {time}"));
    after_others(others, &format!("#{key} {fields} {time}"));
    after_others(others, &format!(" {key} {fields} {time}"));
    after_others(others, &format!("{key}  {fields} {time}"));
    after_others(others, &format!("{key} {fields}  {time} "));
    after_others(others, &format!("{key} {fields}"));
    after_others(others, &format!("{key} {fields} "));
    after_others(others, &format!("{key} {fields} {time}0"));
    after_others(others, &format!("{key} {fields} 1700000000000000001"));
    after_others(others, &format!("{key} {fields} -5"));
    after_others(others, &format!("{key} {fields} 1.5"));
    after_others(others, &format!("{key} {fields} {time} x"));
    after_others(others, &format!("{key} {fields} {time}\r"));
    after_others(others, &format!("{key} {fields}\t{time}"));
    after_others(others, &format!("{key} {fields},{time}"));
    after_others(others, &format!("{key} {fields},more=1i {time}"));
    after_others(others, &format!("{key} {fields},int=3i {time}"));
    after_others(others, &format!("{key} int=10i {time}"));
    after_others(others, &format!("{key} intt=10i,float=1.5 {time}"));
    after_others(others, &format!("{key} float=1.5,int=10i {time}"));
    after_others(others, &format!("{key}\n"));
    after_others(others, &format!("{key} "));
    for value in [
        "10",
        "10.0",
        "-3i",
        "+3i",
        "-i",
        "i",
        "",
        "1ii",
        "1i ",
        "10u",
        "t",
        "\"x\"",
        "x",
        "9223372036854775807i",
        "-9223372036854775808i",
        "9223372036854775808i",
        "0000000000000000000000001i",
        "9007199254740993i",
        "1e3",
        "12345678i",
        "123456789i",
    ] {
        after_others(others, &format!("{key} {} {time}", fields.replace("10i", value)));
    }
    for value in [
        "1",
        "-1.25",
        "+1.5",
        ".5",
        "1.",
        "-0",
        "1e3",
        "1.5e-3",
        "nan",
        "inf",
        "-Infinity",
        "1.5.2",
        "1.5x",
        "3i",
        "9007199254740993i",
        "3u",
        "1e999",
        "123456789012345.25",
        "1234567.12345678",
        "12345678.1234567",
        "0.1234567890123456",
        "12345678901234567890",
        "f",
        "\"1.5\"",
        "",
    ] {
        after_others(others, &format!("{key} {} {time}", fields.replace("1.5", value)));
    }
    for value in ["f", "T", "true", "FALSE", "tr", "1", "\"t\"", ""] {
        after_others(
            others,
            &format!("{key} {} {time}", fields.replace("on=t", &format!("on={value}"))),
        );
    }
    for value in [
        "\"\"",
        "\"y\\\"z\"",
        "\"a\\\\\"",
        "\"a\\b\"",
        "\"two\nlines, x=1i 5\"",
        "\"ä日\"",
        "\"x",
        "x\"",
        "x",
        "\"x\"y",
        "1i",
        "\"x\",,",
        "\"cpu\nx\"y",
    ] {
        after_others(others, &format!("{key} {} {time}", fields.replace("\"x\"", value)));
    }
    for value in ["18446744073709551615u", "18446744073709551616u", "-1u", "3i", "-3i", "1.5", "7"]
    {
        after_others(others, &format!("{key} {} {time}", fields.replace("7u", value)));
    }
}

#[test]
fn lines_that_are_guessed_are_the_lines() {
    let mut body = String::new();
    for i in 0..500 {
        let (host, sign) = (i % 7, ["", "-"][i % 2]);
        body +=
            &format!("a,h=h{host} i={sign}{i}i,f={sign}{i}.25,t=\"t{i}\",b={} {i}\n", i % 3 == 0);
    }
    let text = check(body.as_bytes(), &NOW, &no_tables);
    assert!(text.contains("a/upsert[h=h2] i=-499i,f=-499.25,t=\"t499\",b=false 499\n"), "{text}");
}

#[test]
fn a_run_takes_every_line_that_is_like_the_others() {
    let mut batch = BatchBuilder::new(None, None, Name::literal("time"), None);
    let series = batch.series(&mut []).unwrap();
    let fields = [batch.typed_field("a", ColumnType::I64), batch.typed_field("b", ColumnType::F64)];
    let fields = fields.map(Result::unwrap);
    let text = format!("{}m a=1i,c=0.25 2\n{BEHIND}", "m a=-10i,b=0.25 2\n".repeat(20));
    let mut tags = LineTags::default();
    tags.local.insert(b"", series);
    let mut run = Run {
        text: &text,
        measurement: &Expected::new(b"m"),
        names: &[Expected::new(b" a="), Expected::new(b",b=")],
        numbers: Numbers { registry: None, tags: &tags, found: &mut FoundByKey::new(0) },
        clock: &mut Clock::new(Precision::Nanosecond, 77),
        last_time: &mut LastTime::default(),
        text_bytes_max: pulsora_model::limits::TEXT_BYTES_MAX,
    };
    let mut end = 0;
    for (room, expected) in [(7, 7), (100, 13), (100, 0)] {
        let rows = batch.write_rows(&fields, Room { rows: room, likely: 0 }, |mut lanes| {
            let (rows, to) = run.lines(end, &mut lanes);
            end = to;
            rows
        });
        assert_eq!(rows, Some(expected));
    }
    assert!(text[end..].starts_with("m a=1i,c="));
    assert_eq!(batch.rows(), 20);
}

#[test]
fn a_column_that_widens_is_guessed_again() {
    let body = "m i=1i 1\nm i=2i 2\nm i=3i 3\nm i=0.5 4\nm i=1.5 5\nm i=2i 6\nm i=9007199254740993i 7\nm i=7.5 8\n";
    check(format!("{body}{BEHIND}").as_bytes(), &NOW, &no_tables);
}

#[test]
fn a_run_decides_the_unit_of_times() {
    let options = LineOptions { precision: Precision::Auto, now_ns: 77 };
    for (second, third) in [("1700000000", "1700000000000"), ("0", "1700000000"), ("5", "7")] {
        let body = format!("m i=1i 0\nm i=2i {second}\nm i=3i {third}\nm i=4i {second}\n{BEHIND}");
        check(body.as_bytes(), &options, &no_tables);
    }
}

#[test]
fn tags_that_are_fields_of_the_table() {
    let schema = table(
        "m",
        Mode::Append,
        &[
            ("host", ColumnKind::Tag, ColumnType::Utf8),
            ("city", ColumnKind::Field, ColumnType::Utf8),
            ("f", ColumnKind::Field, ColumnType::F64),
            ("at2", ColumnKind::Field, ColumnType::Timestamp),
        ],
    );
    let line = "m,host=a,city=x f=1.5,g=1i 5\n";
    let other = "m,host=a f=1.5,g=1i 5\n";
    let with_time = "m,host=a f=1.5,at2=\"2024-01-01\" 5\n";
    let body =
        format!("{line}{line}{other}{other}{line}{other}{with_time}{with_time}{with_time}{BEHIND}");
    check(body.as_bytes(), &NOW, &schema);
}

#[test]
fn tags_of_the_table_come_before_new_ones_whether_or_not_the_series_was_known() {
    let columns = [
        ("host", ColumnKind::Tag, ColumnType::Utf8),
        ("zone", ColumnKind::Tag, ColumnType::Utf8),
        ("f", ColumnKind::Field, ColumnType::I64),
    ];
    let schema = table("m", Mode::Upsert, &columns);
    let numbered = Numbered(&schema, Arc::new(SeriesRegistry::new(SeriesLimits::default())));
    let names = |body: &str| -> Vec<String> {
        let parsed = parse(body.as_bytes(), &NOW, &numbered).unwrap();
        let tags = parsed.tables[0].batch.series.tags();
        tags.iter().map(|tag| tag.name.to_string()).collect()
    };
    let body = "m,late=x,new=y f=1i 1\nm,zone=z f=2i 2\nm,host=a f=3i 3\n";
    assert_eq!(names(body), ["host", "zone", "late", "new"], "of no series");
    assert_eq!(names(body), ["host", "zone", "late", "new"], "of known ones");
}

#[test]
fn the_room_for_cells_is_the_same() {
    let mut body = String::from("m ");
    (0..1_000).for_each(|field| body += &format!("f{field}=t,"));
    body.pop();
    body += &"\nm f0=t 1".repeat(34_000);
    body += &"\nn f0=t 1".repeat(3_000);
    let exact = parse_exactly(body.as_bytes(), &NOW, &no_tables).unwrap();
    let guessed = parse(body.as_bytes(), &NOW, &no_tables).unwrap();
    assert!(exact.rejected > 0);
    assert_eq!((exact.rows, exact.rejected), (guessed.rows, guessed.rejected));
    assert_eq!(exact.details, guessed.details);
}

/// What the lines of one sender look like.
struct Form {
    measurement: &'static str,
    tags: Vec<&'static str>,
    fields: Vec<(&'static str, usize)>,
}

const MEASUREMENTS: [&str; 6] = ["cpu", "c", "my\\ disk", "a\\,b", "日本", "cpu2"];
const TAG_NAMES: [&str; 6] = ["host", "a\\ b", "region", "x\\=y", "city", "t"];
const TAG_VALUES: [&str; 8] = ["a", "b", "h1", "h2", "x\\ y", "\\,\\=", "ü", "\"q\""];
const FIELD_NAMES: [&str; 8] = [
    "f",
    "usage",
    "a\\ b",
    "x\\=1",
    "a_long_name_of_a_field",
    "a_name_that_is_longer_than_thirty-two_bytes_by_far",
    "city",
    "ö",
];
const VALUES: [&[&str]; 5] = [
    &["0i", "1i", "-1i", "58i", "100i", "12345678i", "-123456789i", "9223372036854775807i"],
    &["0.5", "58.12", "-1.25", "0", "1e3", "123456.789", "-0", "nan"],
    &["\"\"", "\"x\"", "\"long text, with commas = and so on\"", "\"\\\"q\\\"\"", "\"a\nb\""],
    &["t", "f", "true", "False"],
    &["0u", "7u", "18446744073709551615u"],
];
const ODD_VALUES: [&str; 12] = [
    "",
    "x",
    "1.5i",
    "9223372036854775808i",
    "\"open",
    "1e999",
    "-1u",
    "9007199254740993i",
    "+5i",
    "\"a\"b",
    "00000000000000000000000000001i",
    "-",
];
const TIMES: [&str; 8] = [
    "1700000000000000000",
    "1700000000000000001",
    "1700000000",
    "0",
    "-5",
    "9223372036854775807",
    "x",
    "9223372036854775808",
];
const ENDS: [&str; 6] = ["\r\n", " \n", "\n\n", "\n# comment \"\n", "\n ", "\r"];

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

fn some<T: Copy>(random: &mut Random, from: &[T], most: usize) -> Vec<T> {
    let mut all = from.to_vec();
    (0..random.below(most + 1)).map(|_| all.swap_remove(random.below(all.len()))).collect()
}

fn form(random: &mut Random) -> Form {
    let mut names = some(random, &FIELD_NAMES, 5);
    names.push("last");
    let fields = names.into_iter().map(|name| (name, random.below(VALUES.len()))).collect();
    Form { measurement: pick(random, &MEASUREMENTS), tags: some(random, &TAG_NAMES, 3), fields }
}

/// A line of the form; `odd` of a hundred of its parts are something else.
fn line(random: &mut Random, form: &Form, time: &str, odd: usize, body: &mut String) {
    let is_odd = |random: &mut Random| random.below(100) < odd;
    body.push_str(form.measurement);
    for tag in &form.tags {
        if is_odd(random) {
            *body += &format!(",{}=", pick(random, &TAG_NAMES));
        }
        let different = 3 + random.below(6);
        *body += &format!(",{tag}={}", pick(random, &TAG_VALUES[..different]));
    }
    *body += if is_odd(random) { pick(random, &["  ", "", "\t", " ,"]) } else { " " };
    for (i, (name, kind)) in form.fields.iter().enumerate() {
        let name = if is_odd(random) { pick(random, &FIELD_NAMES) } else { name };
        let value = match is_odd(random) {
            false => pick(random, VALUES[*kind]),
            true if is_odd(random) => pick(random, &ODD_VALUES),
            true => {
                let kind = random.below(VALUES.len());
                pick(random, VALUES[kind])
            }
        };
        *body += &format!("{}{name}={value}", if i == 0 { "" } else { "," });
        if is_odd(random) {
            break;
        }
    }
    if is_odd(random) {
        *body += pick(random, &["", ",", " "]);
    } else {
        *body += &format!(" {time}");
    }
    *body += if is_odd(random) { pick(random, &ENDS) } else { "\n" };
}

fn body(random: &mut Random) -> Vec<u8> {
    let forms: Vec<Form> = (0..1 + random.below(3)).map(|_| form(random)).collect();
    let odd = pick(random, &[0, 1, 1, 4, 15]);
    let mut text = String::new();
    let (mut form, mut time) = (&forms[0], TIMES[0]);
    for _ in 0..1 + random.below(60) {
        if random.below(6) == 0 {
            form = &forms[random.below(forms.len())];
            time = if random.below(8) == 0 { pick(random, &TIMES) } else { TIMES[random.below(2)] };
        }
        line(random, form, time, odd, &mut text);
    }
    let mut bytes = text.into_bytes();
    if random.below(4) == 0 {
        (0..1 + random.below(4)).for_each(|_| mutate(&mut bytes, random));
    }
    bytes
}

#[test]
fn guessing_gives_what_reading_exactly_gives() {
    let seeds = std::env::var("PULSORA_SEEDS").map_or(4_000, |seeds| seeds.parse().unwrap());
    let schema = table(
        "cpu",
        Mode::Append,
        &[
            ("host", ColumnKind::Tag, ColumnType::Utf8),
            ("city", ColumnKind::Field, ColumnType::Utf8),
            ("f", ColumnKind::Field, ColumnType::F64),
            ("usage", ColumnKind::Field, ColumnType::I64),
            ("ö", ColumnKind::Field, ColumnType::U64),
            ("at2", ColumnKind::Field, ColumnType::Timestamp),
        ],
    );
    let precisions =
        [Precision::Nanosecond, Precision::Auto, Precision::Second, Precision::Millisecond];
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let body = body(&mut random);
        let options = LineOptions { precision: pick(&mut random, &precisions), now_ns: 77 };
        match seed % 4 {
            0 => drop(check(&body, &options, &no_tables)),
            1 => drop(check(&body, &options, &schema)),
            _ => check_numbered(&body, &options, &schema),
        }
    }
}
