//! Every route and every layer, on one screen.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use futures_util::FutureExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tower_http::cors::{Any as AnyOrigin, CorsLayer};

use super::problem::Problem;
use super::request::{finish, identify};
use super::server::Peer;
use super::state::AppState;
use super::{
    chatbot, deliveries, health, ingest, keys, labels, link, offers, products, sessions, stream,
    users,
};
use crate::domain::action::Provider;

/// The service: every route, and what is around all of them. That is called rather than layered, because
/// axum puts every layer around every route, in boxes.
pub(super) struct Doors {
    state: AppState,
    routes: TowerToHyperService<Router>,
}

impl Doors {
    pub(super) fn new(state: AppState) -> Self {
        Self {
            routes: TowerToHyperService::new(routes(state.clone())),
            state,
        }
    }

    /// Answers one request, whatever happens to it.
    pub(super) fn answer(
        &self,
        peer: Peer,
        mut request: Request,
    ) -> impl Future<Output = Response> {
        let caller = identify(&self.state, peer, &mut request);
        // Routing is within the guard as well: it begins when the call is first polled.
        let answered = AssertUnwindSafe(self.routes.call(request)).catch_unwind();
        let response = answered.map(|answered| match answered {
            Ok(Ok(response)) => response,
            Err(_) => after_panic(),
        });
        finish(&self.state, caller, response)
    }
}

fn routes(state: AppState) -> Router {
    ingest_routes()
        .route(
            "/chatbot-webhook/{product_id}",
            post(chatbot::webhook).get(chatbot::probe),
        )
        .route(
            "/sessions/link",
            post(link::link).options(preflight).layer(cors()),
        )
        .route(
            "/context/{product_id}/{session_id}",
            get(offers::context).options(preflight).layer(cors()),
        )
        .route(
            "/agent_state/{product_id}/{conversation_id}",
            post(offers::report).options(preflight).layer(cors()),
        )
        .route("/intercom/proactive/{product_id}", post(labels::suggest))
        .route("/sessions/start", post(link::start_is_gone))
        .route("/sessions/{product_id}/{session_id}", get(sessions::show))
        .merge(of_products())
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/{id}", get(deliveries::show))
        .route("/deliveries/{id}/replay", post(deliveries::replay))
        .route("/deliveries/{id}/redact", post(deliveries::redact))
        .route("/deliveries/replay", post(deliveries::replay_all))
        .route("/deliveries/test/{product_id}", post(deliveries::test))
        .route("/users/{product_id}/{user_id}", delete(users::erase))
        .route("/health", get(health::alive))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route(
            "/stream/{product_id}",
            get(stream::stream).options(preflight).layer(cors()),
        )
        .fallback(|| async { no_such_route() })
        .method_not_allowed_fallback(|| async { wrong_method() })
        .with_state(state)
}

/// Registration, and what is issued by it.
fn of_products() -> Router<AppState> {
    Router::new()
        .route("/products", post(products::register).get(products::list))
        .route(
            "/register/{invite}/products",
            post(products::register_invited),
        )
        .route(
            "/products/{product_id}",
            get(products::show)
                .patch(products::change)
                .delete(products::remove),
        )
        .route("/products/{product_id}/rotate", post(products::rotate))
        .route(
            "/products/{product_id}/keys",
            get(keys::list).post(keys::create),
        )
        .route("/products/{product_id}/keys/{key_id}", delete(keys::revoke))
        .route("/invites", post(keys::invite))
        .route("/stream-tokens/{product_id}", post(keys::ticket))
}

/// Where activity comes in.
fn ingest_routes() -> Router<AppState> {
    Router::new()
        .route("/webhook/{product_id}", ingest::from(None))
        .route("/ingest/{product_id}", ingest::from(None))
        .route(
            "/ingest/posthog/{product_id}",
            ingest::from(Some(Provider::Posthog)),
        )
        .route(
            "/ingest/amplitude/{product_id}",
            ingest::from(Some(Provider::Amplitude)),
        )
        .route(
            "/ingest/fullstory/{product_id}",
            ingest::from(Some(Provider::Fullstory)),
        )
}

/// For endpoints that customers' pages call (contract 0.3). Credentials are never allowed, so any
/// origin may read the answers; a product's own list is enforced by the handlers.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static("last-event-id"),
        ])
        .max_age(Duration::from_secs(600))
}

/// Never reached: the CORS layer answers. It makes `OPTIONS` a method of the route, so that the layer
/// is asked at all.
async fn preflight() {}

fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "no such endpoint")
}

fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this endpoint does not take that method",
    )
}

fn after_panic() -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}
