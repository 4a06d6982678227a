//! Bodies of answers, in the encoding of the request.

use serde_json::json;

use super::Encoding;
use crate::protobuf::{put_bytes, put_varint_field};

/// `ExportMetricsServiceResponse`: empty when nothing was rejected, else how many data points and why.
pub fn accepted(encoding: Encoding, rejected: u64, reason: &str) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf if rejected == 0 => Vec::new(),
        Encoding::Protobuf => {
            let mut partial = Vec::new();
            put_varint_field(&mut partial, 1, rejected);
            put_bytes(&mut partial, 2, reason.as_bytes());
            let mut answer = Vec::new();
            put_bytes(&mut answer, 1, &partial);
            answer
        }
        Encoding::Json if rejected == 0 => b"{}".to_vec(),
        Encoding::Json => {
            let partial =
                json!({"rejectedDataPoints": rejected.to_string(), "errorMessage": reason});
            json!({ "partialSuccess": partial }).to_string().into_bytes()
        }
    }
}

/// `google.rpc.Status`: why nothing was stored. `code` is one of `google.rpc.Code`.
pub fn refused(encoding: Encoding, code: u32, message: &str) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => {
            let mut status = Vec::new();
            put_varint_field(&mut status, 1, u64::from(code));
            put_bytes(&mut status, 2, message.as_bytes());
            status
        }
        Encoding::Json => json!({"code": code, "message": message}).to_string().into_bytes(),
    }
}
