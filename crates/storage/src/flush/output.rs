//! Segments on their way to the store, in the format that they shall have.
//!
//! Small hot segments of one flush wait for each other and share an object: one sync instead of one
//! each.
//!
//! Invariants: what [`Output::finish`] gives is durable; objects of an output that is dropped before are
//! removed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use pulsora_codec::Level;
use pulsora_env::Store;
use pulsora_model::{Error, Name, Result, TableSchema};

use crate::engine::Options;
use crate::segment::{
    HotDraft, HotOptions, HotWriter, Layout, SegmentDraft, SegmentFormat, SegmentMeta,
    SegmentWriter, bundle_object, hot_object, place,
};

/// A hot segment from this size on has an object of its own: it is worth a sync (about as long as
/// writing 1 MiB), and can be removed alone.
const ALONE_BYTES: usize = 1 << 20;

/// Small segments are written together when they are this large together: bounds their memory.
const SHARED_BYTES: usize = 16 << 20;

/// A segment that is being written.
pub(crate) enum OpenSegment<'a> {
    Hot(Box<HotWriter<'a>>),
    Parquet(Box<SegmentWriter<'a>>),
}

impl<'a> OpenSegment<'a> {
    /// Starts one.
    ///
    /// # Errors
    /// `internal` when the schema cannot be written in this format.
    pub fn new(
        draft: SegmentDraft<'a>,
        format: SegmentFormat,
        options: &Options,
        store: &'a dyn Store,
    ) -> Result<OpenSegment<'a>> {
        match format {
            SegmentFormat::Parquet => {
                let layout = Layout::of_objects(options.compaction.target_file_bytes);
                Ok(OpenSegment::Parquet(Box::new(SegmentWriter::new(draft, layout, store)?)))
            }
            SegmentFormat::Hot => {
                let options = hot_options(draft.schema, options);
                Ok(OpenSegment::Hot(Box::new(HotWriter::new(draft, options))))
            }
        }
    }

    /// Adds rows that follow all earlier ones in (tags, time) order.
    ///
    /// # Errors
    /// `internal` when a column cannot be stored in the table's type.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            OpenSegment::Hot(writer) => writer.write(batch),
            OpenSegment::Parquet(writer) => writer.write(batch),
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        match self {
            OpenSegment::Hot(writer) => writer.rows(),
            OpenSegment::Parquet(writer) => writer.rows(),
        }
    }

    /// Bytes of the segment so far, about.
    pub fn size_bytes(&self) -> usize {
        match self {
            OpenSegment::Hot(writer) => writer.size_bytes(),
            OpenSegment::Parquet(writer) => writer.size_bytes(),
        }
    }
}

/// How hot segments of a table are encoded.
pub(super) fn hot_options(schema: &TableSchema, options: &Options) -> HotOptions {
    HotOptions {
        codecs: Arc::clone(&options.codecs),
        level: Level::Hot,
        forced: schema.codec.as_ref().map(|codec| codec.to_string()),
        ..HotOptions::default()
    }
}

/// The segments of one edit.
pub(crate) struct Output<'a> {
    store: &'a dyn Store,
    /// Small hot segments, each with the name that it has if it stays alone.
    small: Vec<(String, HotDraft)>,
    small_bytes: usize,
    added: Vec<Arc<SegmentMeta>>,
}

impl<'a> Output<'a> {
    /// Segments for `store`.
    pub fn new(store: &'a dyn Store) -> Output<'a> {
        Output { store, small: Vec::new(), small_bytes: 0, added: Vec::new() }
    }

    /// Ends a segment; without rows it is nothing.
    ///
    /// # Errors
    /// `disk_full` or `io_error` from the store.
    pub fn add(
        &mut self,
        segment: OpenSegment<'_>,
        database: &Name,
        schema: &TableSchema,
    ) -> Result<()> {
        let writer = match segment {
            OpenSegment::Hot(writer) => writer,
            OpenSegment::Parquet(writer) => {
                self.added.extend(writer.finish()?.map(Arc::new));
                return Ok(());
            }
        };
        let Some(draft) = writer.finish()? else { return Ok(()) };
        let object = hot_object(database, schema, draft.meta.id);
        if draft.bytes.len() >= ALONE_BYTES {
            return self.put(vec![draft], &object);
        }
        self.small_bytes += draft.bytes.len();
        self.small.push((object, draft));
        if self.small_bytes >= SHARED_BYTES { self.put_small() } else { Ok(()) }
    }

    /// Those that are finished.
    pub fn added(&self) -> &[Arc<SegmentMeta>] {
        &self.added
    }

    /// All of them.
    ///
    /// # Errors
    /// `disk_full` or `io_error` from the store.
    pub fn finish(mut self) -> Result<Vec<Arc<SegmentMeta>>> {
        self.put_small()?;
        Ok(std::mem::take(&mut self.added))
    }

    fn put_small(&mut self) -> Result<()> {
        let (objects, drafts): (Vec<String>, Vec<HotDraft>) =
            std::mem::take(&mut self.small).into_iter().unzip();
        self.small_bytes = 0;
        match (&objects[..], &drafts[..]) {
            ([], _) | (_, []) => Ok(()),
            ([object], _) => self.put(drafts, object),
            (_, [first, ..]) => {
                let object = bundle_object(first.meta.id);
                self.put(drafts, &object)
            }
        }
    }

    fn put(&mut self, drafts: Vec<HotDraft>, object: &str) -> Result<()> {
        let (bytes, metas) = place(drafts, object);
        if let Err(error) = self.store.put_if_absent(object, &bytes) {
            // Its name is of this try alone. After most errors there is nothing to remove.
            let _absent = self.store.delete(object);
            return Err(Error::io(format!("write segment object {object:?}"), error));
        }
        self.added.extend(metas.into_iter().map(Arc::new));
        Ok(())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        discard(self.store, &self.added, &[]);
    }
}

/// Removes the objects of `gone`, which no edit will name, except those that hold one of `kept`.
pub(crate) fn discard(store: &dyn Store, gone: &[Arc<SegmentMeta>], kept: &[Arc<SegmentMeta>]) {
    let mut objects: Vec<&str> = gone.iter().flat_map(|meta| meta.objects()).collect();
    objects.sort_unstable();
    objects.dedup();
    objects.retain(|object| !kept.iter().any(|meta| meta.objects().any(|other| other == *object)));
    for object in objects {
        if let Err(error) = store.delete(object) {
            tracing::warn!(object, %error, "an unused object could not be removed; the next start removes it");
        }
    }
}
