//! Walks the messages of a stream and checks every length and type in them, before anything is
//! decoded.
//!
//! After it: a schema of readable types comes first and only once; buffers lie inside their body;
//! the bodies of compressed batches unpack to a bounded number of bytes; all messages are whole.

use arrow::ipc;
use pulsora_model::{Code, Error, Result};

use super::lz4::unpacked_max;
use crate::rows::plain::refuse;

/// Rows that a batch may have beyond one per bit of its buffers: columns of nulls have none.
const ROWS_ALWAYS: u64 = 1 << 16;

/// Bytes that the compressed buffers of one body may unpack to: 64 MiB, or sixteen times the body.
fn unpacked_limit(body: &[u8]) -> u64 {
    (64 << 20).max(body.len() as u64 * 16)
}

pub(super) fn malformed(message: impl std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("the body is not an Arrow IPC stream: {message}"))
        .hint("send a whole stream (not a file), as pyarrow.ipc.new_stream writes it")
}

/// Whether a stream said that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Marked,
    Open,
}

/// Checks a whole stream and says how it ends.
///
/// # Errors
/// `malformed_body`, `type_conflict` for a column type that is not read, `body_too_large`.
pub(super) fn check(body: &[u8]) -> Result<End> {
    let mut walk = Walk { views: None, room: unpacked_limit(body) };
    let mut rest = body;
    while let Some((message, tail)) = next_message(rest)? {
        let length = usize::try_from(message.bodyLength()).ok();
        let (data, tail) = length
            .and_then(|length| tail.split_at_checked(length))
            .ok_or_else(|| malformed("it ends in the middle of a message"))?;
        walk.message(message, data)?;
        rest = tail;
    }
    match walk.views {
        Some(_) if rest.is_empty() => Ok(End::Open),
        Some(_) => Ok(End::Marked),
        None => Err(malformed("it has no schema")),
    }
}

/// The next message and what follows its metadata; `None` at the end.
fn next_message(body: &[u8]) -> Result<Option<(ipc::Message<'_>, &[u8])>> {
    let truncated = || malformed("it ends in the middle of a message");
    let mut rest = body;
    if rest.is_empty() {
        return Ok(None);
    }
    rest = rest.strip_prefix(&[0xff; 4]).unwrap_or(rest);
    let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 {
        return match tail {
            [] => Ok(None),
            _ => Err(malformed("bytes follow its end")),
        };
    }
    let (metadata, tail) = tail.split_at_checked(length).ok_or_else(truncated)?;
    let message =
        ipc::root_as_message(metadata).map_err(|_| malformed("a message has broken metadata"))?;
    Ok(Some((message, tail)))
}

struct Walk {
    /// Columns of text views, of which batches count the buffers; `None` before the schema.
    views: Option<usize>,
    room: u64,
}

impl Walk {
    fn message(&mut self, message: ipc::Message<'_>, data: &[u8]) -> Result<()> {
        let broken = || malformed("a message has no content");
        match (message.header_type(), self.views) {
            (ipc::MessageHeader::Schema, None) => {
                self.views = Some(schema(message.header_as_schema().ok_or_else(broken)?)?);
                Ok(())
            }
            (ipc::MessageHeader::RecordBatch, Some(views)) => {
                let batch = message.header_as_record_batch().ok_or_else(broken)?;
                self.batch(batch, data, Some(views))
            }
            (ipc::MessageHeader::DictionaryBatch, Some(_)) => {
                let batch = message.header_as_dictionary_batch().ok_or_else(broken)?;
                self.batch(batch.data().ok_or_else(broken)?, data, None)
            }
            _ => Err(malformed("its messages are not a schema and then batches")),
        }
    }

