//! The ZooKeeper gateway against a server: sessions, reads and guarded writes, watches, registration, election.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use broker::zk::{
    Action, Election, Error, Found, Guard, Interest, MultiOutcome, Notifications, Op, Read, Settings, Signal, Watching,
    Write, Zk,
};
use standalone::{Config, Server};
use tempfile::TempDir;
use zk_schema::nodes::broker_id::{BrokerRegistration, Endpoint, SecurityProtocol};
use zk_schema::nodes::config::{self, ConfigEntity};
use zk_schema::nodes::topic::{ReplicaAssignment, TopicAssignment};
use zk_schema::{BrokerId, ControllerEpoch, ZkVersion, paths};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that can be stopped and started again at the same address.
struct ZooKeeper {
    dir: TempDir,
    server: Option<Server>,
    address: SocketAddr,
}

impl ZooKeeper {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(dir.path());
        config.tick_time_ms = 100;
        config.min_session_timeout_ms = 500;
        let server = Server::start(config).await.unwrap();
        let address = server.local_addr();
        Self { dir, server: Some(server), address }
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().shutdown().await;
    }

    async fn start_again(&mut self) {
        let mut config = Config::new(self.dir.path());
        config.tick_time_ms = 100;
        config.min_session_timeout_ms = 500;
        config.client_address = self.address;
        let deadline = Instant::now() + PATIENCE;
        self.server = loop {
            match Server::start(config.clone()).await {
                Ok(server) => break Some(server),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        };
    }

    async fn connect(&self) -> Zk {
        self.connect_with(Duration::from_secs(10)).await
    }

    async fn connect_with(&self, session_timeout: Duration) -> Zk {
        let mut settings = Settings::new(format!("{}/kafka/one", self.address));
        settings.session_timeout = session_timeout;
        Zk::connect(settings).await.unwrap()
    }
}

fn registration(port: i32) -> BrokerRegistration {
    let endpoint = Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        security_protocol: SecurityProtocol::Plaintext,
    };
    BrokerRegistration { version: 5, endpoints: vec![endpoint], jmx_port: -1, rack: None, features: Default::default() }
}

async fn next(watching: &mut Watching) -> Signal {
    tokio::time::timeout(PATIENCE, watching.next()).await.unwrap().unwrap()
}

async fn until(watching: &mut Watching, wanted: &Signal) {
    while next(watching).await != *wanted {}
}

fn create(path: &str) -> Write {
    Write { path: path.to_owned(), action: Action::Create(b"data".to_vec()) }
}

fn set(path: &str, expected: i32) -> Write {
    let action = Action::Set { data: b"new".to_vec(), expected: Some(ZkVersion(expected)) };
    Write { path: path.to_owned(), action }
}

#[tokio::test]
async fn the_chroot_and_the_persistent_paths_are_made_once() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    zk.ensure_persistent_paths().await.unwrap();
    zk.ensure_persistent_paths().await.unwrap();
    assert_eq!(zk.children(paths::TOPICS).await.unwrap(), Some(vec![]));
    let id = zk.get_or_create_cluster_id([7; 16]).await.unwrap();
    let other = server.connect().await;
    assert_eq!(other.get_or_create_cluster_id([8; 16]).await.unwrap(), id);
    assert_eq!(zk.generate_broker_id(1000).await.unwrap(), BrokerId(1001));
    assert_eq!(zk.generate_broker_id(1000).await.unwrap(), BrokerId(1002));
}

#[tokio::test]
async fn many_reads_and_writes_keep_their_order() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    let names: Vec<String> = (0..1200).map(|n| format!("/many/{n}")).collect();
    let writes: Vec<Write> = std::iter::once("/many").chain(names.iter().map(String::as_str)).map(create).collect();
    assert!(zk.write_all(None, &writes).await.unwrap().iter().all(Result::is_ok));
    let mut reads: Vec<Read> = names.iter().cloned().map(Read::Data).collect();
    reads.insert(600, Read::Data("/many/none".to_owned()));
    reads.push(Read::Children("/many".to_owned()));
    let found = zk.read_all(&reads).await.unwrap();
    assert_eq!(found[600], Found::Nothing);
    assert_eq!(found.iter().filter(|found| matches!(found, Found::Data(_))).count(), 1200);
    assert!(matches!(found.last(), Some(Found::Children(names)) if names.len() == 1200));
    zk.delete_tree(None, "/many").await.unwrap();
    assert_eq!(zk.get("/many").await.unwrap(), None);
    zk.delete_tree(None, "/many").await.unwrap();
}

