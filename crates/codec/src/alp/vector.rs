//! One vector of decimals.
//!
//! Responsible for the bytes of a vector as the head of [`super`] has them: which form and width it
//! gets, its exceptions, and its way back. Not responsible for blocks and exponents.

use std::mem::MaybeUninit;

use super::decimals::{EXCEPTION_BITS, Exponents, Factors, INTEGER_LIMIT, Scaled};
use super::kernels;
use super::scattered::Scattered;
use super::window::Window;
use crate::DecodeError;
use crate::codec::VECTOR_VALUES;
use crate::cursor::{take_array, take_slice};
use crate::lanes::pack::{pack, packed_len, unpack};
use crate::lanes::scan;

const FRAME: u8 = 0;
const DELTA: u8 = 1;

/// 53 bits hold the difference of two steps, each the difference of two integers below 2^51.
const WIDTH_MAX: u32 = 53;
/// Corrections are -128 to 127.
const ULP_WIDTH_MAX: u32 = 8;

/// Which forms a vector may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forms {
    Frame,
    FrameOrDelta,
}

/// Buffers of encoding that live as long as a block.
#[derive(Default)]
pub(super) struct Encoder {
    /// Of each value; that of the value before where there is none.
    integers: Vec<i64>,
    /// Of each value that is near its integer's float, 0 for the others.
    ulps: Vec<i64>,
    /// Whether integer and ulps give back the value.
    exact: Vec<bool>,
    ulp_window: Window,
    steps: Vec<i64>,
    body: Body,
}

/// What a form makes of a vector.
#[derive(Default)]
struct Body {
    form: u8,
    window: Window,
    before: i64,
    /// Integers or steps; those outside of the window count for nothing.
    packed: Vec<i64>,
    long_steps: Vec<(u16, i64)>,
    exceptions: Vec<u16>,
}

impl Encoder {
    /// Appends the vector.
    pub fn encode(
        &mut self,
        values: &[f64],
        exponents: Exponents,
        forms: Forms,
        out: &mut Vec<u8>,
    ) {
        self.scale(values, exponents);
        let frame = Window::best(&self.integers, EXCEPTION_BITS);
        self.body.frame(frame, &self.integers, &self.exact);
        if forms == Forms::FrameOrDelta {
            self.delta_if_smaller();
        }
        self.write(values, exponents, out);
    }

    fn scale(&mut self, values: &[f64], exponents: Exponents) {
        self.integers.clear();
        self.ulps.clear();
        self.exact.clear();
        for &value in values {
            let Scaled { integer, ulps, near } = exponents.scale(value);
            self.integers.push(integer);
            self.ulps.push(if near { ulps } else { 0 });
            self.exact.push(near);
        }
        self.ulp_window = match self.ulps.iter().all(|&ulps| ulps == 0) {
            true => Window::default(),
            false => Window::best(&self.ulps, EXCEPTION_BITS),
        };
        for (exact, &ulps) in self.exact.iter_mut().zip(&self.ulps) {
            *exact &= self.ulp_window.holds(ulps);
        }
        // An exception costs no width when it repeats a neighbour.
        let mut previous =
            self.exact.iter().position(|&exact| exact).map_or(0, |i| self.integers[i]);
        for (integer, &exact) in self.integers.iter_mut().zip(&self.exact) {
            if exact {
                previous = *integer;
            } else {
                *integer = previous;
            }
        }
    }

    fn write(&self, values: &[f64], exponents: Exponents, out: &mut Vec<u8>) {
        let Body { form, window, before, packed, long_steps, exceptions } = &self.body;
        let ulps = self.ulp_window;
        // Widths are at most 64, corrections 8 bits, counts no more than the 1,024 values.
        out.extend_from_slice(&[exponents.e, exponents.f, window.width as u8, *form]);
        out.extend_from_slice(&[ulps.width as u8, ulps.base as i8 as u8]);
        out.extend_from_slice(&(exceptions.len() as u16).to_le_bytes());
        out.extend_from_slice(&window.base.to_le_bytes());
        if *form == DELTA {
            out.extend_from_slice(&before.to_le_bytes());
            out.extend_from_slice(&(long_steps.len() as u16).to_le_bytes());
        }
        pack(packed, window.base, window.width, out);
        pack(&self.ulps, ulps.base, ulps.width, out);
        out.extend(long_steps.iter().flat_map(|(index, _)| index.to_le_bytes()));
        out.extend(long_steps.iter().flat_map(|(_, step)| step.to_le_bytes()));
        out.extend(exceptions.iter().flat_map(|index| index.to_le_bytes()));
        let bits = |&index: &u16| values[usize::from(index)].to_bits().to_le_bytes();
        out.extend(exceptions.iter().flat_map(bits));
    }

    fn delta_if_smaller(&mut self) {
        self.steps.clear();
        self.steps.extend(self.integers.windows(2).map(|pair| pair[1] - pair[0]));
        let window = Window::best(&self.steps, EXCEPTION_BITS);
        if window.width >= self.body.window.width {
            return;
        }
        let mut delta = Body::default();
        delta.delta(window, &self.integers, &self.exact);
        if delta.size() < self.body.size() {
            self.body = delta;
        }
    }
}

impl Body {
    fn frame(&mut self, window: Window, integers: &[i64], exact: &[bool]) {
        *self = Body { form: FRAME, window, packed: integers.to_vec(), ..Body::default() };
        for (index, (&integer, &exact)) in integers.iter().zip(exact).enumerate() {
            if !(exact && window.holds(integer)) {
                self.exceptions.push(index as u16);
            }
        }
    }

