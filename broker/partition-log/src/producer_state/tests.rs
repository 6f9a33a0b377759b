use super::*;

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn data(producer: i64, epoch: i16, first_sequence: i32, count: i32, base_offset: Offset) -> ProducerBatch {
    ProducerBatch {
        producer_id: ProducerId(producer),
        epoch: ProducerEpoch(epoch),
        base_sequence: first_sequence,
        last_sequence: record::header::increment_sequence(first_sequence, count - 1),
        base_offset,
        last_offset: base_offset + i64::from(count) - 1,
        max_timestamp: 1000 + base_offset,
        is_transactional: false,
        is_control: false,
        marker: None,
    }
}

fn transactional(producer: i64, first_sequence: i32, base_offset: Offset) -> ProducerBatch {
    ProducerBatch { is_transactional: true, ..data(producer, 0, first_sequence, 1, base_offset) }
}

fn marker(producer: i64, control_type: ControlType, coordinator_epoch: i32, offset: Offset) -> ProducerBatch {
    ProducerBatch {
        is_control: true,
        is_transactional: true,
        marker: Some(EndTransactionMarker { control_type, coordinator_epoch }),
        base_sequence: NO_SEQUENCE,
        last_sequence: NO_SEQUENCE,
        ..data(producer, 0, 0, 1, offset)
    }
}

fn append(
    state: &mut ProducerState,
    batch: ProducerBatch,
    origin: Origin,
) -> Result<Vec<AbortedTransaction>, ProducerError> {
    let mut changes = ProducerChanges::default();
    state.prepare(&mut changes, &partition(), &batch, origin)?;
    Ok(state.apply(changes, batch.last_offset + 1))
}

fn is_out_of_order(result: Result<Vec<AbortedTransaction>, ProducerError>) -> bool {
    matches!(result, Err(ProducerError::OutOfOrderSequence { .. }))
}

#[test]
fn an_unknown_producer_may_begin_anywhere_and_must_then_go_on_without_gaps() {
    let mut state = ProducerState::default();
    append(&mut state, data(1, 0, 40, 3, 0), Origin::Client).unwrap();
    assert!(is_out_of_order(append(&mut state, data(1, 0, 44, 1, 3), Origin::Client)));
    assert!(is_out_of_order(append(&mut state, data(1, 0, 42, 1, 3), Origin::Client)));
    append(&mut state, data(1, 0, 43, 1, 3), Origin::Client).unwrap();
}

#[test]
fn sequences_wrap_to_zero() {
    let mut state = ProducerState::default();
    append(&mut state, data(1, 0, i32::MAX - 1, 2, 0), Origin::Client).unwrap();
    append(&mut state, data(1, 0, 0, 1, 2), Origin::Client).unwrap();
}

#[test]
fn a_new_epoch_begins_with_zero_and_fences_the_old_one() {
    let mut state = ProducerState::default();
    append(&mut state, data(1, 3, 0, 5, 0), Origin::Client).unwrap();
    assert!(is_out_of_order(append(&mut state, data(1, 4, 5, 1, 5), Origin::Client)));
    append(&mut state, data(1, 4, 0, 1, 5), Origin::Client).unwrap();
    let old = append(&mut state, data(1, 3, 5, 1, 6), Origin::Client);
    assert!(matches!(old, Err(ProducerError::InvalidProducerEpoch { .. })));
}

#[test]
fn the_last_five_batches_are_known_again() {
    let mut state = ProducerState::default();
    for i in 0..7 {
        append(&mut state, data(1, 0, i * 2, 2, i64::from(i) * 2), Origin::Client).unwrap();
    }
    for i in 2..7 {
        let known = state.duplicate_of(&data(1, 0, i * 2, 2, 99)).unwrap();
        assert_eq!((known.first_offset(), known.last_offset), (i64::from(i) * 2, i64::from(i) * 2 + 1));
    }
    assert!(state.duplicate_of(&data(1, 0, 2, 2, 99)).is_none());
    assert!(state.duplicate_of(&data(1, 0, 12, 1, 99)).is_none());
    assert!(state.duplicate_of(&data(1, 1, 12, 2, 99)).is_none());
}