#[tokio::test]
async fn one_failed_write_does_not_hinder_the_others() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    for path in ["/a", "/b"] {
        zk.create(path, b"").await.unwrap();
    }
    let writes = [
        set("/a", 0),
        create("/b"),
        create("/c"),
        set("/none", 0),
        create("/c/child"),
        set("/b", 5),
        create("/c"),
        set("/a", 1),
        create("/d"),
    ];
    let results = zk.write_all(None, &writes).await.unwrap();
    assert!(matches!(results[0], Ok(ZkVersion(1))));
    assert!(matches!(results[1], Err(Error::NodeExists(_))));
    assert!(matches!(results[2], Ok(ZkVersion(0))));
    assert!(matches!(results[3], Err(Error::NoNode(_))));
    assert!(matches!(results[4], Ok(ZkVersion(0))));
    assert!(matches!(results[5], Err(Error::BadVersion(_))));
    assert!(matches!(results[6], Err(Error::NodeExists(_))));
    assert!(matches!(results[7], Ok(ZkVersion(2))));
    assert!(matches!(results[8], Ok(ZkVersion(0))));
}

#[tokio::test]
async fn a_guard_that_changed_stops_every_write() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    zk.create(paths::CONTROLLER_EPOCH, b"0").await.unwrap();
    let guard = |version| Some(Guard { path: paths::CONTROLLER_EPOCH, version: ZkVersion(version) });
    assert!(matches!(zk.write_all(guard(1), &[create("/x")]).await, Err(Error::Fenced(_))));
    assert_eq!(zk.get("/x").await.unwrap(), None);
    assert!(zk.write_all(guard(0), &[create("/x")]).await.unwrap()[0].is_ok());
    zk.set(paths::CONTROLLER_EPOCH, b"1", Some(0)).await.unwrap();
    assert!(matches!(zk.delete_tree(guard(0), "/x").await, Err(Error::Fenced(_))));
    let ops = [Op::Check { path: "/x", version: 0 }, Op::Delete { path: "/none", expected: None }];
    assert!(matches!(zk.multi(&ops).await.unwrap(), MultiOutcome::Refused { index: 1, error: Error::NoNode(_), .. }));
}

#[tokio::test]
async fn a_watch_tells_of_children_and_their_data() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    zk.ensure_persistent_paths().await.unwrap();
    let interests = vec![
        Interest::ChildrenAndTheirData(paths::TOPICS.to_owned()),
        Interest::Data(paths::CONTROLLER.to_owned()),
        Interest::Children(paths::DELETE_TOPICS.to_owned()),
    ];
    let mut watching = zk.watch(interests);
    assert_eq!(next(&mut watching).await, Signal::Everything);
    zk.create("/brokers/topics/t", b"").await.unwrap();
    assert_eq!(next(&mut watching).await, Signal::Children(paths::TOPICS.to_owned()));
    zk.set("/brokers/topics/t", b"x", None).await.unwrap();
    assert_eq!(next(&mut watching).await, Signal::Data("/brokers/topics/t".to_owned()));
    zk.create("/controller", b"x").await.unwrap();
    assert_eq!(next(&mut watching).await, Signal::Data(paths::CONTROLLER.to_owned()));
    zk.request_topic_deletion(&"t".into()).await.unwrap();
    assert_eq!(next(&mut watching).await, Signal::Children(paths::DELETE_TOPICS.to_owned()));
}

