//! Facts about the model, most of them also stated of real servers in `integration/tests/zookeeper_contract.rs`.

use super::*;
use CreateMode::{Container, Ephemeral, Persistent, PersistentSequential, PersistentTtl};

const TIMEOUT_MS: i32 = 6_000;

struct World {
    model: Model,
    alice: SessionId,
    bob: SessionId,
}

impl World {
    fn new() -> World {
        let mut model = Model::new(1);
        let alice = model.connect(TIMEOUT_MS, 0);
        let bob = model.connect(TIMEOUT_MS, 0);
        World { model, alice, bob }
    }

    fn ask(&mut self, session: SessionId, request: Request) -> Result<Reply, Error> {
        self.model.apply(session, request, 1).reply
    }

    fn alice(&mut self, request: Request) -> Result<Reply, Error> {
        self.ask(self.alice, request)
    }

    /// What a request of Alice's tells the watchers: who, what and where.
    fn events(&mut self, request: Request) -> Vec<(SessionId, EventKind, String)> {
        let outcome = self.model.apply(self.alice, request, 1);
        outcome.reply.unwrap();
        outcome.events.into_iter().map(|(session, event)| (session, event.kind, event.path.to_string())).collect()
    }

    fn create(&mut self, path: &str) {
        self.alice(Request::create(path, b"", Persistent)).unwrap();
    }

    fn watch(&mut self, path: &str, mode: WatchMode) {
        self.ask(self.bob, Request::AddWatch { path: path.to_owned(), mode }).unwrap();
    }
}

#[test]
fn a_stat_counts_data_children_and_transactions() {
    let mut world = World::new();
    world.create("/a");
    let created = world.model.stat("/a").unwrap();
    assert_eq!((created.czxid, created.mzxid, created.pzxid), (3, 3, 3));
    world.create("/a/b");
    world.create("/a/c");
    world.alice(Request::delete("/a/b")).unwrap();
    world.model.apply(world.alice, Request::set_data("/a", b"xyz", 0), 50).reply.unwrap();
    let stat = world.model.stat("/a").unwrap();
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (3, 1, 6));
    assert_eq!((stat.version, stat.data_length, stat.mzxid, stat.mtime, stat.ctime), (1, 3, 7, 50, 1));
}

#[test]
fn sequential_names_count_creations_and_never_come_again() {
    let mut world = World::new();
    world.create("/a");
    for number in 0..3 {
        let Ok(Reply::Written(Written::Created { path, .. })) =
            world.alice(Request::create("/a/n-", b"", PersistentSequential))
        else {
            panic!("not created")
        };
        assert_eq!(*path, format!("/a/n-{number:010}"));
        world.alice(Request::delete(&path)).unwrap();
    }
}

#[test]
fn a_failed_multi_changes_nothing_and_says_which_operation_failed() {
    let mut world = World::new();
    world.create("/a");
    let before = world.model.snapshot();
    let writes = vec![Write::create("/a/b", b"", Persistent), Write::check("/a", 7), Write::set_data("/a", b"", -1)];
    let outcome = world.model.apply(world.alice, Request::Multi(writes), 1);
    assert_eq!(outcome.reply, Ok(Reply::MultiFailed { index: 1, error: Error::BadVersion, count: 3 }));
    assert!(outcome.transaction.is_none());
    assert_eq!(world.model.snapshot(), before);
}

#[test]
fn the_writes_of_a_multi_see_those_before_them() {
    let mut world = World::new();
    let writes = vec![
        Write::create("/a", b"", Persistent),
        Write::create("/a/b", b"", Persistent),
        Write::set_data("/a/b", b"1", 0),
        Write::check("/a/b", 1),
        Write::Delete { path: "/a/b".into(), version: 1 },
        Write::create("/a/b", b"2", Persistent),
    ];
    let Ok(Reply::Multi(written)) = world.alice(Request::Multi(writes)) else { panic!("multi failed") };
    assert_eq!(written.len(), 6);
    assert_eq!(world.model.data("/a/b"), Some(&b"2"[..]));
    assert_eq!(world.model.stat("/a").unwrap().cversion, 3);
}

#[test]
fn closing_a_session_deletes_its_ephemerals_and_tells_the_watchers() {
    let mut world = World::new();
    world.create("/a");
    world.alice(Request::create("/a/e", b"", Ephemeral)).unwrap();
    world.ask(world.bob, Request::GetChildren { path: "/a".into(), watch: true }).unwrap();
    world.ask(world.bob, Request::Exists { path: "/a/e".into(), watch: true }).unwrap();
    let bob = world.bob;
    let events = world.events(Request::CloseSession);
    assert_eq!(events, [(bob, EventKind::Deleted, "/a/e".into()), (bob, EventKind::ChildrenChanged, "/a".into())]);
    assert_eq!(world.alice(Request::get_data("/a")), Err(Error::SessionExpired));
}

