//! AlterConfigs: replaces all properties of topics and brokers by those given.
//! Source: `KafkaApis.handleAlterConfigsRequest`; contract 3.11.

use config::Texts;
use wire::messages::alter_configs_request::AlterConfigsResource;
use wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use wire::messages::{AlterConfigsRequest, AlterConfigsResponse};
use wire::text;

use super::RequestContext;
use super::config_changes::{self, Change};
use super::errors::Refusal;
use crate::broker::Broker;

/// Answers for each resource by itself.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let named = request.resources.iter().map(|resource| (resource.resource_type, &*resource.resource_name));
    let repeated = config_changes::repeated(named);
    let mut response = AlterConfigsResponse::default();
    for resource in &request.resources {
        let properties = resource.configs.iter().map(|config| (&*config.name, config.value.is_none())).collect();
        let change = Change {
            kind: resource.resource_type,
            name: &resource.resource_name,
            properties,
            knows_loggers: false,
            validate_only: request.validate_only,
        };
        let texts = texts(resource);
        let changed = config_changes::change(broker, context, &repeated, &change, |_, _| Ok(texts)).await;
        response.responses.push(answer(resource, changed));
    }
    response
}

fn texts(resource: &AlterConfigsResource) -> Texts {
    let given = resource.configs.iter();
    given.filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string()))).collect()
}

fn answer(resource: &AlterConfigsResource, changed: Result<(), Refusal>) -> AlterConfigsResourceResponse {
    let mut answer = AlterConfigsResourceResponse::default();
    answer.resource_type = resource.resource_type;
    answer.resource_name = resource.resource_name.clone();
    answer.error_message = None;
    if let Err(refusal) = changed {
        answer.error_code = refusal.code.code();
        answer.error_message = Some(text(refusal.message.as_deref().unwrap_or(refusal.code.message())));
    }
    answer
}
