//! What a ZooKeeper server must do for us, stated once and asked of ours and of Apache's alike.
//! Never says how a server comes about: a fact sees an address, and a part of the tree for itself.
//! Both servers run with ticks of half a second, all four-letter words, and extended node types.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

#[path = "zookeeper_contract/raw.rs"]
mod raw;

use std::time::Duration;

use integration::apache;
use integration::wait::{wait_for, wait_until};
use raw::{Body, Raw, Session};
use zookeeper_client::{
    Acl, Acls, AddWatchMode, AuthId, CheckWriteError, Client, CreateMode, CreateOptions, Error, EventType,
    MultiReadResult, MultiWriteError, MultiWriteResult, OneshotWatcher, Permission,
};

const DEADLINE: Duration = Duration::from_secs(30);
const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
const EPHEMERAL: CreateOptions<'static> = CreateMode::Ephemeral.with_acls(Acls::anyone_all());

/// The operations of raw requests.
mod op {
    pub const CREATE: i32 = 1;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const CLOSE_SESSION: i32 = -11;
}

/// A server, and a node below which a fact may do as it likes.
struct Target {
    address: String,
    root: String,
}

impl Target {
    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.root)
    }

    async fn client(&self) -> Client {
        let connector = Client::connector().with_session_timeout(Duration::from_secs(10));
        connector.connect(&self.address).await.unwrap()
    }

    fn raw(&self) -> Raw {
        Raw::connect(&self.address).0
    }

    async fn create(&self, client: &Client, name: &str) -> String {
        let path = self.path(name);
        client.create(&path, b"", &PERSISTENT).await.unwrap();
        path
    }
}

macro_rules! suite {
    ($($fact:ident),* $(,)?) => {
        /// Asks every fact of one server, each below a node of its own.
        async fn suite(address: &str) {
            $({
                eprintln!("{address}: {}", stringify!($fact));
                let target = Target { address: address.to_owned(), root: concat!("/", stringify!($fact)).to_owned() };
                let client = target.client().await;
                client.create(&target.root, b"", &PERSISTENT).await.unwrap();
                $fact(&target).await;
            })*
        }
    };
}

suite! {
    a_stat_tells_versions_times_and_transactions,
    sequential_names_count_on_after_deletions,
    containers_and_ttl_nodes_go_by_themselves,
    impossible_requests_are_refused_each_with_its_error,
    a_multi_happens_whole_or_not_at_all,
    the_operations_of_a_multi_see_those_before_them,
    a_failed_multi_names_each_operations_error,
    a_multi_read_answers_each_read_by_itself,
    checks_guard_the_writes_behind_them,
    ephemerals_go_with_their_session_and_list_themselves,
    a_one_shot_watch_fires_once_with_the_right_event,
    a_watch_on_a_missing_node_tells_of_its_creation,
    a_persistent_watch_stays_and_a_recursive_one_sees_below,
    removed_watches_are_silent_and_removing_nothing_is_an_error,
    an_event_comes_before_the_reply_that_shows_its_change,
    watches_set_again_tell_what_was_missed,
    persistent_watches_can_be_set_again,
    a_session_comes_back_with_its_password,
    a_session_with_a_wrong_password_is_refused,
    a_client_from_the_future_is_turned_away,
    a_silent_session_expires_and_pings_keep_one_alive,
    timeouts_are_agreed_within_bounds,
    acls_guard_each_right_by_itself,
    digests_are_hidden_from_those_who_may_not_administer,
    auth_names_the_creator_and_bad_acls_are_invalid,
    ip_acls_match_the_address,
    who_am_i_names_every_identity,
    an_unknown_scheme_of_authentication_ends_the_connection,
    descendants_are_counted_and_ephemerals_listed_by_prefix,
    sync_and_ping_are_answered_in_order,
    replies_come_in_the_order_of_requests,
    data_up_to_the_limit_is_kept_and_beyond_it_the_connection_ends,
    malformed_bytes_cost_one_connection,
    closing_a_session_is_answered_and_deletes_its_nodes,
    four_letter_words_are_answered,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_standalone_server_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = standalone::Config::new(dir.path());
    config.tick_time_ms = 500;
    config.min_session_timeout_ms = 1_000;
    config.container_check_interval_ms = 200;
    config.four_letter_words = vec!["*".to_owned()];
    let server = standalone::Server::start(config).await.unwrap();
    suite(&server.local_addr().to_string()).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_zookeeper_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let server = apache::zookeeper(apache::KAFKA, dir.path()).unwrap();
    suite(&server.address).await;
}

