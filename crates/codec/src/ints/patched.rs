//! Numbers of one width in lanes, with outliers set aside: `for`, `delta` and `delta-of-delta`.
//!
//! What is packed of a vector are its values (order 0), the differences of neighbours (order 1), or
//! the differences of those (order 2), after a common factor of the block is taken out ([`super::factor`]).
//! A vector of order 1 keeps its first value beside them, one of order 2 also its first difference.
//! Numbers outside of the window ([`super::window`]) are exceptions: in their place the low bits are packed,
//! and position and number follow the packed ones.
//!
//! | part | bytes |
//! |---|---|
//! | scale | see [`Scale`]: the factor, and the origin if there is one |
//! | directory | see [`super::directory`]; columns below |
//! | vectors | one after the other, see below |
//!
//! Columns of the directory: 0 end of the vector's bytes, from the start of the first vector; 1 reference;
//! 2 width; 3 exceptions; 4 reference of the exceptions; 5 width of the exceptions; with order 1 or 2 also 6
//! first value; with order 2 also 7 first difference.
//!
//! | part of a vector of `m` values | bytes |
//! |---|---|
//! | `m` numbers less the reference, at the width | a whole vector in lanes ([`crate::lanes::pack`]), 128 for each bit of the width; a shorter one bit-packed ([`crate::bitpack`]) |
//! | positions of the exceptions, ascending, at 10 bits | bit-packed |
//! | exceptions less their reference, at their width | bit-packed |
//!
//! The numbers in the places of first value and first difference mean nothing.

use std::ops::Range;

use super::directory::{self, Directory, Entry};
use super::factor::Scale;
use super::window::{POSITION_BITS, Window};
use crate::codec::{CodecId, Speed, VECTOR_VALUES};
use crate::lanes::{pack, scan};
use crate::typed::IntegerCodec;
use crate::{DecodeError, bitpack};

#[cfg(test)]
mod tests;

const REFERENCE: usize = 1;
const WIDTH: usize = 2;
const EXCEPTIONS: usize = 3;
const EXCEPTION_REFERENCE: usize = 4;
const EXCEPTION_WIDTH: usize = 5;
/// The columns from here on are the values and differences that are not packed, one for each order.
const FIRST: usize = 6;

/// Exceptions that are unpacked at a time; of each width, as many are whole bytes.
const STEP: usize = 64;

/// `for`: values from a reference.
pub(crate) struct FrameOfReference;

/// `delta`: differences of neighbours.
pub(crate) struct Delta;

/// `delta-of-delta`: differences of differences.
pub(crate) struct DeltaOfDelta;

/// The three differ in the order alone.
macro_rules! patched {
    ($codec:ident, $id:literal, $name:literal, $order:literal) => {
        impl IntegerCodec for $codec {
            const ID: CodecId = CodecId($id);
            const NAME: &'static str = $name;
            const SPEED: Speed = Speed::Hot;

            fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
                encode::<$order>(values, out);
                true
            }

            fn decode(
                bytes: &[u8],
                n: usize,
                range: Range<usize>,
                out: &mut Vec<i64>,
            ) -> Result<(), DecodeError> {
                decode::<$order>(bytes, n, range, out)
            }
        }
    };
}

patched!(FrameOfReference, 0x0104, "for", 0);
patched!(Delta, 0x0105, "delta", 1);
patched!(DeltaOfDelta, 0x0106, "delta-of-delta", 2);

fn encode<const ORDER: usize>(values: &[i64], out: &mut Vec<u8>) {
    let scale = Scale::of(values);
    scale.encode(out);
    let mut numbers = Vec::with_capacity(VECTOR_VALUES);
    let mut entries = Vec::with_capacity(values.len().div_ceil(VECTOR_VALUES));
    let mut scratch = Exceptions::default();
    let start = out.len();
    for values in values.chunks(VECTOR_VALUES) {
        numbers.clear();
        scale.divide(values, &mut numbers);
        let mut entry = [0; directory::COLUMNS_MAX];
        take_differences::<ORDER>(&mut numbers, &mut entry);
        encode_vector::<ORDER>(&mut numbers, &mut entry, &mut scratch, out);
        entry[directory::END] = (out.len() - start) as i64;
        entries.push(entry);
    }
    // The directory stands before the vectors, and is known after them.
    let end = out.len();
    directory::encode(&entries, FIRST + ORDER, out);
    let directory = out.len() - end;
    out[start..].rotate_right(directory);
}

/// Replaces values by their differences, as often as the order says. The first of each lot goes to the
/// entry; its place keeps a number without meaning.
fn take_differences<const ORDER: usize>(vector: &mut [i64], entry: &mut Entry) {
    let mut values = [0; VECTOR_VALUES];
    for order in 0..ORDER.min(vector.len()) {
        let rest = &mut vector[order..];
        entry[FIRST + order] = rest[0];
        let values = &mut values[..rest.len()];
        values.copy_from_slice(rest);
        scan::differences(values, &mut rest[1..]);
    }
}

/// The exceptions of one vector.
#[derive(Default)]
struct Exceptions {
    positions: Vec<u32>,
    numbers: Vec<i64>,
    offsets: Vec<u64>,
}

