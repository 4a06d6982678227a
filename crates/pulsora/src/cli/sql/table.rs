//! Rows as a table for people: columns as wide as their widest value, numbers to the right, times in
//! RFC 3339 UTC with the digits they need, null as nothing.
//!
//! Invariant: memory stays bounded. The first rows decide the widths; whatever comes later is printed
//! with them, and a value that is wider only moves its own line.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pulsora_model::Result;

/// Rows that decide the widths: a few screens, and at a hundred columns still only megabytes.
const WIDTH_ROWS: usize = 1_000;

/// Characters of a value that are shown; longer ones are cut.
const VALUE_CHARS: usize = 200;

/// Prints batches as they come.
pub(super) struct Table {
    names: Vec<String>,
    right: Vec<bool>,
    widths: Vec<usize>,
    /// Rows that wait for the widths.
    waiting: Vec<Vec<String>>,
    begun: bool,
}

impl Table {
    /// A table with the columns of `schema`.
    pub fn new(schema: &SchemaRef) -> Table {
        let names: Vec<String> = schema.fields().iter().map(|field| shown(field.name())).collect();
        let right = schema.fields().iter().map(|field| is_number(field.data_type())).collect();
        let widths = names.iter().map(|name| width(name)).collect();
        Table { names, right, widths, waiting: Vec::new(), begun: false }
    }

    /// Adds rows; what is ready to be printed goes onto the end of `out`.
    ///
    /// # Errors
    /// When a value cannot be shown.
    pub fn push(&mut self, batch: &RecordBatch, out: &mut String) -> Result<()> {
        let options = FormatOptions::default().with_null("").with_display_error(false);
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let mut cells = Vec::with_capacity(columns.len());
            for column in &columns {
                cells.push(shown(&column.value(row).try_to_string()?));
            }
            if self.begun {
                self.line(&cells, out);
                continue;
            }
            for (widest, cell) in self.widths.iter_mut().zip(&cells) {
                *widest = (*widest).max(width(cell));
            }
            self.waiting.push(cells);
            if self.waiting.len() == WIDTH_ROWS {
                self.begin(out);
            }
        }
        Ok(())
    }

    /// Prints what is left.
    pub fn finish(mut self, out: &mut String) {
        self.begin(out);
    }

    fn begin(&mut self, out: &mut String) {
        if self.begun || self.names.is_empty() {
            return;
        }
        self.begun = true;
        let names = std::mem::take(&mut self.names);
        self.line(&names, out);
        let rules: Vec<String> = self.widths.iter().map(|width| "-".repeat(*width)).collect();
        out.push_str(rules.join("-+-").trim_end());
        out.push('\n');
        for cells in std::mem::take(&mut self.waiting) {
            self.line(&cells, out);
        }
    }

    fn line(&self, cells: &[String], out: &mut String) {
        let start = out.len();
        for (column, cell) in cells.iter().enumerate() {
            if column > 0 {
                out.push_str(" | ");
            }
            let padding = " ".repeat(self.widths[column].saturating_sub(width(cell)));
            if self.right[column] {
                out.push_str(&padding);
                out.push_str(cell);
            } else {
                out.push_str(cell);
                out.push_str(&padding);
            }
        }
        let end = start + out[start..].trim_end().len();
        out.truncate(end);
        out.push('\n');
    }
}

fn is_number(ty: &DataType) -> bool {
    match ty {
        DataType::Dictionary(_, value) => is_number(value),
        other => other.is_numeric(),
    }
}

/// A value in one line, without what would move the cursor.
fn shown(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len().min(VALUE_CHARS));
    for c in chars.by_ref().take(VALUE_CHARS) {
        match c {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().count()
}