async fn a_stat_tells_versions_times_and_transactions(target: &Target) {
    let client = target.client().await;
    let path = target.path("/a");
    let (created, _) = client.create(&path, b"1", &PERSISTENT).await.unwrap();
    assert_eq!((created.czxid, created.mzxid, created.pzxid), (created.czxid, created.czxid, created.czxid));
    assert_eq!((created.version, created.cversion, created.aversion), (0, 0, 0));
    assert_eq!((created.ctime, created.data_length, created.num_children), (created.mtime, 1, 0));

    let set = client.set_data(&path, b"22", Some(0)).await.unwrap();
    assert_eq!((set.version, set.data_length, set.czxid), (1, 2, created.czxid));
    assert!(created.mzxid < set.mzxid && created.mtime <= set.mtime);
    client.create(&target.path("/a/x"), b"", &PERSISTENT).await.unwrap();
    client.create(&target.path("/a/y"), b"", &EPHEMERAL).await.unwrap();
    client.delete(&target.path("/a/x"), None).await.unwrap();
    client.set_acl(&path, &open_acl(), Some(0)).await.unwrap();
    let stat = client.check_stat(&path).await.unwrap().unwrap();
    assert_eq!((stat.cversion, stat.num_children, stat.version, stat.aversion), (3, 1, 1, 1));
    assert_eq!(stat.mzxid, set.mzxid);
    assert!(set.mzxid < stat.pzxid);
    let ephemeral = client.check_stat(&target.path("/a/y")).await.unwrap().unwrap();
    assert_eq!(ephemeral.ephemeral_owner, client.session_id().0);
    assert_eq!(client.get_data(&path).await.unwrap(), (b"22".to_vec(), stat));
}

async fn sequential_names_count_on_after_deletions(target: &Target) {
    let client = target.client().await;
    let options = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
    for number in 0..3 {
        let (_, sequence) = client.create(&target.path("/n-"), b"", &options).await.unwrap();
        assert_eq!(sequence.into_i64(), number);
        client.delete(&target.path(&format!("/n-{number:010}")), None).await.unwrap();
    }
    let options = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let (_, sequence) = client.create(&target.path("/"), b"", &options).await.unwrap();
    assert_eq!(sequence.to_string(), "0000000003");
}

async fn containers_and_ttl_nodes_go_by_themselves(target: &Target) {
    let client = target.client().await;
    let container = CreateMode::Container.with_acls(Acls::anyone_all());
    let (stat, _) = client.create(&target.path("/c"), b"", &container).await.unwrap();
    assert_eq!(stat.ephemeral_owner, 0);
    let ttl = PERSISTENT.with_ttl(Duration::from_millis(1_500));
    let (stat, _) = client.create(&target.path("/t"), b"", &ttl).await.unwrap();
    assert_eq!(stat.ephemeral_owner, 0);
    client.create(&target.path("/c/x"), b"", &PERSISTENT).await.unwrap();
    client.delete(&target.path("/c/x"), None).await.unwrap();
    for name in ["/c", "/t"] {
        let (stat, watcher) = client.check_and_watch_stat(&target.path(name)).await.unwrap();
        if stat.is_some() {
            assert_eq!(changed(watcher).await.event_type, EventType::NodeDeleted);
        }
    }
    assert_eq!(client.list_children(&target.root).await.unwrap(), Vec::<String>::new());
}

async fn impossible_requests_are_refused_each_with_its_error(target: &Target) {
    let client = target.client().await;
    let path = target.create(&client, "/a").await;
    target.create(&client, "/a/b").await;
    let ephemeral = target.path("/e");
    client.create(&ephemeral, b"", &EPHEMERAL).await.unwrap();
    let missing = target.path("/x");
    assert_eq!(client.create(&path, b"", &PERSISTENT).await.unwrap_err(), Error::NodeExists);
    assert_eq!(client.create(&target.path("/x/y"), b"", &PERSISTENT).await.unwrap_err(), Error::NoNode);
    let below = format!("{ephemeral}/y");
    assert_eq!(client.create(&below, b"", &PERSISTENT).await.unwrap_err(), Error::NoChildrenForEphemerals);
    assert_eq!(client.delete(&path, None).await.unwrap_err(), Error::NotEmpty);
    assert_eq!(client.delete(&missing, None).await.unwrap_err(), Error::NoNode);
    assert_eq!(client.delete(&target.path("/a/b"), Some(3)).await.unwrap_err(), Error::BadVersion);
    assert_eq!(client.set_data(&path, b"", Some(3)).await.unwrap_err(), Error::BadVersion);
    assert_eq!(client.set_data(&missing, b"", None).await.unwrap_err(), Error::NoNode);
    assert_eq!(client.get_data(&missing).await.unwrap_err(), Error::NoNode);
    assert_eq!(client.list_children(&missing).await.unwrap_err(), Error::NoNode);
    assert_eq!(client.get_acl(&missing).await.unwrap_err(), Error::NoNode);
    assert_eq!(client.check_stat(&missing).await.unwrap(), None);
    assert_eq!(client.set_acl(&path, &open_acl(), Some(3)).await.unwrap_err(), Error::BadVersion);
    // What client libraries refuse by themselves, the server refuses too.
    let mut raw = target.raw();
    for name in ["", ".", "..", "a\u{1}", "a\u{7f}"] {
        let path = target.path(&format!("/{name}"));
        let reply = raw.ask(1, op::CREATE, Body::default().str(&path).bytes(b"").open_acl().int(0));
        assert_eq!(reply.error, -8, "{path:?}");
    }
    let reply = raw.ask(2, op::CREATE, Body::default().str("/flags").bytes(b"").open_acl().int(99));
    assert_eq!(reply.error, -8);
}

