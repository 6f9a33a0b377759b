//! Config overrides: read, written under the eye of the controller node, and announced to all brokers.
//! Knows no property. Source: contract 1.3 `/config`; `AdminZkClient`, `KafkaZkClient.setOrCreateEntityConfigs`.

use zk_schema::nodes::config::{self, Config, ConfigEntity};
use zk_schema::nodes::config_change;
use zk_schema::nodes::controller::Controller;
use zk_schema::paths;

use super::request::{MultiOutcome, Op};
use super::{Error, Zk};

impl Zk {
    /// An entity's overrides; none if it has no node.
    ///
    /// # Errors
    /// What the server said, or what is wrong with the node.
    pub async fn config(&self, entity: &ConfigEntity) -> Result<Config, Error> {
        match self.get(&entity.path()).await? {
            Some(node) => Ok(config::decode(&node.data)?),
            None => Ok(Config::new()),
        }
    }

    /// Every entity of a type (`topics`, `brokers`, `clients`, `users` or `ips`) that has a node, clients of users
    /// included. Nodes with impossible names are left out.
    ///
    /// # Errors
    /// What the server said.
    pub async fn config_entities(&self, kind: &str) -> Result<Vec<ConfigEntity>, Error> {
        let parent = format!("{}/{kind}", paths::CONFIG);
        let mut entities = Vec::new();
        for name in self.children(&parent).await?.unwrap_or_default() {
            entities.extend(ConfigEntity::parse(&format!("{kind}/{name}")));
            if kind == "users" {
                let clients = self.children(&format!("{parent}/{name}/clients")).await?.unwrap_or_default();
                let of = |client: String| ConfigEntity::parse(&format!("users/{name}/clients/{client}")).ok();
                entities.extend(clients.into_iter().filter_map(of));
            }
        }
        Ok(entities)
    }

    /// Replaces an entity's overrides and tells all brokers. A client, user or address left without any loses its node.
    ///
    /// # Errors
    /// [`Error::ControllerMoved`] if there is no ZooKeeper-mode controller, or what the server said.
    pub async fn change_config(&self, entity: &ConfigEntity, overrides: &Config) -> Result<(), Error> {
        let is_quota = !matches!(entity, ConfigEntity::Topic(_) | ConfigEntity::Broker(_));
        if !(is_quota && overrides.is_empty() && self.remove_empty(entity).await?) {
            self.write_config(entity, overrides).await?;
        }
        self.announce_config_change(entity).await
    }

    /// Replaces an entity's overrides and tells nobody; what creating a topic does.
    ///
    /// # Errors
    /// As [`Zk::change_config`].
    pub async fn write_config(&self, entity: &ConfigEntity, overrides: &Config) -> Result<(), Error> {
        let path = entity.path();
        let content = config::encode(overrides);
        loop {
            let version = self.require_controller().await?;
            let ops = [
                Op::Check { path: paths::CONTROLLER, version },
                Op::Set { path: &path, data: &content, expected: None },
            ];
            match self.multi(&ops).await? {
                MultiOutcome::Done(_) => return Ok(()),
                MultiOutcome::Refused { index: 0, .. } => {
                    return Err(Error::ControllerMoved("the controller changed while a config was written".to_owned()));
                }
                MultiOutcome::Refused { error: Error::NoNode(_), .. } => {
                    match self.create_with_parents(&path, &content).await {
                        // Somebody else was faster; then the last writer wins.
                        Err(Error::NodeExists(_)) => {}
                        other => return other,
                    }
                }
                MultiOutcome::Refused { error, .. } => return Err(error),
            }
        }
    }

    /// Tells all brokers that an entity's overrides changed.
    ///
    /// # Errors
    /// What the server said.
    pub async fn announce_config_change(&self, entity: &ConfigEntity) -> Result<(), Error> {
        let prefix = paths::sequential(paths::CONFIG_CHANGES, paths::CONFIG_CHANGE_PREFIX);
        let content = config_change::encode(entity);
        match self.create_sequential(&prefix, &content).await {
            Err(Error::NoNode(_)) => {
                self.ensure(paths::CONFIG_CHANGES).await?;
                self.create_sequential(&prefix, &content).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Version of `/controller`, which must name a ZooKeeper-mode controller.
    async fn require_controller(&self) -> Result<i32, Error> {
        let moved = |why: &str| Error::ControllerMoved(why.to_owned());
        let node = self.get(paths::CONTROLLER).await?;
        let node = node.ok_or_else(|| moved("configs cannot be changed while there is no controller"))?;
        if Controller::decode(&node.data)?.kraft_controller_epoch.is_some_and(|epoch| 0 < epoch) {
            return Err(moved("configs cannot be changed here while a KRaft controller is in charge"));
        }
        Ok(node.stat.version)
    }

    /// Deletes the node of an entity without overrides, and then its parents if they are empty too. False if it has
    /// children and must stay.
    async fn remove_empty(&self, entity: &ConfigEntity) -> Result<bool, Error> {
        let path = entity.path();
        match self.delete(&path, None).await {
            Ok(()) | Err(Error::NoNode(_)) => {}
            Err(Error::NotEmpty(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
        let mut parent = paths::parent(&path);
        let types = ["/config/users", "/config/clients", "/config/ips"];
        while let Some(path) = parent.filter(|path| !types.contains(path)) {
            let is_clients = path.ends_with("/clients");
            if !is_clients && self.get(path).await?.is_some_and(|node| has_overrides(&node.data)) {
                break;
            }
            match self.delete(path, None).await {
                Ok(()) | Err(Error::NoNode(_)) => {}
                Err(Error::NotEmpty(_)) => break,
                Err(error) => return Err(error),
            }
            parent = paths::parent(path);
        }
        Ok(true)
    }
}

fn has_overrides(data: &[u8]) -> bool {
    config::decode(data).map_or(true, |overrides| !overrides.is_empty())
}
