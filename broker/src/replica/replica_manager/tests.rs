//! Facts about the manager.
