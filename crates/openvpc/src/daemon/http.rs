//! One listener for everything: AWS's APIs, the object store and the daemon's own paths.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use openvpc_api::table::Protocol;
use openvpc_api::{Api, Recipient, cbor, http, recipient};
use serde_json::{Value, json};

use super::admin::{self, Admin, AdminError, Asker};
use super::fallback::Fallback;
use super::metrics::{self, ObjectRequests};

/// What the listener serves.
pub struct Services {
    /// AWS's APIs.
    pub api: Api,
    /// The daemon's own paths.
    pub admin: Admin,
    /// The object store.
    pub s3: openvpc_gateways::s3::S3,
    /// Requests to the object store so far.
    pub object_requests: ObjectRequests,
    /// Where requests for other services go.
    pub fallback: Option<Fallback>,
}

/// An EC2 request is a form; nothing bigger than this is one.
const LARGEST_REQUEST: usize = 8 << 20;

/// The same for requests that are passed on, which may be uploads.
const LARGEST_PASSED_ON: usize = 256 << 20;

/// A backup that is restored is held in memory.
const LARGEST_BACKUP: usize = 4 << 30;

/// The routes.
pub fn router(services: Arc<Services>) -> Router {
    let local = Router::new()
        .route("/backup", get(backup))
        .route("/restore", post(restore).layer(DefaultBodyLimit::max(LARGEST_BACKUP)))
        .route("/keys", get(keys).post(add_key))
        .route("/keys/{id}/revoke", post(revoke_key))
        .layer(from_fn_with_state(Arc::clone(&services), only_local));
    let own = Router::new()
        .route("/status", get(status))
        .route("/datapath", get(datapath))
        .route("/explain", post(explain))
        .route("/instances/{id}/exec", get(exec_target))
        .route("/interfaces", get(interfaces))
        .route("/interfaces/{id}/capture", get(capture_target))
        .route("/interfaces/{id}/binding", get(binding_place))
        .route("/interfaces/{id}/attach", post(attach))
        .route("/interfaces/{id}/detach", post(detach))
        .route("/metrics", get(all_metrics))
        .route("/flows/flush", post(flush))
        .route("/flows/query", post(query))
        .route("/flows/tail", get(tail))
        .route("/reset", post(reset))
        .layer(from_fn_with_state(Arc::clone(&services), only_known))
        .merge(local)
        .route("/health", get(health))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST));
    let reset = Router::new().route("/moto-api/reset", post(reset)).layer(from_fn_with_state(Arc::clone(&services), only_known));
    Router::new().nest("/_openvpc", own).merge(reset).fallback(aws).with_state(services)
}

type Shared = State<Arc<Services>>;

/// EC2, STS, and whatever else is signed for a service; the rest is S3's.
async fn aws(State(services): Shared, request: Request) -> Response {
    let head = head_of(&request);
    match recipient(&head) {
        Recipient::S3 if !looks_like_a_form(&head) => return objects(&services, request).await,
        Recipient::Other(_) if services.fallback.is_some() => return pass_on(services, head, request).await,
        _ => {}
    }
    let Ok(body) = axum::body::to_bytes(request.into_body(), LARGEST_REQUEST).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {LARGEST_REQUEST} bytes")).into_response();
    };
    let request = http::Request { body: body.to_vec(), ..head };
    match services.api.serve(&request).await {
        Some(answer) => aws_response(answer),
        None => objects(&services, again(&request)).await,
    }
}

async fn objects(services: &Services, request: Request) -> Response {
    let method = request.method().clone();
    let answer = services.s3.answer(request).await;
    services.object_requests.count(method.as_str(), answer.status().as_u16());
    answer
}

