use std::time::Duration;

use axum::http::Method;
use pulsora_model::Code;

use super::text::Text;
use super::{Metrics, Protocol, QueryKind};

#[test]
fn samples_are_prometheus_text() {
    let mut text = Text::default();
    text.gauge("g", "A gauge.", 1.5);
    text.labelled(
        "l",
        "Labels.",
        [(vec![("name", "a \"b\"\n\\".to_owned()), ("x", "y".to_owned())], 2.0)],
    );
    text.histogram("h", "Times.", &[(0.5, 1), (1.0, 3), (f64::INFINITY, 4)], 6.25, 4);
    assert_eq!(
        text.finish(),
        "# HELP g A gauge.\n# TYPE g gauge\ng 1.5\n\
         # HELP l Labels.\n# TYPE l gauge\nl{name=\"a \\\"b\\\"\\n\\\\\",x=\"y\"} 2\n\
         # HELP h Times.\n# TYPE h histogram\n\
         h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 6.25\nh_count 4\n"
    );
}

#[test]
fn requests_are_counted_by_what_they_were() {
    let metrics = Metrics::new();
    metrics.answered("/write", &Method::POST, 204, Duration::from_millis(3));
    metrics.failed("/write", Code::PartialWrite);
    metrics.ingested(Protocol::Line, 10, 500, 1);
    metrics.queried(QueryKind::Sql, 5, 50, Duration::from_millis(20));
    metrics.queried(QueryKind::Sql, 0, 0, Duration::from_secs(1_000));
    let text = metrics.render();
    for wanted in [
        "pulsora_http_requests_total{route=\"/write\",method=\"POST\",status=\"204\"} 1",
        "pulsora_errors_total{route=\"/write\",code=\"partial_write\"} 1",
        "pulsora_ingest_rows_total{protocol=\"line\"} 10",
        "pulsora_ingest_rejected_total{protocol=\"line\"} 1",
        "pulsora_query_rows_scanned_total{kind=\"sql\"} 50",
        "pulsora_query_seconds_bucket{kind=\"sql\",le=\"0.025\"} 1",
        "pulsora_query_seconds_bucket{kind=\"sql\",le=\"+Inf\"} 2",
        "# HELP pulsora_ingest_rows_total Rows stored, by protocol.",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
    }
    assert_eq!(metrics.queries_served(), 2);
}
