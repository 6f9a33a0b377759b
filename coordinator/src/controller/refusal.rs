//! What each request is answered when this broker is not the controller, or no longer.

use super::Error;
use super::effect::{Answer, ApiError};
use super::event::Request;

/// The answer that sends the asker to look for the controller elsewhere.
pub(super) fn not_controller(request: &Request) -> Answer {
    let error = Error::NotController;
    match request {
        Request::AlterPartition { .. } => Answer::AlterPartition(Err(error)),
        Request::ControlledShutdown { .. } => Answer::ControlledShutdown(Err(error)),
        Request::ElectLeaders { partitions, .. } => {
            let named = partitions.iter().flatten();
            Answer::ElectLeaders(named.map(|partition| (partition.clone(), Err(ApiError::new(error)))).collect())
        }
        Request::AlterPartitionReassignments { .. } => Answer::AlterPartitionReassignments(Err(ApiError::new(error))),
        Request::ListPartitionReassignments { .. } => Answer::ListPartitionReassignments(Err(ApiError::new(error))),
        Request::AllocateProducerIds { .. } => Answer::AllocateProducerIds(Err(error)),
        Request::UpdateFeatures { .. } => Answer::UpdateFeatures(Err(ApiError::new(error))),
        Request::QueuedForDeletion { .. } => Answer::QueuedForDeletion(Err(error)),
    }
}
