//! Runs of plain records against the exact way: both must read alike, errors and all.
//!
//! A text that means null keeps a body from the runs, so that the same body can be read both ways.

use std::sync::Arc;

use arrow::array::{Array, StringArray, UInt32Array};
use arrow::compute::take;
use pulsora_model::batch::SeriesKeys;
use pulsora_model::series::SeriesTags;
use pulsora_model::{KnownTable, Mode};

use super::parse;
use crate::mutate::Random;
use crate::render::registry;
use crate::rows::tests::{schema, show, table};
use crate::rows::{OnError, RowOptions, RowsParsed, TimeFormat};

/// A body in which most records are plain.
fn body(random: &mut Random) -> String {
    let time_kind = random.below(5);
    let odd = [0, 3, 40][random.below(3)];
    let mut out = String::from("ts,host,f,n,u,b,s,at\n");
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
    if random.below(2) == 0 {
        order.swap(0, 1 + random.below(7));
        out = order.map(|column| ["ts", "host", "f", "n", "u", "b", "s", "at"][column]).join(",");
        out += "\n";
    }
    for row in 0..random.below(60) {
        let cells = order.map(|column| match column {
            0 => time(time_kind, row, random),
            1 => format!("h{}", random.below(5)),
            2 => float(random),
            3 => (random.next() as i64 >> random.below(64)).to_string(),
            4 => (random.next() >> random.below(64)).to_string(),
            5 => ["true", "false"][random.below(2)].to_owned(),
            6 => ["x", "a b", "ä", "12", ""][random.below(5)].to_owned(),
            _ => time(0, row, random),
        });
        let mut cells = cells.map(|cell| if random.below(20) == 0 { String::new() } else { cell });
        if odd > 0 && random.below(odd) == 0 {
            cells[random.below(8)] = odd_cell(random);
        }
        out += &cells.join(",");
        out += ["\n", "\n", "\n", "\r\n", "\n\n", "\n\r\n"][random.below(6)];
        if odd > 0 && random.below(odd * 8) == 0 {
            out += ["only,two\n", "a,b,c,d,e,f,g,h,i\n", "\"\n\n\"\n"][random.below(3)];
        }
    }
    if random.below(3) == 0 {
        out.truncate(out.trim_end().len());
    }
    out
}

fn time(kind: usize, row: usize, random: &mut Random) -> String {
    match kind {
        0 => format!("2024-01-{:02}T{:02}:00:{:02}Z", 1 + row % 28, row % 24, row % 60),
        1 => format!("2024-01-01 12:{:02}:30.{}", row % 60, random.below(1_000_000)),
        2 => (1_700_000_000 + row).to_string(),
        3 => format!("170000{:04}.{}", row, random.below(100)),
        _ => ["2024-01-01", "1700000000000", "-5", "0"][random.below(4)].to_owned(),
    }
}

fn float(random: &mut Random) -> String {
    let value = random.next() as i32;
    match random.below(8) {
        0 => value.to_string(),
        1 => format!("{:e}", f64::from(value) / 7.0),
        2 => (f64::from(value) / 7.0).to_string(),
        3 => format!("-{}.{:03}", random.below(100), random.below(1_000)),
        4 => format!("{}.{}", random.next() >> 20, random.next()),
        _ => format!("{}.{:02}", random.below(100_000), random.below(100)),
    }
}

fn odd_cell(random: &mut Random) -> String {
    let cells = [
        "\"quoted\"",
        "\"a\"\"b\"",
        "\"x\ny\"",
        " 5 ",
        "+5",
        "007",
        "-0",
        "-0.0",
        "nan",
        "-inf",
        "1e400",
        "9223372036854775808",
        "9007199254740993",
        "99999999999999999999",
        ".5",
        "5.",
        "1.2.3",
        "TRUE",
        "2024-13-01T00:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00z",
        "a\"b",
        "é",
        "\u{2028}",
        "1677-09-21T00:12:43Z",
        "2262-04-11T23:47:16.9Z",
        "2024-01-01T00:00:00.1234567891Z",
        "1e5",
        "0x1",
        "2024-01-01T00:00:00+01:00",
    ];
    cells[random.below(cells.len())].to_owned()
}

/// The outcome as text, with the tags of a registry as those of a batch.
fn read(body: &str, options: &RowOptions, known: Option<KnownTable>) -> String {
    let outcome = parse(&table(), body.as_bytes(), options, known.clone());
    let hosts = outcome.as_ref().ok().and_then(|parsed| hosts(parsed, known.as_ref()));
    let text = show(outcome);
    let rest = text.lines().filter(|line| !line.contains(": tag ")).map(|line| format!("{line}\n"));
    format!("{hosts:?}\n{}", rest.collect::<String>())
}

fn hosts(parsed: &RowsParsed, known: Option<&KnownTable>) -> Option<Vec<Option<String>>> {
    let series = &parsed.write.as_ref()?.batch.series;
    let values: StringArray = match &series.keys {
        SeriesKeys::Sets { tags, .. } => {
            let values =
                take(&tags.first()?.values, &UInt32Array::new(series.codes.clone(), None), None);
            values.unwrap().as_any().downcast_ref::<StringArray>().unwrap().clone()
        }
        SeriesKeys::Known(registry) => {
            let column = known?.schema.column("host")?.id;
            let reader = registry.read();
            series.codes.iter().map(|code| SeriesTags::of(reader.key(*code)).tag(column)).collect()
        }
    };
    Some(values.iter().map(|value| value.map(str::to_owned)).collect())
}

#[test]
fn plain_records_read_as_the_exact_way_reads_them() {
    let existing = schema(
        Mode::Append,
        &[
            ("host", "tag"),
            ("f", "Float"),
            ("n", "Integer"),
            ("u", "UnsignedInteger"),
            ("b", "Boolean"),
            ("s", "String"),
            ("at", "Timestamp"),
        ],
    );
    let numbers = registry();
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let body = body(&mut random);
        let time_format = match random.below(4) {
            0 => Some(TimeFormat::parse(["s", "ms", "ns", "auto"][random.below(4)]).unwrap()),
            1 => Some(TimeFormat::Rfc3339),
            _ => None,
        };
        let known = match random.below(3) {
            0 => None,
            1 => Some(KnownTable::from(Arc::clone(&existing))),
            _ => Some(KnownTable {
                schema: Arc::clone(&existing),
                registry: Some(Arc::clone(&numbers)),
            }),
        };
        let options = RowOptions {
            tags: vec!["host".to_owned()],
            time_column: known.is_none().then(|| "ts".to_owned()),
            time_format,
            on_error: [OnError::Abort, OnError::Skip][random.below(2)],
            ..RowOptions::default()
        };
        let exact = RowOptions {
            null_texts: vec![String::new(), "no cell is this".to_owned()],
            ..options.clone()
        };
        assert_eq!(
            read(&body, &options, known.clone()),
            read(&body, &exact, known),
            "seed {seed}:\n{body}"
        );
    }
}
