//! Finalised features and blocks of producer ids on their way to ZooKeeper.
//! These nodes are written without the guard of the controller epoch, as Kafka does; blocks are kept apart by their version.
//! Source: contract 1.3 and 2.14; `processFeatureUpdates` and `ZkProducerIdManager` in Kafka 3.9.

use std::collections::BTreeMap;

use zk_schema::nodes::feature::Features;
use zk_schema::nodes::producer_id_block::{BLOCK_SIZE, ProducerIdBlock as Block};
use zk_schema::{BrokerEpoch, BrokerId, ZkVersion, paths};

use super::Error;
use super::active::Active;
use super::effect::{
    Answer, ApiError, LiveBroker, LogLevel, ProducerIdBlock, RequestToken, UpdatedFeatures, ZkAction, ZkRead, ZkWrite,
};
use super::event::{FeatureUpdate, UpgradeType, ZkError, ZkFound};

impl Active {
    // Features.

    /// At the beginning of a term: makes `/feature` say whether features are in use.
    pub(super) fn set_up_features(&mut self) {
        self.read_features(|c, found| {
            let enabled = c.config.protocol.feature_versioning;
            let kept = match &found {
                Some((node, _)) if enabled && node.enabled => node.features.clone(),
                _ => BTreeMap::new(),
            };
            let wanted = c.features(enabled, kept);
            c.finalised = wanted.features.clone();
            let same = found.as_ref().is_some_and(|(node, _)| {
                node.enabled == wanted.enabled && node.features == wanted.features && node.version == wanted.version
            });
            if same {
                return;
            }
            let data = wanted.encode();
            let action = match found {
                Some(_) => ZkAction::SetData { data, expected: None },
                None => ZkAction::Create(Some(data)),
            };
            c.write_unguarded(vec![ZkWrite { path: paths::FEATURE.to_owned(), action }], |c, written| {
                match written.into_iter().next() {
                    // Created by an attempt whose answer was lost, or by another broker a moment ago.
                    Some(Ok(_) | Err(ZkError::NodeExists)) => {}
                    failed => c.give_up(format!("could not write {}: {failed:?}", paths::FEATURE)),
                }
            });
        });
    }

    fn features(&self, enabled: bool, features: BTreeMap<String, i16>) -> Features {
        let version = if self.config.protocol.feature_node_v2 { 2 } else { 1 };
        Features { version, enabled, features }
    }

    fn read_features(&mut self, then: impl FnOnce(&mut Self, Option<(Features, ZkVersion)>) + Send + 'static) {
        self.read(vec![ZkRead::Data(paths::FEATURE.to_owned())], |c, found| match found.into_iter().next() {
            Some(Ok(ZkFound::Data { data, version, .. })) => match Features::decode(&data) {
                Ok(node) => then(c, Some((node, version))),
                Err(error) => c.give_up(format!("cannot read {}: {error}", paths::FEATURE)),
            },
            Some(Err(ZkError::NoNode)) => then(c, None),
            other => c.give_up(format!("cannot read {}: {other:?}", paths::FEATURE)),
        });
    }

    /// Whether a broker supports every finalised feature.
    pub(super) fn is_compatible(&self, broker: &LiveBroker) -> bool {
        let supports = |(feature, &level): (&String, &i16)| is_supported(broker, feature, level);
        !self.config.protocol.feature_versioning || self.finalised.iter().all(supports)
    }

    /// A client changes finalised features.
    pub(super) fn update_features(&mut self, token: RequestToken, updates: Vec<FeatureUpdate>) {
        let mut wanted = self.finalised.clone();
        let mut results: Vec<(String, Result<(), ApiError>)> = Vec::with_capacity(updates.len());
        for update in updates {
            let existing = self.finalised.get(&update.feature).copied();
            let result = match self.check_feature(&update, existing) {
                Ok(Some(level)) => {
                    wanted.insert(update.feature.clone(), level);
                    Ok(())
                }
                Ok(None) => {
                    wanted.remove(&update.feature);
                    Ok(())
                }
                Err(message) => Err(ApiError::with_message(Error::InvalidRequest, message)),
            };
            results.push((update.feature, result));
        }
        if wanted == self.finalised {
            self.answer(token, Answer::UpdateFeatures(Ok(UpdatedFeatures { results, written: None })));
            return;
        }
        let data = self.features(true, wanted.clone()).encode();
        let write = ZkWrite { path: paths::FEATURE.to_owned(), action: ZkAction::SetData { data, expected: None } };
        self.write_unguarded(vec![write], move |c, outcome| {
            let written = match outcome.into_iter().next() {
                Some(Ok(version)) => {
                    c.finalised = wanted;
                    Some(version)
                }
                failed => {
                    c.log(LogLevel::Warn, format!("could not write {}: {failed:?}", paths::FEATURE));
                    for (_, result) in &mut results {
                        if result.is_ok() {
                            *result = Err(ApiError::new(Error::FeatureUpdateFailed));
                        }
                    }
                    None
                }
            };
            c.answer(token, Answer::UpdateFeatures(Ok(UpdatedFeatures { results, written })));
        });
    }

