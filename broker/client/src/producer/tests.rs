//! Facts about the producer, against a broker that answers by script.
