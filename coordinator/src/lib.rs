//! The deciders: structs that are given an event and the time and answer with effects.
//! Nothing here reads a clock, opens a socket or file, or waits; the shells in `broker` do all of that.

pub mod controller;
pub mod group;
pub mod time;
