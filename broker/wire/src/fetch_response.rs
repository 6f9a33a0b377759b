//! Fetch responses.
