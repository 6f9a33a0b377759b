//! Requests that wait for the world: records to be replicated, bytes to be read, records to be deleted everywhere.
//! A waiting request is a future of its connection's task, woken by the partitions it waits for; here is what it looks
//! for when it wakes. No thread, no queue, no polling: how many wait is bounded by what connections may have pending.
//! Source: `DelayedProduce`, `DelayedFetch`, `DelayedDeleteRecords` in Kafka 3.9.

pub mod delete_records;
pub mod fetch;
pub mod produce;
