//! A row group as the Arrow reader of Parquet takes it, with pages that are decompressed here.
//!
//! The library makes a compressor and a decompressor for each column of each row group that it opens. Each of them asks
//! the processor what it can do (`cpuid`), which a virtual machine answers outside of the guest: that took
//! half the time of a query for one series. Here one decompressor per thread does for all pages.
//!
//! Invariant: what the reader gets is what the library would have given it.

use std::cell::RefCell;
use std::io::Cursor;
use std::iter::once;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, RowGroups, RowSelection,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

use super::footer::Range;

thread_local! {
    /// Made by the first page that this thread reads.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// One row group of a Parquet segment.
pub(super) struct RowGroup {
    range: Arc<Range>,
    footer: ArrowReaderMetadata,
    number: usize,
}

impl RowGroup {
    pub fn new(range: &Range, footer: &ArrowReaderMetadata, number: usize) -> RowGroup {
        RowGroup { range: Arc::new(range.clone()), footer: footer.clone(), number }
    }

    /// Batches of some leaves, ascending, at the selected rows; `None` = all of them.
    pub fn read(
        &self,
        leaves: &[usize],
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader> {
        let schema = self.footer.parquet_schema();
        let mask = ProjectionMask::leaves(schema, leaves.iter().copied());
        let fields = self.footer.schema().fields();
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(fields))?;
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, self, batch_rows, selection)
    }

    fn row_group(&self) -> &RowGroupMetaData {
        self.footer.metadata().row_group(self.number)
    }
}

impl RowGroups for RowGroup {
    fn num_rows(&self) -> usize {
        usize::try_from(self.row_group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.row_group().column(leaf);
        let index = self.footer.metadata().offset_index();
        let pages = index.and_then(|index| index.get(self.number)?.get(leaf));
        let pages = pages.map(|pages| pages.page_locations().clone());
        let is_zstd = matches!(chunk.compression(), Compression::ZSTD(_));
        let open = |chunk| {
            SerializedPageReader::new(Arc::clone(&self.range), chunk, self.num_rows(), pages)
        };
        let pages: Box<dyn PageReader> = match is_zstd {
            // Bytes that are said to be plain are handed out as they lie there.
            true => {
                let plain = chunk.clone().into_builder();
                let plain = plain.set_compression(Compression::UNCOMPRESSED).build()?;
                Box::new(ZstdPages(open(&plain)?))
            }
            false => Box::new(open(chunk)?),
        };
        Ok(Box::new(Chunk(once(Ok(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(once(self.row_group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }
}

/// The one chunk of a column.
struct Chunk(std::iter::Once<Result<Box<dyn PageReader>>>);

impl Iterator for Chunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl PageIterator for Chunk {}

/// Decompresses the pages of a chunk.
struct ZstdPages<P>(P);

impl<P: PageReader> PageReader for ZstdPages<P> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.0.get_next_page()?.map(decompressed).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.0.at_record_boundary()
    }
}

impl<P: PageReader> Iterator for ZstdPages<P> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn decompressed(mut page: Page) -> Result<Page> {
    match &mut page {
        Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
            *buf = plain_from(buf, 0)?;
        }
        Page::DataPageV2 { is_compressed: false, .. } => {}
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let levels = def_levels_byte_len.checked_add(*rep_levels_byte_len);
            let levels = levels.ok_or_else(|| damaged("it has too many levels"))?;
            *buf = plain_from(buf, levels as usize)?;
        }
    }
    Ok(page)
}

/// A page whose bytes from `at` on are a frame, or nothing.
fn plain_from(page: &Bytes, at: usize) -> Result<Bytes> {
    let (levels, frame) = page.split_at_checked(at).ok_or_else(|| damaged("its levels are cut"))?;
    if frame.is_empty() {
        return Ok(page.clone());
    }
    let length = get_frame_content_size(frame).ok().flatten();
    // Lengths of pages are 31 bits in their headers.
    let length = length.and_then(|length| i32::try_from(length).ok());
    let length = length.ok_or_else(|| damaged("its frame has no length"))? as usize;
    let mut plain = Vec::with_capacity(at + length);
    plain.extend_from_slice(levels);
    let mut plain = Cursor::new(plain);
    plain.set_position(at as u64);
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(frame, &mut plain)
    })?;
    let plain = plain.into_inner();
    if plain.len() != at + length {
        return Err(damaged("its frame is cut"));
    }
    Ok(plain.into())
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(format!("a page is damaged: {what}"))
}
