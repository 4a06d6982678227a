//! Parameters of a request's URL.
//!
//! Invariant: a route of ours calls [`Params::only`] before it does anything, so a misspelt
//! parameter never changes what happens silently. Of a repeated parameter the last one counts.

use axum::body::Body;
use axum::extract::{Form, FromRequest, Query, Request};
use axum::http::{Method, Uri, header};
use bytes::Bytes;
use pulsora_model::name::nearest;
use pulsora_model::{Code, Error, Result};

/// The decoded parameters.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes the query part of a URI.
    ///
    /// # Errors
    /// `invalid_request` when it is not `name=value` pairs.
    pub fn of(uri: &Uri) -> Result<Params> {
        Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| Params(pairs)).map_err(
            |_| {
                Error::new(Code::InvalidRequest, "the parameters of the URL cannot be read")
                    .hint("write them as name=value&name=value, percent-encoded")
            },
        )
    }

    /// Decodes a body of the type `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// `malformed_body` when it is not `name=value` pairs.
    pub async fn of_form(body: Bytes) -> Result<Params> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        let form = header::HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
        let pairs = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        pairs.map(|Form(pairs)| Params(pairs)).map_err(|_| {
            Error::new(Code::MalformedBody, "the form of the body cannot be read")
                .hint("write it as name=value&name=value, percent-encoded")
        })
    }

    /// These and `stronger` ones, which count where both have a name.
    pub fn and(mut self, stronger: &Params) -> Params {
        self.0.extend(stronger.0.iter().cloned());
        self
    }

    /// The value of a parameter.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// Refuses parameters that are neither in `known` nor common to all of our routes.
    ///
    /// # Errors
    /// `unknown_parameter`, with the nearest name.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        const COMMON: &[&str] = &["db", "bucket"];
        let all = || known.iter().chain(COMMON).copied();
        let Some((wrong, _)) = self.0.iter().find(|(key, _)| !all().any(|name| name == key)) else {
            return Ok(());
        };
        let error = Error::new(Code::UnknownParameter, format!("unknown parameter {wrong:?}"));
        Err(match nearest(wrong, all()).first() {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => {
                error.hint(format!("this route knows {}", all().collect::<Vec<_>>().join(", ")))
            }
        })
    }

    /// A whole number.
    ///
    /// # Errors
    /// `invalid_request` when it is something else.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                Error::new(Code::InvalidRequest, format!("{name}={text:?} is not a whole number"))
                    .hint("use digits only, such as 1000")
            })
        };
        self.text(name).map(read).transpose()
    }

    /// `true` or `false`; `otherwise` when absent.
    ///
    /// # Errors
    /// `invalid_request` when it is something else.
    pub fn flag(&self, name: &str, otherwise: bool) -> Result<bool> {
        match self.value(name) {
            None => Ok(otherwise),
            Some("true" | "1" | "") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(text) => Err(Error::new(
                Code::InvalidRequest,
                format!("{name}={text:?} is neither true nor false"),
            )
            .hint("use true or false")),
        }
    }

    /// The parts of a list separated by commas, without empty ones.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let parts = self.text(name).unwrap_or("").split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::of(&format!("/x?{query}").parse().unwrap()).unwrap()
    }

    #[test]
    fn values_are_decoded_and_the_last_one_counts() {
        let params = params("a=1&b=x%20y%2Cz+w&a=2&c=&list=p,,q");
        assert_eq!(params.value("a"), Some("2"));
        assert_eq!(params.text("b"), Some("x y,z w"));
        assert_eq!(params.text("c"), None);
        assert_eq!(params.list("list"), ["p", "q"]);
        assert_eq!(params.count("a").unwrap(), Some(2));
        assert_eq!(params.count("none").unwrap(), None);
        assert!(params.count("b").is_err());
    }

    #[test]
    fn unknown_ones_are_refused_with_the_nearest() {
        let error = params("limt=5").only(&["limit", "offset"]).unwrap_err();
        assert_eq!(error.code(), Code::UnknownParameter);
        assert_eq!(error.hint_text(), Some("did you mean limit?"));
        params("limit=5&db=x").only(&["limit"]).unwrap();
    }

    #[test]
    fn flags() {
        assert!(params("a=true").flag("a", false).unwrap());
        assert!(!params("a=false").flag("a", true).unwrap());
        assert!(params("").flag("a", true).unwrap());
        assert!(params("a=maybe").flag("a", true).is_err());
    }
}
