//! The quick readers against the slow ones of the standard library.

use proptest::prelude::*;

use super::{Expected, decimal, digits, integer};

/// Bytes behind what is read, so that it is not at the end of the body.
const BEHIND: &str = "                    ";

#[test]
fn digits_up_to_what_an_integer_holds() {
    for text in [
        "0",
        "7",
        "00000000",
        "12345678",
        "123456789",
        "1234567890123456",
        "12345678901234567",
        "999999999999999999",
        "1700000000000000000",
        "8999999999999999999",
    ] {
        let found = digits(format!("{text}{BEHIND}").as_bytes(), 0);
        assert_eq!(found, Some((text.parse().unwrap(), text.len())), "{text}");
    }
    for text in ["", "i", "9223372036854775807", "9223372036854775808", "18446744073709551616"] {
        assert_eq!(digits(format!("{text}{BEHIND}").as_bytes(), 0), None, "{text}");
    }
    assert_eq!(digits("1".repeat(40).as_bytes(), 0), None);
}

#[test]
fn nothing_is_read_at_the_end_of_the_body() {
    for len in 0..8 {
        let text = "1234567i".get(..len).unwrap();
        assert_eq!(digits(text.as_bytes(), 0), None);
        assert_eq!(integer(text.as_bytes(), 0), None);
        assert_eq!(decimal(text.as_bytes(), 0), None);
    }
    assert_eq!(integer(b"-", 0), None);
    assert_eq!(integer(b"", 5), None);
    assert_eq!(Expected::new(b"abc").after(b"abc", 0), None);
    assert_eq!(Expected::new(b"abc").after(b"abc", 9), None);
}

#[test]
fn what_is_expected() {
    let text = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
    for len in 1..text.len() {
        let expected = Expected::new(&text.as_bytes()[..len]);
        let body = format!("-{text}{BEHIND}");
        assert_eq!(expected.after(body.as_bytes(), 1), Some(1 + len));
        for changed in 0..len {
            let mut body = body.clone().into_bytes();
            body[1 + changed] ^= 1;
            assert_eq!(expected.after(&body, 1), None, "byte {changed} of {len}");
        }
    }
}

#[test]
fn every_byte_that_is_not_a_digit_ends_the_digits() {
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
        for len in 1..18 {
            let mut body = "1".repeat(len).into_bytes();
            body.push(byte);
            body.extend_from_slice(b"11111111111111111111");
            let (number, end) = digits(&body, 0).unwrap();
            assert_eq!(
                (number, end),
                ("1".repeat(len).parse().unwrap(), len),
                "{byte} after {len}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn integers(value in prop_oneof![any::<i64>(), -1_000i64..1_000, any::<i32>().prop_map(i64::from)]) {
        let found = integer(format!("{value}i,{BEHIND}").as_bytes(), 0);
        let text = value.to_string();
        match found {
            Some(found) => prop_assert_eq!(found, (value, text.len() + 1)),
            None => prop_assert!(value.unsigned_abs() >= 9_000_000_000_000_000_000),
        }
        prop_assert_eq!(integer(format!("{value},{BEHIND}").as_bytes(), 0), None);
    }

    #[test]
    fn decimals(whole in prop_oneof![any::<u64>(), 0u64..1_000], places in 0usize..20, part in any::<u64>(), negative: bool) {
        let sign = if negative { "-" } else { "" };
        let text = match places {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{:0places$}", part % 10u64.pow(places as u32)),
        };
        let found = decimal(format!("{text},{BEHIND}").as_bytes(), 0);
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        prop_assert_eq!(found.is_some(), digits <= 15, "{}", text);
        if let Some((value, end)) = found {
            prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
            prop_assert_eq!(end, text.len());
        }
    }
}
