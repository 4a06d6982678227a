//! Fields onto the end of a message, for short answers.

/// A field with a varint.
pub(crate) fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

/// A field with text, bytes or a message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_key(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// What stands before the bytes of a field: number and length.
pub(crate) fn put_key(out: &mut Vec<u8>, number: u32, len: usize) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, len as u64);
}

/// Bytes that [`put_bytes`] takes for a field with a number below 16.
pub(crate) fn bytes_len(bytes: &[u8]) -> usize {
    let bits = usize::BITS - bytes.len().leading_zeros();
    1 + bits.div_ceil(7).max(1) as usize + bytes.len()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
