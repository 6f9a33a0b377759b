//! kcat: metadata, produce with keys and headers in every codec it has, consume by offset and as a group.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use integration::Cluster;
use integration::process::run;

const DEADLINE: Duration = Duration::from_secs(60);

fn kcat(cluster: &Cluster, args: &[&str], input: &str) -> Result<String> {
    run(Command::new("kcat").args(["-b", &cluster.bootstrap()]).args(args), input, DEADLINE)?.ok()
}

#[test]
fn kcat_lists_produces_and_consumes() -> Result<()> {
    let cluster = Cluster::builder().property("num.partitions", "3").start()?;
    // The first write creates the topic.
    kcat(&cluster, &["-P", "-t", "cat", "-K", ":", "-p", "0"], "a:one\nb:two\n")?;
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        kcat(
            &cluster,
            &["-P", "-t", "cat", "-K", ":", "-p", "0", "-z", codec, "-H", "from=kcat"],
            &format!("{codec}:packed\n"),
        )?;
    }
    let listed = kcat(&cluster, &["-L", "-t", "cat"], "")?;
    assert!(listed.contains("topic \"cat\" with 3 partitions"), "{listed}");
    assert!(listed.contains("leader 1, replicas: 1, isrs: 1"), "{listed}");

    let read =
        kcat(&cluster, &["-C", "-t", "cat", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%o %k %s %h\\n"], "")?;
    let expected = "0 a one \n1 b two \n2 gzip packed from=kcat\n3 snappy packed from=kcat\n4 lz4 packed from=kcat\n5 zstd packed from=kcat\n";
    assert_eq!(read, expected);
    let last = kcat(&cluster, &["-C", "-t", "cat", "-p", "0", "-o", "-1", "-e", "-q", "-f", "%k\\n"], "")?;
    assert_eq!(last, "zstd\n");
    let grouped =
        kcat(&cluster, &["-G", "cats", "-c", "6", "-q", "-X", "auto.offset.reset=earliest", "-f", "%k\\n", "cat"], "")?;
    assert_eq!(grouped.lines().count(), 6, "{grouped}");
    Ok(())
}
