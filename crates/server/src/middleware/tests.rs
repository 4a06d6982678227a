use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use pulsora_env::Env;
use tower::ServiceExt;

use super::wrap;
use crate::app::App;
use crate::config::Config;
use crate::routes::router;

fn app() -> App {
    App::new(Config::load(None, std::iter::empty(), &[]).unwrap(), Env::real())
}

async fn ask(router: Router, method: &str, path: &str) -> (Response<()>, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_panic_is_an_answer_that_hides_its_message() {
    async fn panics() -> Response {
        panic!("a secret of the inside")
    }
    let app = app();
    let routes = wrap(Router::new().route("/panics", get(panics)), &app).unwrap();
    let (response, text) = ask(routes, "GET", "/panics").await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-request-id"));
    assert!(text.contains("\"code\":\"internal\"") && !text.contains("secret"), "{text}");
    assert_eq!(app.metrics.requests_running(), 0);
    let metrics = app.metrics.render();
    assert!(
        metrics.contains("pulsora_errors_total{route=\"/panics\",code=\"internal\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn before_recovery_is_done_only_health_and_figures_answer() {
    let app = app();
    for (path, status) in [("/health", 200), ("/metrics", 200), ("/ping", 204)] {
        let (response, text) = ask(router(&app).unwrap(), "GET", path).await;
        assert_eq!(response.status(), status, "{path}: {text}");
    }
    for path in ["/ready", "/tables", "/tables/t/query", "/api/v1/query?sql=x", "/api/v1/storage"] {
        let (response, text) = ask(router(&app).unwrap(), "GET", path).await;
        assert_eq!(response.status(), 503, "{path}");
        assert!(response.headers().contains_key("retry-after"), "{path}");
        assert!(text.contains("\"code\":\"not_ready\""), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let (response, text) = ask(router(&app()).unwrap(), "PATCH", "/api/v1/databases").await;
    assert_eq!(response.status(), 405);
    let allow = response.headers()["allow"].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert!(text.contains("method_not_allowed"), "{text}");
}

#[test]
fn an_origin_that_is_none_is_refused() {
    let flags = [("server.cors".to_owned(), "https://a.example,\u{7f}".to_owned())];
    let config = Config::load(None, std::iter::empty(), &flags).unwrap();
    let error = router(&App::new(config, Env::real())).unwrap_err();
    assert!(error.message().contains("server.cors"), "{error}");
}
