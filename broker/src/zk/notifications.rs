//! Numbered notifications that every broker reads in order: config changes, ACL changes, token changes.
//! Says only which came; what they mean is the reader's. Source: `kafka.common.ZkNodeChangeNotificationListener`.

use super::batch::{Found, Read};
use super::{Error, Zk};

/// Age beyond which any broker deletes a notification.
pub const EXPIRATION_MS: i64 = 15 * 60 * 1000;

/// One broker's place in a row of notifications.
#[derive(Debug)]
pub struct Notifications {
    parent: &'static str,
    prefix: &'static str,
    last_executed: i64,
}

impl Notifications {
    /// From the beginning: what the nodes say has been read already, so reading a few of them again does no harm.
    #[must_use]
    pub fn new(parent: &'static str, prefix: &'static str) -> Self {
        Self { parent, prefix, last_executed: -1 }
    }

    /// Contents of the notifications that came since the last call, oldest first; deletes expired ones.
    ///
    /// # Errors
    /// What the server said; then the next call returns the same notifications again.
    pub async fn take_new(&mut self, zk: &Zk, now_ms: i64) -> Result<Vec<Vec<u8>>, Error> {
        let names = zk.children(self.parent).await?.unwrap_or_default();
        let number = |name: &String| zk_schema::paths::sequence_number(name, self.prefix);
        let mut numbered: Vec<(i64, String)> =
            names.into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
        numbered.sort();
        let read = |(_, name): &(i64, String)| Read::Data(format!("{}/{name}", self.parent));
        let reads: Vec<Read> = numbered.iter().map(read).collect();
        let found = zk.read_all(&reads).await?;
        let mut new = Vec::new();
        for ((number, _), (found, read)) in numbered.iter().zip(found.into_iter().zip(&reads)) {
            // One that vanished was expired, and is older than any broker waits.
            let Found::Data(node) = found else { continue };
            if EXPIRATION_MS < now_ms - node.stat.ctime_ms {
                match zk.delete(read.path(), None).await {
                    Ok(()) | Err(Error::NoNode(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if self.last_executed < *number {
                new.push(node.data);
            }
        }
        self.last_executed = numbered.last().map_or(self.last_executed, |(number, _)| self.last_executed.max(*number));
        Ok(new)
    }
}