async fn a_multi_happens_whole_or_not_at_all(target: &Target) {
    let client = target.client().await;
    let path = target.create(&client, "/a").await;
    let mut writer = client.new_multi_writer();
    writer.add_create(&target.path("/a/b"), b"1", &PERSISTENT).unwrap();
    writer.add_set_data(&path, b"2", Some(7)).unwrap();
    let failed = writer.commit().await.unwrap_err();
    assert_eq!(failed, MultiWriteError::OperationFailed { index: 1, source: Error::BadVersion });
    assert_eq!(client.list_children(&path).await.unwrap(), Vec::<String>::new());

    let mut writer = client.new_multi_writer();
    writer.add_check_version(&path, 0).unwrap();
    writer.add_create(&target.path("/a/b"), b"1", &PERSISTENT).unwrap();
    writer.add_set_data(&path, b"2", Some(0)).unwrap();
    writer.add_delete(&target.path("/a/b"), Some(0)).unwrap();
    let results = writer.commit().await.unwrap();
    let [MultiWriteResult::Check, MultiWriteResult::Create { path: made, .. }, set, MultiWriteResult::Delete] =
        results.as_slice()
    else {
        panic!("{results:?}")
    };
    assert_eq!(*made, target.path("/a/b"));
    let MultiWriteResult::SetData { stat } = set else { panic!("{set:?}") };
    // All of a multi is one transaction.
    assert_eq!(client.check_stat(&path).await.unwrap().unwrap().pzxid, stat.mzxid);
    assert!(client.new_multi_writer().commit().await.unwrap().is_empty());
}

async fn the_operations_of_a_multi_see_those_before_them(target: &Target) {
    let client = target.client().await;
    let path = target.path("/a");
    let sequential = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
    let mut writer = client.new_multi_writer();
    writer.add_create(&path, b"", &PERSISTENT).unwrap();
    writer.add_set_data(&path, b"1", Some(0)).unwrap();
    writer.add_check_version(&path, 1).unwrap();
    writer.add_create(&target.path("/a/s-"), b"", &sequential).unwrap();
    writer.add_create(&target.path("/a/s-"), b"", &sequential).unwrap();
    writer.add_delete(&target.path("/a/s-0000000000"), None).unwrap();
    writer.commit().await.unwrap();
    assert_eq!(client.list_children(&path).await.unwrap(), ["s-0000000001"]);
    assert_eq!(client.check_stat(&path).await.unwrap().unwrap().version, 1);
}

async fn a_failed_multi_names_each_operations_error(target: &Target) {
    let mut raw = target.raw();
    let check = |body: Body, path: &str, version: i32| body.int(op::CHECK).bool(false).int(-1).str(path).int(version);
    let body = check(Body::default(), &target.root, -1);
    let body = check(body, &target.root, 99);
    let body = check(body, &target.root, -1);
    let reply = raw.ask(1, op::MULTI, body.int(-1).bool(true).int(-1));
    assert_eq!((reply.xid, reply.error), (1, 0));
    let mut expected = Vec::new();
    for error in [0i32, -103, -2] {
        expected.extend((-1i32).to_be_bytes());
        expected.push(0);
        expected.extend(error.to_be_bytes());
        expected.extend(error.to_be_bytes());
    }
    expected.extend((-1i32).to_be_bytes());
    expected.push(1);
    expected.extend((-1i32).to_be_bytes());
    assert_eq!(reply.body, expected);
}

async fn a_multi_read_answers_each_read_by_itself(target: &Target) {
    let client = target.client().await;
    let path = target.create(&client, "/a").await;
    target.create(&client, "/a/b").await;
    let mut reader = client.new_multi_reader();
    reader.add_get_data(&path).unwrap();
    reader.add_get_children(&path).unwrap();
    reader.add_get_data(&target.path("/x")).unwrap();
    let results = reader.commit().await.unwrap();
    let [MultiReadResult::Data { data, stat }, MultiReadResult::Children { children }, missing] = results.as_slice()
    else {
        panic!("{results:?}")
    };
    assert_eq!((data.as_slice(), stat.num_children, children.as_slice()), (&b""[..], 1, &["b".to_owned()][..]));
    assert!(matches!(missing, MultiReadResult::Error { err: Error::NoNode }));
}

