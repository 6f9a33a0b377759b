//! Facts about fetch sessions, seen from a client.

use uuid::Uuid;

use super::*;

struct Client {
    sessions: FetchSessions,
    now_ms: i64,
}

fn partition(topic: &str, index: i32, fetch_offset: Offset) -> FetchPartition {
    FetchPartition {
        topic: Some(TopicName::new(topic)),
        topic_id: TopicId::ZERO,
        partition: index,
        fetch_offset,
        log_start_offset: -1,
        max_bytes: 100,
        current_leader_epoch: None,
        last_fetched_epoch: None,
    }
}

fn quiet(high_watermark: Offset) -> AnswerFacts {
    AnswerFacts { has_records: false, high_watermark, log_start_offset: 0, must_tell: false, is_error: false }
}

fn records(high_watermark: Offset) -> AnswerFacts {
    AnswerFacts { has_records: true, ..quiet(high_watermark) }
}

fn failed() -> AnswerFacts {
    AnswerFacts { high_watermark: -1, log_start_offset: -1, must_tell: true, is_error: true, ..quiet(-1) }
}

impl Client {
    fn new(slots: usize) -> Self {
        Self { sessions: FetchSessions::new(slots), now_ms: 0 }
    }

    fn request(&self, session_id: i32, epoch: i32, partitions: Vec<FetchPartition>) -> SessionRequest {
        SessionRequest { session_id, epoch, is_follower: false, uses_topic_ids: false, partitions, forgotten: vec![] }
    }

    fn begin(&self, request: SessionRequest) -> FetchContext {
        self.sessions.begin(request, |_| None, self.now_ms)
    }

    fn fetch(&self, request: SessionRequest, answers: &[AnswerFacts]) -> Finished {
        let context = self.begin(request);
        assert_eq!(context.partitions().len(), answers.len());
        self.sessions.finish(context, answers, self.now_ms)
    }

    /// A new session over partitions 0.. of topic `t`, each answered with high watermark 10.
    fn session(&self, partition_count: i32) -> i32 {
        let partitions = (0..partition_count).map(|index| partition("t", index, 0)).collect();
        let answers = vec![quiet(10); usize::try_from(partition_count).unwrap()];
        let finished = self.fetch(self.request(0, 0, partitions), &answers);
        assert!(finished.is_sent.iter().all(|is_sent| *is_sent));
        finished.session_id
    }

    fn order(&self, context: &FetchContext) -> Vec<i32> {
        context.partitions().iter().map(|partition| partition.partition).collect()
    }
}

#[test]
fn without_a_session_everything_is_told() {
    let client = Client::new(10);
    let finished = client.fetch(client.request(0, -1, vec![partition("t", 0, 0)]), &[quiet(10)]);
    assert_eq!((finished.session_id, finished.is_sent), (NO_SESSION, vec![true]));
    assert_eq!(client.sessions.session_count(), 0);
}

#[test]
fn a_session_tells_only_news() {
    let client = Client::new(10);
    let id = client.session(3);
    assert_ne!(id, NO_SESSION);
    let finished = client.fetch(client.request(id, 1, vec![]), &[quiet(10), quiet(11), records(10)]);
    assert_eq!((finished.session_id, finished.is_sent), (id, vec![false, true, true]));
}

#[test]
fn partitions_that_gave_records_come_last_next_time() {
    let client = Client::new(10);
    let id = client.session(3);
    let _ = client.fetch(client.request(id, 1, vec![]), &[records(10), quiet(10), quiet(10)]);
    assert_eq!(client.order(&client.begin(client.request(id, 2, vec![]))), [1, 2, 0]);
}

#[test]
fn offsets_are_changed_partitions_added_and_forgotten() {
    let client = Client::new(10);
    let id = client.session(2);
    let mut request = client.request(id, 1, vec![partition("t", 1, 77), partition("u", 0, 5)]);
    request.forgotten = vec![Key::new(TopicId::ZERO, Some(&TopicName::new("t")), 0)];
    let context = client.begin(request);
    let asked: Vec<_> = context.partitions().iter().map(|p| (p.partition, p.fetch_offset)).collect();
    assert_eq!(asked, [(1, 77), (0, 5)]);
    let finished = client.sessions.finish(context, &[quiet(10), quiet(10)], 0);
    assert_eq!(finished.is_sent, [false, true], "a new partition has been told nothing yet");
}

