//! The versions a follower speaks: its own inter-broker protocol version decides, leaders are never asked.
//! Source: contract 3.6; `MetadataVersion.fetchRequestVersion` and its neighbours in Kafka 3.9.

use config::MetadataVersion;

/// Newest version of Fetch that names topics.
const LAST_FETCH_WITH_NAMES: i16 = 12;
/// First version of Fetch with sessions.
const FIRST_FETCH_WITH_SESSIONS: i16 = 7;

/// Versions of the three requests of a follower, and what goes with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    fetch: i16,
    /// Of ListOffsets.
    pub list_offsets: i16,
    /// Of OffsetForLeaderEpoch; `None` before there was one.
    pub offset_for_leader_epoch: Option<i16>,
    /// A fetch finds out where to truncate.
    pub truncates_on_fetch: bool,
}

impl Versions {
    /// The versions of this protocol version.
    #[must_use]
    pub fn of(ibp: MetadataVersion) -> Self {
        use MetadataVersion as V;
        let newest = |steps: &[(MetadataVersion, i16)]| {
            steps.iter().find(|(from, _)| ibp.at_least(*from)).map_or(0, |(_, version)| *version)
        };
        let offset_for_leader_epoch =
            newest(&[(V::IBP_2_8_IV0, 4), (V::IBP_2_3_IV1, 3), (V::IBP_2_1_IV1, 2), (V::IBP_2_0_IV0, 1)]);
        Self {
            fetch: newest(&[
                (V::IBP_3_9_IV0, 17),
                (V::IBP_3_7_IV4, 16),
                (V::IBP_3_5_IV1, 15),
                (V::IBP_3_5_IV0, 14),
                (V::IBP_3_1_IV0, 13),
                (V::IBP_2_7_IV1, 12),
                (V::IBP_2_3_IV1, 11),
                (V::IBP_2_1_IV2, 10),
                (V::IBP_2_0_IV1, 8),
                (V::IBP_1_1_IV0, 7),
                (V::IBP_0_11_0_IV1, 5),
                (V::IBP_0_11_0_IV0, 4),
                (V::IBP_0_10_1_IV1, 3),
                (V::IBP_0_10_0_IV0, 2),
                (V::IBP_0_9_0, 1),
            ]),
            list_offsets: newest(&[
                (V::IBP_3_9_IV0, 9),
                (V::IBP_3_5_IV0, 8),
                (V::IBP_3_0_IV1, 7),
                (V::IBP_2_8_IV0, 6),
                (V::IBP_2_2_IV1, 5),
                (V::IBP_2_1_IV1, 4),
                (V::IBP_2_0_IV1, 3),
                (V::IBP_0_11_0_IV0, 2),
                (V::IBP_0_10_1_IV2, 1),
            ]),
            offset_for_leader_epoch: ibp.at_least(V::IBP_0_11_0_IV2).then_some(offset_for_leader_epoch),
            truncates_on_fetch: ibp.has_truncation_on_fetch(),
        }
    }

    /// Version of Fetch, by whether every partition in it has a topic id.
    #[must_use]
    pub fn fetch(self, all_have_ids: bool) -> i16 {
        if all_have_ids { self.fetch } else { self.fetch.min(LAST_FETCH_WITH_NAMES) }
    }

    /// Whether a fetch names topics by id.
    #[must_use]
    pub fn uses_topic_ids(self, all_have_ids: bool) -> bool {
        self.fetch(all_have_ids) > LAST_FETCH_WITH_NAMES
    }

    /// Whether leaders keep sessions.
    #[must_use]
    pub fn has_sessions(self) -> bool {
        self.fetch >= FIRST_FETCH_WITH_SESSIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_version_decides() {
        let of = |name| Versions::of(MetadataVersion::from_name(name).unwrap());
        let latest = of("3.9");
        assert_eq!((latest.fetch(true), latest.fetch(false)), (17, 12));
        assert_eq!((latest.list_offsets, latest.offset_for_leader_epoch), (9, Some(4)));
        assert!(latest.truncates_on_fetch && latest.has_sessions());
        let old = of("2.6");
        assert_eq!((old.fetch(true), old.list_offsets, old.offset_for_leader_epoch), (11, 5, Some(3)));
        assert!(!old.truncates_on_fetch && !old.uses_topic_ids(true));
        let ancient = of("0.10.2");
        assert_eq!((ancient.fetch(true), ancient.list_offsets, ancient.offset_for_leader_epoch), (3, 1, None));
        assert!(!ancient.has_sessions());
    }
}
