//! The aggregates of one column, by cell.
//!
//! Invariants: all lists that are kept have one entry per cell; an entry has a meaning only where the
//! count is above 0.

use std::ops::Range;

use arrow::array::AsArray;
use arrow::buffer::NullBuffer;
use pulsora_model::ColumnType;

use super::shape::{Folded, Wants};
use super::summary::{Scalar, Slices, Summary, Values, fold_each, fold_f64, fold_i64};

/// Aggregates of values of one type. Lists that are not wanted stay empty.
pub(super) struct Typed<T: Scalar> {
    wants: Wants,
    pub count: Vec<u64>,
    pub sum: Vec<T::Sum>,
    pub min: Vec<T>,
    pub max: Vec<T>,
    pub first: Vec<(i64, T)>,
    pub last: Vec<(i64, T)>,
    /// Bytes of texts that cells hold, about.
    heap: usize,
}

impl<T: Scalar> Typed<T> {
    fn new(wants: Wants) -> Typed<T> {
        Typed {
            wants,
            count: Vec::new(),
            sum: Vec::new(),
            min: Vec::new(),
            max: Vec::new(),
            first: Vec::new(),
            last: Vec::new(),
            heap: 0,
        }
    }

    fn grow(&mut self, cells: usize) {
        self.count.resize(cells, 0);
        if self.wants.sum {
            self.sum.resize(cells, T::Sum::default());
        }
        for (wanted, values) in [(self.wants.min, &mut self.min), (self.wants.max, &mut self.max)] {
            if wanted {
                values.resize(cells, T::default());
            }
        }
        for (wanted, values) in
            [(self.wants.first, &mut self.first), (self.wants.last, &mut self.last)]
        {
            if wanted {
                values.resize(cells, (0, T::default()));
            }
        }
    }

    /// Adds a summary to a cell.
    pub fn put(&mut self, cell: usize, summary: &Summary<'_, T>) {
        if summary.count == 0 {
            return;
        }
        let fresh = self.count[cell] == 0;
        self.count[cell] += summary.count;
        if self.wants.sum {
            self.sum[cell] = T::join(self.sum[cell], summary.sum);
        }
        let heap = &mut self.heap;
        let mut set = |place: &mut T, value: T::Ref<'_>| {
            *heap += T::heap_bytes(value);
            *heap -= T::heap_bytes(place.by_ref()).min(*heap);
            *place = T::of(value);
        };
        if let Some(min) = summary.min.filter(|_| self.wants.min)
            && (fresh || T::order(min, self.min[cell].by_ref()).is_lt())
        {
            set(&mut self.min[cell], min);
        }
        if let Some(max) = summary.max.filter(|_| self.wants.max)
            && (fresh || T::order(max, self.max[cell].by_ref()).is_gt())
        {
            set(&mut self.max[cell], max);
        }
        if let Some((time, value)) = summary.first.filter(|_| self.wants.first)
            && (fresh || time < self.first[cell].0)
        {
            self.first[cell].0 = time;
            set(&mut self.first[cell].1, value);
        }
        if let Some((time, value)) = summary.last.filter(|_| self.wants.last)
            && (fresh || time > self.last[cell].0)
        {
            self.last[cell].0 = time;
            set(&mut self.last[cell].1, value);
        }
    }

    /// Adds one value to a cell.
    #[inline]
    fn put_one(&mut self, cell: usize, value: T::Ref<'_>, time: i64) {
        let fresh = self.count[cell] == 0;
        self.count[cell] += 1;
        let wants = self.wants;
        if wants.sum {
            T::add(&mut self.sum[cell], value);
        }
        let heap = &mut self.heap;
        let mut set = |place: &mut T| {
            *heap += T::heap_bytes(value);
            *heap -= T::heap_bytes(place.by_ref()).min(*heap);
            *place = T::of(value);
        };
        if wants.min && (fresh || T::order(value, self.min[cell].by_ref()).is_lt()) {
            set(&mut self.min[cell]);
        }
        if wants.max && (fresh || T::order(value, self.max[cell].by_ref()).is_gt()) {
            set(&mut self.max[cell]);
        }
        if wants.first && (fresh || time < self.first[cell].0) {
            self.first[cell].0 = time;
            set(&mut self.first[cell].1);
        }
        if wants.last && (fresh || time > self.last[cell].0) {
            self.last[cell].0 = time;
            set(&mut self.last[cell].1);
        }
    }

    /// Adds the values of rows, each to its cell.
    fn scatter<'a>(
        &mut self,
        value: impl Fn(usize) -> T::Ref<'a>,
        valid: Option<&NullBuffer>,
        rows: &Rows<'_>,
    ) {
        for (row, cell) in rows.rows.iter().zip(rows.cells) {
            let row = *row as usize;
            if valid.is_none_or(|valid| valid.is_valid(row)) {
                let time = rows.times.map_or(0, |times| times[row]);
                self.put_one(*cell as usize, value(row), time);
            }
        }
    }

    /// What a cell holds.
    fn summary(&self, cell: usize) -> Summary<'_, T> {
        let mut summary = Summary::counted(self.count[cell]);
        summary.sum = self.sum.get(cell).copied().unwrap_or_default();
        summary.min = self.min.get(cell).map(T::by_ref);
        summary.max = self.max.get(cell).map(T::by_ref);
        summary.first = self.first.get(cell).map(|(time, value)| (*time, value.by_ref()));
        summary.last = self.last.get(cell).map(|(time, value)| (*time, value.by_ref()));
        summary
    }

    fn merge(&mut self, other: &Typed<T>, cells: &[(usize, usize)]) {
        for (from, to) in cells {
            self.put(*to, &other.summary(*from));
        }
    }

    fn size_bytes(&self) -> usize {
        let value = size_of::<T>();
        self.count.len() * 8
            + self.sum.len() * size_of::<T::Sum>()
            + (self.min.len() + self.max.len()) * value
            + (self.first.len() + self.last.len()) * (8 + value)
            + self.heap
    }
}

