//! A request on its way through a handler: who asks, in which version, since when; and how its answer leaves.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use wire::fetch_response::FetchResponse;
use wire::messages::ProduceResponse;
use wire::rope::Payload;
use wire::{ApiKey, Encodable, ErrorCode, RequestHeader, encode_response_body};

use super::Throttle;
use crate::broker::Broker;
use crate::metrics::{self, Flow, RequestKind};
use crate::net::{ConnectionContext, Records, Reply};

/// What a handler knows of a request besides its body.
pub struct RequestContext<'a> {
    /// The connection it came by.
    pub connection: &'a ConnectionContext,
    /// Its header.
    pub header: RequestHeader,
    /// Its API.
    pub api: ApiKey,
    /// When its frame was complete.
    pub received_at: Instant,
    /// What it is counted as.
    pub kind: RequestKind,
    /// Size of its frame.
    pub request_bytes: usize,
    broker: &'a Broker,
}

impl<'a> RequestContext<'a> {
    /// The context of a request that has just arrived.
    #[must_use]
    pub fn new(broker: &'a Broker, connection: &'a ConnectionContext, header: RequestHeader, api: ApiKey) -> Self {
        let received_at = Instant::now();
        Self { connection, header, api, received_at, kind: RequestKind::Plain, request_bytes: 0, broker }
    }

    /// The version asked for.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.header.api_version
    }

    /// The listener the client sees the cluster through.
    #[must_use]
    pub fn listener(&self) -> &str {
        &self.connection.listener
    }

    /// What the client calls itself; empty if it says nothing.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.header.client_id.as_deref().unwrap_or("")
    }

    /// The broker answering.
    #[must_use]
    pub const fn broker(&self) -> &'a Broker {
        self.broker
    }

    /// Encodes the answer. One that has no place in its version is a bug: it is logged and the connection closed.
    pub fn answer<R: Encodable + Throttle>(&self, mut response: R) -> Reply {
        self.count();
        let throttle = self.throttle();
        if !throttle.is_zero() {
            response.set_throttle_time_ms(i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX));
        }
        let mut frame = BytesMut::with_capacity(256);
        let encoded = encode_response_body(self.api, self.version(), self.header.correlation_id, &response, &mut frame);
        match encoded {
            Ok(()) => Reply { mute_for: throttle, ..Reply::frame(frame.freeze()) },
            Err(error) => {
                tracing::error!(%error, "response cannot be encoded");
                Reply::close(error.to_string())
            }
        }
    }

    /// Encodes a Fetch answer, leaving its records where they are.
    pub fn answer_fetch(&self, mut response: FetchResponse<Records>) -> Reply {
        self.count();
        let records = response.topics.iter().flat_map(|topic| &topic.partitions).filter_map(|p| p.records.as_ref());
        let flow = if self.kind == RequestKind::FetchFollower { Flow::ToFollower } else { Flow::Consumed };
        flow.count(records.map(Payload::len).sum());
        let throttle = self.throttle();
        if !throttle.is_zero() {
            response.throttle_time_ms = i32::try_from(throttle.as_millis()).unwrap_or(i32::MAX);
        }
        match response.encode(self.version(), self.header.correlation_id) {
            Ok(rope) => Reply { mute_for: throttle, ..Reply::from(rope) },
            Err(error) => {
                tracing::error!(%error, "response cannot be encoded");
                Reply::close(error.to_string())
            }
        }
    }

    /// Ends a Produce that wants no answer. A client whose records were refused learns of it by a closed connection:
    /// it then asks for metadata anew.
    pub fn answer_nothing(&self, response: &ProduceResponse) -> Reply {
        self.count();
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        match partitions.find(|partition| partition.error_code != ErrorCode::None.code()) {
            None => Reply { mute_for: self.throttle(), ..Reply::nothing() },
            Some(partition) => {
                let error = ErrorCode::from_code(partition.error_code);
                Reply::close(format!("Produce with acks=0 failed: {error} for partition {}", partition.index))
            }
        }
    }

    fn count(&self) {
        if metrics::is_exported() {
            let total = self.received_at.elapsed();
            metrics::on_request(self.api, self.version(), self.kind, self.request_bytes, total);
        }
    }

    /// For how long the client is to be throttled: none while no quota is set.
    const fn throttle(&self) -> Duration {
        Duration::ZERO
    }
}
