//! CSV by RFC 4180: a header line, then one record per row.
//!
//! Cells stand between delimiters (a comma unless the request says otherwise); records end with LF
//! or CRLF. A cell that starts with a quote ends with one, may hold delimiters and line breaks, and
//! writes a quote as two. A quote inside an unquoted cell is a character like others. A byte order
//! mark is skipped, as are blank lines. An empty unquoted cell is null; `""` is empty text, and null
//! in columns that are not text. Spaces around numbers, booleans, times and column names do not
//! count; in text they do.
//!
//! Reading order: [`parse`] (two passes: infer, then store) → `records` (bytes to cells) →
//! `cells` (a cell into its column). Beside that way, `rows` takes runs of plain records: `cuts` (where
//! cells end) → `quick` (a cell into its column).

mod cells;
mod cuts;
mod parse;
mod quick;
mod records;
mod rows;

pub use parse::parse;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
