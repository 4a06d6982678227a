//! Bytes of log files. All integers little-endian. Everything starts on a 4 KiB boundary.
//!
//! File header, page 0 (64 bytes used, the rest zero):
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | magic `PULSWAL1` |
//! | 8 | 8 | file number |
//! | 16 | 8 | salt: random, repeated in every group of the file |
//! | 24 | 8 | first group: every group before it lies in earlier files and was synced |
//! | 32 | 8 | wall clock at creation, nanoseconds |
//! | 40 | 4 | CRC32C of bytes 0 to 40 |
//!
//! Group: header (64 bytes), payload, zeros up to the next 4 KiB boundary:
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | magic `PULSGRP1` |
//! | 8 | 8 | salt of the file |
//! | 16 | 8 | group number, rising by one over all files |
//! | 24 | 8 | wall clock, nanoseconds |
//! | 32 | 8 | `synced_through`: number of the last group known to be on disk when this was written |
//! | 40 | 8 | sequence of the first record |
//! | 48 | 4 | records |
//! | 52 | 4 | length of the payload |
//! | 56 | 4 | CRC32C of the payload |
//! | 60 | 4 | CRC32C of bytes 0 to 60 |
//!
//! Payload: records, each `length u32, CRC32C u32, body` ([`super::record`]).

/// Groups and file headers start at multiples of this: the unit in which a disk tears.
pub(crate) const PAGE: u64 = 4096;
/// Bytes of a group's header.
pub(crate) const GROUP_HEADER: usize = 64;
/// Bytes of a file header that are used.
pub(crate) const FILE_HEADER: usize = 44;
/// Largest payload of a group: its length is a u32, and one group is read into memory whole.
pub(crate) const GROUP_PAYLOAD_MAX: usize = 1 << 30;

/// Files, groups and sequences count no further, so that numbers made of theirs never overflow: a billion
/// a second get there in 146 years.
pub(crate) const NUMBER_MAX: u64 = 1 << 62;

const FILE_MAGIC: &[u8; 8] = b"PULSWAL1";
const GROUP_MAGIC: &[u8; 8] = b"PULSGRP1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub number: u64,
    pub salt: u64,
    pub first_group: u64,
    pub created_ns: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub salt: u64,
    pub group: u64,
    pub wall_ns: i64,
    pub synced_through: u64,
    pub first_sequence: u64,
    pub records: u32,
    pub payload_len: u32,
    pub payload_crc: u32,
}

/// `value` rounded up to the next page.
pub(crate) fn page_up(value: u64) -> u64 {
    value.div_ceil(PAGE) * PAGE
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

impl FileHeader {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE as usize);
        out.extend_from_slice(FILE_MAGIC);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.first_group.to_le_bytes());
        out.extend_from_slice(&self.created_ns.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.resize(PAGE as usize, 0);
        out
    }

    /// `None` when the bytes are not a valid header.
    pub fn decode(bytes: &[u8]) -> Option<FileHeader> {
        if bytes.len() < FILE_HEADER || &bytes[..8] != FILE_MAGIC {
            return None;
        }
        let header = FileHeader {
            number: u64_at(bytes, 8),
            salt: u64_at(bytes, 16),
            first_group: u64_at(bytes, 24),
            created_ns: u64_at(bytes, 32) as i64,
        };
        let checks = crc32c::crc32c(&bytes[..40]) == u32_at(bytes, 40);
        (checks && (1..=NUMBER_MAX).contains(&header.first_group)).then_some(header)
    }
}

impl GroupHeader {
    pub fn encode(&self) -> [u8; GROUP_HEADER] {
        let mut out = [0; GROUP_HEADER];
        out[..8].copy_from_slice(GROUP_MAGIC);
        out[8..16].copy_from_slice(&self.salt.to_le_bytes());
        out[16..24].copy_from_slice(&self.group.to_le_bytes());
        out[24..32].copy_from_slice(&self.wall_ns.to_le_bytes());
        out[32..40].copy_from_slice(&self.synced_through.to_le_bytes());
        out[40..48].copy_from_slice(&self.first_sequence.to_le_bytes());
        out[48..52].copy_from_slice(&self.records.to_le_bytes());
        out[52..56].copy_from_slice(&self.payload_len.to_le_bytes());
        out[56..60].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` when the bytes are not a valid header.
    pub fn decode(bytes: &[u8]) -> Option<GroupHeader> {
        if bytes.len() < GROUP_HEADER || &bytes[..8] != GROUP_MAGIC {
            return None;
        }
        let header = GroupHeader {
            salt: u64_at(bytes, 8),
            group: u64_at(bytes, 16),
            wall_ns: u64_at(bytes, 24) as i64,
            synced_through: u64_at(bytes, 32),
            first_sequence: u64_at(bytes, 40),
            records: u32_at(bytes, 48),
            payload_len: u32_at(bytes, 52),
            payload_crc: u32_at(bytes, 56),
        };
        let checks = crc32c::crc32c(&bytes[..60]) == u32_at(bytes, 60);
        (checks && header.group <= NUMBER_MAX).then_some(header)
    }

    /// Bytes of the group on disk, padding included.
    pub fn disk_len(&self) -> u64 {
        page_up(GROUP_HEADER as u64 + u64::from(self.payload_len))
    }
}

/// Appends one framed record to a payload.
pub(crate) fn frame_record(body: &[u8], payload: &mut Vec<u8>) {
    payload.extend_from_slice(&(body.len() as u32).to_le_bytes());
    payload.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    payload.extend_from_slice(body);
}

/// Takes the next framed record; `None` when the bytes end or do not check.
pub(crate) fn take_record<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    if payload.len() < 8 {
        return None;
    }
    let (len, crc) = (u32_at(payload, 0) as usize, u32_at(payload, 4));
    let body = payload.get(8..8 + len)?;
    *payload = &payload[8 + len..];
    (crc32c::crc32c(body) == crc).then_some(body)
}

/// Makes every checksum of a log file fit the bytes that it covers, as far as their lengths make sense.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn reseal(file: &mut [u8]) {
    fn put(bytes: &mut [u8], at: usize, crc: u32) {
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
    if file.len() >= FILE_HEADER {
        let crc = crc32c::crc32c(&file[..40]);
        put(file, 40, crc);
    }
    for page in (PAGE as usize..file.len()).step_by(PAGE as usize) {
        let group = &mut file[page..];
        if group.len() < GROUP_HEADER || &group[..8] != GROUP_MAGIC {
            continue;
        }
        let (head, rest) = group.split_at_mut(GROUP_HEADER);
        let Some(payload) = rest.get_mut(..u32_at(head, 52) as usize) else { continue };
        let mut at = 0;
        while at + 8 <= payload.len() {
            let end = at + 8 + u32_at(payload, at) as usize;
            let Some(body) = payload.get(at + 8..end) else { break };
            let crc = crc32c::crc32c(body);
            put(payload, at + 4, crc);
            at = end;
        }
        put(head, 56, crc32c::crc32c(payload));
        let crc = crc32c::crc32c(&head[..60]);
        put(head, 60, crc);
    }
}