async fn checks_guard_the_writes_behind_them(target: &Target) {
    let client = target.client().await;
    let path = target.create(&client, "/epoch").await;
    let mut writer = client.new_check_writer(&path, Some(0)).unwrap();
    writer.add_create(&target.path("/a"), b"", &PERSISTENT).unwrap();
    writer.commit().await.unwrap();
    client.set_data(&path, b"", None).await.unwrap();
    let mut writer = client.new_check_writer(&path, Some(0)).unwrap();
    writer.add_create(&target.path("/b"), b"", &PERSISTENT).unwrap();
    let failed = writer.commit().await.unwrap_err();
    assert_eq!(failed, CheckWriteError::CheckFailed { source: Error::BadVersion });
    assert_eq!(client.check_stat(&target.path("/b")).await.unwrap(), None);
}

async fn ephemerals_go_with_their_session_and_list_themselves(target: &Target) {
    let client = target.client().await;
    let other = target.client().await;
    let path = target.path("/e");
    other.create(&path, b"", &EPHEMERAL).await.unwrap();
    assert_eq!(other.list_ephemerals(&target.root).await.unwrap(), [path.as_str()]);
    assert_eq!(client.list_ephemerals(&target.root).await.unwrap(), Vec::<String>::new());
    let (_, _, watcher) = client.get_and_watch_data(&path).await.unwrap();
    drop(other);
    let event = changed(watcher).await;
    assert_eq!((event.event_type, event.path), (EventType::NodeDeleted, path));
}

async fn a_one_shot_watch_fires_once_with_the_right_event(target: &Target) {
    let client = target.client().await;
    let writer = target.client().await;
    let path = target.create(&client, "/a").await;

    let (_, _, data) = client.get_and_watch_data(&path).await.unwrap();
    let (_, _, children) = client.get_and_watch_children(&path).await.unwrap();
    writer.set_data(&path, b"", None).await.unwrap();
    assert_eq!(changed(data).await.event_type, EventType::NodeDataChanged);
    writer.create(&target.path("/a/b"), b"", &PERSISTENT).await.unwrap();
    assert_eq!(changed(children).await.event_type, EventType::NodeChildrenChanged);

    let (_, _, children) = client.get_and_watch_children(&target.path("/a/b")).await.unwrap();
    let (_, _, parent) = client.get_and_watch_children(&path).await.unwrap();
    writer.delete(&target.path("/a/b"), None).await.unwrap();
    assert_eq!(changed(children).await.event_type, EventType::NodeDeleted);
    assert_eq!(changed(parent).await.event_type, EventType::NodeChildrenChanged);
}

async fn a_watch_on_a_missing_node_tells_of_its_creation(target: &Target) {
    let client = target.client().await;
    let path = target.path("/a");
    let (stat, watcher) = client.check_and_watch_stat(&path).await.unwrap();
    assert_eq!(stat, None);
    client.create(&path, b"", &PERSISTENT).await.unwrap();
    let event = changed(watcher).await;
    assert_eq!((event.event_type, event.path), (EventType::NodeCreated, path));
}

async fn a_persistent_watch_stays_and_a_recursive_one_sees_below(target: &Target) {
    let client = target.client().await;
    let path = target.create(&client, "/a").await;
    let below = target.path("/a/b");
    let mut persistent = client.watch(&path, AddWatchMode::Persistent).await.unwrap();
    let observer = target.client().await;
    let mut recursive = observer.watch(&path, AddWatchMode::PersistentRecursive).await.unwrap();
    client.set_data(&path, b"", None).await.unwrap();
    client.create(&below, b"", &PERSISTENT).await.unwrap();
    client.set_data(&below, b"", None).await.unwrap();
    client.delete(&below, None).await.unwrap();
    client.set_data(&path, b"", None).await.unwrap();
    for (kind, at) in [
        (EventType::NodeDataChanged, &path),
        (EventType::NodeChildrenChanged, &path),
        (EventType::NodeChildrenChanged, &path),
        (EventType::NodeDataChanged, &path),
    ] {
        let event = soon("a persistent event", persistent.changed()).await;
        assert_eq!((event.event_type, &event.path), (kind, at));
    }
    for (kind, at) in [
        (EventType::NodeDataChanged, &path),
        (EventType::NodeCreated, &below),
        (EventType::NodeDataChanged, &below),
        (EventType::NodeDeleted, &below),
        (EventType::NodeDataChanged, &path),
    ] {
        let event = soon("a recursive event", recursive.changed()).await;
        assert_eq!((event.event_type, &event.path), (kind, at));
    }
}

