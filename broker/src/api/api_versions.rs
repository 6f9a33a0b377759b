//! ApiVersions: what this broker serves, and in which versions.
//! Source: `KafkaApis.handleApiVersionsRequest`, KIP-511, KIP-584.

use bytes::BytesMut;
use wire::messages::api_versions_response::ApiVersion;
use wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{ApiKey, ErrorCode, RequestHeader, encode_response_body};

use super::{RequestContext, is_served};
use crate::broker::Broker;
use crate::net::{ClientSoftware, Reply};

/// Lists the served APIs and keeps what the client says of itself.
pub async fn handle(_: &Broker, context: &RequestContext<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let response = ApiVersionsResponse::default();
    if context.version() >= 3 {
        let (name, version) = (&*request.client_software_name, &*request.client_software_version);
        if !is_software_word(name) || !is_software_word(version) {
            return response.with_error_code(ErrorCode::InvalidRequest.code());
        }
        context.connection.set_client_software(ClientSoftware { name: name.to_owned(), version: version.to_owned() });
    }
    let served = ApiKey::ALL.iter().filter(|api| is_served(**api));
    response.with_api_keys(served.map(|api| range(*api)).collect())
}

/// The answer to a version of ApiVersions that is newer than ours: error 35 in version 0, which every client reads,
/// and the versions of ApiVersions itself, so that the client can ask again.
pub fn unsupported_version(header: &RequestHeader) -> Reply {
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(vec![range(ApiKey::ApiVersions)]);
    let mut frame = BytesMut::with_capacity(64);
    match encode_response_body(ApiKey::ApiVersions, 0, header.correlation_id, &response, &mut frame) {
        Ok(()) => Reply::frame(frame.freeze()),
        Err(error) => Reply::close(error.to_string()),
    }
}

fn range(api: ApiKey) -> ApiVersion {
    let versions = api.versions();
    ApiVersion::default().with_api_key(api.key()).with_min_version(*versions.start()).with_max_version(*versions.end())
}

/// Letters, digits, `-` and `.`, the latter two not at an end.
fn is_software_word(word: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    is_edge(word.chars().next()) && is_edge(word.chars().next_back()) && word.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kip_511() {
        for good in ["a", "apache-kafka-java", "3.9.0", "a--b"] {
            assert!(is_software_word(good), "{good}");
        }
        for bad in ["", "-a", "a-", ".", "a b", "ä"] {
            assert!(!is_software_word(bad), "{bad}");
        }
    }
}
