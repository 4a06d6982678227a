//! Line protocol, guessed and read exactly.

use pulsora_model::Result;

use super::choice::{Choice, NOW_NS};
use crate::Parsed;
use crate::line::{LineOptions, parse, parse_exactly};

pub(super) const VALID: &[&[u8]] = &[
    b"\x00m,host=a\\ b,region=eu f=0.5,n=3i,u=7u,b=true,s=\"x\\\"\ny\" 1700000000000000000\n\
      # comment\nm,host=a f=1e3,s=\"\" 1700000000000000001\r\nm f=NaN\n",
    b"\x08m,host=a f=1.5,n=1i,s=\"x\" 1700000000000000000\nm,host=a f=2.5,n=-2i,s=\"y\" 1700000000000000000\n\
      m,host=b f=3.5,n=3i,s=\"z\" 1700000000000000000\nm,host=a f=4.5,n=4i,s=\"long enough text\" 1700000000000000001\n\
      m,host=b f=5.5,n=12345678i,s=\"\" 1700000000000000001\nm,host=a f=6,n=6i,s=\"\\\"\" 1700000000000000001\n",
    b"\x11m n=1i 1\nother,t=x a_name_of_more_than_thirty-two_bytes_in_all=1 1\nm n=2i 1\n\
      other,t=x a_name_of_more_than_thirty-two_bytes_in_all=2 1\nm n=3i 1\nm n=0.5 1\nm n=1.5 1\n",
];

/// Reads a body; both ways to do so must agree.
pub(super) fn read(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let options = LineOptions { precision: choice.precision(), now_ns: NOW_NS };
    let schemas = |table: &str| choice.table().filter(|_| table == "m");
    let exactly = parse_exactly(body, &options, &schemas);
    let parsed = parse(body, &options, &schemas);
    assert_eq!(format!("{parsed:?}"), format!("{exactly:?}"), "guesses change nothing");
    parsed
}
