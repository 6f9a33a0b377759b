//! Facts about one partition.
