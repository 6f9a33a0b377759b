//! One file per kind of node: what it holds, how it is written and every version of it that can be read.
//! Pure: no session, no clock; a time stamped into a node is an argument. Source: contract 1.3, `kafka.zk.ZkData`.

pub mod acl;
pub mod broker_id;
pub mod cluster_id;
pub mod config;
pub mod config_change;
pub mod consumer_offset;
pub mod controller;
pub mod controller_epoch;
pub mod delegation_token;
pub mod feature;
pub mod isr_change;
pub mod log_dir_event;
pub mod migration;
pub mod partition_state;
pub mod preferred_election;
pub mod producer_id_block;
pub mod reassignment;
pub mod topic;