async fn removed_watches_are_silent_and_removing_nothing_is_an_error(target: &Target) {
    const ANY: i32 = 3;
    let mut raw = target.raw();
    let remove = || Body::default().str(&target.root).int(ANY);
    assert_eq!(raw.ask(1, op::REMOVE_WATCHES, remove()).error, -121);
    assert_eq!(raw.ask(2, op::ADD_WATCH, Body::default().str(&target.root).int(1)).body, 0i32.to_be_bytes());
    assert_eq!(raw.ask(3, op::REMOVE_WATCHES, remove()).error, 0);
    assert_eq!(raw.ask(4, op::SET_DATA, Body::default().str(&target.root).bytes(b"").int(-1)).xid, 4);
    assert_eq!(raw.ask(5, op::REMOVE_WATCHES, remove()).error, -121);
}

async fn an_event_comes_before_the_reply_that_shows_its_change(target: &Target) {
    let mut watcher = target.raw();
    let mut writer = target.raw();
    for round in 0..20 {
        let exists = Body::default().str(&target.root).bool(true);
        assert_eq!(watcher.ask(1, op::EXISTS, exists).xid, 1);
        let set = Body::default().str(&target.root).bytes(format!("{round}").as_bytes()).int(-1);
        writer.request(2, op::SET_DATA, set);
        // Reads follow each other until one shows the change; the event must be among what came before it.
        let mut told = false;
        let shown = wait_for("the change to be seen", DEADLINE, || {
            watcher.request(3, op::GET_DATA, Body::default().str(&target.root).bool(false));
            let mut packet = watcher.packet().unwrap();
            if packet.xid == -1 {
                told = true;
                packet = watcher.packet().unwrap();
            }
            let data = packet.body[4..].starts_with(format!("{round}").as_bytes());
            let len = i32::from_be_bytes(packet.body[..4].try_into().unwrap());
            (data && len == i32::try_from(format!("{round}").len()).unwrap()).then_some(told)
        });
        assert!(shown, "round {round}: the reply overtook the event");
        assert_eq!(writer.packet().unwrap().xid, 2);
    }
    // A session's own write tells it first, too.
    let exists = Body::default().str(&target.root).bool(true);
    assert_eq!(watcher.ask(4, op::EXISTS, exists).xid, 4);
    watcher.request(5, op::SET_DATA, Body::default().str(&target.root).bytes(b"own").int(-1));
    assert_eq!((watcher.packet().unwrap().xid, watcher.packet().unwrap().xid), (-1, 5));
}

async fn watches_set_again_tell_what_was_missed(target: &Target) {
    let client = target.client().await;
    let kept = target.create(&client, "/kept").await;
    let changed = target.create(&client, "/changed").await;
    let parent = target.create(&client, "/parent").await;
    let seen = client.check_stat(&parent).await.unwrap().unwrap().czxid;
    client.set_data(&changed, b"", None).await.unwrap();
    let child = target.create(&client, "/parent/child").await;
    let gone = target.path("/gone");

    let mut raw = target.raw();
    let data = [kept.as_str(), &changed, &gone];
    let body = Body::default().long(seen).strs(&data).strs(&[&child]).strs(&[&parent]);
    raw.request(-8, op::SET_WATCHES, body);
    let mut told: Vec<(i32, String)> = Vec::new();
    loop {
        let packet = raw.packet().unwrap();
        if packet.xid == -8 {
            assert_eq!(packet.error, 0);
            break;
        }
        told.push(event_of(&packet.body));
    }
    assert_eq!(told, [(3, changed), (2, gone), (1, child), (4, parent)]);
    client.set_data(&kept, b"", None).await.unwrap();
    assert_eq!(event_of(&raw.packet().unwrap().body), (3, kept));
}

async fn persistent_watches_can_be_set_again(target: &Target) {
    let client = target.client().await;
    let below = target.path("/below");
    let mut raw = target.raw();
    let none: &[&str] = &[];
    let body = Body::default().long(0).strs(none).strs(none).strs(none).strs(none).strs(&[&target.root]);
    assert_eq!(raw.ask(-8, op::SET_WATCHES2, body).xid, -8);
    client.create(&below, b"", &PERSISTENT).await.unwrap();
    client.set_data(&below, b"", None).await.unwrap();
    assert_eq!(event_of(&raw.packet().unwrap().body), (1, below.clone()));
    assert_eq!(event_of(&raw.packet().unwrap().body), (3, below));
}

async fn a_session_comes_back_with_its_password(target: &Target) {
    let path = target.path("/e");
    let (mut first, session) = Raw::connect(&target.address);
    let create = Body::default().str(&path).bytes(b"").open_acl().int(1);
    assert_eq!(first.ask(1, op::CREATE, create).error, 0);
    // While the first connection is still there: it is closed, and the session moves.
    let (mut second, again) = Raw::attach(&target.address, &session, 0).unwrap();
    assert_eq!(again, session);
    assert!(first.is_closed());
    assert_eq!(second.ask(2, op::EXISTS, Body::default().str(&path).bool(false)).error, 0);
    drop(second);
    let (mut third, again) = Raw::attach(&target.address, &session, 0).unwrap();
    assert_eq!(again.id, session.id);
    assert_eq!(third.ask(3, op::EXISTS, Body::default().str(&path).bool(false)).error, 0);
}

