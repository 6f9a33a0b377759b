//! Creates topics that somebody named without creating them. What shape they get is decided by who asks.
//! Source: contract 3.11; `AutoTopicCreationManager`.

use std::sync::Arc;

use wire::ErrorCode;

use crate::api::errors::KafkaError as _;
use crate::broker::{BoxFuture, CreateMissingTopic, MissingTopic};
use crate::shell::topics::{NewTopic, Replicas, Topics};

/// Creates them as CreateTopics would.
pub(super) struct AutoTopics(pub Arc<Topics>);

impl CreateMissingTopic for AutoTopics {
    fn create(&self, topic: MissingTopic) -> BoxFuture<'_, Result<(), ErrorCode>> {
        Box::pin(async move {
            let replicas = Replicas::Count {
                partitions: topic.partition_count,
                replication_factor: i32::from(topic.replication_factor),
            };
            let topic = NewTopic { name: topic.name, replicas, overrides: topic.overrides };
            match self.0.create(&topic, false).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::info!("topic {} is not created: {error}", topic.name);
                    Err(error.code())
                }
            }
        })
    }
}
