//! Compressed bodies at their boundary: what goes in compressed comes out whole, or is refused.

use std::io::Write;

use bytes::Bytes;

use super::{BodyDecoder, decode};
use crate::mutate::for_each_mutation;
use crate::rows::tests::show_error;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 1).unwrap()
}

fn text() -> Vec<u8> {
    (0..20_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect()
}

fn whole(body: &[u8], encoding: Option<&str>, max: u64) -> Result<Vec<u8>, String> {
    decode(Bytes::copy_from_slice(body), encoding, max)
        .map(|bytes| bytes.to_vec())
        .map_err(|error| show_error(&error))
}

fn in_chunks(body: &[u8], size: usize, max: u64) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut decoder = BodyDecoder::new(None, max).unwrap();
    body.chunks(size)
        .try_for_each(|chunk| decoder.push(chunk, &mut out))
        .and_then(|()| decoder.finish(&mut out))
        .map_err(|error| show_error(&error))?;
    Ok(out)
}

#[test]
fn bodies_come_out_whole_however_they_are_cut() {
    let text = text();
    for body in [text.clone(), gzip(&text), zstd(&text)] {
        assert_eq!(whole(&body, None, 1 << 20).unwrap(), text);
        for size in [1, 3, 7, 1_000, 1 << 20] {
            assert_eq!(in_chunks(&body, size, 1 << 20).unwrap(), text);
        }
    }
    assert_eq!(whole(&gzip(&text), Some("identity, GZIP"), 1 << 20).unwrap(), text);
    assert_eq!(whole(&zstd(&text), Some("zstd"), 1 << 20).unwrap(), text);
    assert_eq!(whole(b"", Some("gzip"), 10).unwrap(), b"");
    assert_eq!(whole(b"ab", None, 10).unwrap(), b"ab");
    assert_eq!(in_chunks(b"ab", 1, 10).unwrap(), b"ab");
}

#[test]
fn several_members_are_one_body() {
    for pack in [gzip, zstd] {
        let body = [pack(b"one,"), pack(b""), pack(b"two")].concat();
        assert_eq!(whole(&body, None, 100).unwrap(), b"one,two");
        assert_eq!(in_chunks(&body, 1, 100).unwrap(), b"one,two");
    }
}

#[test]
fn the_limit_counts_decompressed_bytes() {
    let bomb = vec![0; 100 << 20];
    for body in [gzip(&bomb), zstd(&bomb)] {
        let error = "body_too_large: the body has more than 1000000 bytes (decompressed)";
        assert_eq!(whole(&body, None, 1_000_000).unwrap_err(), error);
        let mut out = Vec::new();
        let mut decoder = BodyDecoder::new(None, 1_000_000).unwrap();
        assert!(decoder.push(&body, &mut out).is_err());
        assert!(out.len() < 1_200_000, "{}", out.len());
    }
    assert_eq!(whole(&gzip(&[7; 1000]), None, 1000).unwrap().len(), 1000);
    assert!(whole(&gzip(&[7; 1001]), None, 1000).is_err());
    assert!(whole(&zstd(&[7; 1001]), None, 1000).is_err());
    assert!(whole(&[7; 1001], None, 1000).is_err());
    assert!(in_chunks(&[7; 1001], 10, 1000).is_err());
}

#[test]
fn what_cannot_be_read_is_refused() {
    let text = text();
    for body in [gzip(&text), zstd(&text)] {
        for cut in [4, 10, 100, body.len() - 1] {
            let error = whole(&body[..cut], None, 1 << 20).unwrap_err();
            assert!(error.starts_with("malformed_body"), "{error}");
            assert!(in_chunks(&body[..cut], 5, 1 << 20).is_err());
        }
    }
    for (body, encoding, code) in [
        (&b"plain"[..], "gzip", "malformed_body"),
        (b"plain", "zstd", "malformed_body"),
        (b"plain", "br", "unsupported_format: the content encoding \"br\" is not read"),
        (b"plain", "gzip, zstd", "unsupported_format"),
    ] {
        let error = whole(body, Some(encoding), 100).unwrap_err();
        assert!(error.starts_with(code), "{error}");
    }
}

#[test]
fn a_frame_that_claims_a_huge_window_is_refused() {
    // Magic, then a descriptor without content size and a window of 2^31.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    let error = whole(&frame, None, 100).unwrap_err();
    assert!(error.contains("too much memory"), "{error}");
}

#[test]
fn no_bytes_make_it_panic() {
    for (seed, body) in [(1, gzip(b"some text to pack")), (2, zstd(b"some text to pack"))] {
        for_each_mutation(&body, seed, |body| {
            assert_eq!(whole(body, None, 1_000).ok(), in_chunks(body, 3, 1_000).ok());
        });
    }
}
