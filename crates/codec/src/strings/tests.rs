//! Round trips, the choice of form, and strings that are not.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A column as Arrow keeps it, from `start` bytes into its data.
fn column(strings: &[&str], start: usize) -> (Vec<i32>, Vec<u8>) {
    let mut data = vec![b'#'; start];
    let mut offsets = vec![start as i32];
    for string in strings {
        data.extend_from_slice(string.as_bytes());
        offsets.push(data.len() as i32);
    }
    data.extend_from_slice(b"##");
    (offsets, data)
}

fn check(strings: &[&str]) -> Vec<u8> {
    let (offsets, data) = column(strings, 5);
    let mut bytes = Vec::new();
    encode(&offsets, &data, &mut bytes);
    let mut framed = bytes.clone();
    framed.push(0x77);
    let mut source = &framed[..];
    let decoded = decode(&mut source, strings.len(), data.len()).unwrap();
    assert_eq!(source, [0x77]);
    let (expected, _) = column(strings, 0);
    assert_eq!(decoded.offsets, expected);
    assert_eq!(decoded.data, strings.concat().as_bytes());
    bytes
}

#[test]
fn exact_bytes() {
    assert_eq!(check(&[]), []);
    assert_eq!(check(&["a", "bcd"]), *b"\x00\x02\x02\x08abcd");
    let rows = ["warsaw", "berlin", "warsaw", "berlin", "berlin"];
    assert_eq!(check(&rows), *b"\x01\x02\x00\x0cwarsawberlin\x01\x00\x1a");
}

#[test]
fn no_offsets_are_no_strings() {
    let mut bytes = Vec::new();
    encode(&[], b"", &mut bytes);
    assert_eq!(bytes, []);
}

#[test]
fn a_column_of_few_values_costs_its_codes() {
    let names: Vec<String> = (0..10).map(|i| format!("eu-central-{i}")).collect();
    let rows: Vec<&str> = (0..10_000).map(|i| &*names[i * i * 7 % 10]).collect();
    assert!(check(&rows).len() <= 10_000 / 2 + 300);
    let same = vec!["eu-central-1"; 10_000];
    assert!(check(&same).len() <= 40);
}

#[test]
fn thousands_of_values_in_random_order_still_make_a_dictionary() {
    let mut random = fastrand::Rng::with_seed(21);
    let names: Vec<String> = (0..4000).map(|i| format!("host_{i}")).collect();
    let rows: Vec<&str> = (0..50_000).map(|_| &*names[random.usize(0..4000)]).collect();
    let bytes = check(&rows);
    assert_eq!(bytes[0], DICTIONARY);
    assert!(bytes.len() <= 50_000 * 3 / 2 + 4000 * 10);
}

#[test]
fn distinct_strings_stay_plain() {
    let names: Vec<String> = (0..1000).map(|i| format!("{:x}", i * 2_654_435_761u64)).collect();
    let rows: Vec<&str> = names.iter().map(|name| &**name).collect();
    assert_eq!(check(&rows)[0], PLAIN);
}

#[test]
fn empty_strings_cost_nothing() {
    assert!(check(&[""; 1024]).len() <= 4);
}

#[test]
fn a_dictionary_cannot_grow_past_the_limit() {
    let long = "x".repeat(1000);
    let bytes = check(&vec![&*long; 1024]);
    assert!(bytes.len() < 1100);
    let error = decode(&mut &bytes[..], 1024, 1_023_999).unwrap_err();
    assert_eq!(error.to_string(), "bytes of strings: 1024000 is over the limit of 1023999");
    assert!(decode(&mut &bytes[..], 1024, 1_024_000).is_ok());
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut bytes = Vec::new();
    encode(&[0, 1, 3], b"a\xffb", &mut bytes);
    let error = decode(&mut &bytes[..], 2, 100).unwrap_err();
    assert_eq!(error.to_string(), "UTF-8 at this byte of a string column: 1 is not valid");
}

#[test]
fn a_character_cut_in_two_is_refused() {
    let mut bytes = Vec::new();
    encode(&[0, 1, 2], "é".as_bytes(), &mut bytes);
    let error = decode(&mut &bytes[..], 2, 100).unwrap_err();
    assert_eq!(error.to_string(), "string offset inside a character: 1 is not valid");
}

#[test]
fn wrong_tags_counts_and_codes_are_refused() {
    let wrong: [(&[u8], &str); 3] = [
        (&[2], "string tag: 2 is not valid"),
        (&[1, 3], "count: 3 is over the limit of 2"),
        (&[1, 1, 0, 2, b'a', 0, 2], "dictionary code: 1 is not valid"),
    ];
    for (bytes, expected) in wrong {
        assert_eq!(decode(&mut &bytes[..], 2, 100).unwrap_err().to_string(), expected);
    }
}

proptest! {
    #[test]
    fn any_strings(strings in vec(".{0,12}", 0..200)) {
        let rows: Vec<&str> = strings.iter().map(|string| &**string).collect();
        check(&rows);
    }

    #[test]
    fn any_choice_of_strings(strings in vec(".{0,30}", 1..20), picks in vec(any::<usize>(), 0..1500)) {
        let rows: Vec<&str> = picks.iter().map(|pick| &*strings[pick % strings.len()]).collect();
        check(&rows);
    }
}
