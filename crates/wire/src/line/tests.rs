//! Line protocol at its boundary: a body in, rows and rejections out as text.

use proptest::collection::vec;
use proptest::prelude::*;

use pulsora_model::batch::SeriesKeys;
use pulsora_model::time::Precision;
use pulsora_model::{Code, ColumnKind, ColumnType, Mode};

use super::{LineOptions, parse};
use crate::mutate::for_each_mutation;
use crate::parsed::Parsed;
use crate::render::{no_tables, render, table};

const NOW: LineOptions = LineOptions { precision: Precision::Nanosecond, now_ns: 77 };

fn read(body: impl AsRef<[u8]>) -> String {
    render(&parse(body.as_ref(), &NOW, &no_tables).unwrap())
}

/// Each body is one entry; the expectation is its one row.
fn check_rows(cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        assert_eq!(read(body), format!("{expected}\n"), "{body:?}");
    }
}

/// Each body is one bad entry; the expectation is a part of its message.
fn check_faults(cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let between = read(format!("ok,t=a f=1i 1\n{body}\nok,t=a f=2i 2\nok,t=b f=3i 3\n"));
        let mut lines = between.lines();
        assert_eq!(lines.next(), Some("ok/upsert[t=a] f=1i 1"), "{body:?} gave {between}");
        assert_eq!(lines.next(), Some("ok/upsert[t=a] f=2i 2"), "{body:?} gave {between}");
        assert_eq!(lines.next(), Some("ok/upsert[t=b] f=3i 3"), "{body:?} gave {between}");
        let fault = lines.next().unwrap();
        assert!(fault.starts_with("! line 2"), "{body:?} gave {fault}");
        assert!(fault.contains(expected), "{body:?} gave {fault}");
        assert_eq!(lines.next(), None, "{body:?} gave {between}");
    }
}

#[test]
fn entries_without_errors() {
    check_rows(&[
        (
            "cpu,host=a,region=eu usage=0.5,n=3i 10",
            "cpu/upsert[host=a,region=eu] usage=0.5,n=3i 10",
        ),
        ("cpu f=1", "cpu/upsert[] f=1.0 77"),
        ("cpu f=1 -5", "cpu/upsert[] f=1.0 -5"),
        ("cpu f=1 5\r\n", "cpu/upsert[] f=1.0 5"),
        ("cpu f=1\r\n", "cpu/upsert[] f=1.0 77"),
        ("cpu f=\"x\"\r\n", "cpu/upsert[] f=\"x\" 77"),
        ("  cpu   f=1   5   \n\n", "cpu/upsert[] f=1.0 5"),
        ("# comment \" \n\n#\ncpu f=1 5\n# end", "cpu/upsert[] f=1.0 5"),
        ("cpu f=1 -9223372036854775808", "cpu/upsert[] f=1.0 -9223372036854775808"),
        ("日本,ä=ö ü=1i 5", "日本/upsert[ä=ö] ü=1i 5"),
        ("../../etc f=1 5", "../../etc/upsert[] f=1.0 5"),
    ]);
}

