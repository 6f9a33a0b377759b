//! The versions `inter.broker.protocol.version` may name, their order, and what each brought.
//! Never decides what to do about a feature. Source: `MetadataVersion` in Kafka 3.9.

use std::fmt;

use crate::value::{ConfigType, Kind};

/// A version of the protocol between brokers. Later versions compare greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(u8);

macro_rules! versions {
    ($($constant:ident = $name:literal, $short:literal;)+) => {
        #[expect(non_camel_case_types, reason = "numbers the constants below, in order")]
        enum Index { $($constant),+ }

        impl MetadataVersion {
            $(
                #[doc = concat!("Version `", $name, "`.")]
                pub const $constant: Self = Self(Index::$constant as u8);
            )+

            const NAMES: &'static [(&'static str, &'static str)] = &[$(($name, $short)),+];
        }
    };
}

versions! {
    IBP_0_8_0 = "0.8.0", "0.8.0";
    IBP_0_8_1 = "0.8.1", "0.8.1";
    IBP_0_8_2 = "0.8.2", "0.8.2";
    IBP_0_9_0 = "0.9.0", "0.9.0";
    IBP_0_10_0_IV0 = "0.10.0-IV0", "0.10.0";
    IBP_0_10_0_IV1 = "0.10.0-IV1", "0.10.0";
    IBP_0_10_1_IV0 = "0.10.1-IV0", "0.10.1";
    IBP_0_10_1_IV1 = "0.10.1-IV1", "0.10.1";
    IBP_0_10_1_IV2 = "0.10.1-IV2", "0.10.1";
    IBP_0_10_2_IV0 = "0.10.2-IV0", "0.10.2";
    IBP_0_11_0_IV0 = "0.11.0-IV0", "0.11.0";
    IBP_0_11_0_IV1 = "0.11.0-IV1", "0.11.0";
    IBP_0_11_0_IV2 = "0.11.0-IV2", "0.11.0";
    IBP_1_0_IV0 = "1.0-IV0", "1.0";
    IBP_1_1_IV0 = "1.1-IV0", "1.1";
    IBP_2_0_IV0 = "2.0-IV0", "2.0";
    IBP_2_0_IV1 = "2.0-IV1", "2.0";
    IBP_2_1_IV0 = "2.1-IV0", "2.1";
    IBP_2_1_IV1 = "2.1-IV1", "2.1";
    IBP_2_1_IV2 = "2.1-IV2", "2.1";
    IBP_2_2_IV0 = "2.2-IV0", "2.2";
    IBP_2_2_IV1 = "2.2-IV1", "2.2";
    IBP_2_3_IV0 = "2.3-IV0", "2.3";
    IBP_2_3_IV1 = "2.3-IV1", "2.3";
    IBP_2_4_IV0 = "2.4-IV0", "2.4";
    IBP_2_4_IV1 = "2.4-IV1", "2.4";
    IBP_2_5_IV0 = "2.5-IV0", "2.5";
    IBP_2_6_IV0 = "2.6-IV0", "2.6";
    IBP_2_7_IV0 = "2.7-IV0", "2.7";
    IBP_2_7_IV1 = "2.7-IV1", "2.7";
    IBP_2_7_IV2 = "2.7-IV2", "2.7";
    IBP_2_8_IV0 = "2.8-IV0", "2.8";
    IBP_2_8_IV1 = "2.8-IV1", "2.8";
    IBP_3_0_IV0 = "3.0-IV0", "3.0";
    IBP_3_0_IV1 = "3.0-IV1", "3.0";
    IBP_3_1_IV0 = "3.1-IV0", "3.1";
    IBP_3_2_IV0 = "3.2-IV0", "3.2";
    IBP_3_3_IV0 = "3.3-IV0", "3.3";
    IBP_3_3_IV1 = "3.3-IV1", "3.3";
    IBP_3_3_IV2 = "3.3-IV2", "3.3";
    IBP_3_3_IV3 = "3.3-IV3", "3.3";
    IBP_3_4_IV0 = "3.4-IV0", "3.4";
    IBP_3_5_IV0 = "3.5-IV0", "3.5";
    IBP_3_5_IV1 = "3.5-IV1", "3.5";
    IBP_3_5_IV2 = "3.5-IV2", "3.5";
    IBP_3_6_IV0 = "3.6-IV0", "3.6";
    IBP_3_6_IV1 = "3.6-IV1", "3.6";
    IBP_3_6_IV2 = "3.6-IV2", "3.6";
    IBP_3_7_IV0 = "3.7-IV0", "3.7";
    IBP_3_7_IV1 = "3.7-IV1", "3.7";
    IBP_3_7_IV2 = "3.7-IV2", "3.7";
    IBP_3_7_IV3 = "3.7-IV3", "3.7";
    IBP_3_7_IV4 = "3.7-IV4", "3.7";
    IBP_3_8_IV0 = "3.8-IV0", "3.8";
    IBP_3_9_IV0 = "3.9-IV0", "3.9";
    IBP_4_0_IV0 = "4.0-IV0", "4.0";
    IBP_4_0_IV1 = "4.0-IV1", "4.0";
}

