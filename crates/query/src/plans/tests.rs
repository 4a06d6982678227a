//! Keys: what they leave out and what they tell apart.

use super::key::{Key, Literal};
use crate::request::SqlRequest;
use crate::sql::{SqlParam, tokens};

fn key(sql: &str, params: Vec<SqlParam>) -> Option<Key> {
    let request = SqlRequest { params, ..SqlRequest::new("default", sql) };
    Key::of(&request, None, &tokens(sql).unwrap())
}

fn literals(sql: &str) -> Vec<Literal> {
    key(sql, Vec::new()).unwrap().slots.into_iter().map(|slot| slot.literal).collect()
}

#[test]
fn literals_of_conditions_are_left_out() {
    use Literal::{Float, Int, Text};
    let text = |text: &str| Text(text.into());
    assert_eq!(
        literals(
            "SELECT a, 7 FROM t WHERE a = 1 AND b >= 2.5 AND c < 'x' AND d > -3 GROUP BY 1 HAVING max(a) > 5 LIMIT 3"
        ),
        [Int(1), Float(2.5), text("x"), Int(3)],
    );
    assert_eq!(
        literals(
            "SELECT * FROM t WHERE time >= TIMESTAMP '2024-01-01' AND h IN ('a', 'b') AND i BETWEEN 1 AND 2e3"
        ),
        [text("2024-01-01"), text("a"), text("b"), Int(1), Float(2000.0)],
    );
    assert_eq!(literals("SELECT * FROM t WHERE a > now() - INTERVAL '1 hour' OR 3 = a"), []);
    assert_eq!(literals("SELECT * FROM t WHERE a = 9223372036854775808"), []);
    assert_eq!(literals("SELECT 'WHERE', a = 1 FROM t"), []);
}

#[test]
fn keys_tell_apart_what_changes_a_plan() {
    let base = "SELECT a FROM t WHERE a = 1 AND h IN ('x', 'y') LIMIT 3";
    let same = "SELECT  a FROM t\nWHERE a = 22 AND h IN ('', 'IN (''z'')') LIMIT 3 -- again";
    let of = |sql: &str| key(sql, Vec::new()).unwrap().text;
    assert_eq!(of(base), of(same));
    for other in [
        "SELECT a FROM t WHERE a = 1 AND h IN ('x', 'y') LIMIT 4",
        "SELECT a FROM t WHERE a = 1.0 AND h IN ('x', 'y') LIMIT 3",
        "SELECT a FROM t WHERE a = '1' AND h IN ('x', 'y') LIMIT 3",
        "SELECT a FROM t WHERE a = -1 AND h IN ('x', 'y') LIMIT 3",
        "SELECT a FROM t WHERE a = NULL AND h IN ('x', 'y') LIMIT 3",
        "SELECT a FROM t WHERE a = 1 AND h IN ('x') LIMIT 3",
        "SELECT a FROM t WHERE a = 1 AND h IN ('x', NULL) LIMIT 3",
        "SELECT \"a\" FROM t WHERE a = 1 AND h IN ('x', 'y') LIMIT 3",
        "SELECT 'a' FROM t WHERE a = 1 AND h IN ('x', 'y') LIMIT 3",
        "SELECT a FROM t WHERE a >= 1 AND h IN ('x', 'y') LIMIT 3",
    ] {
        assert_ne!(of(base), of(other), "{other}");
    }
    assert!(key("EXPLAIN SELECT 1", Vec::new()).is_none());
    assert!(key("INSERT INTO t SELECT 1", Vec::new()).is_none());
    assert!(key(&format!("SELECT '{}'", "x".repeat(20_000)), Vec::new()).is_none());
}

#[test]
fn params_are_literals_where_something_is_compared_with_them() {
    let sql = "SELECT a + $2 FROM t WHERE a = $1";
    let of = |a, b| key(sql, vec![a, b]).unwrap();
    let base = of(SqlParam::I64(1), SqlParam::I64(2));
    assert_eq!(base.slots.len(), 1);
    assert_eq!(base.text, of(SqlParam::I64(-9), SqlParam::I64(2)).text);
    for (a, b) in [
        (SqlParam::I64(1), SqlParam::I64(3)),
        (SqlParam::F64(1.0), SqlParam::I64(2)),
        (SqlParam::Null, SqlParam::I64(2)),
        (SqlParam::F64(f64::NAN), SqlParam::I64(2)),
        (SqlParam::U64(u64::MAX), SqlParam::I64(2)),
        (SqlParam::Text("1".into()), SqlParam::I64(2)),
    ] {
        assert_ne!(base.text, of(a, b).text);
    }
    assert!(key(sql, vec![SqlParam::I64(1)]).is_none());
}