#[test]
fn replication_checks_nothing() {
    let mut state = ProducerState::default();
    append(&mut state, data(1, 3, 0, 5, 0), Origin::Replication).unwrap();
    append(&mut state, data(1, 2, 77, 1, 5), Origin::Replication).unwrap();
    append(&mut state, marker(1, ControlType::Commit, 5, 6), Origin::Replication).unwrap();
    append(&mut state, marker(1, ControlType::Commit, 4, 7), Origin::Replication).unwrap();
}

#[test]
fn the_first_unstable_offset_waits_for_the_marker_to_be_replicated() {
    let mut state = ProducerState::default();
    append(&mut state, transactional(1, 0, 10), Origin::Client).unwrap();
    append(&mut state, transactional(2, 0, 11), Origin::Client).unwrap();
    assert_eq!(state.first_unstable_offset(), Some(10));
    append(&mut state, marker(1, ControlType::Commit, 0, 12), Origin::Coordinator).unwrap();
    assert_eq!(state.first_unstable_offset(), Some(10));
    state.forget_replicated(12);
    assert_eq!(state.first_unstable_offset(), Some(10));
    state.forget_replicated(13);
    assert_eq!(state.first_unstable_offset(), Some(11));
}

#[test]
fn an_abort_is_given_for_the_index_with_the_last_stable_offset() {
    let mut state = ProducerState::default();
    append(&mut state, transactional(1, 0, 10), Origin::Client).unwrap();
    append(&mut state, transactional(2, 0, 11), Origin::Client).unwrap();
    let aborted = append(&mut state, marker(1, ControlType::Abort, 0, 12), Origin::Coordinator).unwrap();
    assert_eq!((aborted[0].first_offset, aborted[0].last_offset, aborted[0].last_stable_offset), (10, 12, 11));
    let aborted = append(&mut state, marker(2, ControlType::Abort, 0, 13), Origin::Coordinator).unwrap();
    assert_eq!(aborted[0].last_stable_offset, 14);
}

#[test]
fn a_batch_outside_the_open_transaction_and_an_old_coordinator_are_refused() {
    let mut state = ProducerState::default();
    append(&mut state, transactional(1, 0, 10), Origin::Client).unwrap();
    let plain = append(&mut state, data(1, 0, 1, 1, 11), Origin::Client);
    assert!(matches!(plain, Err(ProducerError::InvalidTxnState { .. })));
    append(&mut state, marker(1, ControlType::Commit, 7, 11), Origin::Coordinator).unwrap();
    let zombie = append(&mut state, marker(1, ControlType::Commit, 6, 12), Origin::Coordinator);
    assert!(matches!(zombie, Err(ProducerError::TransactionCoordinatorFenced { .. })));
}

#[test]
fn a_snapshot_restores_epochs_sequences_and_open_transactions() {
    let mut state = ProducerState::default();
    append(&mut state, data(1, 4, 0, 5, 0), Origin::Client).unwrap();
    append(&mut state, transactional(2, 0, 5), Origin::Client).unwrap();
    let entries: Vec<_> = state.snapshot_entries().collect();
    let mut loaded = ProducerState::default();
    loaded.load(&entries, 6, 999);
    assert_eq!((loaded.end_offset, loaded.first_unstable_offset()), (6, Some(5)));
    assert!(loaded.duplicate_of(&data(1, 4, 0, 5, 0)).is_some());
    loaded.load(&entries, 6, i64::MAX);
    assert_eq!(loaded.len(), 1, "only the open transaction outlives expiry");
}

#[test]
fn a_guard_is_good_for_its_producer_until_the_transaction_opens() {
    let mut state = ProducerState::default();
    let guard = state.start_verification(ProducerId(1), 3, ProducerEpoch(0), 0);
    assert!(state.is_verified(ProducerId(1), guard) && !state.is_verified(ProducerId(2), guard));
    assert!(!state.is_verified(ProducerId(1), VerificationGuard::NONE));
    // An earlier batch of the producer is still in flight: a later one must wait for it.
    assert_eq!(state.start_verification(ProducerId(1), 2, ProducerEpoch(0), 0), guard);
    assert!(is_out_of_order(append(&mut state, transactional(1, 3, 0), Origin::Client)));
    append(&mut state, transactional(1, 2, 0), Origin::Client).unwrap();
    assert!(!state.is_verified(ProducerId(1), guard));
    assert_eq!(state.start_verification(ProducerId(1), 4, ProducerEpoch(0), 0), VerificationGuard::NONE);
}
