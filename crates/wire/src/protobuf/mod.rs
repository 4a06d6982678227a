//! Protobuf messages on the wire: fields in, fields out, nothing allocated.
//!
//! Responsible for varints, lengths and types of fields. Not responsible for what the fields mean, and
//! not for nesting: a message within a message is bytes that a reader of its own reads, so the depth is
//! that of the caller.
//!
//! ```text
//! message = field*
//! field   = key value            key = varint: number << 3 | type, number from 1 to 2^29 - 1
//! value   = type 0: varint | type 1: 8 bytes | type 2: length varint, bytes | type 5: 4 bytes
//! varint  = 7 bits a byte, lowest first, the top bit says that more follow; at most 10 bytes
//! ```
//!
//! Numbers are little-endian. `sint` types are zigzag varints. A repeated field of numbers may stand as
//! one value of type 2 (packed) or as one field each. Groups (types 3 and 4) ended with proto2 and are
//! refused. Source: the Protocol Buffers encoding reference.

mod reader;
mod writer;

pub(crate) use reader::{Field, ProtobufError, ProtobufReader, Value, zigzag};
pub(crate) use writer::{bytes_len, put_bytes, put_key, put_varint_field};

#[cfg(test)]
mod tests;
