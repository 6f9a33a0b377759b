//! Offsets and records of partitions; every leader is asked for its own, and found again when it has moved.

use std::collections::BTreeMap;

use tokio::time::Instant;
use wire::ErrorCode;
use wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use wire::messages::{DeleteRecordsRequest, TopicName};

use super::{Admin, Partition, RETRY_BACKOFF};
use crate::error::{Error, check};
use crate::offsets;

/// What became of each partition asked about.
type Answers<T> = BTreeMap<Partition, Result<T, Error>>;

impl Admin {
    /// For each partition the first offset whose record is not older than `timestamp`, or that of a special time
    /// ([`offsets::LATEST`], [`offsets::EARLIEST`]); -1 when there is none.
    ///
    /// # Errors
    /// When no broker answers in time. Errors of single partitions are in the answer.
    pub async fn list_offsets(&self, partitions: &[Partition], timestamp: i64) -> Result<Answers<i64>, Error> {
        let wanted = partitions.iter().map(|partition| (partition.clone(), timestamp)).collect();
        self.at_leaders(wanted, async |leader, part| {
            let connection = self.cluster.broker(leader).await?;
            offsets::list(&connection, &part, false).await
        })
        .await
    }

    /// Deletes the records before an offset (-1: all of them) of each partition; gives the new log start offset.
    ///
    /// # Errors
    /// When no broker answers in time. Errors of single partitions are in the answer.
    pub async fn delete_records(&self, before: &BTreeMap<Partition, i64>) -> Result<Answers<i64>, Error> {
        self.at_leaders(before.clone(), async |leader, part| {
            let mut topics: BTreeMap<&str, Vec<DeleteRecordsPartition>> = BTreeMap::new();
            for ((topic, index), offset) in &part {
                let mut partition = DeleteRecordsPartition::default();
                partition.partition_index = *index;
                partition.offset = *offset;
                topics.entry(topic).or_default().push(partition);
            }
            let mut request = DeleteRecordsRequest::default();
            request.timeout_ms = self.timeout_ms();
            request.topics = topics
                .into_iter()
                .map(|(name, partitions)| {
                    let mut topic = DeleteRecordsTopic::default();
                    topic.name = TopicName(wire::text(name));
                    topic.partitions = partitions;
                    topic
                })
                .collect();
            let response = self.cluster.broker(leader).await?.call(&request).await?;
            let mut answers = BTreeMap::new();
            for topic in &response.topics {
                for partition in &topic.partitions {
                    let home = (topic.name.0.to_string(), partition.partition_index);
                    let what = || format!("{}-{}", home.0, home.1);
                    let answer = check(partition.error_code, None, what).map(|()| partition.low_watermark);
                    answers.insert(home, answer);
                }
            }
            Ok(answers)
        })
        .await
    }

