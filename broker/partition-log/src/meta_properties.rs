//! `meta.properties`: which cluster and broker a log directory belongs to.
//! Reads and writes the file; what to do when they do not agree is the broker's decision. A file that is there is never
//! rewritten, for it may hold keys that are not ours.
//! Source: `MetaProperties`, `MetaPropertiesEnsemble` in Kafka 3.9.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use zk_schema::types::BrokerId;

use crate::disk::Disk;

/// Name of the file.
pub const FILE: &str = "meta.properties";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// 0 in ZooKeeper mode; 1 is KRaft's.
    pub version: i32,
    /// Id of the cluster, if given.
    pub cluster_id: Option<String>,
    /// Id of the broker, if given.
    pub broker_id: Option<BrokerId>,
    /// Id of the directory, written during a migration to KRaft.
    pub directory_id: Option<String>,
}

impl MetaProperties {
    /// What a new directory of this broker gets.
    #[must_use]
    pub fn new(cluster_id: &str, broker_id: BrokerId) -> Self {
        Self { version: 0, cluster_id: Some(cluster_id.to_owned()), broker_id: Some(broker_id), directory_id: None }
    }

    /// Reads the file of a log directory; `None` if it has none.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if it makes no sense, or whatever the file system says.
    pub fn read(disk: &Disk, log_dir: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = disk.read_if_exists(&log_dir.join(FILE))? else { return Ok(None) };
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {what}"));
        let text = str::from_utf8(&bytes).map_err(|_| invalid("not text"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        let values: BTreeMap<&str, String> =
            lines.filter_map(|line| line.split_once(['=', ':'])).map(|(k, v)| (k.trim(), unescape(v.trim()))).collect();
        let number = |key: &str| {
            values
                .get(key)
                .map(|value| value.parse::<i32>().map_err(|_| invalid(&format!("{key} is no number"))))
                .transpose()
        };
        // A file from before versions were written is of version 0.
        let version = number("version")?.unwrap_or(0);
        let id_key = if version == 0 { "broker.id" } else { "node.id" };
        Ok(Some(Self {
            version,
            cluster_id: values.get("cluster.id").cloned(),
            broker_id: number(id_key)?.map(BrokerId),
            directory_id: values.get("directory.id").cloned(),
        }))
    }

    /// Writes the file into a log directory that has none, whole or not at all.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, disk: &Disk, log_dir: &Path) -> io::Result<()> {
        let mut text = "#\n".to_owned();
        let entries = [
            ("cluster.id", self.cluster_id.clone()),
            ("version", Some(self.version.to_string())),
            ("broker.id", self.broker_id.map(|id| id.to_string())),
            ("directory.id", self.directory_id.clone()),
        ];
        for (key, value) in entries {
            if let Some(value) = value {
                text.push_str(&format!("{key}={value}\n"));
            }
        }
        disk.write_atomically(&log_dir.join(FILE), text.as_bytes())
    }
}

/// Java escapes `=`, `:`, `#` and `!` in values with a backslash.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(chars.next()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_file_is_read_and_ours_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        assert_eq!(MetaProperties::read(&disk, dir.path()).unwrap(), None);
        let java = "#\n#Tue Oct 15 10:00:00 UTC 2024\ncluster.id=vPeOCWypqUOSepEvx0cbog\nversion=0\nbroker.id=1\n";
        disk.write(&dir.path().join(FILE), java.as_bytes()).unwrap();
        let read = MetaProperties::read(&disk, dir.path()).unwrap().unwrap();
        assert_eq!(read, MetaProperties::new("vPeOCWypqUOSepEvx0cbog", BrokerId(1)));
        read.write(&disk, dir.path()).unwrap();
        assert_eq!(MetaProperties::read(&disk, dir.path()).unwrap(), Some(read));
    }

    #[test]
    fn krafts_file_shows_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        disk.write(&dir.path().join(FILE), b"version=1\nnode.id=3\ndirectory.id=abc\\=\n").unwrap();
        let read = MetaProperties::read(&disk, dir.path()).unwrap().unwrap();
        assert_eq!((read.version, read.broker_id, read.directory_id.as_deref()), (1, Some(BrokerId(3)), Some("abc=")));
    }

    #[test]
    fn a_file_without_a_version_is_of_version_0_and_one_with_nonsense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::real();
        disk.write(&dir.path().join(FILE), b"broker.id=1\n").unwrap();
        let read = MetaProperties::read(&disk, dir.path()).unwrap().unwrap();
        assert_eq!((read.version, read.broker_id), (0, Some(BrokerId(1))));
        disk.write(&dir.path().join(FILE), b"version=new\nbroker.id=1\n").unwrap();
        assert!(MetaProperties::read(&disk, dir.path()).is_err());
    }
}
