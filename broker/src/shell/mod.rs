//! One shell per decider: it feeds in what happened, carries out what is asked for, and reports how that went.
//! Decides nothing itself.

pub mod controller;
pub mod coordinator_log;
pub mod group;
pub mod topics;