/// Passes a request for another service on, if its maker may call.
async fn pass_on(services: Arc<Services>, head: http::Request, request: Request) -> Response {
    let Ok(body) = axum::body::to_bytes(request.into_body(), LARGEST_PASSED_ON).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {LARGEST_PASSED_ON} bytes")).into_response();
    };
    let request = http::Request { body: body.to_vec(), ..head };
    let passed = tokio::task::spawn_blocking(move || {
        if services.api.verifies()
            && let Err(error) = services.api.admit(&request, Protocol::Json)
        {
            return AdminError { status: 403, message: error.message }.into_response();
        }
        match &services.fallback {
            Some(fallback) => fallback.pass_on(&request),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    });
    passed.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The daemon's own paths are for this machine's own users, and for those elsewhere whose signature counts.
async fn only_known(
    State(services): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if is_local(peer.ip()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_REQUEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut asked = head_of_parts(&parts);
    asked.body = body.to_vec();
    match services.api.admit(&asked, Protocol::Ec2) {
        Ok(_) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => AdminError { status: 403, message: error.message }.into_response(),
    }
}

/// Keys are given out only on the machine itself.
async fn only_local(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    if is_local(peer.ip()) {
        return next.run(request).await;
    }
    let message = "keys are managed only from the machine that the daemon runs on".to_owned();
    AdminError { status: 403, message }.into_response()
}

/// Whether an address is one of this machine's own: those can be bound.
fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

fn aws_response(answer: http::Response) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let request_id = HeaderValue::from_str(&answer.request_id).unwrap_or(HeaderValue::from_static("unknown"));
    let headers = [
        ("content-type", HeaderValue::from_static(answer.content_type)),
        ("x-amzn-requestid", request_id.clone()),
        ("x-amz-request-id", request_id),
        ("server", HeaderValue::from_static("openvpc")),
    ];
    let location = answer.location.as_deref().and_then(|location| HeaderValue::from_str(location).ok());
    let in_cbor = answer.content_type == cbor::CONTENT_TYPE;
    let mut response = (status, headers, answer.into_bytes()).into_response();
    if in_cbor {
        // Smithy's clients take an answer for broken without it.
        response.headers_mut().insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// An unsigned request whose body may hold an action.
fn looks_like_a_form(head: &http::Request) -> bool {
    head.method == "POST" && head.path == "/" && head.has_form()
}

fn head_of(request: &Request) -> http::Request {
    head(request.method(), request.uri(), request.headers())
}

fn head_of_parts(parts: &Parts) -> http::Request {
    // Inside the nested router the path is cut; the signature covers the whole.
    let whole = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    head(&parts.method, whole, &parts.headers)
}

fn head(method: &Method, uri: &Uri, headers: &HeaderMap) -> http::Request {
    http::Request {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: pairs(headers),
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

async fn exec_target(State(services): Shared, Path(id): Path<String>) -> Response {
    own(services, move |admin| admin.exec_target(&id)).await
}

async fn datapath(State(services): Shared) -> Response {
    own(services, |admin| Ok(admin.datapath())).await
}

async fn interfaces(State(services): Shared) -> Response {
    own(services, |admin| Ok(admin.interfaces())).await
}

async fn capture_target(State(services): Shared, Path(id): Path<String>) -> Response {
    own(services, move |admin| admin.capture_target(&id)).await
}

async fn binding_place(State(services): Shared, Path(id): Path<String>) -> Response {
    own(services, move |admin| admin.binding_place(&id)).await
}

async fn attach(State(services): Shared, Path(id): Path<String>) -> Response {
    own(services, move |admin| admin.attach(&id)).await
}

async fn detach(State(services): Shared, Path(id): Path<String>) -> Response {
    own(services, move |admin| admin.detach(&id)).await
}

async fn all_metrics(State(services): Shared) -> Response {
    match tokio::task::spawn_blocking(move || services.admin.metrics(&services.api, &services.object_requests)).await {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
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

async fn keys(State(services): Shared) -> Response {
    axum::Json(services.admin.keys()).into_response()
}

async fn add_key(State(services): Shared, body: Bytes) -> Response {
    own(services, move |admin| admin.add_key(&admin::json_body(&body)?)).await
}

async fn revoke_key(State(services): Shared, Path(id): Path<String>) -> Response {
    own(services, move |admin| admin.revoke_key(&id)).await
}

async fn backup(State(services): Shared) -> Response {
    match tokio::task::spawn_blocking(move || services.admin.backup()).await {
        Ok(parts) => ([(header::CONTENT_TYPE, "application/gzip")], Body::from_stream(parts)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn restore(State(services): Shared, body: Bytes) -> Response {
    own(services, move |admin| admin.restore(&body)).await
}

async fn reset(State(services): Shared) -> Response {
    own(services, Admin::reset).await
}

/// Runs one of the daemon's own questions where it may block.
async fn own(services: Arc<Services>, question: impl FnOnce(&Admin) -> Result<Value, AdminError> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(move || question(&services.admin)).await {
        Ok(Ok(answer)) => axum::Json(answer).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(json!({ "message": self.message }))).into_response()
    }
}