#[test]
fn escapes_in_names_and_tags() {
    check_rows(&[
        (r"a\ b\,c,t\ 1\,\==v\ \,\= f\ \,\==1i 5", r"a b,c/upsert[t 1,==v ,=] f ,==1i 5"),
        (r"a\=b,t=x f=1i 5", r"a\=b/upsert[t=x] f=1i 5"),
        (r"a\b\\c,t\n=x\\y f\t=1i 5", r"a\b\\c/upsert[t\n=x\\y] f\t=1i 5"),
        (r#"a"b,t"="v" "f"=1i 5"#, r#"a"b/upsert[t"="v"] "f"=1i 5"#),
        (r"a,t=x\\\ y f=1i 5", r"a/upsert[t=x\\ y] f=1i 5"),
    ]);
}

#[test]
fn values_of_every_type() {
    check_rows(&[
        ("m a=-9223372036854775808i", "m/upsert[] a=-9223372036854775808i 77"),
        ("m a=9223372036854775807i", "m/upsert[] a=9223372036854775807i 77"),
        ("m a=+1i,b=0001i,c=00000000000000000000000001i", "m/upsert[] a=1i,b=1i,c=1i 77"),
        ("m a=18446744073709551615u,b=0u", "m/upsert[] a=18446744073709551615u,b=0u 77"),
        ("m a=1.,b=.5,c=-1.5e3,d=1E-2,e=+2.5", "m/upsert[] a=1.0,b=0.5,c=-1500.0,d=0.01,e=2.5 77"),
        ("m a=-0,b=123456789012345678901234567890", "m/upsert[] a=-0.0,b=1.2345678901234568e29 77"),
        ("m a=NaN,b=inf,c=+Inf,d=-Infinity,e=nan", "m/upsert[] a=NaN,b=inf,c=inf,d=-inf,e=NaN 77"),
        ("m a=t,b=T,c=true,d=True,e=TRUE", "m/upsert[] a=true,b=true,c=true,d=true,e=true 77"),
        (
            "m a=f,b=F,c=false,d=False,e=FALSE",
            "m/upsert[] a=false,b=false,c=false,d=false,e=false 77",
        ),
        (
            r#"m a="",b="x y,z=1",c="\"\\\n""#,
            "m/upsert[] a=\"\",b=\"x y,z=1\",c=\"\\\"\\\\\\\\n\" 77",
        ),
        ("m a=\"1\n2\r\n\n# 3\",b=1i 5", "m/upsert[] a=\"1\\n2\\r\\n\\n# 3\",b=1i 5"),
        ("m a=1i,b=2i,a=3i", "m/upsert[] a=3i,b=2i 77"),
        ("m a=\"x\",a=2i", "m/upsert[] a=2i 77"),
    ]);
}

#[test]
fn bad_entries_are_listed_and_lose_no_good_ones() {
    check_faults(&[
        ("m", "the entry has no fields"),
        ("m,a=b", "the entry has no fields"),
        ("m  ", "the entry has no fields"),
        ("m 5", "expected field=value, found \"5\""),
        (",a=b f=1", "the measurement is missing"),
        ("m,a= f=1", "[a]: tag \"a\" has no value"),
        ("m,=b f=1", "expected tag=value"),
        ("m, f=1", "expected tag=value"),
        ("m,a f=1", "expected tag=value"),
        ("m,a=b=c f=1", "the value of tag \"a\" holds a ="),
        ("m,a=b,a=c f=1", "[a]: tag \"a\" comes twice"),
        ("m,a=b a=1", "[a]: column \"a\" cannot be both a tag and a field"),
        ("m f=", "[f]: field \"f\": value \"\" is not a number"),
        ("m =1", "expected field=value"),
        ("m f=1,", "expected field=value"),
        ("m f=1, g=2", "expected field=value"),
        ("m f=abc 5", "field \"f\": value \"abc\" is not a number, a boolean or quoted text"),
        ("m f=tru 5", "value \"tru\" is not"),
        ("m f=1x 5", "value \"1x\" is not"),
        ("m f=0x10 5", "value \"0x10\" is not"),
        ("m f=1e 5", "value \"1e\" is not"),
        ("m f=- 5", "value \"-\" is not"),
        ("m f=+-1 5", "value \"+-1\" is not"),
        ("m f=. 5", "value \".\" is not"),
        ("m f=1.5i 5", "value \"1.5i\" is not"),
        ("m f=i 5", "value \"i\" is not"),
        ("m f=9223372036854775808i 5", "value 9223372036854775808i is out of range"),
        (
            "m f=-9223372036854775809i 5",
            "out of range: -9223372036854775808 to 9223372036854775807",
        ),
        ("m f=-1u 5", "value -1u is out of range: 0 to 18446744073709551615"),
        ("m f=18446744073709551616u 5", "is out of range"),
        ("m f=1e999 5", "value 1e999 is beyond the largest float"),
        ("m f=1 x", "time \"x\" is not a 64-bit integer"),
        ("m f=1 1.5", "time \"1.5\" is not a 64-bit integer"),
        ("m f=1 -", "time \"-\" is not"),
        ("m f=1 9223372036854775808", "time \"9223372036854775808\" is not a 64-bit integer"),
        ("m f=1 5 6", "unexpected \"6\" at the end"),
        ("m f=\"x\"y 5", "unexpected \"y\" after the closing quote"),
        ("m time=1 5", "[time]: column \"time\" is the time column"),
        ("m,time=a f=1 5", "[time]: column \"time\" is the time column"),
        (
            "ok,t=a f=\"x\" 5",
            "[f]: column \"f\", value \"x\": the column holds integer, this value is text",
        ),
        ("ok,f=a g=1 5", "[f]: column \"f\" cannot be both"),
        ("ok,t=c t=1 5", "[t]: column \"t\" cannot be both"),
        ("m f\u{1}=1 5", "holds a control character"),
    ]);
}

#[test]
fn bad_entries_with_quoted_newlines_end_where_they_end() {
    let body = "m f=1i 1\nm f=\"x\nm f=2i 2\ny\" 3\nm f=3i 4\n";
    assert_eq!(
        read(body),
        "m/upsert[] f=1i 1\nm/upsert[] f=3i 4\n! line 2 [f]: column \"f\", value \"x\\nm f=2i 2\\ny\": \
         the column holds integer, this value is text; send integer, or use another column name\n"
    );
    let body = "m,a= f=\"x\nm f=2i 2\n\" 3\nm f=3i 4\n";
    let rows = read(body);
    assert!(rows.starts_with("m/upsert[] f=3i 4\n! line 1 [a]"), "{rows}");
    let body = "m,a=\"x,a=b f=1i\nm f=3i 4\n";
    let rows = read(body);
    assert!(rows.starts_with("m/upsert[] f=3i 4\n! line 1 [a]"), "a quote in a tag: {rows}");
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    for tail in ["", "m g=\"y\" 3\n"] {
        let rows = read(format!("m f=\"x 1\nm f=2i 2\n{tail}"));
        assert!(rows.starts_with("m/upsert[] f=2i 2\n"), "{rows}");
        assert!(rows.contains("! line 1 [f]: field \"f\": "), "{rows}");
    }
}

#[test]
fn a_line_that_is_not_utf8_costs_only_itself() {
    let rows =
        read(b"m f=1i 1\nm f=2i,s=\"\xff\" 2\n# \xff\nm f=3i,s=\"\xc3\xa4\" 3\n\xffm f=4i 4\n");
    assert_eq!(
        rows,
        "m/upsert[] f=1i 1\nm/upsert[] f=3i,s=\"ä\" 3\n\
         ! line 2: the line is not UTF-8\n! line 5: the line is not UTF-8\n"
    );
}

#[test]
fn a_bad_entry_leaves_no_columns_behind() {
    let rows =
        parse(b"m f=1i\nm,new=x g=1,h=true f=x\nm,t=a f=0.5,h=\"x\" y\nm f=2i\n", &NOW, &no_tables);
    let parsed = rows.unwrap();
    assert_eq!((parsed.rows, parsed.rejected), (2, 2));
    let batch = &parsed.tables[0].batch;
    let SeriesKeys::Sets { sets, tags } = &batch.series.keys else {
        panic!("there is no registry")
    };
    assert_eq!((batch.fields.len(), tags.len(), *sets), (1, 0, 1));
    assert_eq!(batch.fields[0].ty, ColumnType::I64);
}

#[test]
fn integers_and_floats_in_one_field() {
    assert_eq!(
        read("m f=1i 1\nm f=0.5 2\nm f=2i 3"),
        "m/upsert[] f=1.0 1\nm/upsert[] f=0.5 2\nm/upsert[] f=2.0 3\n"
    );
    let rows = read("m f=9007199254740993i 1\nm f=0.5 2\n");
    assert!(rows.starts_with("m/upsert[] f=9007199254740993i 1\n! line 2 [f]"), "{rows}");
}

#[test]
fn only_a_hundred_bad_lines_are_listed_but_all_are_counted() {
    let parsed = parse("bad\n".repeat(1_000).as_bytes(), &NOW, &no_tables).unwrap();
    assert_eq!((parsed.rejected, parsed.details.len()), (1_000, 100));
    assert_eq!(parsed.details[99].line, Some(100));
}

#[test]
fn the_text_of_a_bad_line_is_cut() {
    let parsed =
        parse(format!("m {}\n", "ä".repeat(5 << 20)).as_bytes(), &NOW, &no_tables).unwrap();
    assert_eq!(parsed.details[0].text.as_ref().unwrap(), &format!("m {}", "ä".repeat(39)));
    assert!(parsed.details[0].message.len() < 300);
}

fn with_precision(precision: Precision, body: &str) -> pulsora_model::Result<Parsed> {
    parse(body.as_bytes(), &LineOptions { precision, now_ns: 77 }, &no_tables)
}

#[test]
fn times_have_the_precision_of_the_request() {
    for (precision, expected) in [
        (Precision::Microsecond, "3000"),
        (Precision::Millisecond, "3000000"),
        (Precision::Second, "3000000000"),
        (Precision::Minute, "180000000000"),
        (Precision::Hour, "10800000000000"),
    ] {
        let rows = render(&with_precision(precision, "m f=1i 3\nm f=2i").unwrap());
        assert_eq!(rows, format!("m/upsert[] f=1i {expected}\nm/upsert[] f=2i 77\n"));
    }
    let rows = render(&with_precision(Precision::Second, "m f=1i 9999999999\nm f=2i 1").unwrap());
    assert!(
        rows.starts_with("m/upsert[] f=2i 1000000000\n! line 1: time 9999999999 is out of"),
        "{rows}"
    );
}

#[test]
fn the_unit_of_times_is_guessed_for_the_whole_request() {
    let auto = |body| with_precision(Precision::Auto, body);
    let rows = render(&auto("m f=1i 0\nm f=2i 1700000000000\nm f=3i\nm f=x 1700000000").unwrap());
    assert!(
        rows.starts_with(
            "m/upsert[] f=1i 0\nm/upsert[] f=2i 1700000000000000000\nm/upsert[] f=3i 77\n! line 4"
        ),
        "a line without time and a bad line do not count: {rows}"
    );
    let error = auto("m f=1i 1700000000\n\nm f=1i 1700000000000\n").unwrap_err();
    assert_eq!(error.code(), Code::MixedTimeUnits);
    assert_eq!(error.detail_list()[0].line, Some(3));
    assert!(error.message().contains("1700000000000 and 1700000000 "), "{error}");
}

#[test]
fn existing_tables_keep_their_schema() {
    let schema = table(
        "m",
        Mode::Append,
        &[
            ("host", ColumnKind::Tag, ColumnType::Utf8),
            ("city", ColumnKind::Field, ColumnType::Utf8),
            ("f", ColumnKind::Field, ColumnType::F64),
            ("id", ColumnKind::Id, ColumnType::U64),
        ],
    );
    let body = "m,host=a,city=x\\ y f=1i,time=2i 5\nm,city=z f=2i,city=\"z\" 5\nm host=1i 5\n\
                m at=1i\nm id=1i\nm,f=x g=1i\nm,host=a f=3i 6\n";
    let parsed = parse(body.as_bytes(), &NOW, &schema).unwrap();
    assert_eq!(parsed.tables[0].schema_version, Some(7));
    let rows = render(&parsed);
    for (line, expected) in rows.lines().zip([
        "m/upsert[host=a] city=\"x y\",f=1.0,time=2i 5",
        "m/upsert[host=a] f=3.0 6",
        "! line 2 [city]: column \"city\" is both a tag and a field",
        "! line 3 [host]: column \"host\" cannot be both a tag and a field",
        "! line 4 [at]: column \"at\" is the time column",
        "! line 5 [id]: column \"id\" is the row id",
        "! line 6 [f]: tag \"f\" is already a float field",
    ]) {
        assert!(line.starts_with(expected), "{line}");
    }
    assert_eq!(rows.lines().count(), 7);
}

#[test]
fn empty_bodies_and_bodies_of_comments() {
    assert_eq!(parse(b" \n", &NOW, &no_tables).unwrap_err().code(), Code::EmptyBody);
    assert_eq!(read("# nothing\n"), "");
}

#[test]
fn sparse_bodies_cannot_take_memory_without_bound() {
    let mut body = String::from("m ");
    for field in 0..1_000 {
        body.push_str(&format!("f{field}=t,"));
    }
    body.pop();
    for _ in 0..40_000 {
        body.push_str("\nm f0=t");
    }
    let parsed = parse(body.as_bytes(), &NOW, &no_tables).unwrap();
    assert_eq!(parsed.rows, (32 << 20) / 1_001);
    assert!(parsed.details[0].message.contains("cells"), "{:?}", parsed.details[0]);
}

#[derive(Clone, Debug)]
enum Value {
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    Text(String),
}

#[derive(Clone, Debug)]
struct Point {
    tags: Vec<(usize, String)>,
    fields: Vec<(usize, Value)>,
    time: Option<i64>,
}

/// Names and values with every byte that the grammar treats in its own way.
fn word() -> impl Strategy<Value = String> {
    "[a-z,= \"#äé日\\\\]{0,6}[a-z,= \"#ä]"
}

fn escape(text: &str, special: &[char]) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

fn value(column: usize) -> BoxedStrategy<Value> {
    match column {
        0 => any::<i64>().prop_map(Value::Int).boxed(),
        1 => any::<u64>().prop_map(Value::Unsigned).boxed(),
        2 => any::<f64>().prop_map(Value::Float).boxed(),
        3 => any::<bool>().prop_map(Value::Bool).boxed(),
        _ => "[a-z,= \"#ä\n\r\\\\]{0,9}".prop_map(Value::Text).boxed(),
    }
}

fn point() -> impl Strategy<Value = Point> {
    let tags = proptest::sample::subsequence(vec![0usize, 1, 2], 0..=3)
        .prop_flat_map(|tags| tags.into_iter().map(|tag| (Just(tag), word())).collect::<Vec<_>>());
    let fields = proptest::sample::subsequence(vec![0usize, 1, 2, 3, 4], 1..=5)
        .prop_shuffle()
        .prop_flat_map(|all| {
            all.into_iter().map(|field| (Just(field), value(field))).collect::<Vec<_>>()
        });
    (tags, fields, any::<Option<i64>>()).prop_map(|(tags, fields, time)| Point {
        tags,
        fields,
        time,
    })
}

fn to_line(point: &Point, measurement: &str, tags: &[String], fields: &[String], out: &mut String) {
    let key = [',', '=', ' '];
    out.push_str(&escape(measurement, &[',', ' ']));
    for (tag, value) in &point.tags {
        *out += &format!(",{}={}", escape(&tags[*tag], &key), escape(value, &key));
    }
    for (i, (field, value)) in point.fields.iter().enumerate() {
        *out += &format!("{}{}=", if i == 0 { ' ' } else { ',' }, escape(&fields[*field], &key));
        match value {
            Value::Int(v) => *out += &format!("{v}i"),
            Value::Unsigned(v) => *out += &format!("{v}u"),
            Value::Float(v) => *out += &format!("{v:e}"),
            Value::Bool(v) => *out += &format!("{v}"),
            Value::Text(v) => *out += &format!("\"{}\"", escape(v, &['"', '\\'])),
        }
    }
    if let Some(time) = point.time {
        *out += &format!(" {time}");
    }
    out.push('\n');
}

/// What [`render`] gives for the same points; columns in the order they first appear.
fn expected(points: &[Point], measurement: &str, tags: &[String], fields: &[String]) -> String {
    let order = |seen: &mut Vec<usize>, new: usize| {
        if !seen.contains(&new) {
            seen.push(new);
        }
    };
    let (mut tag_order, mut field_order) = (Vec::new(), Vec::new());
    for point in points {
        point.tags.iter().for_each(|(tag, _)| order(&mut tag_order, *tag));
        point.fields.iter().for_each(|(field, _)| order(&mut field_order, *field));
    }
    let mut out = String::new();
    for point in points {
        let in_tags = tag_order.iter().filter_map(|tag| {
            let (_, value) = point.tags.iter().find(|(other, _)| other == tag)?;
            Some(format!("{}={value}", tags[*tag]))
        });
        let in_fields = field_order.iter().filter_map(|field| {
            let (_, value) = point.fields.iter().find(|(other, _)| other == field)?;
            let value = match value {
                Value::Int(v) => format!("{v}i"),
                Value::Unsigned(v) => format!("{v}u"),
                Value::Float(v) => format!("{v:?}"),
                Value::Bool(v) => format!("{v}"),
                Value::Text(v) => format!("{v:?}"),
            };
            Some(format!("{}={value}", fields[*field]))
        });
        let (in_tags, in_fields): (Vec<_>, Vec<_>) = (in_tags.collect(), in_fields.collect());
        let time = point.time.unwrap_or(NOW.now_ns);
        out += &format!(
            "{measurement}/upsert[{}] {} {time}\n",
            in_tags.join(","),
            in_fields.join(",")
        );
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn points_come_back_as_they_were_written(
        points in vec(point(), 1..12),
        measurement in word(),
        names in vec(word(), 8),
        spoilers in vec(any::<bool>(), 12),
    ) {
        // A measurement that starts with # is a comment, and one that starts with a space is cut.
        let measurement = format!("m{measurement}");
        let names: Vec<String> = names.iter().enumerate().map(|(i, name)| format!("{i}{name}")).collect();
        let (tags, fields) = names.split_at(3);
        let mut body = String::new();
        let mut bad = 0;
        for (point, spoiled) in points.iter().zip(spoilers) {
            if spoiled {
                body.push_str("m spoiled\n");
                bad += 1;
            }
            to_line(point, &measurement, tags, fields, &mut body);
        }
        let mut parsed = parse(body.as_bytes(), &NOW, &no_tables).unwrap();
        prop_assert_eq!(parsed.rejected, bad);
        (parsed.rejected, parsed.details) = (0, Vec::new());
        prop_assert_eq!(render(&parsed), expected(&points, &measurement, tags, fields));
    }
}

#[test]
fn mutated_bodies_never_panic() {
    let valid = "cpu,host=a\\ b,region=eu usage=0.5,n=3i,u=7u,ok=true,s=\"x\\\"\ny\" 1700000000\n\
                 # comment\ncpu,host=a usage=1e3,s=\"\" 1700000001\r\nmem f=NaN\n";
    for precision in [Precision::Nanosecond, Precision::Auto] {
        let options = LineOptions { precision, now_ns: 77 };
        for_each_mutation(valid.as_bytes(), 2, |body| {
            if let Ok(parsed) = parse(body, &options, &no_tables) {
                render(&parsed);
            }
        });
    }
}