#[tokio::test]
async fn a_restarted_server_keeps_the_session_and_the_watches_are_set_again() {
    let mut server = ZooKeeper::start().await;
    let zk = server.connect().await;
    zk.ensure_persistent_paths().await.unwrap();
    let epoch = zk.register_broker(BrokerId(1), &registration(9092), 1, &[]).await.unwrap();
    let mut watching = zk.watch(vec![Interest::Children(paths::TOPICS.to_owned())]);
    assert_eq!(next(&mut watching).await, Signal::Everything);
    let before = zk.status();
    server.stop().await;
    let during = {
        let zk = zk.clone();
        tokio::spawn(async move { zk.set(paths::BROKER_SEQUENCE, b"", Some(0)).await })
    };
    server.start_again().await;
    assert_eq!(during.await.unwrap().unwrap().version, 1);
    until(&mut watching, &Signal::Everything).await;
    let after = zk.status();
    assert_eq!((before.session, before.session_id), (after.session, after.session_id));
    assert!(before.connection < after.connection);
    assert_eq!(zk.get("/brokers/ids/1").await.unwrap().unwrap().stat.czxid, epoch.0);
    zk.create("/brokers/topics/t", b"").await.unwrap();
    until(&mut watching, &Signal::Children(paths::TOPICS.to_owned())).await;
}

#[tokio::test]
async fn a_registration_of_our_own_dead_session_is_replaced_at_once() {
    let server = ZooKeeper::start().await;
    let dead = server.connect_with(Duration::from_secs(60)).await;
    dead.ensure_persistent_paths().await.unwrap();
    let old = dead.register_broker(BrokerId(1), &registration(9092), 1, &[]).await.unwrap();
    assert!(matches!(dead.elect(BrokerId(1), 1, &[]).await.unwrap(), Election::Won { .. }));
    let dead_session = dead.status().session_id;
    // The process is killed: its session stays until it times out.
    let zk = server.connect().await;
    let new = zk.register_broker(BrokerId(1), &registration(9092), 2, &[dead_session]).await.unwrap();
    assert!(old < new);
    let won = zk.elect(BrokerId(1), 2, &[dead_session]).await.unwrap();
    assert_eq!(won, Election::Won { controller_epoch: ControllerEpoch(2), epoch_version: ZkVersion(2) });
    let owner = zk.get("/brokers/ids/1").await.unwrap().unwrap().stat.ephemeral_owner;
    assert_eq!(owner, zk.status().session_id);
}

#[tokio::test]
async fn another_broker_with_the_same_id_is_refused() {
    let server = ZooKeeper::start().await;
    let first = server.connect().await;
    first.ensure_persistent_paths().await.unwrap();
    first.register_broker(BrokerId(1), &registration(9092), 1, &[]).await.unwrap();
    let second = server.connect().await;
    let refused = second.register_broker(BrokerId(1), &registration(9093), 1, &[]).await;
    assert!(matches!(refused, Err(Error::DuplicateBrokerId { broker: BrokerId(1), .. })), "{refused:?}");
    // Registering again in the same session is what a lost answer looks like.
    assert!(first.register_broker(BrokerId(1), &registration(9092), 1, &[]).await.is_ok());
}

#[tokio::test]
async fn a_registration_at_our_own_address_is_waited_out() {
    let server = ZooKeeper::start().await;
    let dead = server.connect().await;
    dead.ensure_persistent_paths().await.unwrap();
    dead.register_broker(BrokerId(1), &registration(9092), 1, &[]).await.unwrap();
    let zk = server.connect().await;
    let ours = registration(9092);
    let registering = zk.register_broker(BrokerId(1), &ours, 1, &[]);
    let (registered, ()) = tokio::join!(registering, dead.close(PATIENCE));
    registered.unwrap();
}

#[tokio::test]
async fn the_first_wins_the_election_and_the_next_after_it_resigned() {
    let server = ZooKeeper::start().await;
    let (one, two) = (server.connect().await, server.connect().await);
    let Election::Won { controller_epoch, epoch_version } = one.elect(BrokerId(1), 1, &[]).await.unwrap() else {
        panic!("nobody else stood for election");
    };
    assert_eq!((controller_epoch, epoch_version), (ControllerEpoch(1), ZkVersion(1)));
    assert_eq!(two.elect(BrokerId(2), 1, &[]).await.unwrap(), Election::Lost(Some(BrokerId(1))));
    one.resign(epoch_version).await.unwrap();
    assert!(matches!(two.elect(BrokerId(2), 1, &[]).await.unwrap(), Election::Won { .. }));
    // A controller that was replaced without knowing it cannot take the office from its successor.
    one.resign(epoch_version).await.unwrap();
    assert_eq!(one.controller().await.unwrap().unwrap().broker, BrokerId(2));
}

