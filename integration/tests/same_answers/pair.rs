//! One cluster of ours and one of Apache's, and a way to ask both the same: every difference is noted, and told at the
//! end of the test all at once. Takes away only what must differ between two clusters.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context as _, Result, ensure};
use client::Connection;
use client::connection::Options;
use integration::cluster::{BrokerKind, Cluster, ZooKeeperKind};
use uuid::Uuid;
use wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use wire::messages::{CreateTopicsRequest, MetadataRequest, TopicName};
use wire::{Request, text};

/// The clusters of all tests that run at the moment: they start with the first test and end with the last.
static CLUSTERS: Mutex<Weak<[Cluster; 2]>> = Mutex::new(Weak::new());

/// Ours, then Apache's.
fn clusters() -> Result<Arc<[Cluster; 2]>> {
    let mut running = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(clusters) = running.upgrade() {
        return Ok(clusters);
    }
    let start = |kind| {
        let builder = Cluster::builder().zookeeper(ZooKeeperKind::Ours).brokers(&[kind]);
        builder.property("auto.create.topics.enable", "false").start()
    };
    let (ours, apache) = std::thread::scope(|scope| {
        let apache = scope.spawn(|| start(BrokerKind::Apache));
        (start(BrokerKind::Ours), apache.join())
    });
    let clusters = Arc::new([ours?, apache.expect("starting a cluster does not panic")?]);
    *running = Arc::downgrade(&clusters);
    Ok(clusters)
}

/// One of the two, and what a test learned from it.
pub struct Side {
    address: String,
    connection: Connection,
    /// Ids of the topics made by [`Pair::create_topic`].
    pub ids: BTreeMap<String, Uuid>,
    /// What the server said that later requests must say again: member ids, session ids and the like.
    pub words: BTreeMap<&'static str, String>,
    /// The same for numbers.
    pub numbers: BTreeMap<&'static str, i64>,
}

impl Side {
    async fn connect(address: String) -> Result<Self> {
        let connection = Connection::plain(&address, &Options::default()).await?;
        Ok(Self { address, connection, ids: BTreeMap::new(), words: BTreeMap::new(), numbers: BTreeMap::new() })
    }

    /// What was noted under this name; empty if nothing was.
    pub fn word(&self, name: &str) -> wire::StrBytes {
        text(self.words.get(name).map_or("", String::as_str))
    }

    /// The number noted under this name; 0 if none was.
    pub fn number(&self, name: &str) -> i64 {
        self.numbers.get(name).copied().unwrap_or(0)
    }

    /// The topic's id; for a topic nobody made, one that nobody has.
    pub fn id(&self, topic: &str) -> Uuid {
        self.ids.get(topic).copied().unwrap_or(Uuid::from_u128(0xdead))
    }

    /// The answer, or in words why there is none. A closed connection is an answer, too.
    async fn ask<R: Request + Debug>(&mut self, version: i16, request: &R) -> Result<Result<R::Response, String>> {
        match self.connection.call_at(version, request).await {
            Ok(response) => Ok(Ok(response)),
            Err(client::Error::Disconnected { .. }) => {
                self.connection = Connection::plain(&self.address, &Options::default()).await?;
                Ok(Err("closes the connection".to_owned()))
            }
            Err(error) => Err(error).with_context(|| format!("version {version} of {request:?}")),
        }
    }
}

/// Both, and how they differed so far.
pub struct Pair {
    /// Ours, then Apache's.
    pub sides: [Side; 2],
    /// What was asked, and how the answers differ.
    differences: Vec<(Vec<String>, String)>,
    // Keeps the servers alive.
    _clusters: Arc<[Cluster; 2]>,
}

impl Pair {
    /// Asks both the same and notes whether they differ once `normalise` has taken away what may.
    pub async fn same<R: Request + Debug>(
        &mut self,
        what: &str,
        version: i16,
        request: impl Fn(&Side) -> R,
        normalise: impl Fn(&mut R::Response),
    ) -> Result<()>
    where
        R::Response: Debug + Clone,
    {
        self.same_and_note(what, version, request, normalise, |_, _| {}).await
    }

    /// [`Pair::same`], and keeps for later what each answered.
    pub async fn same_and_note<R: Request + Debug>(
        &mut self,
        what: &str,
        version: i16,
        request: impl Fn(&Side) -> R,
        normalise: impl Fn(&mut R::Response),
        note: impl Fn(&mut Side, &R::Response),
    ) -> Result<()>
    where
        R::Response: Debug + Clone,
    {
        let [ours, apache] = &mut self.sides;
        let (our_request, their_request) = (request(ours), request(apache));
        let (ours, apache) = tokio::join!(ours.ask(version, &our_request), apache.ask(version, &their_request));
        let both = [ours?, apache?];
        for (side, answer) in self.sides.iter_mut().zip(&both) {
            answer.iter().for_each(|response| note(side, response));
        }
        let [ours, apache] = both.map(|answer| match answer {
            Ok(mut response) => {
                normalise(&mut response);
                plain(&format!("{response:?}"))
            }
            Err(why) => why,
        });
        self.compare(&format!("{what}, version {version}"), &ours, &apache);
        Ok(())
    }

