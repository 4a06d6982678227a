use super::RunLength;
use crate::typed::IntegerCodec;

#[test]
fn long_runs_take_little() {
    // 100 runs, some of them cut by the end of a vector.
    let values: Vec<i64> = (0..65_536).map(|i| i / 656 % 7 * 1000).collect();
    let mut bytes = Vec::new();
    assert!(RunLength::encode(&values, &mut bytes));
    assert!(bytes.len() < 600, "{} bytes", bytes.len());
    let mut back = vec![1];
    RunLength::decode(&bytes, values.len(), 65_536 - 1024..65_536, &mut back).unwrap();
    assert_eq!(back[1..], values[65_536 - 1024..]);
}

#[test]
fn runs_that_do_not_fill_the_vector_are_errors() {
    let mut bytes = Vec::new();
    assert!(!RunLength::encode(&[5, 5, 5, 5, 5, 5, 6], &mut bytes));
    assert!(RunLength::encode(&[5, 5, 5, 5, 5, 5, 5, 6], &mut bytes));
    let decode = |bytes: &[u8], n| RunLength::decode(bytes, n, 0..n, &mut Vec::new());
    assert!(decode(&bytes, 8).is_ok());
    assert!(decode(&bytes, 7).is_err());
    assert!(decode(&bytes, 9).is_err());
}
