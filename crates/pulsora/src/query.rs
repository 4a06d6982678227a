//! One series and a time range, without SQL: points or Arrow batches.
//!
//! Invariant: one call reads one snapshot.

use pulsora_model::{Code, ColumnId, Error, Name, Result, TableSchema};
use pulsora_query::{About, BatchStream};
use pulsora_storage::{Order, Scan, ScanPlan, Snapshot, TimeRange};

use crate::database::Database;
use crate::points::{Batches, PointStream, Points, check_points, point_stream};
use crate::series_key::SeriesKey;

impl Database {
    /// The points of a series in a range of time (a [`TimeRange`], or a range of `Timestamp`s), in the
    /// order of their times. Rows without a value in the field are no points.
    ///
    /// # Errors
    /// `table_not_found`, `column_not_found`, `type_conflict` when the field holds no numbers; the
    /// iterator gives `corrupt` and `io_error`.
    pub fn query(&self, series: &SeriesKey, time: impl Into<TimeRange>) -> Result<Points> {
        points_of(&self.snapshot(), self.database_name(), series, time.into())
    }

    /// The rows of a series, with every column of the table, as Arrow batches in the order of their
    /// times.
    ///
    /// # Errors
    /// `table_not_found`; the iterator gives `corrupt` and `io_error`.
    pub fn query_batches(&self, series: &SeriesKey, time: impl Into<TimeRange>) -> Result<Batches> {
        let snapshot = self.snapshot();
        let table = snapshot.table(self.database_name(), &series.table)?;
        plan(&snapshot, series, &table, None, time.into()).map(Batches::new)
    }

    /// [`Database::query`] as a stream, read on the threads of queries.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub async fn query_async(
        &self,
        series: &SeriesKey,
        time: impl Into<TimeRange>,
    ) -> Result<PointStream> {
        let plan = point_plan(&self.snapshot(), self.database_name(), series, time.into())?;
        Ok(point_stream(self.streamed(plan, series)))
    }

    /// [`Database::query_batches`] as a stream, read on the threads of queries.
    ///
    /// # Errors
    /// As [`Database::query_batches`].
    pub async fn query_batches_async(
        &self,
        series: &SeriesKey,
        time: impl Into<TimeRange>,
    ) -> Result<BatchStream> {
        let snapshot = self.snapshot();
        let table = snapshot.table(self.database_name(), &series.table)?;
        let plan = plan(&snapshot, series, &table, None, time.into())?;
        Ok(self.streamed(plan, series))
    }

    fn streamed(&self, plan: ScanPlan, series: &SeriesKey) -> BatchStream {
        let about = About::new("series", &series.table, self.database_name());
        self.queries().scan_stream(self.queries().open(about), plan)
    }
}

/// The points of a series in a snapshot.
///
/// # Errors
/// As [`Database::query`].
pub(crate) fn points_of(
    snapshot: &Snapshot,
    database: &Name,
    series: &SeriesKey,
    time: TimeRange,
) -> Result<Points> {
    point_plan(snapshot, database, series, time).map(|plan| Points::new(plan.streams))
}

fn point_plan(
    snapshot: &Snapshot,
    database: &Name,
    series: &SeriesKey,
    time: TimeRange,
) -> Result<ScanPlan> {
    let table = snapshot.table(database, &series.table)?;
    let field = table.column(&series.field).ok_or_else(|| {
        let message = format!("table {:?} has no column {:?}", &*table.name, &*series.field);
        Error::new(Code::ColumnNotFound, message).hint("name the field of the points")
    })?;
    check_points(field)?;
    plan(snapshot, series, &table, Some(vec![table.time().id, field.id]), time)
}

/// Plans the rows of a series; a table that lacks one of its tags has none.
fn plan(
    snapshot: &Snapshot,
    series: &SeriesKey,
    table: &TableSchema,
    columns: Option<Vec<ColumnId>>,
    time: TimeRange,
) -> Result<ScanPlan> {
    let predicates = series.predicates(table);
    let nothing = TimeRange { start_ns: i64::MAX, end_ns: i64::MIN };
    snapshot.scan(&Scan {
        columns,
        time: if predicates.is_some() { time } else { nothing },
        tags: predicates.unwrap_or_default(),
        order: Order::TimeAscending,
        ..Scan::all(table.id)
    })
}