async fn a_session_with_a_wrong_password_is_refused(target: &Target) {
    let (_kept, session) = Raw::connect(&target.address);
    let wrong = Session { password: vec![9; 16], ..session.clone() };
    for refused in [wrong, Session { id: 4711, ..session }] {
        let (mut raw, answer) = Raw::attach(&target.address, &refused, 0).unwrap();
        assert_eq!((answer.timeout_ms, answer.id), (0, 0));
        assert!(raw.is_closed());
    }
}

async fn a_client_from_the_future_is_turned_away(target: &Target) {
    assert!(Raw::attach(&target.address, &Session::none(), i64::MAX).is_err());
}

async fn a_silent_session_expires_and_pings_keep_one_alive(target: &Target) {
    let client = target.client().await;
    let wanted = Session { timeout_ms: 1_000, ..Session::none() };
    let (mut silent, silent_session) = Raw::attach(&target.address, &wanted, 0).unwrap();
    let (mut pinging, _) = Raw::attach(&target.address, &wanted, 0).unwrap();
    let create = |name: &str| Body::default().str(&target.path(name)).bytes(b"").open_acl().int(1);
    assert_eq!(silent.ask(1, op::CREATE, create("/silent")).error, 0);
    assert_eq!(pinging.ask(1, op::CREATE, create("/pinging")).error, 0);
    let mut children = client.list_children(&target.root).await.unwrap();
    let start = std::time::Instant::now();
    while children.len() == 2 {
        assert!(start.elapsed() < DEADLINE, "nothing expired");
        assert_eq!(pinging.ask(-2, op::PING, Body::default()).error, 0);
        children = client.list_children(&target.root).await.unwrap();
    }
    assert_eq!(children, ["pinging"]);
    assert!(silent.is_closed());
    let (_, answer) = Raw::attach(&target.address, &silent_session, 0).unwrap();
    assert_eq!(answer.id, 0);
}

async fn timeouts_are_agreed_within_bounds(target: &Target) {
    for (asked, agreed) in [(1, 1_000), (5_000, 5_000), (i32::MAX, 60_000)] {
        let wanted = Session { timeout_ms: asked, ..Session::none() };
        assert_eq!(Raw::attach(&target.address, &wanted, 0).unwrap().1.timeout_ms, agreed);
    }
}

async fn acls_guard_each_right_by_itself(target: &Target) {
    let owner = target.client().await;
    let other = target.client().await;
    owner.auth("digest", b"owner:secret").await.unwrap();
    let acls = [Acl::new(Permission::ALL, AuthId::authed()), Acl::new(Permission::READ, AuthId::anyone())];
    let options = CreateMode::Persistent.with_acls(Acls::new(&acls));
    let path = target.path("/a");
    owner.create(&path, b"", &options).await.unwrap();
    let child = target.path("/a/b");
    owner.create(&child, b"", &options).await.unwrap();

    assert!(other.get_data(&path).await.is_ok() && other.list_children(&path).await.is_ok());
    assert_eq!(other.set_data(&path, b"", None).await.unwrap_err(), Error::NoAuth);
    assert_eq!(other.create(&target.path("/a/c"), b"", &PERSISTENT).await.unwrap_err(), Error::NoAuth);
    assert_eq!(other.delete(&child, None).await.unwrap_err(), Error::NoAuth);
    assert_eq!(other.set_acl(&path, &open_acl(), None).await.unwrap_err(), Error::NoAuth);
    // To delete a node one needs a right on its parent only.
    let open = target.path("/open");
    other.create(&open, b"", &PERSISTENT).await.unwrap();
    owner
        .create(&target.path("/open/mine"), b"", &CreateMode::Persistent.with_acls(Acls::creator_all()))
        .await
        .unwrap();
    assert_eq!(other.get_data(&target.path("/open/mine")).await.unwrap_err(), Error::NoAuth);
    other.delete(&target.path("/open/mine"), None).await.unwrap();
    // The same secret on another connection is the same identity.
    other.auth("digest", b"owner:secret").await.unwrap();
    other.set_data(&path, b"", None).await.unwrap();
}

async fn digests_are_hidden_from_those_who_may_not_administer(target: &Target) {
    let owner = target.client().await;
    owner.auth("digest", b"owner:secret").await.unwrap();
    let acls = [Acl::new(Permission::ALL, AuthId::authed()), Acl::new(Permission::READ, AuthId::anyone())];
    let path = target.path("/a");
    owner.create(&path, b"", &CreateMode::Persistent.with_acls(Acls::new(&acls))).await.unwrap();
    let (seen, _) = owner.get_acl(&path).await.unwrap();
    assert_eq!((seen[0].scheme(), seen[0].id()), ("digest", "owner:Vj++wdU3sMAbt+g9TyKj1BT+usI="));
    let (seen, _) = target.client().await.get_acl(&path).await.unwrap();
    assert_eq!((seen[0].scheme(), seen[0].id()), ("digest", "owner:x"));
}