#[test]
fn a_silent_session_expires_and_a_heard_one_does_not() {
    let mut world = World::new();
    world.alice(Request::create("/e", b"", Ephemeral)).unwrap();
    world.model.touch(world.bob, 5_000);
    assert!(world.model.tick(6_000).is_empty());
    assert_eq!(world.model.tick(6_001).len(), 1);
    assert_eq!(world.model.data("/e"), None);
    assert!(world.model.is_open(world.bob));
}

#[test]
fn a_one_shot_watch_fires_once() {
    let mut world = World::new();
    world.ask(world.bob, Request::Exists { path: "/a".into(), watch: true }).unwrap_err();
    assert_eq!(world.events(Request::create("/a", b"", Persistent)), [(world.bob, EventKind::Created, "/a".into())]);
    assert_eq!(world.events(Request::set_data("/a", b"", -1)), []);
}

#[test]
fn a_persistent_watch_sees_data_and_children_of_its_node_only() {
    let mut world = World::new();
    world.create("/a");
    world.watch("/a", WatchMode::Persistent);
    let bob = world.bob;
    for _ in 0..2 {
        let changed = world.events(Request::set_data("/a", b"", -1));
        assert_eq!(changed, [(bob, EventKind::DataChanged, "/a".into())]);
    }
    let created = world.events(Request::create("/a/b", b"", Persistent));
    assert_eq!(created, [(bob, EventKind::ChildrenChanged, "/a".into())]);
    assert_eq!(world.events(Request::set_data("/a/b", b"", -1)), []);
}

#[test]
fn a_recursive_watch_sees_all_nodes_below_but_no_child_events() {
    let mut world = World::new();
    world.create("/a");
    world.watch("/a", WatchMode::PersistentRecursive);
    let bob = world.bob;
    let created = world.events(Request::create("/a/b", b"", Persistent));
    assert_eq!(created, [(bob, EventKind::Created, "/a/b".into())]);
    let deleted = world.events(Request::delete("/a/b"));
    assert_eq!(deleted, [(bob, EventKind::Deleted, "/a/b".into())]);
    assert_eq!(world.events(Request::create("/ab", b"", Persistent)), []);
    let path = "/a".to_owned();
    world.ask(bob, Request::RemoveWatches { path: path.clone(), kind: WatchKind::Any }).unwrap();
    let again = world.ask(bob, Request::RemoveWatches { path, kind: WatchKind::Any });
    assert_eq!(again, Err(Error::NoWatcher));
    assert_eq!(world.events(Request::set_data("/a", b"", -1)), []);
}

#[test]
fn several_watches_on_one_change_tell_a_session_once() {
    let mut world = World::new();
    world.create("/a");
    world.watch("/", WatchMode::PersistentRecursive);
    world.watch("/a", WatchMode::Persistent);
    world.ask(world.bob, Request::GetData { path: "/a".into(), watch: true }).unwrap();
    world.ask(world.bob, Request::GetChildren { path: "/a".into(), watch: true }).unwrap();
    assert_eq!(world.events(Request::delete("/a")), [(world.bob, EventKind::Deleted, "/a".into())]);
}

#[test]
fn watches_set_again_tell_what_was_missed() {
    let mut world = World::new();
    world.create("/kept");
    world.create("/changed");
    world.create("/parent");
    let relative_zxid = world.model.last_zxid().0;
    world.alice(Request::set_data("/changed", b"", -1)).unwrap();
    world.create("/parent/child");
    let paths = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
    let watches = SetWatches {
        relative_zxid,
        data: paths(&["/kept", "/changed", "/gone"]),
        exist: paths(&["/parent/child"]),
        child: paths(&["/parent"]),
        ..SetWatches::default()
    };
    let outcome = world.model.apply(world.bob, Request::SetWatches(watches), 1);
    let told: Vec<_> = outcome.events.iter().map(|(_, event)| (event.kind, &*event.path)).collect();
    let expected = [
        (EventKind::DataChanged, "/changed"),
        (EventKind::Deleted, "/gone"),
        (EventKind::Created, "/parent/child"),
        (EventKind::ChildrenChanged, "/parent"),
    ];
    assert_eq!(told, expected);
    assert_eq!(world.events(Request::set_data("/kept", b"", -1)).len(), 1);
}

#[test]
fn a_watch_does_not_tell_what_its_session_may_not_read() {
    let mut world = World::new();
    world.model.authenticate(world.alice, Identity::new("digest", "alice:secret"));
    world.watch("/", WatchMode::PersistentRecursive);
    let create = Write::Create { path: "/a".into(), data: None, acl: Acl::creator_all(), mode: Persistent };
    assert_eq!(world.events(Request::Write(create)), []);
    let told = world.ask(world.bob, Request::get_data("/a"));
    assert_eq!(told, Err(Error::NoAuth));
}

