//! How much an LZ4 frame can unpack to, from its block headers alone.
//!
//! | offset | size | meaning (LZ4 frame format 1.6, little-endian) |
//! |---|---|---|
//! | 0 | 4 | magic `04 22 4d 18` |
//! | 4 | 1 | flags: bit 4 block checksums, bit 3 content size, bit 2 content checksum, bit 0 dictionary id |
//! | 5 | 1 | bits 4-6: block size class, 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB |
//! | 6 | 0 to 12 | content size (8), dictionary id (4), where flagged |
//! | … | 1 | header checksum |
//! | … | 4 + n | blocks: length (top bit: stored), bytes, checksum (4) where flagged; length 0 ends |

/// The most bytes that the frames in `input` unpack to; `None` when they are not whole frames.
pub(super) fn unpacked_max(input: &[u8]) -> Option<u64> {
    let mut rest = input;
    let mut total = 0u64;
    while !rest.is_empty() {
        let (bytes, tail) = frame(rest)?;
        total = total.checked_add(bytes)?;
        rest = tail;
    }
    Some(total)
}

fn frame(input: &[u8]) -> Option<(u64, &[u8])> {
    let rest = input.strip_prefix(&[0x04, 0x22, 0x4d, 0x18])?;
    let (flags, class) = (*rest.first()?, rest.get(1)? >> 4 & 7);
    let block_bytes = match class {
        4..=7 => 1u64 << (8 + 2 * u32::from(class)),
        _ => return None,
    };
    let flag = |bit: u8, bytes: usize| if flags & 1 << bit != 0 { bytes } else { 0 };
    let mut rest = rest.get(2 + flag(3, 8) + flag(0, 4) + 1..)?;
    let mut total = 0u64;
    loop {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*head) as usize & 0x7fff_ffff;
        if length == 0 {
            return Some((total, tail.get(flag(2, 4)..)?));
        }
        total += block_bytes;
        rest = tail.get(length + flag(4, 4)..)?;
    }
}
