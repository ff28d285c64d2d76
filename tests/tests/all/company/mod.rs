//! Somebody else's NATS: an account in which we may create nothing, furnished by its administrator from exported files.

mod export;
mod limits;
mod work;
mod world;
