//! Values for `$1`, `$2` … or `?`: put into the statement as literals before it is planned, so that
//! types, folding and push-down are those of a statement with the values written out.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr, UnaryOperator, Value, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pulsora_model::{Code, Error, Result};

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlParam {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(String),
}

/// Gives every `?` its number, in the order of the text.
pub(super) fn number_placeholders(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut number = 0;
    for token in &mut tokens {
        if let Token::Placeholder(name) = &mut token.token
            && name == "?"
        {
            number += 1;
            *name = format!("${number}");
        }
    }
    tokens
}

/// Puts `params` in the place of the placeholders.
///
/// # Errors
/// `sql_invalid` when there are fewer or more values than placeholders.
pub(crate) fn bind<S: VisitMut>(statement: &mut S, params: &[SqlParam]) -> Result<()> {
    let mut binder = Binder { params, used: 0 };
    if let ControlFlow::Break(error) = statement.visit(&mut binder) {
        return Err(error);
    }
    if binder.used < params.len() {
        let (given, used) = (params.len(), binder.used);
        return Err(Error::new(
            Code::SqlInvalid,
            format!("{given} params were given, the statement uses {used}"),
        ));
    }
    Ok(())
}

struct Binder<'a> {
    params: &'a [SqlParam],
    /// The highest number seen.
    used: usize,
}

impl VisitorMut for Binder<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let number = name.trim_start_matches(['$', '?']).parse::<usize>().ok();
        let param = number.and_then(|n| Some((n, self.params.get(n.checked_sub(1)?)?)));
        match param {
            Some((number, param)) => {
                self.used = self.used.max(number);
                *expr = literal(param);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(
                Error::new(
                    Code::SqlInvalid,
                    format!("no value for {name}: {} params were given", self.params.len()),
                )
                .hint("number placeholders from $1, or use ? for each, and send as many params"),
            ),
        }
    }
}

fn literal(param: &SqlParam) -> Expr {
    match param {
        SqlParam::Null => value(Value::Null),
        SqlParam::Bool(v) => value(Value::Boolean(*v)),
        SqlParam::I64(v) => number(v.unsigned_abs().to_string(), *v < 0),
        SqlParam::U64(v) => number(v.to_string(), false),
        // Debug keeps a point or an exponent, so that 1.0 stays a float.
        SqlParam::F64(v) if v.is_finite() => number(format!("{:?}", v.abs()), v.is_sign_negative()),
        SqlParam::F64(v) => Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(value(Value::SingleQuotedString(v.to_string()))),
            data_type: ast::DataType::DoublePrecision,
            array: false,
            format: None,
        },
        SqlParam::Text(text) => value(Value::SingleQuotedString(text.clone())),
    }
}

fn value(value: Value) -> Expr {
    Expr::Value(value.into())
}

fn number(digits: String, negative: bool) -> Expr {
    let number = value(Value::Number(digits, false));
    if !negative {
        return number;
    }
    Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number) }))
}
