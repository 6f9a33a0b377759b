//! IncrementalAlterConfigs: sets, deletes, appends to and takes from single properties of topics and brokers.
//! Source: `KafkaApis.handleIncrementalAlterConfigsRequest`, `ConfigAdminManager.prepareIncrementalConfigs`.

use config::Texts;
use config::alter::{AlterOp, apply};
use wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use wire::{ErrorCode, text};

use super::RequestContext;
use super::config_changes::{self, Change, Rows};
use super::errors::Refusal;
use crate::broker::Broker;

/// Answers for each resource by itself.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let named = request.resources.iter().map(|resource| (resource.resource_type, &*resource.resource_name));
    let repeated = config_changes::repeated(named);
    let mut response = IncrementalAlterConfigsResponse::default();
    for resource in &request.resources {
        let properties = resource.configs.iter().map(|config| (&*config.name, lacks_value(config))).collect();
        let change = Change {
            kind: resource.resource_type,
            name: &resource.resource_name,
            properties,
            knows_loggers: true,
            validate_only: request.validate_only,
        };
        let next = |texts, rows| altered(resource, texts, rows);
        let changed = config_changes::change(broker, context, &repeated, &change, next).await;
        response.responses.push(answer(resource, changed));
    }
    response
}

fn lacks_value(config: &AlterableConfig) -> bool {
    config.value.is_none() && config.config_operation != AlterOp::Delete.code()
}

fn altered(resource: &AlterConfigsResource, mut texts: Texts, rows: Rows) -> Result<Texts, Refusal> {
    for config in &resource.configs {
        let code = config.config_operation;
        let op = AlterOp::from_code(code)
            .ok_or_else(|| Refusal::new(ErrorCode::InvalidRequest, format!("Unknown operation type {code}")))?;
        apply(&mut texts, rows(&config.name), &config.name, op, config.value.as_deref())
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
    }
    Ok(texts)
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
