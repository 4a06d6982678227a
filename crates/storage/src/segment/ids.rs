//! The (row id → row number) index of a segment: sorted blocks behind a filter, so that an id that
//! is not there costs one cache line.
//!
//! Object, little-endian:
//!
//! | offset | bytes | meaning |
//! |---|---|---|
//! | 0 | 8 | `PULSIDS1` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | epoch of the segment |
//! | 16 | 4 | counter of the segment |
//! | 20 | 4 | number of ids `n`, at least 1 |
//! | 24 | 8 | smallest id |
//! | 32 | 8 | largest id |
//! | 40 | 8 | length of the payload |
//! | 48 | 4 | CRC32C of the payload |
//! | 52 | 4 | CRC32C of bytes 0 to 51 |
//! | 56 | 4 | filter blocks `f`; 0 when the ids have no gaps |
//! | 60 | 32 `f` | filter blocks of eight u32 |
//! | | 12 `ceil(n / 1024)` | directory: first id of the block (8), its offset in the blocks (4) |
//! | | | blocks of 1,024 ids: the ids ascending, then their row numbers, both by `codec::integers` |
//!
//! The payload starts at 56. The filter is a split-block Bloom filter of about ten bits per id (two
//! in a hundred absent ids pass): the upper half of the mixed id chooses the block, the lower half
//! times eight odd constants one bit of each of its words.
//!
//! Invariants: ids are distinct and ascend over all blocks; a parsed index has passed its checksums.

use bytes::Bytes;
use pulsora_codec::{DecodeError, integers};
use pulsora_model::{Error, Result, SegmentId};

const MAGIC: &[u8; 8] = b"PULSIDS1";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 56;

/// Ids of one block; one block is decoded per lookup (about a microsecond).
const BLOCK_IDS: usize = 1024;
const DIRECTORY_ENTRY_BYTES: usize = 12;
const FILTER_BLOCK_BYTES: usize = 32;
/// 256 bits of a block at ten bits per id.
const IDS_PER_FILTER_BLOCK: usize = 25;

/// Odd constants, one per word of a filter block (the fractional digits of square roots of primes).
const SALTS: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f373,
    0xa54f_f53b,
    0x510e_527f,
    0x9b05_688d,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A parsed index.
pub(crate) struct IdIndex {
    count: usize,
    min_id: u64,
    max_id: u64,
    filter: Bytes,
    /// First id of each block and where the block starts in `blocks`.
    directory: Vec<(u64, u32)>,
    blocks: Bytes,
}

