//! Tests of what becomes of commands.

mod resources;
mod submissions;
mod verbs;
