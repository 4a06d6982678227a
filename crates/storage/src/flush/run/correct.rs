//! Corrections that have found their rows → the manifest.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pulsora_model::{Code, Error, SegmentId};

use super::Flusher;
use crate::correction::run::below;
use crate::correction::{Change, Erasure, Resolved};
use crate::engine::Receipt;
use crate::flush::output::discard;
use crate::manifest::{Bitmap, Edit};
use crate::read::Published;
use crate::segment::{Segment, SegmentMeta};

/// What becomes of a correction at the moment of its commit.
enum Turn {
    Commit,
    /// It looked at other segments than those that there are.
    Again,
    Refuse(Error),
}

impl Flusher {
    /// Commits a correction, and answers it.
    pub(super) fn commit_correction(&mut self, resolved: Resolved) {
        let published = self.shared.published.load_full();
        match self.turn(&resolved, &published) {
            Turn::Commit => {}
            Turn::Again => {
                discard(&*self.shared.store, &resolved.added, &[]);
                return self.shared.corrections.again(resolved.job);
            }
            Turn::Refuse(error) => {
                discard(&*self.shared.store, &resolved.added, &[]);
                return self.shared.corrections.finish(resolved.job, Err(error));
            }
        }
        let Resolved { job, looked_at, rows, bitmaps, removed, added } = resolved;
        let segments = published.version.table(job.table);
        let bitmaps = with_earlier(bitmaps, segments);
        let edit = Edit { last: published.visible, bitmaps, removed, added, ..Edit::default() };
        let touched = touched(&edit, &looked_at, segments);
        let changes =
            !edit.bitmaps.is_empty() || !edit.removed.is_empty() || !edit.added.is_empty();
        if changes && let Err(error) = self.commit(&edit, &[]) {
            match self.shared.flush_failed(&error) {
                // There is room again.
                true => self.shared.corrections.again(job),
                false => self.shared.corrections.finish(job, Err(error)),
            }
            return;
        }
        let receipt = Receipt { sequence: job.sequence, rows, changed: rows > 0, duplicate: false };
        let Some(log_through) = job.log_through else {
            return self.shared.corrections.finish(job, Ok(receipt));
        };
        // Behind the edit: a rewrite that knows of this one has not read what it took.
        let number = self.shared.counters.erasures.fetch_add(1, Ordering::AcqRel) + 1;
        self.shared.corrections.finish_later(job, |job| {
            Erasure::new((job.table, number), touched.iter(), log_through, receipt, job.reply)
        });
    }

    fn turn(&self, resolved: &Resolved, published: &Published) -> Turn {
        let Resolved { job, looked_at, .. } = resolved;
        if self.shared.closing.load(Ordering::Acquire) {
            return Turn::Refuse(Error::new(Code::Closed, "the server is shutting down"));
        }
        let Some(schema) = published.catalog.table_by_id(job.table) else {
            let why = "the table was dropped meanwhile";
            return Turn::Refuse(Error::new(Code::TableNotFound, why));
        };
        // A rewrite that was under way when it claimed its table, or retention, may have come first.
        if !job.is_flushed(published) || below(published, job) != *looked_at {
            return Turn::Again;
        }
        // Values that were made for another type might not fit it.
        if matches!(job.change, Change::Replace(_)) && !schema.has_types_of(&job.schema) {
            let why = "a column has taken another type meanwhile";
            return Turn::Refuse(Error::new(Code::SchemaMoved, why).hint("send the request again"));
        }
        Turn::Commit
    }
}

/// Bitmaps with the rows that have gone since as well; none of segments that have.
fn with_earlier(bitmaps: Vec<Bitmap>, segments: &[Segment]) -> Vec<Bitmap> {
    let find = |id: SegmentId| segments.iter().find(|segment| segment.meta.id == id);
    let bitmaps = bitmaps.into_iter().filter_map(|bitmap| {
        let known = find(bitmap.segment)?.deleted.as_deref();
        let rows = known.map_or_else(|| (*bitmap.rows).clone(), |known| known | &*bitmap.rows);
        Some(Bitmap { segment: bitmap.segment, rows: Arc::new(rows) })
    });
    bitmaps.collect()
}

/// The segments whose bytes an erasure has to wait for: those that it took rows from, and what earlier deletes
/// and changes have left behind.
fn touched(edit: &Edit, looked_at: &[SegmentId], segments: &[Segment]) -> Vec<Arc<SegmentMeta>> {
    let is_touched = |segment: &&Segment| {
        edit.removed.contains(&segment.meta.id)
            || edit.bitmaps.iter().any(|bitmap| bitmap.segment == segment.meta.id)
            || segment.deleted.is_some() && looked_at.contains(&segment.meta.id)
    };
    segments.iter().filter(is_touched).map(|segment| Arc::clone(&segment.meta)).collect()
}
