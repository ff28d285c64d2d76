//! What the HTTP interfaces of sidecar and coordinator have in common: how a request is read and how it is answered.
//!
//! Who is let in, which paths there are and what they do is each program's own.
//!
//! | part | responsibility |
//! |---|---|
//! | [`head`] | what the head of a request says of its sender |
//! | [`body`] | JSON bodies, bounded in size and time |
//! | [`query`] | parameters and ids in paths |
//! | [`answer`] | answers and refusals (WIRE, Errors) |
//! | [`history`] | pages of messages and conversations |
//! | [`fallback`] | requests that no path takes |

pub mod answer;
pub mod body;
pub mod fallback;
pub mod head;
pub mod history;
pub mod query;

pub use answer::{Answered, Refusal, json, raw_json, typed};
pub use body::{JsonBody, MaybeJsonBody};
pub use head::IdempotencyKey;
pub use query::{NoParams, PAGE_LIMITS, PAGE_SIZE, Params, PathId, number};
