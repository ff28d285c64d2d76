//! House rules that no lint can check. A failure names the file and the rule.

mod crates;
mod decisions;
mod files;
mod server_lock;
mod tree;
