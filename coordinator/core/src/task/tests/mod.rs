//! Tests of what becomes of commands.

mod submissions;
mod verbs;