    fn batch(
        &mut self,
        batch: ipc::RecordBatch<'_>,
        data: &[u8],
        views: Option<usize>,
    ) -> Result<()> {
        let broken = || malformed("a batch has lengths that do not fit");
        let rows = u64::try_from(batch.length()).map_err(|_| broken())?;
        for node in batch.nodes().ok_or_else(broken)? {
            let nulls = u64::try_from(node.null_count()).map_err(|_| broken())?;
            if node.length() != batch.length() || nulls > rows {
                return Err(broken());
            }
        }
        let room = self.room;
        let mut bytes = 0u64;
        let codec = batch.compression().map(|compression| compression.codec());
        let buffers = batch.buffers().ok_or_else(broken)?;
        for buffer in buffers {
            let start = usize::try_from(buffer.offset()).map_err(|_| broken())?;
            let length = usize::try_from(buffer.length()).map_err(|_| broken())?;
            let end = start.checked_add(length).ok_or_else(broken)?;
            let content = data.get(start..end).ok_or_else(broken)?;
            bytes += content.len() as u64;
            if let Some(codec) = codec {
                self.unpacked(codec, content)?;
            }
        }
        // Each row is held as more than a bit in what follows, also where it has none here.
        if rows > ROWS_ALWAYS + (bytes + room - self.room).saturating_mul(8) {
            return Err(broken());
        }
        let counts: Vec<i64> = batch.variadicBufferCounts().into_iter().flatten().collect();
        let fits = counts.iter().all(|count| (0..=buffers.len() as i64).contains(count));
        let expected =
            views.is_none_or(|views| counts.len() == views) && counts.len() <= buffers.len();
        if fits && expected { Ok(()) } else { Err(broken()) }
    }

    /// Takes what a compressed buffer unpacks to from the room that is left. Its first 8 bytes are
    /// the unpacked length, -1 when it is not compressed.
    fn unpacked(&mut self, codec: ipc::CompressionType, buffer: &[u8]) -> Result<()> {
        let Some((length, content)) = buffer.split_first_chunk::<8>() else {
            return Ok(());
        };
        let length = match i64::from_le_bytes(*length) {
            -1 => return Ok(()),
            length => u64::try_from(length).map_err(|_| malformed("a buffer has no length"))?,
        };
        let most = match codec {
            ipc::CompressionType::LZ4_FRAME if length > 0 => unpacked_max(content)
                .ok_or_else(|| malformed("a compressed buffer is broken"))?
                .max(length),
            _ => length,
        };
        self.room = self.room.checked_sub(most).ok_or_else(|| {
            Error::new(Code::BodyTooLarge, "the compressed buffers of the body unpack to too much")
                .hint("send fewer rows in one request, or without compression")
        })?;
        Ok(())
    }
}

/// Checks that every column can be read; the number of text view columns.
fn schema(schema: ipc::Schema<'_>) -> Result<usize> {
    if schema.endianness() != ipc::Endianness::Little {
        return Err(malformed("it is big-endian"));
    }
    let fields = schema.fields().ok_or_else(|| malformed("its schema has no columns"))?;
    let mut views = 0;
    for field in fields {
        let name = field.name().unwrap_or_default();
        if !is_read(field) {
            let ty = field.type_type().variant_name().unwrap_or("unknown");
            return Err(refuse(name, &ty.to_lowercase()));
        }
        let in_place = field.dictionary().is_none();
        views += usize::from(in_place && field.type_type() == ipc::Type::Utf8View);
    }
    Ok(views)
}

fn is_read(field: ipc::Field<'_>) -> bool {
    if let Some(dictionary) = field.dictionary()
        && !dictionary.indexType().is_some_and(is_int)
    {
        return false;
    }
    match field.type_type() {
        ipc::Type::Null
        | ipc::Type::Bool
        | ipc::Type::Utf8
        | ipc::Type::LargeUtf8
        | ipc::Type::Utf8View => true,
        ipc::Type::Int => field.type_as_int().is_some_and(is_int),
        ipc::Type::FloatingPoint => field.type_as_floating_point().is_some_and(|float| {
            [ipc::Precision::HALF, ipc::Precision::SINGLE, ipc::Precision::DOUBLE]
                .contains(&float.precision())
        }),
        ipc::Type::Date => field.type_as_date().is_some_and(|date| {
            [ipc::DateUnit::DAY, ipc::DateUnit::MILLISECOND].contains(&date.unit())
        }),
        ipc::Type::Timestamp => field.type_as_timestamp().is_some_and(|time| {
            [
                ipc::TimeUnit::SECOND,
                ipc::TimeUnit::MILLISECOND,
                ipc::TimeUnit::MICROSECOND,
                ipc::TimeUnit::NANOSECOND,
            ]
            .contains(&time.unit())
        }),
        _ => false,
    }
}

fn is_int(int: ipc::Int<'_>) -> bool {
    matches!(int.bitWidth(), 8 | 16 | 32 | 64)
}