    /// A step outside of the window is a long step, except where the next value steps back: then the
    /// value is an exception and the sum stays.
    fn delta(&mut self, window: Window, integers: &[i64], exact: &[bool]) {
        // The step that exceptions and the first value take.
        let still = if window.holds(0) { 0 } else { window.base };
        let mut sum = integers[0] - still;
        *self = Body { form: DELTA, window, before: sum, ..Body::default() };
        for (index, &integer) in integers.iter().enumerate() {
            let step = integer - sum;
            let next_fits =
                integers.get(index + 1).is_some_and(|&next| window.holds(next - sum - still));
            if window.holds(step) {
                self.packed.push(step);
                sum = integer;
            } else if exact[index] && !next_fits {
                self.packed.push(window.base);
                self.long_steps.push((index as u16, step));
                sum = integer;
            } else {
                self.packed.push(still);
                sum += still;
            }
            if !exact[index] || sum != integer {
                self.exceptions.push(index as u16);
            }
        }
    }

    /// Bytes, but for those that both forms have.
    fn size(&self) -> usize {
        let before = if self.form == DELTA { 10 } else { 0 };
        let scattered = self.long_steps.len() + self.exceptions.len();
        before + packed_len(self.packed.len(), self.window.width) + 10 * scattered
    }
}

/// What stands before the offsets.
#[derive(Clone, Copy)]
struct Header {
    by: Factors,
    width: u32,
    ulp_width: u32,
    lowest_ulps: i8,
    exceptions: usize,
    base: i64,
    delta: Option<Delta>,
}

/// What only steps have.
#[derive(Clone, Copy)]
struct Delta {
    before: i64,
    long_steps: usize,
}

impl Header {
    fn take(source: &mut &[u8]) -> Result<Header, DecodeError> {
        let [e, f, width, form, ulp_width, lowest] = take_array(source, "ALP header")?;
        let exceptions = u16::from_le_bytes(take_array(source, "ALP header")?);
        let base = i64::from_le_bytes(take_array(source, "ALP base")?);
        let exponents = Exponents { e, f };
        let invalid = |what, found: u64| Err(DecodeError::Invalid { what, found });
        if !exponents.are_valid() {
            return invalid("ALP exponent", e.max(f).into());
        }
        if u32::from(width) > WIDTH_MAX || u32::from(ulp_width) > ULP_WIDTH_MAX {
            return invalid("ALP width", width.max(ulp_width).into());
        }
        let delta = match form {
            FRAME if base.unsigned_abs() >= INTEGER_LIMIT as u64 => {
                return invalid("ALP base", base.unsigned_abs());
            }
            FRAME => None,
            DELTA => {
                let before = i64::from_le_bytes(take_array(source, "ALP start")?);
                let long_steps = u16::from_le_bytes(take_array(source, "ALP long steps")?).into();
                Some(Delta { before, long_steps })
            }
            _ => return invalid("ALP form", form.into()),
        };
        Ok(Header {
            by: exponents.factors(),
            width: width.into(),
            ulp_width: ulp_width.into(),
            lowest_ulps: lowest as i8,
            exceptions: exceptions.into(),
            base,
            delta,
        })
    }
}

/// Appends the `k` values, 1 to 1,024, of the vector `bytes`.
///
/// # Errors
/// `Truncated` or `Invalid`, with `out` as it was.
pub(super) fn decode(mut bytes: &[u8], k: usize, out: &mut Vec<f64>) -> Result<(), DecodeError> {
    let source = &mut bytes;
    let header = Header::take(source)?;
    let packed = take_slice(source, packed_len(k, header.width), "ALP offsets")?;
    let ulps = take_slice(source, packed_len(k, header.ulp_width), "ALP corrections")?;
    let long_steps = Scattered::take(source, header.delta.map_or(0, |delta| delta.long_steps), k)?;
    let exceptions = Scattered::take(source, header.exceptions, k)?;
    let start = out.len();
    out.reserve(k);
    let slots = &mut out.spare_capacity_mut()[..k];
    match header.delta {
        None => decode_frame(packed, &header, slots)?,
        Some(Delta { before, .. }) => {
            let mut integers = unpacked(packed, k, header.base, header.width)?;
            long_steps.each(|index, step| integers[index] = i64::from_le_bytes(step));
            integers[0] = integers[0].wrapping_add(before);
            scan::running_sum(&mut integers);
            kernels::unscale(&integers, header.by, slots);
        }
    }
    // SAFETY: both ways have written all `k` slots. Zeros first would cost a fifth of the time.
    unsafe { out.set_len(start + k) };
    let values = &mut out[start..];
    if header.ulp_width > 0 || header.lowest_ulps != 0 {
        kernels::correct(values, &unpacked(ulps, k, header.lowest_ulps.into(), header.ulp_width)?);
    }
    exceptions.each(|index, bits| values[index] = f64::from_le_bytes(bits));
    Ok(())
}

/// Writes all `slots`.
fn decode_frame(
    packed: &[u8],
    header: &Header,
    slots: &mut [MaybeUninit<f64>],
) -> Result<(), DecodeError> {
    let Header { by, width, base, .. } = *header;
    match <&mut [MaybeUninit<f64>; VECTOR_VALUES]>::try_from(&mut *slots) {
        Ok(whole) if width > 0 => kernels::decode_frame(packed, width, base, by, whole),
        _ => kernels::unscale(&unpacked(packed, slots.len(), base, width)?, by, slots),
    }
    Ok(())
}

/// `base + offset` of `k` packed offsets.
fn unpacked(mut packed: &[u8], k: usize, base: i64, width: u32) -> Result<Vec<i64>, DecodeError> {
    let mut integers = Vec::with_capacity(k);
    unpack(&mut packed, k, base, width, &mut integers)?;
    Ok(integers)
}
