//! The paths of the API (WIRE, Sidecar API).

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use wagglebus_http::fallback::{no_method, with_fallbacks};
use wagglebus_schemas::command::{ControlAction, TaskVerb};

use super::state::ApiState;
use super::{
    alerts, control, conversations, fsm, health, history, inbox, messages, rooms, roster, stream, tasks, ws,
};
use crate::metrics::RouteMetrics;

/// All paths.
pub(super) fn router(api: Arc<ApiState>) -> Router {
    let mut router = Router::new();
    for (path, methods) in routes() {
        let observed = middleware::from_fn_with_state(api.metrics.route(path), observe);
        router = router.route(path, methods.layer(observed));
    }
    with_fallbacks(router).with_state(api)
}

fn routes() -> [(&'static str, MethodRouter<Arc<ApiState>>); 41] {
    // A HEAD would take messages and throw them away.
    let inbox = get(inbox::take).head(no_method);
    let stream = get(stream::open).head(no_method);
    [
        ("/v1/messages", post(messages::send).get(conversations::messages)),
        ("/v1/messages/{id}", get(history::message)),
        ("/v1/messages/{id}/trace", get(history::trace)),
        ("/v1/inbox", inbox),
        ("/v1/inbox/stream", stream),
        ("/v1/ws", get(ws::open).head(no_method)),
        ("/v1/inbox/peek", get(inbox::peek)),
        ("/v1/inbox/{id}/ack", post(inbox::ack)),
        ("/v1/inbox/{id}/read", post(inbox::read_elsewhere)),
        ("/v1/inbox/{id}/nak", post(inbox::nak)),
        ("/v1/inbox/{id}/progress", post(inbox::progress)),
        ("/v1/conversations", get(conversations::list)),
        (
            "/v1/conversations/{id}/messages",
            get(conversations::conversation),
        ),
        ("/v1/agents", get(roster::agents)),
        ("/v1/agents/{id}", get(roster::agent)),
        ("/v1/agents/{id}/pause", control::of_agent(ControlAction::Pause)),
        ("/v1/agents/{id}/resume", control::of_agent(ControlAction::Resume)),
        ("/v1/swarm/halt", control::of_hive(ControlAction::Halt)),
        ("/v1/swarm/resume", control::of_hive(ControlAction::Resume)),
        ("/v1/rooms", get(rooms::list)),
        ("/v1/rooms/{name}/join", post(rooms::change::<true>)),
        ("/v1/rooms/{name}/leave", post(rooms::change::<false>)),
        ("/v1/tasks", post(tasks::submit).get(tasks::list)),
        ("/v1/tasks/{id}", get(tasks::task)),
        ("/v1/tasks/{id}/explanation", get(tasks::explanation)),
        ("/v1/tasks/{id}/accept", tasks::verb(TaskVerb::Accept)),
        ("/v1/tasks/{id}/refuse", tasks::verb(TaskVerb::Refuse)),
        ("/v1/tasks/{id}/progress", tasks::verb(TaskVerb::Progress)),
        ("/v1/tasks/{id}/block", tasks::verb(TaskVerb::Block)),
        ("/v1/tasks/{id}/resume", tasks::verb(TaskVerb::Resume)),
        ("/v1/tasks/{id}/complete", tasks::verb(TaskVerb::Complete)),
        ("/v1/tasks/{id}/fail", tasks::verb(TaskVerb::Fail)),
        ("/v1/tasks/{id}/cancel", tasks::verb(TaskVerb::Cancel)),
        ("/v1/tasks/{id}/assign", tasks::verb(TaskVerb::Assign)),
        ("/v1/fsm/{entity}/{id}", get(fsm::state)),
        ("/v1/fsm/{entity}/{id}/history", get(fsm::history)),
        ("/v1/alerts", get(alerts::list)),
        ("/livez", get(health::livez)),
        ("/readyz", get(health::readyz)),
        ("/metrics", get(health::metrics)),
        ("/openapi.json", get(health::openapi)),
    ]
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
        let document: serde_json::Value = serde_json::from_str(wagglebus_schemas::generate::OPENAPI).unwrap();
        let described: BTreeSet<&str> = document["paths"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let routes = routes();
        let served: BTreeSet<&str> = routes.iter().map(|(path, _)| *path).collect();
        assert_eq!(described, served);
    }
}
