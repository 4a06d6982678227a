//! Line protocol, guessed and read exactly.

use std::sync::Arc;

use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry};
use pulsora_model::{Result, TableSchema};

use super::choice::{Choice, NOW_NS};
use super::columns::without_registries;
use crate::Parsed;
use crate::line::{LineOptions, parse, parse_exactly};

pub(super) const VALID: &[&[u8]] = &[
    b"\x00m,host=a\\ b,region=eu f=0.5,n=3i,u=7u,b=true,s=\"x\\\"\ny\" 1700000000000000000\n\
      # comment\nm,host=a f=1e3,s=\"\" 1700000000000000001\r\nm f=NaN\n",
    b"\x08m,host=a f=1.5,n=1i,s=\"x\" 1700000000000000000\nm,host=a f=2.5,n=-2i,s=\"y\" 1700000000000000000\n\
      m,host=b f=3.5,n=3i,s=\"z\" 1700000000000000000\nm,host=a f=4.5,n=4i,s=\"long enough text\" 1700000000000000001\n\
      m,host=b f=5.5,n=12345678i,s=\"\" 1700000000000000001\nm,host=a f=6,n=6i,s=\"\\\"\" 1700000000000000001\n",
    b"\x28m,host=a f=1.5 1\nm,host=b f=2.5 2\nm,host=c f=3.5 3\nm,host=a f=1.5 4\nm,host=b f=2.5 5\n\
      m,host=c,more=x f=3.5 6\nm,host=c f=4.5 7\nm f=4.5 8\nm,host=b f=4.5 8\n",
    b"\x11m n=1i 1\nother,t=x a_name_of_more_than_thirty-two_bytes_in_all=1 1\nm n=2i 1\n\
      other,t=x a_name_of_more_than_thirty-two_bytes_in_all=2 1\nm n=3i 1\nm n=0.5 1\nm n=1.5 1\n",
];

/// A database whose table `m` numbers its series, if bit 5 is set.
struct Numbered(Choice, Arc<SeriesRegistry>);

impl Numbered {
    fn new(choice: Choice) -> Numbered {
        let limits = SeriesLimits { series_max: 8, raw_bytes_max: 1_024 };
        Numbered(choice, Arc::new(SeriesRegistry::new(limits)))
    }
}

impl SchemaLookup for Numbered {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.0.table().filter(|_| table == "m")
    }

    fn registry(&self, _: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        self.0.bit(5).then(|| Arc::clone(&self.1))
    }
}

/// Reads a body twice, the second time with series that are known; both ways to do so must agree.
pub(super) fn read(input: &[u8]) -> Result<Parsed> {
    let (choice, body) = Choice::split(input);
    let options = LineOptions { precision: choice.precision(), now_ns: NOW_NS };
    let (for_guesses, for_exact) = (Numbered::new(choice), Numbered::new(choice));
    let both = || {
        let guessed = parse(body, &options, &for_guesses).map(without_registries);
        let exactly = parse_exactly(body, &options, &for_exact).map(without_registries);
        assert_eq!(format!("{guessed:?}"), format!("{exactly:?}"), "guesses change nothing");
        guessed
    };
    both().and_then(|_| both())
}