    /// The new level (`None`: the feature goes), or why not.
    fn check_feature(&self, update: &FeatureUpdate, existing: Option<i16>) -> Result<Option<i16>, String> {
        let level = update.max_version_level;
        if update.feature.is_empty() {
            return Err("Feature name can not be empty.".to_owned());
        }
        if update.upgrade_type == UpgradeType::Unknown {
            return Err("Received unknown upgrade type.".to_owned());
        }
        if level < 1 && update.upgrade_type != UpgradeType::Upgrade {
            return match existing {
                Some(_) => Ok(None),
                None => Err("Can not delete non-existing finalized feature.".to_owned()),
            };
        }
        if level < 1 {
            return Err(format!(
                "Can not provide versionLevel: {level} less than 1 without setting the SAFE downgradeType in the request."
            ));
        }
        if let Some(existing) = existing {
            check_direction(update.upgrade_type, existing, level)?;
        }
        self.check_supported(&update.feature, level)?;
        Ok(Some(level))
    }

    fn check_supported(&self, feature: &str, level: i16) -> Result<(), String> {
        let own = self.cluster.brokers().get(&self.config.broker_id);
        let Some(range) = own.and_then(|broker| broker.features.get(feature)) else {
            return Err(
                "Could not apply finalized feature update because the provided feature is not supported.".to_owned()
            );
        };
        if level < range.min_version || range.max_version < level {
            let min = range.min_version;
            return Err(format!(
                "Could not apply finalized feature update because the provided versionLevel:{level} is lower than the supported minVersion:{min}."
            ));
        }
        let all_support = self.cluster.brokers().values().all(|broker| is_supported(broker, feature, level));
        all_support.then_some(()).ok_or_else(|| {
            "Could not apply finalized feature update because brokers were found to have incompatible versions for the feature."
                .to_owned()
        })
    }

    // Producer ids.

    /// A broker asks for a block of producer ids.
    pub(super) fn allocate_producer_ids(&mut self, token: RequestToken, broker: BrokerId, broker_epoch: BrokerEpoch) {
        match self.cluster.broker_epoch(broker) {
            None => self.answer(token, Answer::AllocateProducerIds(Err(Error::BrokerIdNotRegistered))),
            Some(known) if known != broker_epoch => {
                self.answer(token, Answer::AllocateProducerIds(Err(Error::StaleBrokerEpoch)));
            }
            Some(_) => self.take_block(token, broker, None),
        }
    }

    /// Takes the block after the last one. `tried` is what an earlier attempt wrote without knowing whether it succeeded.
    fn take_block(&mut self, token: RequestToken, broker: BrokerId, tried: Option<Block>) {
        let path = paths::PRODUCER_ID_BLOCK;
        self.read(vec![ZkRead::Data(path.to_owned())], move |c, found| {
            let (last, version) = match found.into_iter().next() {
                Some(Ok(ZkFound::Data { data, version, .. })) => match Block::decode(&data) {
                    Ok(last) => (last, Some(version)),
                    Err(error) => return c.no_block(token, &error),
                },
                Some(Err(ZkError::NoNode)) => (None, None),
                other => return c.no_block(token, &format!("{other:?}")),
            };
            if tried.is_some() && last == tried {
                return c.hand_out(token, tried);
            }
            let Some(block) = Block::next(last, broker) else {
                return c.no_block(token, &"all producer ids are used up");
            };
            let data = block.encode();
            let action = match version {
                Some(version) => ZkAction::SetData { data, expected: Some(version) },
                None => ZkAction::Create(Some(data)),
            };
            c.write_unguarded(vec![ZkWrite { path: path.to_owned(), action }], move |c, written| {
                match written.into_iter().next() {
                    Some(Ok(_)) => c.hand_out(token, Some(block)),
                    Some(Err(ZkError::BadVersion | ZkError::NodeExists | ZkError::NoNode)) => {
                        c.take_block(token, broker, Some(block));
                    }
                    other => c.no_block(token, &format!("{other:?}")),
                }
            });
        });
    }

    fn hand_out(&mut self, token: RequestToken, block: Option<Block>) {
        let Some(block) = block else { return };
        let len = i32::try_from(BLOCK_SIZE).unwrap_or(i32::MAX);
        let block = ProducerIdBlock { start: block.first.0, len };
        self.answer(token, Answer::AllocateProducerIds(Ok(block)));
    }

    fn no_block(&mut self, token: RequestToken, why: &dyn std::fmt::Display) {
        self.log(LogLevel::Error, format!("no block of producer ids: {why}"));
        self.answer(token, Answer::AllocateProducerIds(Err(Error::UnknownServer)));
    }
}

fn is_supported(broker: &LiveBroker, feature: &str, level: i16) -> bool {
    broker.features.get(feature).is_some_and(|range| range.min_version <= level && level <= range.max_version)
}

fn check_direction(upgrade_type: UpgradeType, existing: i16, level: i16) -> Result<(), String> {
    if level == existing {
        let verb = if upgrade_type == UpgradeType::SafeDowngrade { "downgrade" } else { "upgrade" };
        return Err(format!(
            "Can not {verb} a finalized feature from existing versionLevel:{existing} to the same value."
        ));
    }
    if level < existing && upgrade_type != UpgradeType::SafeDowngrade {
        return Err(format!(
            "Can not downgrade finalized feature from existing versionLevel:{existing} to provided versionLevel:{level} without setting the downgradeType to SAFE in the request."
        ));
    }
    if existing < level && upgrade_type != UpgradeType::Upgrade {
        return Err(format!(
            "When the downgradeType is set to SAFE in the request, the provided versionLevel:{level} can not be greater than existing versionLevel:{existing}."
        ));
    }
    Ok(())
}