#[test]
fn an_acl_guards_each_right_by_itself() {
    let mut world = World::new();
    world.model.authenticate(world.alice, Identity::new("digest", "alice:secret"));
    let mut acl = Acl::creator_all();
    acl.push(Acl::new(Permissions::READ, Identity::anyone()));
    world.alice(Request::Write(Write::Create { path: "/a".into(), data: None, acl, mode: Persistent })).unwrap();
    world.create("/a/b");
    let bob = world.bob;
    assert!(world.ask(bob, Request::get_data("/a")).is_ok());
    for refused in [Request::set_data("/a", b"", -1), Request::create("/a/c", b"", Persistent), Request::delete("/a/b")]
    {
        assert_eq!(world.ask(bob, refused), Err(Error::NoAuth));
    }
    let Ok(Reply::Acl { acl, .. }) = world.ask(bob, Request::GetAcl { path: "/a".into() }) else { panic!("no ACL") };
    assert_eq!(&*acl[0].identity.id, "alice:x");
}

#[test]
fn a_container_goes_after_its_last_child_and_an_unused_one_stays() {
    let mut world = World::new();
    world.alice(Request::create("/used", b"", Container)).unwrap();
    world.alice(Request::create("/unused", b"", Container)).unwrap();
    world.create("/used/a");
    assert!(world.model.sweep(2, 10).is_empty());
    world.alice(Request::delete("/used/a")).unwrap();
    assert_eq!(world.model.sweep(2, 10).len(), 1);
    assert_eq!((world.model.data("/used"), world.model.data("/unused")), (None, Some(&b""[..])));
}

#[test]
fn a_ttl_node_goes_when_it_was_left_alone_for_its_time() {
    let mut world = World::new();
    world.alice(Request::create("/t", b"", PersistentTtl(100))).unwrap();
    assert!(world.model.sweep(101, 10).is_empty());
    assert_eq!(world.model.sweep(102, 10).len(), 1);
    let refused = world.alice(Request::create("/t", b"", PersistentTtl(0)));
    assert_eq!(refused, Err(Error::BadArguments));
}

#[test]
fn impossible_writes_are_refused_as_zookeeper_refuses_them() {
    let mut world = World::new();
    world.create("/a");
    world.create("/a/b");
    world.alice(Request::create("/e", b"", Ephemeral)).unwrap();
    for (request, error) in [
        (Request::create("/a", b"", Persistent), Error::NodeExists),
        (Request::create("/", b"", Persistent), Error::NodeExists),
        (Request::create("/x/y", b"", Persistent), Error::NoNode),
        (Request::create("/e/y", b"", Persistent), Error::NoChildrenForEphemerals),
        (Request::create("/a/", b"", Persistent), Error::BadArguments),
        (Request::create("a", b"", Persistent), Error::BadArguments),
        (Request::delete("/a"), Error::NotEmpty),
        (Request::delete("/x"), Error::NoNode),
        (Request::delete("/"), Error::BadArguments),
        (Request::delete("/zookeeper"), Error::BadArguments),
        (Request::set_data("/a", b"", 5), Error::BadVersion),
        (Request::set_data("/x", b"", -1), Error::NoNode),
    ] {
        assert_eq!(world.alice(request.clone()), Err(error), "{request:?}");
    }
}

#[test]
fn replaying_the_transactions_gives_the_same_server() {
    let mut model = Model::new(1);
    let mut replica = Model::new(1);
    let opened = model.open_session(TIMEOUT_MS, Password([7; 16]), 10);
    let session = opened.session;
    replica.replay(&opened).unwrap();
    let requests = [
        Request::create("/a", b"1", Persistent),
        Request::create("/a/s", b"", PersistentSequential),
        Request::create("/a/e", b"", Ephemeral),
        Request::Multi(vec![Write::set_data("/a", b"2", 0), Write::create("/c", b"", Container)]),
        Request::CloseSession,
    ];
    for (now, request) in (20..).zip(requests) {
        replica.replay(&model.apply(session, request, now).transaction.unwrap()).unwrap();
        assert_eq!(replica.snapshot(), model.snapshot());
    }
    let restored = Model::restore(model.snapshot(), 1, 99).unwrap();
    assert_eq!(restored.snapshot(), model.snapshot());
    assert_eq!(restored.stat("/a"), model.stat("/a"));
}

#[test]
fn a_session_is_taken_over_with_its_password_only() {
    let mut model = Model::new(1);
    let session = model.open_session(TIMEOUT_MS, Password([7; 16]), 0).session;
    assert_eq!(model.reattach(session, Password([8; 16]), TIMEOUT_MS, 1), Err(Error::SessionExpired));
    assert_eq!(model.reattach(session, Password([7; 16]), 9_000, 5_000), Ok(()));
    assert_eq!((model.expired(13_999), model.expired(14_000)), (vec![], vec![session]));
}

#[test]
fn a_new_server_has_zookeepers_own_nodes_and_nothing_else() {
    let model = Model::new(1);
    assert_eq!(model.children("/"), ["zookeeper".into()]);
    assert_eq!(model.children("/zookeeper"), ["config".into(), "quota".into()]);
}
