//! Reads the topics out of a consumer's subscription: the one thing a coordinator looks at in what members say.
//! Never fails: what cannot be read counts as unknown, and unknown subscriptions protect their offsets.
//! Source: `ConsumerProtocolSubscription` version 0, which every later version begins with.

use bytes::{Buf as _, Bytes};
use zk_schema::types::TopicName;

/// Topics of one subscription; `None` if it is not one.
pub(super) fn topics(subscription: &Bytes) -> Option<Vec<TopicName>> {
    let mut bytes = subscription.clone();
    if bytes.try_get_i16().ok()? < 0 {
        return None;
    }
    let count = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
        if bytes.len() < length {
            return None;
        }
        topics.push(TopicName::new(std::str::from_utf8(&bytes.split_to(length)).ok()?));
    }
    let user_data = bytes.try_get_i32().ok()?;
    let fits = user_data == -1 || usize::try_from(user_data).is_ok_and(|length| length <= bytes.len());
    fits.then_some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_begins_with_its_topics() {
        // Version 3 as a Kafka 3.9 console consumer sends it: topic `t`, no user data, nothing owned.
        let bytes = b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff";
        assert_eq!(topics(&Bytes::from_static(bytes)), Some(vec![TopicName::new("t")]));
    }

    #[test]
    fn anything_else_is_unknown() {
        for bytes in
            [&b""[..], b"\0", b"\xff\xff\0\0\0\0\xff\xff\xff\xff", b"\0\0\x7f\xff\xff\xff", b"\0\0\0\0\0\x01\0\x05t"]
        {
            assert_eq!(topics(&Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }
}
