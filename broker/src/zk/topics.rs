//! Topics as requests see them: list, create, grow, and ask for deletion. All else about topics is the controller's.
//! Source: contract 1.3 `/brokers/topics/T`, 2.8; `AdminZkClient`, `ZkAdminManager`.

use zk_schema::nodes::config::{Config, ConfigEntity};
use zk_schema::nodes::topic::TopicAssignment;
use zk_schema::{TopicName, ZkVersion, paths};

use super::{Error, Zk};

impl Zk {
    /// Names of all topics, those being deleted included.
    ///
    /// # Errors
    /// What the server said.
    pub async fn topics(&self) -> Result<Vec<TopicName>, Error> {
        let names = self.children(paths::TOPICS).await?.unwrap_or_default();
        Ok(names.into_iter().map(TopicName::from).collect())
    }

    /// A topic's assignment and the version of its node; `None` if there is no such topic.
    ///
    /// # Errors
    /// What the server said, or what is wrong with the node.
    pub async fn topic(&self, topic: &TopicName) -> Result<Option<(TopicAssignment, ZkVersion)>, Error> {
        match self.get(&paths::topic(topic)).await? {
            Some(node) => Ok(Some((TopicAssignment::decode(&node.data)?, ZkVersion(node.stat.version)))),
            None => Ok(None),
        }
    }

    /// Creates a topic: its config first, so that whoever hears of the topic finds it. The controller does the rest.
    ///
    /// # Errors
    /// [`Error::NodeExists`] if there is one of this name, or what the server said.
    pub async fn create_topic(
        &self,
        topic: &TopicName,
        overrides: &Config,
        assignment: &TopicAssignment,
    ) -> Result<(), Error> {
        let path = paths::topic(topic);
        if self.stat(&path).await?.is_some() {
            return Err(Error::NodeExists(path));
        }
        self.write_config(&ConfigEntity::Topic(topic.clone()), overrides).await?;
        self.create_with_parents(&path, &assignment.encode()).await
    }

    /// Replaces a topic's assignment with one that has more partitions.
    ///
    /// # Errors
    /// [`Error::NoNode`] if there is no such topic, or what the server said.
    pub async fn grow_topic(&self, topic: &TopicName, assignment: &TopicAssignment) -> Result<(), Error> {
        self.set(&paths::topic(topic), &assignment.encode(), None).await.map(drop)
    }

    /// Asks the controller to delete a topic.
    ///
    /// # Errors
    /// [`Error::NodeExists`] if that was asked already, or what the server said.
    pub async fn request_topic_deletion(&self, topic: &TopicName) -> Result<(), Error> {
        self.create_with_parents(&paths::delete_topic(topic), b"").await
    }

    /// Whether the deletion of a topic was asked for and is not complete.
    ///
    /// # Errors
    /// What the server said.
    pub async fn is_topic_being_deleted(&self, topic: &TopicName) -> Result<bool, Error> {
        Ok(self.stat(&paths::delete_topic(topic)).await?.is_some())
    }
}