/// Appends the numbers of one vector and notes in the entry how.
fn encode_vector<const ORDER: usize>(
    vector: &mut [i64],
    entry: &mut Entry,
    scratch: &mut Exceptions,
    out: &mut Vec<u8>,
) {
    let (first, packed) = vector.split_at_mut(ORDER.min(vector.len()));
    let window = Window::of(packed);
    first.fill(window.reference);
    let Exceptions { positions, numbers, offsets } = scratch;
    positions.clear();
    numbers.clear();
    offsets.clear();
    set_aside(vector, window, positions, numbers);
    let around = Window::around(numbers);
    offsets.extend(numbers.iter().map(|number| number.wrapping_sub(around.reference) as u64));

    pack::pack(vector, window.reference, window.width, out);
    bitpack::pack_u32(positions, POSITION_BITS, out);
    bitpack::pack_u64(offsets, around.width, out);

    entry[REFERENCE] = window.reference;
    entry[WIDTH] = window.width.into();
    entry[EXCEPTIONS] = positions.len() as i64;
    entry[EXCEPTION_REFERENCE] = around.reference;
    entry[EXCEPTION_WIDTH] = around.width.into();
}

/// Moves the numbers outside of the window out of the vector.
fn set_aside(vector: &[i64], window: Window, positions: &mut Vec<u32>, numbers: &mut Vec<i64>) {
    for (group, sixteen) in vector.chunks(16).enumerate() {
        if sixteen.iter().all(|&number| window.holds(number)) {
            continue;
        }
        for (i, &number) in sixteen.iter().enumerate() {
            if !window.holds(number) {
                positions.push((group * 16 + i) as u32);
                numbers.push(number);
            }
        }
    }
}

fn decode<const ORDER: usize>(
    mut bytes: &[u8],
    n: usize,
    range: Range<usize>,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    let vector = range.start / VECTOR_VALUES;
    let source = &mut bytes;
    let scale = Scale::take(source)?;
    let directory = Directory::take(source, FIRST + ORDER, n.div_ceil(VECTOR_VALUES))?;
    let entry = directory.entry(vector);
    let mut source = directory.bytes_of(vector, source)?;

    let from = out.len();
    let width = bits(entry[WIDTH])?;
    if ORDER == 1 && width == 0 {
        decode_ramps(source, scale, &entry, range.len(), out)?;
        return Ok(());
    }
    pack::unpack(&mut source, range.len(), entry[REFERENCE], width, out)?;
    let values = &mut out[from..];
    let max = values.len();
    for_each_exception(source, &entry, max, |at, number| {
        let what = "position of an exception";
        *values.get_mut(at).ok_or(DecodeError::Invalid { what, found: at as u64 })? = number;
        Ok(())
    })?;
    for order in (0..ORDER.min(values.len())).rev() {
        values[order] = entry[FIRST + order];
        scan::running_sum(&mut values[order..]);
    }
    scale.multiply(values);
    Ok(())
}

/// Differences that are all equal but for the exceptions, as those of times are: between two exceptions
/// values rise evenly, which takes a third of the time of differences and their sums.
fn decode_ramps(
    source: &[u8],
    scale: Scale,
    entry: &Entry,
    n: usize,
    out: &mut Vec<i64>,
) -> Result<(), DecodeError> {
    let step = entry[REFERENCE].wrapping_mul(scale.factor);
    let mut value = scale.value(entry[FIRST]);
    // The first value has no difference; it starts the first ramp.
    let mut start = 0;
    for_each_exception(source, entry, n, |at, number| {
        if at <= start || at >= n {
            let what = "position of an exception";
            return Err(DecodeError::Invalid { what, found: at as u64 });
        }
        scan::ramp(value, step, at - start, out);
        let last = value.wrapping_add(step.wrapping_mul((at - start - 1) as i64));
        value = last.wrapping_add(number.wrapping_mul(scale.factor));
        start = at;
        Ok(())
    })?;
    scan::ramp(value, step, n - start, out);
    Ok(())
}

/// Takes the exceptions, at most `max`, which are all of `source`; `run` gets position and number.
#[inline(always)]
fn for_each_exception(
    mut source: &[u8],
    entry: &Entry,
    max: usize,
    mut run: impl FnMut(usize, i64) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let found = entry[EXCEPTIONS];
    let count =
        usize::try_from(found).ok().filter(|&count| count <= max).ok_or(DecodeError::TooLarge {
            what: "exceptions of a vector",
            found: found as u64,
            max: max as u64,
        })?;
    let width = bits(entry[EXCEPTION_WIDTH])?;
    let reference = entry[EXCEPTION_REFERENCE];
    let mut positions = bitpack::take_packed(&mut source, count, POSITION_BITS, 64)?;
    let mut offsets = bitpack::take_packed(&mut source, count, width, 64)?;
    if !source.is_empty() {
        let found = source.len() as u64;
        return Err(DecodeError::Invalid { what: "bytes after a vector", found });
    }
    let (mut at, mut number) = ([0usize; STEP], [0i64; STEP]);
    let mut left = count;
    while left > 0 {
        let step = left.min(STEP);
        let source = bitpack::take_packed(&mut positions, step, POSITION_BITS, 64)?;
        bitpack::unpack_with(source, POSITION_BITS, &mut at[..step], |at| at as usize);
        let source = bitpack::take_packed(&mut offsets, step, width, 64)?;
        let add = |offset: u64| reference.wrapping_add(offset as i64);
        bitpack::unpack_with(source, width, &mut number[..step], add);
        for (&at, &number) in at[..step].iter().zip(&number) {
            run(at, number)?;
        }
        left -= step;
    }
    Ok(())
}

/// A width in bits as it stands in a directory.
fn bits(number: i64) -> Result<u32, DecodeError> {
    match u32::try_from(number) {
        Ok(width) if width <= 64 => Ok(width),
        _ => Err(DecodeError::Invalid { what: "bit width", found: number as u64 }),
    }
}
