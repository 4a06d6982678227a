use super::{ConstantBooleans, RunLengthBooleans};
use crate::codec::{Codec, Sink, Values};
use crate::typed::OfBooleans;

#[test]
fn runs_are_small_and_come_back() {
    let values: Vec<bool> = (0..65_536).map(|i| i / 5000 % 2 == 0).collect();
    let mut block = Vec::new();
    assert!(OfBooleans(RunLengthBooleans).encode(Values::Booleans(&values), &mut block));
    // 64 vectors and 13 changes: about 77 runs of 11 bits, and the directory.
    assert!(block.len() < 200, "{} bytes", block.len());
    let mut out = Vec::new();
    OfBooleans(RunLengthBooleans).decode(&block, values.len(), Sink::Booleans(&mut out)).unwrap();
    assert!(out == values);
    assert!(!OfBooleans(ConstantBooleans).encode(Values::Booleans(&values), &mut block));
}

#[test]
fn an_integer_that_is_no_boolean_is_refused() {
    let mut block = Vec::new();
    assert!(OfBooleans(ConstantBooleans).encode(Values::Booleans(&[true; 3]), &mut block));
    block[0] = 2;
    let error = OfBooleans(ConstantBooleans)
        .decode(&block, 3, Sink::Booleans(&mut Vec::new()))
        .unwrap_err();
    assert_eq!(error.to_string(), "boolean: 2 is not valid");
}
