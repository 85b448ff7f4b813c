//! One listener for everything: AWS's APIs, the object store and the daemon's own paths.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use openvpc_api::{Api, Recipient, http, recipient};
use serde_json::{Value, json};

use super::admin::{self, Admin, AdminError, Asker};

/// What the listener serves.
pub struct Services {
    /// AWS's APIs.
    pub api: Api,
    /// The daemon's own paths.
    pub admin: Admin,
    /// The object store.
    pub s3: openvpc_gateways::s3::S3,
}

/// An EC2 request is a form; nothing bigger than this is one.
const LARGEST_REQUEST: usize = 8 << 20;

/// The routes.
pub fn router(services: Arc<Services>) -> Router {
    let own = Router::new()
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/explain", post(explain))
        .route("/instances/{id}/exec", get(exec_target))
        .route("/flows/flush", post(flush))
        .route("/flows/query", post(query))
        .route("/flows/tail", get(tail))
        .route("/reset", post(reset))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST));
    Router::new().nest("/_openvpc", own).route("/moto-api/reset", post(reset)).fallback(aws).with_state(services)
}

type Shared = State<Arc<Services>>;

/// EC2, STS, and whatever else is signed for a service; the rest is S3's.
async fn aws(State(services): Shared, request: Request) -> Response {
    let head = head_of(&request);
    if matches!(recipient(&head), Recipient::S3) && !looks_like_a_form(&head) {
        return services.s3.answer(request).await;
    }
    let Ok(body) = axum::body::to_bytes(request.into_body(), LARGEST_REQUEST).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {LARGEST_REQUEST} bytes")).into_response();
    };
    let request = Arc::new(http::Request { body: body.to_vec(), ..head });
    let answer = if request.only_reads() {
        Ok(services.api.answer(&request))
    } else {
        let (asking, asked) = (Arc::clone(&services), Arc::clone(&request));
        tokio::task::spawn_blocking(move || asking.api.answer(&asked)).await
    };
    match answer {
        Ok(Some(answer)) => aws_response(answer),
        Ok(None) => services.s3.answer(again(&request)).await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn aws_response(answer: http::Response) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let request_id = HeaderValue::try_from(answer.request_id).unwrap_or(HeaderValue::from_static("unknown"));
    let headers = [
        ("content-type", HeaderValue::from_static(answer.content_type)),
        ("x-amzn-requestid", request_id.clone()),
        ("x-amz-request-id", request_id),
        ("server", HeaderValue::from_static("openvpc")),
    ];
    (status, headers, answer.body).into_response()
}

/// An unsigned request whose body may hold an action.
fn looks_like_a_form(head: &http::Request) -> bool {
    head.method == "POST" && head.path == "/" && head.has_form()
}

fn head_of(request: &Request) -> http::Request {
    http::Request {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: pairs(request.headers()),
        body: Vec::new(),
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// The HTTP request that was read, for a service that reads it itself.
fn again(request: &http::Request) -> Request {
    let target = if request.query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, request.query) };
    let mut builder = Request::builder().method(&*request.method).uri(target);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    // Every part was taken from a request that was well-formed.
    builder.body(Body::from(request.body.clone())).unwrap_or_default()
}

async fn health(State(services): Shared) -> Response {
    axum::Json(services.admin.health()).into_response()
}

async fn status(State(services): Shared) -> Response {
    axum::Json(services.admin.status()).into_response()
}

async fn explain(State(services): Shared, headers: HeaderMap, body: Bytes) -> Response {
    own(services, move |admin| {
        let asker = Asker::of(&pairs(&headers), admin.default_account())?;
        admin.explain(&asker, &admin::json_body(&body)?)
    })
    .await
}

async fn exec_target(State(services): Shared, axum::extract::Path(id): axum::extract::Path<String>) -> Response {
    own(services, move |admin| admin.exec_target(&id)).await
}

async fn flush(State(services): Shared) -> Response {
    own(services, Admin::flush).await
}

async fn query(State(services): Shared, body: Bytes) -> Response {
    own(services, move |admin| admin.query(&admin::json_body(&body)?)).await
}

async fn tail(State(services): Shared) -> Response {
    let lines = services.admin.tail();
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn reset(State(services): Shared) -> Response {
    own(services, Admin::reset).await
}

/// Runs one of the daemon's own questions where it may block.
async fn own(services: Arc<Services>, question: impl FnOnce(&Admin) -> Result<Value, AdminError> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(move || question(&services.admin)).await {
        Ok(Ok(answer)) => axum::Json(answer).into_response(),
        Ok(Err(error)) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, axum::Json(json!({ "message": error.message }))).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
