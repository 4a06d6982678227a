//! Rows of every shape in one form, and what each shape is called.
//!
//! - Every value is a whole number; a float has two decimals and is held as its hundredths, so that sums
//!   are exact whatever order they are added in.
//! - Rows come in order of time; no two rows of a shape share series and time.

use std::str::FromStr;
use std::sync::Arc;

use crate::cpu::{self, Fleet, Workload};
use crate::walks::{self, Trades, Walks};

/// Most fields of a shape.
pub const FIELDS_MAX: usize = 10;

/// What rows look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Ten tags and ten integers: the cpu-only workload of the Time Series Benchmark Suite.
    Tsbs,
    /// One tag, a float and an integer: sensors.
    Small,
    /// Symbol, price and volume: market data.
    Trades,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 3] = [Shape::Tsbs, Shape::Small, Shape::Trades];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Tsbs => "tsbs",
            Shape::Small => "small",
            Shape::Trades => "trades",
        }
    }

    /// Its columns, and the table that they are of when nobody names one.
    pub fn layout(self) -> &'static Layout {
        match self {
            Shape::Tsbs => &cpu::LAYOUT,
            Shape::Small => &walks::SMALL,
            Shape::Trades => &walks::TRADES,
        }
    }
}

impl FromStr for Shape {
    type Err = ();

    fn from_str(text: &str) -> Result<Shape, ()> {
        Shape::ALL.into_iter().find(|shape| shape.name() == text).ok_or(())
    }
}

/// The columns of a shape beside `time`.
#[derive(Debug)]
pub struct Layout {
    /// The usual table.
    pub table: &'static str,
    /// Names of the tags, in their order.
    pub tags: &'static [&'static str],
    /// The fields, in their order; at most [`FIELDS_MAX`].
    pub fields: &'static [Field],
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Floats with two decimals.
    Hundredths,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Nanoseconds.
    pub time: i64,
    /// Position in [`SeriesList::tags`].
    pub series: u32,
    /// Values of the fields; hundredths where the field is a float. The rest is 0.
    pub values: [i32; FIELDS_MAX],
}

/// The series of a source.
pub struct SeriesList {
    /// Their columns.
    pub layout: &'static Layout,
    /// The values of the tags of each.
    pub tags: Vec<Vec<String>>,
}

/// Rows without end.
pub struct Source {
    /// The series that its rows are of.
    pub series: Arc<SeriesList>,
    kind: Generator,
}

enum Generator {
    Tsbs(Fleet),
    Small(Walks),
    Trades(Trades),
}

impl Source {
    /// The rows of a shape before the first one. Trades have as many symbols as there are hosts.
    pub fn new(shape: Shape, workload: Workload) -> Source {
        let (tags, kind) = match shape {
            Shape::Tsbs => {
                let fleet = Fleet::new(workload);
                let tags = fleet.tags.iter().map(|tags| tags.to_vec()).collect();
                (tags, Generator::Tsbs(fleet))
            }
            Shape::Small => {
                let tags = (0..workload.hosts).map(|n| vec![format!("sensor_{n}")]).collect();
                (tags, Generator::Small(Walks::new(workload)))
            }
            Shape::Trades => {
                let tags = (0..workload.hosts).map(|n| vec![walks::symbol(n)]).collect();
                (tags, Generator::Trades(Trades::new(workload)))
            }
        };
        let series = Arc::new(SeriesList { layout: shape.layout(), tags });
        Source { series, kind }
    }

    /// The next `rows` rows.
    pub fn rows(&mut self, rows: usize) -> Vec<Row> {
        (0..rows).map(|_| self.row()).collect()
    }

    fn row(&mut self) -> Row {
        match &mut self.kind {
            Generator::Tsbs(fleet) => {
                let cpu::Row { time, host, values } = fleet.row();
                Row { time, series: host as u32, values: values.map(i32::from) }
            }
            Generator::Small(walks) => walks.row(),
            Generator::Trades(trades) => trades.row(),
        }
    }

    /// The first time that none of the rows so far has, nanoseconds.
    pub fn next_time(&self) -> i64 {
        match &self.kind {
            Generator::Tsbs(fleet) => fleet.next_time(),
            Generator::Small(walks) => walks.next_time(),
            Generator::Trades(trades) => trades.next_time(),
        }
    }
}
