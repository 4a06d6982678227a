//! Identifiers. Each is a newtype so that the compiler keeps them apart; none is ever reused.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id!(
    /// A database. `default` is id 1.
    DatabaseId,
    u32
);
id!(
    /// A table, unique over all databases.
    TableId,
    u32
);
id!(
    /// A column of one table; also its Parquet field id. The first column of a table is 1.
    ColumnId,
    u32
);
id!(
    /// The number of a WAL record: the only clock of the engine. The first record is 1.
    Sequence,
    u64
);

/// A segment: the epoch rises at every open of the data directory, so that no name ever repeats.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SegmentId {
    /// Number of the opening of the data directory that made the segment, from 1.
    pub epoch: u32,
    /// Number of the segment within its epoch, from 1.
    pub counter: u32,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:08x}", self.epoch, self.counter)
    }
}
