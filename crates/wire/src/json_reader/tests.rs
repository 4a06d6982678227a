//! The JSON reader at its boundary: text in, the events it gives as text out.

use std::fmt::Write;

use super::{DEPTH_MAX, JsonError, JsonReader, Kind, Number, Scalar};
use crate::mutate::for_each_mutation;

/// Writes the value that comes next in a canonical form.
fn render(reader: &mut JsonReader<'_>, out: &mut String) -> Result<(), JsonError> {
    let (mut scratch, mut key) = (String::new(), String::new());
    match reader.scalar(&mut scratch)? {
        Scalar::Null => out.push_str("null"),
        Scalar::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Scalar::Number(number) => write!(out, "{number:?}").unwrap(),
        Scalar::Text(text) => write!(out, "{text:?}").unwrap(),
        Scalar::Nested(Kind::Array) => {
            reader.begin_array()?;
            out.push('[');
            while reader.element()? {
                render(reader, out)?;
                out.push(';');
            }
            out.push(']');
        }
        Scalar::Nested(_) => {
            reader.begin_object()?;
            out.push('{');
            while let Some(name) = reader.key(&mut key)? {
                write!(out, "{name:?}=").unwrap();
                render(reader, out)?;
                out.push(';');
            }
            out.push('}');
        }
    }
    Ok(())
}

fn read(text: &str) -> String {
    let mut reader = JsonReader::new(text);
    let mut skipping = reader.clone();
    let mut out = String::new();
    let result = render(&mut reader, &mut out).and_then(|()| reader.end());
    let skipped = skipping.skip_value().and_then(|()| skipping.end());
    assert_eq!(result, skipped, "reading and skipping agree on {text:?}");
    match result {
        Ok(()) => out,
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_of_every_kind() {
    for (text, expected) in [
        (" null ", "null"),
        ("[true,false]", "[true;false;]"),
        ("\u{feff}{}", "{}"),
        (r#"{"a" : [ ] , "b":{"c":1}}"#, r#"{"a"=[];"b"={"c"=I64(1);};}"#),
        (r#""a\"\\\/\b\f\n\r\tz""#, r#""a\"\\/\u{8}\u{c}\n\r\tz""#),
        (r#""\u00e4\ud83d\ude00é""#, r#""ä😀é""#),
        (r#"{"k\u0065y":"v"}"#, r#"{"key"="v";}"#),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn numbers_are_exact() {
    for (text, expected) in [
        ("0", "I64(0)"),
        ("-0", "I64(0)"),
        ("9223372036854775807", "I64(9223372036854775807)"),
        ("-9223372036854775808", "I64(-9223372036854775808)"),
        ("9223372036854775808", "U64(9223372036854775808)"),
        ("18446744073709551615", "U64(18446744073709551615)"),
        ("18446744073709551616", "F64(1.8446744073709552e19)"),
        ("-9223372036854775809", "F64(-9.223372036854776e18)"),
        ("0.1", "F64(0.1)"),
        ("-1.5E+2", "F64(-150.0)"),
        ("1e-400", "F64(0.0)"),
        ("0.0", "F64(0.0)"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for (text, place) in [
        ("", "line 1, column 1: expected a value, found the end"),
        ("{\"a\":1,}", "line 1, column 8: expected"),
        ("[1,]", "line 1, column 4: expected a value"),
        ("[,1]", "line 1, column 2: expected a value"),
        ("[1 2]", "line 1, column 4: expected ',' or ']'"),
        ("{\n\"ä\" 1}", "line 2, column 5: expected ':'"),
        ("{a:1}", "line 1, column 2: expected"),
        ("01", "line 1, column 1: expected a number"),
        ("+1", "line 1, column 1: expected a value"),
        ("1.", "line 1, column 1: expected a number"),
        ("1e", "line 1, column 1: expected a number"),
        ("1e999", "line 1, column 1: this number is too large"),
        ("NaN", "line 1, column 1: expected a value"),
        ("tru", "line 1, column 1: expected true or false"),
        ("nul", "line 1, column 1: expected null"),
        ("\"a", "line 1, column 3: the text has no closing quote"),
        ("\"a\nb\"", "line 1, column 3: a control character"),
        (r#""\x""#, "line 1, column 2: unknown escape"),
        (r#""\ud800""#, "surrogate"),
        (r#""\ud800\u0041""#, "surrogate"),
        (r#""\udc00""#, "surrogate"),
        (r#""\u12"#, "four hexadecimal digits"),
        ("1 2", "line 1, column 3: expected the end"),
    ] {
        let got = read(text);
        assert!(got.contains(place), "{text:?} gave {got:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: u32| {
        let levels = levels as usize;
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    };
    assert!(!read(&deep(DEPTH_MAX)).contains("nesting"));
    assert!(read(&deep(DEPTH_MAX + 1)).contains("nesting is deeper than 64"));
    assert!(read(&"[".repeat(1_000_000)).contains("nesting"));
}

#[test]
fn a_part_of_a_body_counts_lines_from_where_it_starts() {
    let mut reader = JsonReader::new("\n\n x").starting_at_line(10);
    assert_eq!(reader.peek().unwrap_err().line, 12);
    assert_eq!(reader.line(), 12);
}

#[test]
fn raw_values_are_given_as_they_stand() {
    let mut reader = JsonReader::new(r#"[ {"a": [1, "x\n"]} , 2]"#);
    reader.begin_array().unwrap();
    assert!(reader.element().unwrap());
    assert_eq!(reader.raw_value().unwrap(), r#"{"a": [1, "x\n"]}"#);
    assert!(reader.element().unwrap());
    assert_eq!(reader.number().unwrap(), Number::I64(2));
    assert!(!reader.element().unwrap());
    reader.end().unwrap();
}

#[test]
fn a_body_that_is_not_utf8_is_refused() {
    let error = JsonReader::from_bytes(b"{\"a\":\"\xff\"}").unwrap_err();
    assert_eq!(error.message(), "the body is not UTF-8 at byte 6");
}

#[test]
fn mutated_texts_never_panic() {
    let valid =
        r#"[{"metric":"cpu\u00e4","value":-1.5e3,"tags":{"a":"b","c":null}},[true,false,[[]]]]"#;
    for_each_mutation(valid.as_bytes(), 1, |bytes| {
        if let Ok(mut reader) = JsonReader::from_bytes(bytes) {
            let text = reader.text();
            let _ = reader.skip_value();
            read(text);
        }
    });
}
