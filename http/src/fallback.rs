//! Requests that no path takes, and methods that a path does not have.

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use wagglebus_schemas::error::ErrorCode;

use crate::answer::Refusal;

/// How much of a path is repeated in the answer, in characters.
const PATH_SHOWN_MAX: usize = 80;

/// Lets a router answer what none of its paths takes.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.method_not_allowed_fallback(no_method).fallback(no_path)
}

async fn no_path(uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(PATH_SHOWN_MAX).collect();
    Refusal::new(ErrorCode::NotFound, format!("nothing is at {path}"))
        .hint("the paths are in GET /openapi.json")
}

/// That the path has other methods; the router names them in the header `Allow`.
pub async fn no_method(method: Method) -> Refusal {
    Refusal::new(ErrorCode::NotFound, format!("this path has no {method}"))
        .hint("the header Allow names the methods of this path")
        .status(StatusCode::METHOD_NOT_ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[tokio::test]
    async fn a_path_that_is_not_there_is_named_but_not_at_length() {
        let uri: Uri = format!("/{}?token=x", "a".repeat(200)).parse().unwrap();
        let error = no_path(uri).await.into_error();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(
            error.message.ends_with("aaa") && error.message.len() < 100,
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_method_that_is_not_there_has_a_status_of_its_own() {
        let response = no_method(Method::PUT).await.into_response();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
