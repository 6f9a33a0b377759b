//! Who this broker is: the cluster's id, the broker's id, and what the log directories say about both.
//! Source: contract 3.1 steps 1 to 4, 3.2; `MetaPropertiesEnsemble.verify`, `KafkaServer.getOrGenerateBrokerId`.

use std::path::{Path, PathBuf};

use config::BrokerConfig;
use partition_log::Disk;
use partition_log::meta_properties::{FILE, MetaProperties};
use zk_schema::BrokerId;

use super::Error;
use crate::zk::Zk;

/// Who this broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub cluster_id: String,
    pub broker_id: BrokerId,
    /// Log directories whose `meta.properties` could be read or written; the others are offline.
    pub log_dirs: Vec<PathBuf>,
}

/// Finds out who this broker is, and writes it into log directories that do not say yet.
pub(super) async fn identify(config: &BrokerConfig, zk: &Zk) -> Result<Identity, Error> {
    let cluster_id = zk.get_or_create_cluster_id(rand::random()).await?;
    tracing::info!(target: "kafka.server.KafkaServer", "Cluster ID = {cluster_id}");
    let disk = Disk::real();
    let found = read_all(&disk, &config.log_dirs());
    let broker_id = match agreed_id(config, &cluster_id, &found)? {
        Some(id) => id,
        None if config.broker_id_generation_enable => zk.generate_broker_id(config.reserved_broker_max_id).await?,
        None => return Err(Error::Identity("No broker ID found, and broker.id.generation.enable is disabled.".into())),
    };
    let log_dirs = write_missing(&disk, found, &MetaProperties::new(&cluster_id, broker_id));
    Ok(Identity { cluster_id, broker_id, log_dirs })
}

type Found = Vec<(PathBuf, Option<MetaProperties>)>;

/// What each directory says; unreadable ones are left out, and so are offline from the start.
fn read_all(disk: &Disk, log_dirs: &[PathBuf]) -> Found {
    let mut found = Found::new();
    for dir in log_dirs {
        match MetaProperties::read(disk, dir) {
            Ok(properties) => found.push((dir.clone(), properties)),
            Err(error) => tracing::error!("Error while reading {FILE} in {}: {error}", dir.display()),
        }
    }
    found
}

/// The id the configuration and all directories agree on; `None` if none of them names one.
fn agreed_id(config: &BrokerConfig, cluster_id: &str, found: &Found) -> Result<Option<BrokerId>, Error> {
    let mut agreed = (0 <= config.broker_id).then_some(BrokerId(config.broker_id));
    for (dir, properties) in found {
        let Some(properties) = properties else { continue };
        let path = dir.join(FILE);
        check(properties, cluster_id, agreed, &path)?;
        agreed = agreed.or(properties.broker_id);
    }
    Ok(agreed)
}

fn check(found: &MetaProperties, cluster_id: &str, agreed: Option<BrokerId>, path: &Path) -> Result<(), Error> {
    let path = path.display();
    if found.version != 0 {
        return Err(Error::Identity(format!(
            "Found unexpected version in {path}. ZK-based brokers that are not migrating only support version 0 (which \
             is implicit when the `version` field is missing)."
        )));
    }
    if let Some(other) = found.cluster_id.as_deref().filter(|other| *other != cluster_id) {
        return Err(Error::Identity(format!("Invalid cluster.id in: {path}. Expected {cluster_id}, but read {other}")));
    }
    match (agreed, found.broker_id) {
        (Some(agreed), Some(other)) if agreed != other => Err(Error::Identity(format!(
            "Stored node id {other} doesn't match previous node id {agreed} in {path}. If you moved your data, make sure \
             your configured node id matches. If you intend to create a new node, you should remove all data in your \
             data directories."
        ))),
        _ => Ok(()),
    }
}

/// Directories that say who we are, those included that say so only now.
fn write_missing(disk: &Disk, found: Found, properties: &MetaProperties) -> Vec<PathBuf> {
    let mut log_dirs = Vec::with_capacity(found.len());
    for (dir, said) in found {
        let written = match said {
            Some(_) => Ok(()),
            None => disk.create_dir_all(&dir).and_then(|()| properties.write(disk, &dir)),
        };
        match written {
            Ok(()) => log_dirs.push(dir),
            Err(error) => tracing::error!("Error while writing {FILE} to {}: {error}", dir.display()),
        }
    }
    log_dirs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(id: &str) -> BrokerConfig {
        let pairs = [("zookeeper.connect", "localhost:2181"), ("broker.id", id)];
        BrokerConfig::from_map(BTreeMap::from(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())))).unwrap()
    }

    fn dir(name: &str, properties: Option<MetaProperties>) -> (PathBuf, Option<MetaProperties>) {
        (PathBuf::from(name), properties)
    }

    #[test]
    fn the_id_comes_from_the_configuration_or_the_directories() {
        let ours = MetaProperties::new("c", BrokerId(5));
        let found = vec![dir("a", None), dir("b", Some(ours.clone()))];
        assert_eq!(agreed_id(&config("5"), "c", &found).unwrap(), Some(BrokerId(5)));
        assert_eq!(agreed_id(&config("-1"), "c", &found).unwrap(), Some(BrokerId(5)));
        assert_eq!(agreed_id(&config("-1"), "c", &vec![dir("a", None)]).unwrap(), None);
    }

    #[test]
    fn a_directory_of_another_broker_cluster_or_mode_is_refused() {
        let refused = |properties: MetaProperties, id: &str| {
            agreed_id(&config(id), "c", &vec![dir("a", Some(properties))]).unwrap_err().to_string()
        };
        let ours = MetaProperties::new("c", BrokerId(5));
        assert!(refused(ours.clone(), "6").starts_with("Stored node id 5 doesn't match previous node id 6 in a/meta"));
        assert!(
            refused(MetaProperties { cluster_id: Some("d".into()), ..ours.clone() }, "5")
                .starts_with("Invalid cluster.id in")
        );
        assert!(refused(MetaProperties { version: 1, ..ours }, "5").starts_with("Found unexpected version"));
    }

    #[test]
    fn directories_that_disagree_are_refused() {
        let found = vec![
            dir("a", Some(MetaProperties::new("c", BrokerId(5)))),
            dir("b", Some(MetaProperties::new("c", BrokerId(6)))),
        ];
        assert!(agreed_id(&config("-1"), "c", &found).is_err());
    }

    #[test]
    fn new_directories_are_told_and_others_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let kept = MetaProperties { directory_id: Some("x".into()), ..MetaProperties::new("c", BrokerId(5)) };
        std::fs::create_dir(&b).unwrap();
        kept.write(&disk, &b).unwrap();
        let found = read_all(&disk, &[a.clone(), b.clone()]);
        let ours = MetaProperties::new("c", BrokerId(5));
        assert_eq!(write_missing(&disk, found, &ours), [a.clone(), b.clone()]);
        assert_eq!(MetaProperties::read(&disk, &a).unwrap(), Some(ours));
        assert_eq!(MetaProperties::read(&disk, &b).unwrap(), Some(kept));
    }
}
