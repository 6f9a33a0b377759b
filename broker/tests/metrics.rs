//! The metrics endpoint, asked as a scraper would. A process of its own: an exporter is installed once.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use broker::metrics::{self, Flow, RequestKind, names};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::ApiKey;

async fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the endpoint listens");
    let request = "GET /metrics HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("a page of text");
    page
}

#[tokio::test]
async fn what_is_counted_can_be_scraped() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    metrics::on_request(ApiKey::Fetch, 3, RequestKind::Plain, 1, Duration::ZERO);
    metrics::listen(free).expect("an exporter");

    metrics::on_request(ApiKey::Fetch, 3, RequestKind::FetchConsumer, 100, Duration::from_millis(7));
    Flow::Produced.count(4096);
    metrics::on_records_produced(7);
    names::ZOOKEEPER_EXPIRES.increment();
    names::UNDER_REPLICATED_PARTITIONS.set(2);

    let page = scrape(free).await;
    for line in [
        "kafka_network_requestmetrics_requests_total{request=\"Fetch\",version=\"3\"} 1",
        "kafka_network_requestmetrics_requests_total{request=\"FetchConsumer\",version=\"3\"} 1",
        "kafka_network_requestmetrics_deprecatedrequests_total{request=\"Fetch\",version=\"3\"} 1",
        "kafka_server_brokertopicmetrics_bytesin_total 4096",
        "kafka_server_brokertopicmetrics_messagesin_total 7",
        "kafka_server_sessionexpirelistener_zookeeperexpires_total 1",
        "kafka_server_replicamanager_underreplicatedpartitions 2",
        "kafka_network_requestmetrics_totaltimems_count{request=\"Fetch\"} 1",
    ] {
        assert!(page.contains(line), "{line} is missing from\n{page}");
    }
}
