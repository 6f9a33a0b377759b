//! How many requests per second a server answers when clients do not wait: of this server, or of any other one.
//! `cargo bench -p standalone` starts our own; `ZOOKEEPER=host:port cargo bench -p standalone` asks that one instead.

#![expect(clippy::unwrap_used, reason = "a bench that fails has nothing to say")]

use std::collections::VecDeque;
use std::time::Instant;

use zk_schema::model::{self, Model, Request};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions};

const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());
const COUNT: usize = 40_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if let Ok(address) = std::env::var("ZOOKEEPER") {
        return measure(&address).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = standalone::Server::start(standalone::Config::new(dir.path())).await.unwrap();
    measure(&server.local_addr().to_string()).await;
    server.shutdown().await;
    hold_of_a_snapshot();
}

/// How long requests wait while a snapshot of a large tree is taken: it is copied under the lock, and written outside.
fn hold_of_a_snapshot() {
    let mut model = Model::new(1);
    let session = model.connect(i32::MAX, 0);
    for number in 0..500_000 {
        model.apply(session, Request::create(&format!("/{number}"), &[0; 100], model::CreateMode::Persistent), 0);
    }
    let start = Instant::now();
    let snapshot = model.snapshot();
    println!("a snapshot of {} nodes holds requests for {:?}", snapshot.nodes.len(), start.elapsed());
}

async fn measure(address: &str) {
    let client = Client::connect(address).await.unwrap();
    let root = format!("/bench-{:x}", rand::random::<u32>());
    client.create(&root, b"", &PERSISTENT).await.unwrap();
    let data = [b'x'; 100];
    for in_flight in [1, 10, 1_000] {
        let count = if in_flight == 1 { COUNT / 20 } else { COUNT };
        let path = |number| format!("{root}/{in_flight}-{number}");
        run("create", in_flight, count, |number| {
            let (client, path) = (client.clone(), path(number));
            async move { client.create(&path, &data, &PERSISTENT).await.map(drop).unwrap() }
        })
        .await;
        run("getData", in_flight, count, |number| {
            let (client, path) = (client.clone(), path(number));
            async move { client.get_data(&path).await.map(drop).unwrap() }
        })
        .await;
        run("multi of check and setData", in_flight, count, |number| {
            let (client, path, root) = (client.clone(), path(number), root.clone());
            async move {
                let mut writer = client.new_check_writer(&root, None).unwrap();
                writer.add_set_data(&path, &data, None).unwrap();
                writer.commit().await.map(drop).unwrap();
            }
        })
        .await;
    }
    let paths: Vec<String> = (0..COUNT).map(|number| format!("{root}/1000-{number}")).collect();
    let start = Instant::now();
    for batch in paths.chunks(200) {
        let mut writer = client.new_check_writer(&root, None).unwrap();
        batch.iter().for_each(|path| writer.add_set_data(path, &data, None).unwrap());
        writer.commit().await.unwrap();
    }
    report("setData by multis of 200", 1, COUNT, start);
}

async fn run<F: Future<Output = ()> + Send + 'static>(
    what: &str,
    in_flight: usize,
    count: usize,
    mut request: impl FnMut(usize) -> F,
) {
    let start = Instant::now();
    let mut pending = VecDeque::with_capacity(in_flight);
    for number in 0..count {
        if pending.len() == in_flight {
            pending.pop_front().map(|oldest: tokio::task::JoinHandle<()>| oldest).unwrap().await.unwrap();
        }
        pending.push_back(tokio::spawn(request(number)));
    }
    for request in pending {
        request.await.unwrap();
    }
    report(what, in_flight, count, start);
}

#[expect(clippy::cast_precision_loss, reason = "rates are for people")]
fn report(what: &str, in_flight: usize, count: usize, start: Instant) {
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{what:<28} {in_flight:>5} in flight {rate:>10.0} per second");
}