    /// [`Pair::same`] in every version of the API.
    pub async fn same_in_every_version<R: Request + Debug>(
        &mut self,
        what: &str,
        request: impl Fn(&Side, i16) -> R,
        normalise: impl Fn(&mut R::Response),
    ) -> Result<()>
    where
        R::Response: Debug + Clone,
    {
        for version in versions::<R>() {
            self.same(what, version, |side| request(side, version), &normalise).await?;
        }
        Ok(())
    }

    /// Asks each by itself until the answer is as wanted.
    pub async fn until<R: Request + Debug>(
        &mut self,
        what: &str,
        version: i16,
        request: &R,
        is_wanted: impl Fn(&R::Response) -> bool,
    ) -> Result<()> {
        for side in &mut self.sides {
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
            while !side.ask(version, request).await?.as_ref().is_ok_and(&is_wanted) {
                ensure!(tokio::time::Instant::now() < deadline, "{what}: not within 20 s");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Sends both what nobody answers.
    pub async fn send_unanswered<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        for side in &self.sides {
            side.connection.send_unanswered(version, request).await?;
        }
        Ok(())
    }

    /// Notes a difference between two values of the same kind.
    pub fn compare(&mut self, what: &str, ours: &str, apache: &str) {
        if ours == apache {
            return;
        }
        let [ours, apache] = unlike(ours, apache);
        let difference = format!("    ours:   {ours}\n    Apache: {apache}");
        // Most differences are the same in many versions.
        match self.differences.iter_mut().find(|known| known.1 == difference) {
            Some(known) => known.0.push(what.to_owned()),
            None => self.differences.push((vec![what.to_owned()], difference)),
        }
    }

    /// Makes a topic on both and learns its ids.
    pub async fn create_topic(&mut self, name: &str, partition_count: i32, configs: &[(&str, &str)]) -> Result<()> {
        let configs = configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value))));
        let topic = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partition_count)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        for side in &mut self.sides {
            let response = side.connection.call_at(7, &request).await?;
            let made = response.topics.first().context("one topic was asked for")?;
            ensure!(made.error_code == 0, "{name}: {made:?}");
            side.ids.insert(name.to_owned(), made.topic_id);
        }
        Ok(())
    }
}

/// Runs a test against both and fails if they ever differed.
pub fn both(test: impl AsyncFnOnce(&mut Pair) -> Result<()>) -> Result<()> {
    let clusters = clusters()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ours = Side::connect(clusters[0].bootstrap()).await?;
        let apache = Side::connect(clusters[1].bootstrap()).await?;
        let mut pair = Pair { sides: [ours, apache], differences: Vec::new(), _clusters: clusters };
        let brokers = MetadataRequest::default();
        pair.until("the broker knows itself", 12, &brokers, |metadata| !metadata.brokers.is_empty()).await?;
        let outcome = test(&mut pair).await;
        let tell = |(asked, difference): &(Vec<String>, String)| format!("{}\n{difference}\n", asked.join("; "));
        let differences: String = pair.differences.iter().map(tell).collect();
        assert!(differences.is_empty(), "answers differ; then {outcome:?}\n{differences}");
        outcome
    })
}

/// Where two texts are unlike, with a little of what is around it.
fn unlike(ours: &str, apache: &str) -> [String; 2] {
    let same = ours.bytes().zip(apache.bytes()).take_while(|(a, b)| a == b).count();
    let same_after = ours.bytes().rev().zip(apache.bytes().rev()).take_while(|(a, b)| a == b).count();
    [ours, apache].map(|whole| {
        let end = (whole.len().saturating_sub(same_after) + 60).clamp(same, whole.len()).min(same + 500);
        String::from_utf8_lossy(&whole.as_bytes()[same.saturating_sub(100)..end]).into_owned()
    })
}

/// Every version of a request's API.
pub fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    wire::ApiKey::from_key(R::KEY).expect("tests ask what the table has").versions()
}

/// A topic's name.
pub fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Without the noise the codec's types add.
fn plain(response: &str) -> String {
    response.replace(", unknown_tagged_fields: {}", "").replace("unknown_tagged_fields: {}", "")
}
