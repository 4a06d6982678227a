//! What rows add up to: how many there are, and the sum of every field.
//!
//! Sums of whole numbers are exact, so the rows that were accepted and the rows that are stored have the
//! same sums or are not the same rows.

use serde_json::Value;

use crate::rows::{FIELDS_MAX, Kind, Layout};

/// A count and sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Number of rows.
    pub rows: u64,
    /// Sum of each field; hundredths where the field is a float.
    pub fields: [i64; FIELDS_MAX],
}

impl Sums {
    /// Adds those of other rows.
    pub fn add(&mut self, other: &Sums) {
        self.rows += other.rows;
        self.fields.iter_mut().zip(other.fields).for_each(|(sum, more)| *sum += more);
    }

    /// The rows that came after `before`, where `self` counts those too.
    pub fn since(&self, before: &Sums) -> Sums {
        let fields = std::array::from_fn(|at| self.fields[at] - before.fields[at]);
        Sums { rows: self.rows.saturating_sub(before.rows), fields }
    }

    /// The statement that asks a table for them.
    pub fn statement(table: &str, layout: &Layout) -> String {
        let sums = layout.fields.iter().map(|field| match field.kind {
            Kind::Integer => format!(", sum({})", field.name),
            Kind::Hundredths => {
                format!(", sum(CAST(round({} * 100) AS BIGINT))", field.name)
            }
        });
        format!("SELECT count(*){} FROM \"{table}\"", sums.collect::<String>())
    }

    /// Reads the one row of its answer; sums of no rows are null.
    ///
    /// # Errors
    /// A sentence for the user when it is another answer.
    pub fn of_answer(rows: &[Value]) -> Result<Sums, String> {
        let cells = match rows {
            [row] => row.as_array().map(Vec::as_slice).unwrap_or_default(),
            _ => &[],
        };
        let strange = || format!("the sums of the table came back as {}", Value::from(rows));
        let number = |cell: &Value| match cell {
            Value::Null => Some(0),
            cell => cell.as_i64(),
        };
        let (count, sums) = cells.split_first().ok_or_else(strange)?;
        let mut all = Sums { rows: count.as_u64().ok_or_else(strange)?, ..Sums::default() };
        for (sum, cell) in all.fields.iter_mut().zip(sums) {
            *sum = number(cell).ok_or_else(strange)?;
        }
        Ok(all)
    }

    /// Compares what is stored with `self`, which was accepted.
    ///
    /// # Errors
    /// A sentence that names every difference.
    pub fn check(&self, stored: &Sums, layout: &Layout) -> Result<(), String> {
        let mut differences = Vec::new();
        if self.rows != stored.rows {
            differences
                .push(format!("{} rows were accepted, {} are there", self.rows, stored.rows));
        }
        for (at, field) in layout.fields.iter().enumerate() {
            let (sent, there) = (self.fields[at], stored.fields[at]);
            if sent != there {
                differences.push(format!("the sum of {} is {there} instead of {sent}", field.name));
            }
        }
        if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
    }
}
