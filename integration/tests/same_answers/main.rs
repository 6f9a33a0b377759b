//! Asks our broker and Apache's the same questions in every version of every API and compares the answers.
//! Knows nothing of what is right: Apache Kafka 3.9 is. Where we differ on purpose, the test says so.

mod admin;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod pair;
mod produce;
mod records;
