//! Native histograms of both versions.
//!
//! Invariants: the buckets are those that the spans say, no more and no fewer; what a span claims costs
//! nothing until a count stands for it.

use crate::exponential::{Buckets, Count, Exponential};
use crate::protobuf::{ProtobufError, ProtobufReader, Value, zigzag};

type Result<T, E = ProtobufError> = std::result::Result<T, E>;

/// A histogram, and its time in milliseconds.
///
/// # Errors
/// When it is not well formed. The inner error is a histogram that can be read but makes no sense.
pub(super) fn read(message: &[u8]) -> Result<Result<(Exponential, i64), &'static str>> {
    let mut histogram = Exponential::default();
    let (mut negative, mut positive) = (Side::default(), Side::default());
    let mut time_ms = 0;
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        let value = field.value;
        match field.number {
            1 => histogram.count = Some(Count::Whole(value.varint()?)),
            2 => histogram.count = Some(Count::Float(value.double()?)),
            3 => histogram.sum = Some(value.double()?),
            4 => histogram.schema = value.sint32()?,
            5 => histogram.zero_threshold = value.double()?,
            6 => histogram.zero_count = Some(Count::Whole(value.varint()?)),
            7 => histogram.zero_count = Some(Count::Float(value.double()?)),
            8..=10 => negative.add(field.number - 8, value)?,
            11..=13 => positive.add(field.number - 11, value)?,
            15 => time_ms = value.varint()? as i64,
            16 => {
                value.each_fixed64(|bits| histogram.custom_values.push(f64::from_bits(bits)))?;
            }
            _ => {}
        }
    }
    // Zero is not sent.
    histogram.sum.get_or_insert(0.0);
    Ok(negative.into_buckets().and_then(|negative| {
        histogram.negative = negative;
        histogram.positive = positive.into_buckets()?;
        Ok((histogram, time_ms))
    }))
}

/// The buckets on one side of zero as they are sent.
#[derive(Default)]
struct Side {
    /// Gap before the span, and number of its buckets.
    spans: Vec<(i32, u32)>,
    /// Count minus that of the bucket before.
    deltas: Vec<i64>,
    /// Counts of a float histogram.
    counts: Vec<f64>,
}

impl Side {
    fn add(&mut self, part: u32, value: Value<'_>) -> Result<()> {
        match part {
            0 => self.spans.push(span(value.bytes()?)?),
            1 => value.each_varint(|delta| self.deltas.push(zigzag(delta)))?,
            _ => value.each_fixed64(|bits| self.counts.push(f64::from_bits(bits)))?,
        }
        Ok(())
    }

    fn into_buckets(self) -> Result<Buckets, &'static str> {
        let spans: u64 = self.spans.iter().map(|(_, len)| u64::from(*len)).sum();
        let given = self.deltas.len().max(self.counts.len());
        if spans != given as u64 || (!self.deltas.is_empty() && !self.counts.is_empty()) {
            return Err("the histogram's spans and buckets do not fit each other");
        }
        let mut buckets = Buckets::default();
        let (mut index, mut at, mut count) = (0_i64, 0, 0_i64);
        for (gap, len) in self.spans {
            index += i64::from(gap);
            for _ in 0..len {
                let value = match self.deltas.get(at) {
                    None => Count::Float(self.counts[at]),
                    Some(delta) => {
                        count = count.checked_add(*delta).ok_or("a bucket's count is too large")?;
                        let whole = u64::try_from(count);
                        Count::Whole(whole.map_err(|_| "a bucket's count is negative")?)
                    }
                };
                buckets.push(index, value);
                index += 1;
                at += 1;
            }
        }
        Ok(buckets)
    }
}

fn span(message: &[u8]) -> Result<(i32, u32)> {
    let mut span = (0, 0);
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => span.0 = field.value.sint32()?,
            2 => span.1 = field.value.varint()? as u32,
            _ => {}
        }
    }
    Ok(span)
}