impl MetadataVersion {
    /// The newest version fit for use; what a broker speaks when nobody says otherwise.
    pub const LATEST_PRODUCTION: Self = Self::IBP_3_9_IV0;

    /// Every version, oldest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..=Self::IBP_4_0_IV1.0).map(Self)
    }

    /// The version a property text names: a full name (`3.9-IV0`), a release (`3.9`, the highest of that
    /// release) or a longer release number (`2.8.1`, `0.10.2.1`), of which the tail is ignored.
    pub fn from_name(text: &str) -> Option<Self> {
        let text = text.trim();
        let kept = if text.starts_with("0.") { 3 } else { 2 };
        let key = match text.match_indices('.').nth(kept - 1) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        let is_release = |version: &Self| version.short_name() == key && *version <= Self::LATEST_PRODUCTION;
        Self::all().rev().find(|version| version.name() == key || is_release(version))
    }

    /// Full name, such as `3.9-IV0`.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)].0
    }

    /// Release it belongs to, such as `3.9`.
    pub fn short_name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)].1
    }

    /// Number of the `metadata.version` feature; -1 before there was one.
    pub fn feature_level(self) -> i16 {
        match self.0.checked_sub(Self::IBP_3_0_IV1.0) {
            Some(steps) => i16::from(steps) + 1,
            None => -1,
        }
    }

    /// Whether this version has everything `other` has.
    pub fn at_least(self, other: Self) -> bool {
        self >= other
    }

    /// Newest record format its brokers may store: 0, 1 or 2.
    pub fn highest_record_version(self) -> i8 {
        if self >= Self::IBP_0_11_0_IV0 {
            2
        } else if self >= Self::IBP_0_10_0_IV0 {
            1
        } else {
            0
        }
    }

    /// Oldest version whose brokers may store this record format.
    pub fn first_with_records(record_version: i8) -> Self {
        Self::all()
            .find(|version| version.highest_record_version() >= record_version)
            .unwrap_or(Self::LATEST_PRODUCTION)
    }

    /// Control requests carry the broker epoch.
    pub fn has_broker_epochs(self) -> bool {
        self >= Self::IBP_2_2_IV0
    }

    /// The topic node and LeaderAndIsr list replicas being added and removed.
    pub fn has_reassignment_in_topic_node(self) -> bool {
        self >= Self::IBP_2_4_IV0
    }

    /// StopReplica says of each partition whether to delete it.
    pub fn has_partitioned_stop_replica(self) -> bool {
        self >= Self::IBP_2_6_IV0
    }

    /// Brokers register features and keep `/feature`.
    pub fn has_feature_versioning(self) -> bool {
        self >= Self::IBP_2_7_IV0
    }

    /// A follower learns from Fetch where to truncate.
    pub fn has_truncation_on_fetch(self) -> bool {
        self >= Self::IBP_2_7_IV1
    }

    /// Leaders propose ISR changes by AlterPartition.
    pub fn has_alter_partition(self) -> bool {
        self >= Self::IBP_2_7_IV2
    }

    /// Topics have ids.
    pub fn has_topic_ids(self) -> bool {
        self >= Self::IBP_2_8_IV0
    }

    /// LeaderAndIsr and UpdateMetadata carry topic ids.
    pub fn has_topic_ids_in_leader_and_isr(self) -> bool {
        self >= Self::IBP_2_8_IV1
    }

    /// The controller hands out producer ids.
    pub fn has_allocate_producer_ids(self) -> bool {
        self >= Self::IBP_3_0_IV0
    }

    /// `message.format.version` is ignored.
    pub fn ignores_message_format_version(self) -> bool {
        self >= Self::IBP_3_0_IV1
    }

    /// Fetch names topics by id.
    pub fn has_topic_ids_in_fetch(self) -> bool {
        self >= Self::IBP_3_1_IV0
    }

    /// The partition state node holds the leader recovery state.
    pub fn has_leader_recovery_state(self) -> bool {
        self >= Self::IBP_3_2_IV0
    }

    /// `/feature` is written in its second form.
    pub fn has_second_feature_node(self) -> bool {
        self >= Self::IBP_3_3_IV0
    }

    /// Control requests say whether the controller is KRaft's.
    pub fn has_kraft_controller_flag(self) -> bool {
        self >= Self::IBP_3_4_IV0
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for MetadataVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Kind for MetadataVersion {
    const TYPE: ConfigType = ConfigType::String;

    fn parse(text: &str) -> Result<Self, String> {
        Self::from_name(text).ok_or_else(|| {
            format!(
                "Version {} is not a valid version; use a release such as 3.9 or a name such as 3.9-IV0",
                text.trim()
            )
        })
    }

    fn show(&self) -> Option<String> {
        Some(self.name().to_owned())
    }

    fn text(&self, given: &str) -> String {
        given.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_means_its_highest_version() {
        assert_eq!(MetadataVersion::from_name("3.3"), Some(MetadataVersion::IBP_3_3_IV3));
        assert_eq!(MetadataVersion::from_name("0.10.2"), Some(MetadataVersion::IBP_0_10_2_IV0));
        assert_eq!(MetadataVersion::from_name("0.8.2"), Some(MetadataVersion::IBP_0_8_2));
    }

    #[test]
    fn a_patch_number_is_ignored() {
        assert_eq!(MetadataVersion::from_name("2.8.1"), Some(MetadataVersion::IBP_2_8_IV1));
        assert_eq!(MetadataVersion::from_name("0.10.1.1"), Some(MetadataVersion::IBP_0_10_1_IV2));
    }

    #[test]
    fn every_full_name_reads_back_and_sorts_by_age() {
        let versions: Vec<_> = MetadataVersion::all().collect();
        assert_eq!(versions.len(), 57);
        assert!(versions.is_sorted());
        for version in versions {
            assert_eq!(MetadataVersion::from_name(version.name()), Some(version));
        }
    }

    #[test]
    fn unknown_versions_are_refused() {
        for text in ["", "4.0", "5.0", "3.9-IV9", "3", "0.9", "0.7.0", "three"] {
            assert_eq!(MetadataVersion::from_name(text), None, "{text}");
        }
    }

    #[test]
    fn feature_levels_count_from_3_0_iv1() {
        assert_eq!(MetadataVersion::IBP_3_0_IV0.feature_level(), -1);
        assert_eq!(MetadataVersion::IBP_3_0_IV1.feature_level(), 1);
        assert_eq!(MetadataVersion::IBP_3_9_IV0.feature_level(), 21);
    }

    #[test]
    fn features_arrive_where_kafka_says() {
        assert!(!MetadataVersion::IBP_2_7_IV1.has_alter_partition());
        assert!(MetadataVersion::IBP_2_7_IV2.has_alter_partition());
        assert!(MetadataVersion::IBP_3_0_IV1.ignores_message_format_version());
        assert_eq!(MetadataVersion::IBP_0_10_2_IV0.highest_record_version(), 1);
    }
}