/// Rows and the cell of each; times are by row number.
pub(super) struct Rows<'a> {
    pub rows: &'a [u32],
    pub cells: &'a [u32],
    pub times: Option<&'a [i64]>,
}

/// The aggregates of a column of any type.
pub(super) enum States {
    I64(Typed<i64>),
    U64(Typed<u64>),
    F64(Typed<f64>),
    Bool(Typed<bool>),
    Text(Typed<Box<str>>),
    /// Of a column without type: all null.
    Untyped,
}

macro_rules! each {
    ($states:expr, $typed:ident => $do:expr, $otherwise:expr) => {
        match $states {
            States::I64($typed) => $do,
            States::U64($typed) => $do,
            States::F64($typed) => $do,
            States::Bool($typed) => $do,
            States::Text($typed) => $do,
            States::Untyped => $otherwise,
        }
    };
}

impl States {
    /// No cell yet.
    pub fn new(folded: &Folded) -> States {
        match folded.ty {
            ColumnType::I64 | ColumnType::Timestamp => States::I64(Typed::new(folded.wants)),
            ColumnType::U64 => States::U64(Typed::new(folded.wants)),
            ColumnType::F64 => States::F64(Typed::new(folded.wants)),
            ColumnType::Bool => States::Bool(Typed::new(folded.wants)),
            ColumnType::Utf8 => States::Text(Typed::new(folded.wants)),
            ColumnType::Untyped => States::Untyped,
        }
    }

    /// Makes room for this many cells.
    pub fn grow(&mut self, cells: usize) {
        each!(self, typed => typed.grow(cells), ());
    }

    /// Adds the cells of `other` to these, as pairs (its cell, cell here).
    pub fn merge(&mut self, other: &States, cells: &[(usize, usize)]) {
        match (self, other) {
            (States::I64(a), States::I64(b)) => a.merge(b, cells),
            (States::U64(a), States::U64(b)) => a.merge(b, cells),
            (States::F64(a), States::F64(b)) => a.merge(b, cells),
            (States::Bool(a), States::Bool(b)) => a.merge(b, cells),
            (States::Text(a), States::Text(b)) => a.merge(b, cells),
            // Parts of one fold have the same columns.
            _ => {}
        }
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        each!(self, typed => typed.size_bytes(), 0)
    }

    /// Adds values of which nothing but their number is wanted.
    pub fn add_count(&mut self, cell: usize, count: u64) {
        each!(self, typed => typed.count[cell] += count, ());
    }

    /// Adds a range of rows, ascending in time and not empty, to a cell.
    pub fn feed(
        &mut self,
        cell: usize,
        slices: &Slices<'_>,
        rows: Range<usize>,
        times: Option<&[i64]>,
    ) {
        let wants = each!(&*self, typed => typed.wants, Wants::default());
        if !wants.values() {
            let count = slices.count(&rows);
            return self.add_count(cell, count);
        }
        let valid = slices.valid.as_ref();
        match (self, &slices.values) {
            (States::I64(typed), Values::I64(values)) => {
                let summary = match valid {
                    None => fold_i64(values, rows, times, wants),
                    _ => fold_each(|row| values[row], valid, rows, times, wants),
                };
                typed.put(cell, &summary);
            }
            (States::F64(typed), Values::F64(values)) => {
                let summary = match valid {
                    None => fold_f64(values, rows, times, wants),
                    _ => fold_each(|row| values[row], valid, rows, times, wants),
                };
                typed.put(cell, &summary);
            }
            (States::U64(typed), Values::U64(values)) => {
                typed.put(cell, &fold_each(|row| values[row], valid, rows, times, wants));
            }
            (States::Bool(typed), Values::Bool(values)) => {
                typed.put(cell, &fold_each(|row| values.value(row), valid, rows, times, wants));
            }
            (States::Text(typed), Values::Text(values)) => {
                typed.put(cell, &fold_each(|row| values.value(row), valid, rows, times, wants));
            }
            (States::Text(typed), Values::Tag(tags)) => {
                let texts = tags.values().as_string::<i32>();
                let keys = tags.keys().values();
                let value = |row: usize| texts.value(keys[row] as usize);
                typed.put(cell, &fold_each(value, valid, rows, times, wants));
            }
            // A column that is all null adds nothing.
            _ => {}
        }
    }

    /// Adds rows in any order, each to its cell.
    pub fn scatter(&mut self, slices: &Slices<'_>, rows: &Rows<'_>) {
        let valid = slices.valid.as_ref();
        match (self, &slices.values) {
            (States::I64(typed), Values::I64(values)) => {
                typed.scatter(|row| values[row], valid, rows);
            }
            (States::F64(typed), Values::F64(values)) => {
                typed.scatter(|row| values[row], valid, rows);
            }
            (States::U64(typed), Values::U64(values)) => {
                typed.scatter(|row| values[row], valid, rows);
            }
            (States::Bool(typed), Values::Bool(values)) => {
                typed.scatter(|row| values.value(row), valid, rows);
            }
            (States::Text(typed), Values::Text(values)) => {
                typed.scatter(|row| values.value(row), valid, rows);
            }
            (States::Text(typed), Values::Tag(tags)) => {
                let texts = tags.values().as_string::<i32>();
                let keys = tags.keys().values();
                typed.scatter(|row| texts.value(keys[row] as usize), valid, rows);
            }
            // A column that is all null adds nothing.
            _ => {}
        }
    }
}