async fn auth_names_the_creator_and_bad_acls_are_invalid(target: &Target) {
    let client = target.client().await;
    let path = target.path("/a");
    let creator = CreateMode::Persistent.with_acls(Acls::creator_all());
    assert_eq!(client.create(&path, b"", &creator).await.unwrap_err(), Error::InvalidAcl);
    for id in [AuthId::new("world", "me"), AuthId::new("digest", "nobody"), AuthId::new("nonsense", "x")] {
        let acls = [Acl::new(Permission::ALL, id)];
        let options = CreateMode::Persistent.with_acls(Acls::new(&acls));
        assert_eq!(client.create(&path, b"", &options).await.unwrap_err(), Error::InvalidAcl);
    }
    let mut raw = target.raw();
    assert_eq!(raw.ask(1, op::CREATE, Body::default().str(&path).bytes(b"").int(0).int(0)).error, -114);
}

async fn ip_acls_match_the_address(target: &Target) {
    let client = target.client().await;
    for (name, id, reads) in [("/in", "127.0.0.0/8", true), ("/is", "127.0.0.1", true), ("/out", "10.0.0.0/8", false)] {
        let acls = [Acl::new(Permission::READ, AuthId::new("ip", id))];
        let options = CreateMode::Persistent.with_acls(Acls::new(&acls));
        client.create(&target.path(name), b"", &options).await.unwrap();
        let read = client.get_data(&target.path(name)).await;
        assert_eq!(read.is_ok(), reads, "{id}: {read:?}");
    }
}

async fn who_am_i_names_every_identity(target: &Target) {
    let client = target.client().await;
    client.auth("digest", b"me:secret").await.unwrap();
    let users = client.list_auth_users().await.unwrap();
    let mut users: Vec<(&str, &str)> = users.iter().map(|user| (user.scheme(), user.user())).collect();
    users.sort_unstable();
    assert_eq!(users, [("digest", "me"), ("ip", "127.0.0.1")]);
}

async fn an_unknown_scheme_of_authentication_ends_the_connection(target: &Target) {
    let mut raw = target.raw();
    assert_eq!(raw.ask(-4, op::AUTH, Body::default().int(0).str("nonsense").bytes(b"x")).error, -115);
    assert!(raw.is_closed());
}

async fn descendants_are_counted_and_ephemerals_listed_by_prefix(target: &Target) {
    let client = target.client().await;
    for name in ["/a", "/a/b", "/a/b/c", "/ab"] {
        target.create(&client, name).await;
    }
    assert_eq!(client.count_descendants_number(&target.path("/a")).await.unwrap(), 2);
    assert_eq!(client.count_descendants_number(&target.root).await.unwrap(), 4);
    for name in ["/a/e", "/ab/e"] {
        client.create(&target.path(name), b"", &EPHEMERAL).await.unwrap();
    }
    let mut listed = client.list_ephemerals(&target.path("/a")).await.unwrap();
    listed.sort_unstable();
    assert!(listed.contains(&target.path("/a/e")));
    assert_eq!(client.list_ephemerals(&target.path("/ab")).await.unwrap(), [target.path("/ab/e")]);
}

async fn sync_and_ping_are_answered_in_order(target: &Target) {
    let mut raw = target.raw();
    raw.request(1, op::SET_DATA, Body::default().str(&target.root).bytes(b"").int(-1));
    raw.request(2, op::SYNC, Body::default().str(&target.root));
    raw.request(-2, op::PING, Body::default());
    raw.request(3, op::GET_DATA, Body::default().str(&target.root).bool(false));
    let xids: Vec<i32> = (0..4).map(|_| raw.packet().unwrap().xid).collect();
    // A ping may overtake what waits for the disk; nothing else may.
    let others: Vec<i32> = xids.iter().copied().filter(|&xid| xid != -2).collect();
    assert_eq!((others, xids.len()), (vec![1, 2, 3], 4));
}

async fn replies_come_in_the_order_of_requests(target: &Target) {
    let mut raw = target.raw();
    const COUNT: i32 = 500;
    for xid in 0..COUNT {
        match xid % 4 {
            0 => {
                let path = target.path(&format!("/{xid}"));
                raw.request(xid, op::CREATE, Body::default().str(&path).bytes(b"").open_acl().int(0));
            }
            1 => raw.request(xid, op::GET_CHILDREN, Body::default().str(&target.root).bool(false)),
            2 => raw.request(xid, op::GET_DATA, Body::default().str("/no/such/node").bool(false)),
            _ => raw.request(xid, op::SET_DATA, Body::default().str(&target.root).bytes(b"x").int(-1)),
        }
    }
    for xid in 0..COUNT {
        let reply = raw.packet().unwrap();
        assert_eq!((reply.xid, reply.error), (xid, if xid % 4 == 2 { -101 } else { 0 }));
        if xid % 4 == 1 {
            // A session sees its own writes: one node for every four requests before this one.
            assert_eq!(i32::from_be_bytes(reply.body[..4].try_into().unwrap()), xid / 4 + 1);
        }
    }
}

