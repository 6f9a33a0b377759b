//! One shell per decider: it feeds in what happened, carries out what is asked for, and reports how that went.
//! Decides nothing itself.

pub mod controller;
pub mod controller_client;
pub mod coordinator_log;
pub mod fetchers;
pub mod group;
pub mod isr_updater;
pub mod producer_ids;
pub mod topics;
