//! Fields in, values out; and bytes that are no message.

use prost::Message;

use super::*;

#[derive(Clone, PartialEq, Message)]
struct All {
    #[prost(uint64, tag = "1")]
    a: u64,
    #[prost(double, tag = "2")]
    b: f64,
    #[prost(string, tag = "3")]
    c: String,
    #[prost(sint32, tag = "4")]
    d: i32,
    #[prost(uint64, repeated, tag = "5")]
    e: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "6")]
    f: Vec<u64>,
    #[prost(float, tag = "7")]
    g: f32,
    #[prost(int64, tag = "536870911")]
    h: i64,
}

fn read(message: &[u8]) -> Result<All, ProtobufError> {
    let mut all = All::default();
    let mut reader = ProtobufReader::new(message);
    while let Some(Field { number, value }) = reader.field()? {
        match number {
            1 => all.a = value.varint()?,
            2 => all.b = value.double()?,
            3 => all.c = value.text()?.to_owned(),
            4 => all.d = value.sint32()?,
            5 => value.each_varint(|n| all.e.push(n))?,
            6 => value.each_fixed64(|n| all.f.push(n))?,
            7 => {
                let Value::Fixed32(bits) = value else { panic!("{value:?}") };
                all.g = f32::from_bits(bits);
            }
            _ => all.h = value.varint()? as i64,
        }
    }
    Ok(all)
}

#[test]
fn what_another_writer_writes_is_read() {
    let sample = |n: u64| All {
        a: n,
        b: n as f64 / 3.0,
        c: format!("text {n}"),
        d: n as i32,
        e: vec![n, 0, u64::MAX],
        f: vec![n; 3],
        g: 0.5,
        h: -(n as i64),
    };
    for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
        let all = sample(n);
        assert_eq!(read(&all.encode_to_vec()).unwrap(), all);
    }
    for d in [i32::MIN, -1, 0, 1, i32::MAX] {
        let all = All { d, ..All::default() };
        assert_eq!(read(&all.encode_to_vec()).unwrap().d, d);
    }
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    put_varint_field(&mut out, 1, u64::MAX);
    put_bytes(&mut out, 3, "x".repeat(200).as_bytes());
    for len in [0, 1, 127, 128, 16_383, 16_384] {
        let (bytes, mut out) = (vec![b'x'; len], Vec::new());
        put_bytes(&mut out, 3, &bytes);
        assert_eq!(bytes_len(&bytes), out.len());
    }
    let all = All::decode(out.as_slice()).unwrap();
    assert_eq!((all.a, all.c.len()), (u64::MAX, 200));
}

#[test]
fn what_is_no_message_is_an_error() {
    let cases: &[(&[u8], &str)] = &[
        (b"\x08", "a message ends within a field"),
        (b"\x08\x80", "a message ends within a field"),
        (b"\x11\0\0\0\0\0\0\0", "a message ends within a field"),
        (b"\x1a\x05abcd", "a message ends within a field"),
        (b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a message ends within a field"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a varint is too long"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a varint is too long"),
        (b"\x00\x00", "the number of a field is out of range"),
        (b"\x80\x80\x80\x80\x20\x00", "the number of a field is out of range"),
        (b"\x0b\x0c", "groups are not read"),
        (b"\x0f", "a field has an unknown type"),
        (b"\x0a\x00", "a field has another type than its message says"),
        (b"\x1a\x01\xff", "a text is not UTF-8"),
        (b"\x32\x07abcdefg", "a message ends within a field"),
        (b"\x2a\x01\x80", "a message ends within a field"),
    ];
    for (bytes, message) in cases {
        assert_eq!(read(bytes).unwrap_err().0, *message, "{bytes:x?}");
    }
}
