//! `up`: a bus of one's own. Keeps nats-server, the coordinator and the operator's sidecar running until told to stop.
//!
//! | question | answer |
//! |---|---|
//! | is there one already, and whose is it? | [`lock`] |
//! | what did a former one leave behind? | [`leftovers`] |
//! | what stays the same from one to the next? | [`kept`] |
//! | what must be there before the server starts? | [`prepare`] |
//! | what must be done once it runs? | [`furnish`] |
//! | who keeps the other programs running? | [`child`] |
//! | where does the coordinator listen? | [`coordinator`] |
//! | in which order, and how does it end? | [`run`] |
//! | who may end it? | [`signals`] |
//! | how does it go into the background? | [`detach`] |
//! | whose panes are attached? | [`attached`] |
//! | who hears of alerts? | [`alerts`] |
//! | what else do files say of the programs? | [`forward`] |
//! | what was the running one asked for? | [`asked`] |

pub(crate) mod alerts;
pub(crate) mod asked;
pub(crate) mod attached;
pub(crate) mod bus_file;
pub(crate) mod child;
pub(crate) mod coordinator;
pub(crate) mod detach;
pub(crate) mod forward;
pub(crate) mod furnish;
pub(crate) mod kept;
pub(crate) mod leftovers;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod prepare;
pub(crate) mod ready;
pub(crate) mod run;
pub(crate) mod signals;
