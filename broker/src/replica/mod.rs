//! The partitions this broker hosts: who leads, who follows, what is committed, who waits.
//! Decides nothing about the cluster; it carries out the controller's orders and tells the controller who is in sync.

pub mod fetch_session;
pub mod high_watermark;
pub mod isr;
pub mod waiters;