    /// Asks every leader about its partitions, and again about those whose trouble may pass, until time is up.
    async fn at_leaders<A: Copy, T>(
        &self,
        wanted: BTreeMap<Partition, A>,
        ask: impl AsyncFn(i32, BTreeMap<Partition, A>) -> Result<Answers<T>, Error>,
    ) -> Result<Answers<T>, Error> {
        let deadline = Instant::now() + self.timeout;
        let mut left = wanted;
        let mut settled = Answers::new();
        while !left.is_empty() {
            let mut failed: BTreeMap<Partition, Error> = BTreeMap::new();
            match tokio::time::timeout_at(deadline, self.leaders_of(&left)).await {
                Ok(Ok((by_leader, leaderless))) => {
                    failed.extend(leaderless);
                    let asked = by_leader.into_iter().map(|(leader, part)| {
                        let ask = &ask;
                        async move { (part.clone(), tokio::time::timeout_at(deadline, ask(leader, part)).await) }
                    });
                    for (part, answer) in futures::future::join_all(asked).await {
                        let mut answers = match answer {
                            Ok(Ok(answers)) => answers,
                            Ok(Err(error)) => everywhere(part.keys(), &error),
                            Err(_) => everywhere(part.keys(), &self.late()),
                        };
                        for partition in part.into_keys() {
                            match answers.remove(&partition) {
                                Some(Ok(value)) => {
                                    settled.insert(partition, Ok(value));
                                }
                                Some(Err(error)) => {
                                    failed.insert(partition, error);
                                }
                                None => {
                                    let what = format!("{}-{}", partition.0, partition.1);
                                    failed.insert(partition, super::unanswered(what));
                                }
                            }
                        }
                    }
                }
                Ok(Err(error)) if !error.is_retriable() => return Err(error),
                Ok(Err(error)) if settled.is_empty() && Instant::now() >= deadline => return Err(error),
                Ok(Err(error)) => failed = left.keys().map(|home| (home.clone(), copy(&error))).collect(),
                Err(_) => failed = left.keys().map(|home| (home.clone(), self.late())).collect(),
            }
            let late = Instant::now() + RETRY_BACKOFF >= deadline;
            left.retain(|partition, _| failed.get(partition).is_some_and(|error| error.is_retriable() && !late));
            settled.extend(
                failed.into_iter().filter(|(partition, _)| !left.contains_key(partition)).map(|(p, e)| (p, Err(e))),
            );
            if !left.is_empty() {
                tokio::time::sleep(RETRY_BACKOFF).await;
            }
        }
        Ok(settled)
    }

    /// Splits partitions by their leader; those without one come with the reason.
    async fn leaders_of<A: Copy>(
        &self,
        wanted: &BTreeMap<Partition, A>,
    ) -> Result<(BTreeMap<i32, BTreeMap<Partition, A>>, BTreeMap<Partition, Error>), Error> {
        let mut topics: Vec<&str> = wanted.keys().map(|(topic, _)| topic.as_str()).collect();
        topics.dedup();
        let response = self.cluster.metadata(Some(&topics)).await?;
        let mut leaders: BTreeMap<Partition, Result<i32, ErrorCode>> = BTreeMap::new();
        let mut refused: BTreeMap<String, ErrorCode> = BTreeMap::new();
        for topic in &response.topics {
            let name = topic.name.as_ref().map(|name| name.0.to_string()).unwrap_or_default();
            let code = ErrorCode::from_code(topic.error_code);
            if code.is_error() {
                refused.insert(name.clone(), code);
            }
            for partition in &topic.partitions {
                let leader = partition.leader_id.0;
                let leader = if leader >= 0 { Ok(leader) } else { Err(ErrorCode::LeaderNotAvailable) };
                leaders.insert((name.clone(), partition.partition_index), leader);
            }
        }
        let (mut by_leader, mut leaderless) = (BTreeMap::<i32, BTreeMap<Partition, A>>::new(), BTreeMap::new());
        for (home, argument) in wanted {
            let unknown = refused.get(&home.0).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition);
            match leaders.get(home).copied().unwrap_or(Err(unknown)) {
                Ok(leader) => {
                    by_leader.entry(leader).or_default().insert(home.clone(), *argument);
                }
                Err(code) => {
                    leaderless.insert(home.clone(), Error::broker(format!("{}-{}", home.0, home.1), code, None));
                }
            }
        }
        Ok((by_leader, leaderless))
    }
}

/// One error that befell all of these.
fn everywhere<'a, T>(partitions: impl Iterator<Item = &'a Partition>, error: &Error) -> Answers<T> {
    partitions.map(|partition| (partition.clone(), Err(copy(error)))).collect()
}

/// Errors hold IO errors and so cannot be cloned; what is told of them can.
fn copy(error: &Error) -> Error {
    let code = error.code().unwrap_or(if error.is_retriable() {
        ErrorCode::NetworkException
    } else {
        ErrorCode::UnknownServerError
    });
    Error::broker(error.to_string(), code, Some(&error.message()))
}