async fn data_up_to_the_limit_is_kept_and_beyond_it_the_connection_ends(target: &Target) {
    let client = target.client().await;
    let path = target.path("/a");
    let large = vec![7; 1_000_000];
    client.create(&path, &large, &PERSISTENT).await.unwrap();
    assert_eq!(client.get_data(&path).await.unwrap().0, large);
    let mut raw = target.raw();
    raw.send(&0x0010_0000i32.to_be_bytes());
    assert!(raw.is_closed());
}

async fn malformed_bytes_cost_one_connection(target: &Target) {
    let mut kept = target.raw();
    let hostile: [&[u8]; 5] =
        [&[0xff; 64], &[0, 0, 0, 0], &i32::MAX.to_be_bytes(), b"GET / HTTP/1.1\r\n\r\n", &[0, 0, 0, 4, 0, 0, 0, 9]];
    for bytes in hostile {
        let mut raw = Raw::open(&target.address);
        raw.send(bytes);
        assert!(raw.is_closed(), "{bytes:?}");
    }
    // A count no packet could hold, inside a well-formed packet of an open session.
    let mut raw = target.raw();
    let error = raw.ask(1, op::CREATE, Body::default().str(&target.path("/a")).bytes(b"").int(i32::MAX)).error;
    assert!(error != 0);
    assert_eq!(kept.ask(1, op::EXISTS, Body::default().str(&target.root).bool(false)).error, 0);
}

async fn closing_a_session_is_answered_and_deletes_its_nodes(target: &Target) {
    let client = target.client().await;
    let path = target.path("/e");
    let mut raw = target.raw();
    assert_eq!(raw.ask(1, op::CREATE, Body::default().str(&path).bytes(b"").open_acl().int(1)).error, 0);
    assert_eq!(raw.ask(2, op::CLOSE_SESSION, Body::default()).xid, 2);
    assert!(raw.is_closed());
    assert_eq!(client.check_stat(&path).await.unwrap(), None);
}

async fn four_letter_words_are_answered(target: &Target) {
    let ask = |word: &str| {
        let mut raw = Raw::open(&target.address);
        raw.send(word.as_bytes());
        raw.rest()
    };
    assert_eq!(ask("ruok"), "imok");
    assert_eq!(ask("isro"), "rw");
    for word in ["srvr", "stat"] {
        let answer = ask(word);
        for line in ["Zookeeper version: 3.8", "Latency min/avg/max: ", "Zxid: 0x", "Mode: standalone", "Node count: "]
        {
            assert!(answer.contains(line), "{word}: {line:?} in {answer}");
        }
    }
    let client = target.client().await;
    client.create(&target.path("/e"), b"", &EPHEMERAL).await.unwrap();
    let _watch = client.get_and_watch_data(&target.root).await.unwrap();
    let session = format!("{:#x}", client.session_id().0);
    assert!(ask("cons").contains(&format!("sid={session},")));
    let dump = ask("dump");
    assert!(dump.contains("SessionTracker dump:") && dump.contains(&format!("{session}:\n\t{}", target.path("/e"))));
    assert!(ask("wchs").contains("Total watches:"));
    assert!(ask("conf").contains("minSessionTimeout=1000\n"));
    assert!(ask("envi").starts_with("Environment:\nzookeeper.version=3.8"));
    let monitor = ask("mntr");
    for name in [
        "zk_version",
        "zk_server_state",
        "zk_znode_count",
        "zk_watch_count",
        "zk_ephemerals_count",
        "zk_num_alive_connections",
    ] {
        assert!(monitor.lines().any(|line| line.starts_with(&format!("{name}\t"))), "{name}");
    }
    wait_until("connections to be counted down", DEADLINE, || ask("srvr").contains("Connections: "));
}

/// The kind and path of an event.
fn event_of(body: &[u8]) -> (i32, String) {
    (i32::from_be_bytes(body[..4].try_into().unwrap()), String::from_utf8(body[12..].to_vec()).unwrap())
}

async fn changed(watcher: OneshotWatcher) -> zookeeper_client::WatchedEvent {
    soon("a watch event", watcher.changed()).await
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("after {DEADLINE:?} still waiting: {what}"))
}

fn open_acl() -> [Acl; 1] {
    [Acl::new(Permission::ALL, AuthId::anyone())]
}
