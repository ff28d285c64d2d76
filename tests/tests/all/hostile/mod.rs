//! The hostile agent: what a normal agent's key must not be good for, on a real server in both forms.

mod setup;