#[test]
fn an_error_is_told_each_time_and_its_end_too() {
    let client = Client::new(10);
    let id = client.session(1);
    assert_eq!(client.fetch(client.request(id, 1, vec![]), &[failed()]).is_sent, [true]);
    assert_eq!(client.fetch(client.request(id, 2, vec![]), &[failed()]).is_sent, [true]);
    assert_eq!(client.fetch(client.request(id, 3, vec![]), &[quiet(10)]).is_sent, [true]);
    assert_eq!(client.fetch(client.request(id, 4, vec![]), &[quiet(10)]).is_sent, [false]);
}

#[test]
fn wrong_epochs_and_unknown_sessions_are_refused() {
    let client = Client::new(10);
    let id = client.session(1);
    let error = |request| client.begin(request).error();
    assert_eq!(error(client.request(id, 2, vec![])), Some(ErrorCode::InvalidFetchSessionEpoch));
    assert_eq!(error(client.request(id + 1, 1, vec![])), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(error(client.request(-5, 1, vec![])), Some(ErrorCode::FetchSessionIdNotFound));
    let with_ids = SessionRequest { uses_topic_ids: true, ..client.request(id, 1, vec![]) };
    assert_eq!(error(with_ids), Some(ErrorCode::FetchSessionTopicIdError));
    assert_eq!(error(client.request(id, 1, vec![])), None);
}

#[test]
fn an_answer_overtaken_by_a_later_request_is_refused() {
    let client = Client::new(10);
    let id = client.session(1);
    let slow = client.begin(client.request(id, 1, vec![]));
    let _ = client.begin(client.request(id, 2, vec![]));
    let finished = client.sessions.finish(slow, &[quiet(10)], 0);
    assert_eq!((finished.error, finished.session_id), (ErrorCode::InvalidFetchSessionEpoch, id));
}

#[test]
fn a_full_fetch_closes_the_session_it_names() {
    let client = Client::new(10);
    let id = client.session(1);
    let finished = client.fetch(client.request(id, 0, vec![partition("t", 0, 0)]), &[quiet(10)]);
    assert_ne!(finished.session_id, NO_SESSION);
    assert_eq!(client.sessions.session_count(), 1);
    let _ = client.fetch(client.request(finished.session_id, -1, vec![]), &[]);
    assert_eq!((client.sessions.session_count(), client.sessions.partition_count()), (0, 0));
}

#[test]
fn a_session_that_forgot_everything_is_closed() {
    let client = Client::new(10);
    let id = client.session(1);
    let forgotten = vec![Key::new(TopicId::ZERO, Some(&TopicName::new("t")), 0)];
    let finished = client.fetch(SessionRequest { forgotten, ..client.request(id, 1, vec![]) }, &[]);
    assert_eq!((finished.session_id, client.sessions.session_count()), (NO_SESSION, 0));
}

#[test]
fn a_topic_id_is_named_once_it_is_known() {
    let client = Client::new(10);
    let topic_id = TopicId(Uuid::from_u128(7));
    let unknown = FetchPartition { topic: None, topic_id, ..partition("t", 0, 0) };
    let request = SessionRequest { uses_topic_ids: true, ..client.request(0, 0, vec![unknown]) };
    let id = client.fetch(request, &[failed()]).session_id;
    let request = SessionRequest { uses_topic_ids: true, ..client.request(id, 1, vec![]) };
    let context = client.sessions.begin(request, |_| Some(TopicName::new("t")), 0);
    assert_eq!(context.partitions()[0].topic, Some(TopicName::new("t")));
}

#[test]
fn a_full_cache_gives_no_session_to_a_consumer() {
    let client = Client::new(2);
    assert!(client.session(1) != NO_SESSION && client.session(1) != NO_SESSION);
    assert_eq!((client.session(9), client.sessions.session_count()), (NO_SESSION, 2));
}

#[test]
fn the_longest_unused_makes_room_after_two_minutes() {
    let mut client = Client::new(1);
    let old = client.session(5);
    client.now_ms = EVICTION_MS;
    assert_eq!(client.session(1), NO_SESSION);
    client.now_ms = EVICTION_MS + 1;
    assert_ne!(client.session(1), NO_SESSION);
    assert_eq!(client.begin(client.request(old, 1, vec![])).error(), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(client.sessions.eviction_count(), 1);
}

#[test]
fn a_follower_takes_a_consumers_slot() {
    let client = Client::new(1);
    let _ = client.session(5);
    let follower = SessionRequest { is_follower: true, ..client.request(0, 0, vec![partition("t", 0, 0)]) };
    assert_ne!(client.fetch(follower, &[quiet(10)]).session_id, NO_SESSION);
    assert_eq!(client.sessions.session_count(), 1);
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!((next_epoch(0), next_epoch(i32::MAX), next_epoch(-1)), (1, 1, -1));
}