#[tokio::test]
async fn configs_are_written_under_a_controller_only_and_announced() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    zk.ensure_persistent_paths().await.unwrap();
    let entity = ConfigEntity::UserClient { user: Some("alice smith".to_owned()), client: None };
    let overrides = config::Config::from([("producer_byte_rate".to_owned(), "1".to_owned())]);
    assert!(matches!(zk.change_config(&entity, &overrides).await, Err(Error::ControllerMoved(_))));
    zk.elect(BrokerId(1), 1, &[]).await.unwrap();
    zk.change_config(&entity, &overrides).await.unwrap();
    assert_eq!(zk.config(&entity).await.unwrap(), overrides);
    let user = ConfigEntity::User(Some("alice smith".to_owned()));
    assert_eq!(zk.config_entities("users").await.unwrap(), [user, entity.clone()]);
    zk.change_config(&entity, &config::Config::new()).await.unwrap();
    assert_eq!(zk.config_entities("users").await.unwrap(), []);
    let mut notifications = Notifications::new(paths::CONFIG_CHANGES, paths::CONFIG_CHANGE_PREFIX);
    assert_eq!(notifications.take_new(&zk, 0).await.unwrap().len(), 2);
    assert_eq!(notifications.take_new(&zk, 0).await.unwrap().len(), 0);
    let later = i64::MAX / 2;
    assert_eq!(notifications.take_new(&zk, later).await.unwrap().len(), 0);
    assert_eq!(zk.children(paths::CONFIG_CHANGES).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn a_topic_is_created_once_with_its_config_first() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    zk.ensure_persistent_paths().await.unwrap();
    zk.elect(BrokerId(1), 1, &[]).await.unwrap();
    let partitions = [(0, ReplicaAssignment::of(vec![BrokerId(1)]))].into();
    let assignment = TopicAssignment { topic_id: None, partitions };
    zk.create_topic(&"t".into(), &config::Config::new(), &assignment).await.unwrap();
    let again = zk.create_topic(&"t".into(), &config::Config::new(), &assignment).await;
    assert!(matches!(again, Err(Error::NodeExists(_))));
    assert_eq!(zk.topic(&"t".into()).await.unwrap().unwrap().0, assignment);
    assert_eq!(zk.get("/config/topics/t").await.unwrap().unwrap().data, br#"{"version":1,"config":{}}"#);
    assert_eq!(zk.children(paths::CONFIG_CHANGES).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn producer_ids_come_in_blocks_that_never_overlap() {
    let server = ZooKeeper::start().await;
    let (one, two) = (server.connect().await, server.connect().await);
    let (a, b) = tokio::join!(one.allocate_producer_ids(BrokerId(1)), two.allocate_producer_ids(BrokerId(2)));
    let mut firsts = [a.unwrap().first.0, b.unwrap().first.0];
    firsts.sort_unstable();
    assert_eq!(firsts, [0, 1000]);
}

#[tokio::test]
async fn what_is_too_large_for_a_server_is_said_so() {
    let server = ZooKeeper::start().await;
    let zk = server.connect().await;
    let large = vec![0; 3 << 20];
    assert!(matches!(zk.create("/large", &large).await, Err(Error::TooLarge { .. })));
    zk.create("/small", b"").await.unwrap();
}

#[tokio::test]
async fn a_closed_session_takes_its_nodes_along() {
    let server = ZooKeeper::start().await;
    let (one, two) = (server.connect().await, server.connect().await);
    one.elect(BrokerId(1), 1, &[]).await.unwrap();
    one.close(PATIENCE).await;
    assert_eq!(two.get(paths::CONTROLLER).await.unwrap(), None);
    assert!(matches!(one.get(paths::CONTROLLER).await, Err(Error::Closed)));
}
