//! The paths of the API, and who is let in where.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use wagglebus_http::Refusal;
use wagglebus_http::fallback::with_fallbacks;
use wagglebus_schemas::command::{ControlAction, TaskVerb};
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::subject::ApiMethod;

use super::ask::{Also, Names, asks, asks_also, does};
use super::auth::Caller;
use super::control::control;
use super::guard::guard;
use super::state::Api;
use super::{alerts, conversations, feed, health, history, messages, tasks, tickets};
use crate::metrics::RouteMetrics;

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody on this machine.
    Open,
    /// Whoever has a token. Handlers find the caller as an extension.
    Token,
    /// Whoever has a token, or a ticket as the parameter `ticket`.
    Stream,
}

/// One path.
#[derive(Debug)]
pub(crate) struct Route {
    /// The path, with its parts in braces.
    pub(crate) path: &'static str,
    /// What may be done there.
    pub(crate) methods: MethodRouter<Arc<Api>>,
    /// Who is let in.
    pub(crate) access: Access,
}

/// All paths.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for Route {
        path,
        methods,
        access,
    } in routes()
    {
        let methods = match access {
            Access::Open => methods,
            Access::Token => methods.layer(middleware::from_fn_with_state(api.clone(), by_token)),
            Access::Stream => methods.layer(middleware::from_fn_with_state(api.clone(), by_token_or_ticket)),
        };
        let observed = middleware::from_fn_with_state(api.metrics.route(path), observe);
        router = router.route(path, methods.layer(observed));
    }
    with_fallbacks(router)
        .with_state(api)
        .layer(middleware::from_fn(guard))
}

fn routes() -> Vec<Route> {
    let token = |path, methods| Route {
        path,
        methods,
        access: Access::Token,
    };
    let stream = |path, methods| Route {
        path,
        methods,
        access: Access::Stream,
    };
    let open = |path, methods| Route {
        path,
        methods,
        access: Access::Open,
    };
    vec![
        token("/v1/agents", asks(ApiMethod::Agents, Names::Anything)),
        token("/v1/agents/{id}", asks(ApiMethod::Agent, Names::Agent)),
        token("/v1/agents/{id}/pause", control(ControlAction::Pause)),
        token("/v1/agents/{id}/resume", control(ControlAction::Resume)),
        token(
            "/v1/swarm",
            asks_also(
                ApiMethod::Fsm,
                Names::Anything,
                &[("entity", Also::Word("swarm"))],
            ),
        ),
        token("/v1/fsm/{entity}/{id}", asks(ApiMethod::Fsm, Names::Machine)),
        token(
            "/v1/fsm/{entity}/{id}/history",
            asks_also(ApiMethod::Fsm, Names::Machine, &[("history", Also::Yes)]),
        ),
        token("/v1/swarm/halt", control(ControlAction::Halt)),
        token("/v1/swarm/resume", control(ControlAction::Resume)),
        token("/v1/rooms", asks(ApiMethod::Rooms, Names::Anything)),
        token("/v1/rooms/{name}/join", does(ApiMethod::Join, Names::Room)),
        token("/v1/rooms/{name}/leave", does(ApiMethod::Leave, Names::Room)),
        token("/v1/messages", post(messages::send).get(conversations::messages)),
        token("/v1/messages/{id}", get(history::message)),
        token("/v1/messages/{id}/trace", get(history::trace)),
        token("/v1/conversations", get(conversations::list)),
        token(
            "/v1/conversations/{id}/messages",
            get(conversations::conversation),
        ),
        token(
            "/v1/tasks",
            asks(ApiMethod::Tasks, Names::Anything).post(tasks::submit),
        ),
        token("/v1/tasks/{id}", asks(ApiMethod::Task, Names::Id)),
        token("/v1/tasks/{id}/explanation", asks(ApiMethod::Explain, Names::Id)),
        token("/v1/tasks/{id}/accept", tasks::verb(TaskVerb::Accept)),
        token("/v1/tasks/{id}/refuse", tasks::verb(TaskVerb::Refuse)),
        token("/v1/tasks/{id}/progress", tasks::verb(TaskVerb::Progress)),
        token("/v1/tasks/{id}/block", tasks::verb(TaskVerb::Block)),
        token("/v1/tasks/{id}/resume", tasks::verb(TaskVerb::Resume)),
        token("/v1/tasks/{id}/complete", tasks::verb(TaskVerb::Complete)),
        token("/v1/tasks/{id}/fail", tasks::verb(TaskVerb::Fail)),
        token("/v1/tasks/{id}/cancel", tasks::verb(TaskVerb::Cancel)),
        token("/v1/tasks/{id}/assign", tasks::verb(TaskVerb::Assign)),
        token("/v1/alerts", asks(ApiMethod::Alerts, Names::Anything)),
        token("/v1/alerts/{id}/ack", post(alerts::acknowledge)),
        token("/v1/tickets", post(tickets::give)),
        stream("/v1/events", get(feed::events)),
        stream("/v1/ws", get(feed::socket)),
        open("/livez", get(health::livez)),
        open("/healthz", get(health::livez)),
        open("/readyz", get(health::readyz)),
        open("/metrics", get(health::metrics)),
        token("/openapi.json", get(health::openapi)),
    ]
}

async fn by_token(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let caller = api.auth.by_token(request.headers()).await;
    enter(caller, request, next).await
}

async fn by_token_or_ticket(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let caller = match ticket(request.uri()) {
        Some(ticket) => api.auth.by_ticket(ticket),
        None => api.auth.by_token(request.headers()).await,
    };
    enter(caller, request, next).await
}

/// The ticket among the parameters. Ours are plain letters and digits, which need no decoding.
fn ticket(uri: &Uri) -> Option<&str> {
    let pairs = uri.query()?.split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| (name == "ticket").then_some(value))
}

async fn enter(caller: Result<Caller, ErrorDetail>, mut request: Request, next: Next) -> Response {
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        // What the body holds was not read.
        Err(error) if request.method() != Method::GET => Refusal::from(error).close().into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

async fn observe(State(metrics): State<RouteMetrics>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    metrics.answered(response.status().as_u16(), begun.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_describes_these_paths_and_no_others() {
        let document = wagglebus_schemas::generate::OPENAPI_COORDINATOR;
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        let described = document["paths"].as_object().unwrap().keys();
        let described: BTreeSet<&str> = described.map(String::as_str).collect();
        let routes = routes();
        let served: BTreeSet<&str> = routes.iter().map(|route| route.path).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn only_what_has_no_secrets_is_open() {
        let routes = routes();
        let open = routes.iter().filter(|route| route.access == Access::Open);
        let open: Vec<&str> = open.map(|route| route.path).collect();
        assert_eq!(open, ["/livez", "/healthz", "/readyz", "/metrics"]);
    }

    #[test]
    fn a_ticket_is_found_among_the_parameters() {
        let of = |uri: &str| ticket(&uri.parse().unwrap()).map(str::to_owned);
        assert_eq!(of("/v1/events?kind=task&ticket=abc"), Some("abc".to_owned()));
        assert_eq!(of("/v1/events?kind=task"), None);
        assert_eq!(of("/v1/events"), None);
    }
}