/// The index of a segment whose row `i` has the id `ids[i]`.
///
/// # Panics
/// Without ids or with more than u32::MAX of them: a segment has neither.
pub(crate) fn encode(segment: SegmentId, ids: &[u64]) -> Vec<u8> {
    let count = u32::try_from(ids.len()).expect("a segment has fewer rows than u32::MAX");
    assert!(count > 0, "a segment has at least one row");
    let mut pairs: Vec<(u64, u32)> = ids.iter().copied().zip(0..count).collect();
    pairs.sort_unstable();
    debug_assert!(pairs.is_sorted_by(|a, b| a.0 < b.0), "ids of one segment are distinct");
    let (min_id, max_id) = (pairs[0].0, pairs[pairs.len() - 1].0);

    let mut payload = Vec::new();
    encode_filter(&pairs, max_id - min_id == u64::from(count - 1), &mut payload);
    encode_blocks(&pairs, &mut payload);

    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(MAGIC);
    for word in [VERSION, segment.epoch, segment.counter, count] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for word in [min_id, max_id, payload.len() as u64] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    let header_crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&header_crc.to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

fn encode_filter(pairs: &[(u64, u32)], dense: bool, out: &mut Vec<u8>) {
    let count = if dense { 0 } else { pairs.len().div_ceil(IDS_PER_FILTER_BLOCK) };
    let mut blocks = vec![[0u32; 8]; count];
    for (id, _) in pairs.iter().filter(|_| !dense) {
        let (block, bits) = filter_place(*id, count);
        for (word, bit) in blocks[block].iter_mut().zip(bits) {
            *word |= bit;
        }
    }
    out.extend_from_slice(&(count as u32).to_le_bytes());
    for word in blocks.as_flattened() {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn encode_blocks(pairs: &[(u64, u32)], out: &mut Vec<u8>) {
    let mut blocks = Vec::new();
    for block in pairs.chunks(BLOCK_IDS) {
        out.extend_from_slice(&block[0].0.to_le_bytes());
        out.extend_from_slice(&(blocks.len() as u32).to_le_bytes());
        let (ids, rows): (Vec<u64>, Vec<u32>) = block.iter().copied().unzip();
        integers::encode_u64(&ids, &mut blocks);
        integers::encode_u32(&rows, &mut blocks);
    }
    out.extend_from_slice(&blocks);
}

/// The filter block of an id and its bit in each of the eight words.
fn filter_place(id: u64, blocks: usize) -> (usize, [u32; 8]) {
    // The finaliser of splitmix64: every bit of the id reaches every bit of the result.
    let mut mixed = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let block = ((mixed >> 32) * blocks as u64) >> 32;
    (block as usize, SALTS.map(|salt| 1 << ((mixed as u32).wrapping_mul(salt) >> 27)))
}

impl IdIndex {
    /// Checks and opens the bytes of an index.
    ///
    /// # Errors
    /// `corrupt` when they are not what [`encode`] wrote.
    pub fn parse(bytes: Bytes) -> Result<IdIndex> {
        let corrupt = |what: &str| Error::corrupt(format!("row id index: {what}"));
        let header = bytes.get(..HEADER_BYTES).ok_or_else(|| corrupt("shorter than its header"))?;
        if &header[..8] != MAGIC {
            return Err(corrupt("not a row id index"));
        }
        if crc32c::crc32c(&header[..52]) != word(header, 52) {
            return Err(corrupt("the checksum of the header does not match"));
        }
        if word(header, 8) != VERSION {
            return Err(corrupt(&format!("version {} is not known", word(header, 8))));
        }
        let payload = bytes.slice(HEADER_BYTES..);
        if payload.len() as u64 != long(header, 40) || payload.len() < 4 {
            return Err(corrupt(&format!("the payload has {} bytes", payload.len())));
        }
        if crc32c::crc32c(&payload) != word(header, 48) {
            return Err(corrupt("the checksum of the payload does not match"));
        }
        let count = word(header, 20) as usize;
        let filter_bytes = (word(&payload, 0) as usize).saturating_mul(FILTER_BLOCK_BYTES);
        let directory_bytes = count.div_ceil(BLOCK_IDS) * DIRECTORY_ENTRY_BYTES;
        let blocks_at = 4usize.saturating_add(filter_bytes).saturating_add(directory_bytes);
        if count == 0 || payload.len() < blocks_at {
            return Err(corrupt("its parts do not fit into it"));
        }
        let directory = payload[4 + filter_bytes..blocks_at]
            .chunks_exact(DIRECTORY_ENTRY_BYTES)
            .map(|entry| (long(entry, 0), word(entry, 8)))
            .collect();
        Ok(IdIndex {
            count,
            min_id: long(header, 24),
            max_id: long(header, 32),
            filter: payload.slice(4..4 + filter_bytes),
            directory,
            blocks: payload.slice(blocks_at..),
        })
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        self.filter.len() + self.blocks.len() + self.directory.len() * size_of::<(u64, u32)>()
    }

    /// The row that has this id.
    ///
    /// # Errors
    /// `corrupt` when the block that may hold it cannot be decoded.
    pub fn lookup(&self, id: u64) -> Result<Option<u32>> {
        Ok(self.lookup_many(&[id])?.pop())
    }

    /// The rows that have one of `ids` (ascending), in the order of the ids.
    ///
    /// # Errors
    /// `corrupt` when a block that may hold one cannot be decoded.
    pub fn lookup_many(&self, ids: &[u64]) -> Result<Vec<u32>> {
        let from = ids.partition_point(|id| *id < self.min_id);
        let to = ids.partition_point(|id| *id <= self.max_id);
        let mut found = Vec::new();
        let mut open: Option<(usize, Vec<u64>, Vec<u32>)> = None;
        for id in &ids[from.min(to)..to] {
            if !self.may_hold(*id) {
                continue;
            }
            let after = self.directory.partition_point(|(first, _)| first <= id);
            let Some(block) = after.checked_sub(1) else { continue };
            let (_, block_ids, rows) = match open.take() {
                Some(same) if same.0 == block => open.insert(same),
                _ => open.insert(self.decode(block)?),
            };
            if let Ok(position) = block_ids.binary_search(id) {
                found.push(rows[position]);
            }
        }
        Ok(found)
    }

    fn may_hold(&self, id: u64) -> bool {
        if self.filter.is_empty() {
            return true;
        }
        let (block, bits) = filter_place(id, self.filter.len() / FILTER_BLOCK_BYTES);
        let block = &self.filter[block * FILTER_BLOCK_BYTES..][..FILTER_BLOCK_BYTES];
        bits.iter().enumerate().all(|(i, bit)| word(block, i * 4) & bit != 0)
    }

    fn decode(&self, block: usize) -> Result<(usize, Vec<u64>, Vec<u32>)> {
        let n = (self.count - block * BLOCK_IDS).min(BLOCK_IDS);
        let (mut ids, mut rows) = (Vec::new(), Vec::new());
        let mut source = self.blocks.get(self.directory[block].1 as usize..).unwrap_or_default();
        integers::decode_u64(&mut source, n, &mut ids)
            .and_then(|()| integers::decode_u32(&mut source, n, &mut rows))
            .map_err(|error: DecodeError| {
                Error::corrupt(format!("row id index, block {block}: {error}"))
            })?;
        Ok((block, ids, rows))
    }
}

/// The u32 at `at`, which the caller has checked to be inside.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The u64 at `at`, which the caller has checked to be inside.
fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}
