//! The shapes agree with the codec on every request and version, and nothing a peer can send gets past both unharmed.

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::RequestKind;
use proptest::prelude::*;

use super::*;
use crate::{RequestHeader, decode_request};

/// Writes a random body of a shape, drawing choices from `seed`.
struct Writer {
    out: BytesMut,
    version: i16,
    flexible: bool,
    seed: u64,
}

impl Writer {
    fn draw(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound
    }

    fn fields(&mut self, fields: &'static [Field]) {
        for field in fields {
            if let Some(shape) = field.untagged(self.version) {
                self.shape(shape);
            }
        }
        if self.flexible {
            self.out.put_u8(0);
        }
    }

    fn shape(&mut self, shape: &'static Shape) {
        match shape {
            // 0 and 1 only, so that booleans come back as they went.
            Shape::Fixed(len) => (0..*len).for_each(|_| {
                let byte = self.draw(2) as u8;
                self.out.put_u8(byte);
            }),
            Shape::Text if !self.flexible => {
                let len = self.draw(9);
                self.out.put_i16(len as i16);
                self.out.put_slice(&b"abcdefghi"[..len as usize]);
            }
            Shape::Text | Shape::Bytes => {
                let len = self.draw(9) as usize;
                self.count(len);
                self.out.put_slice(&b"abcdefghi"[..len]);
            }
            Shape::List(element) => {
                let count = self.draw(4) as usize;
                self.count(count);
                (0..count).for_each(|_| self.shape(element));
            }
            Shape::Array(fields) => {
                let count = self.draw(4) as usize;
                self.count(count);
                (0..count).for_each(|_| self.fields(fields));
            }
            Shape::Struct(fields) => self.fields(fields),
        }
    }

    fn count(&mut self, count: usize) {
        if self.flexible { self.out.put_u8(count as u8 + 1) } else { self.out.put_i32(count as i32) }
    }
}

fn random_body(api: ApiKey, version: i16, seed: u64) -> Bytes {
    let flexible = api.is_flexible(version);
    let mut writer = Writer { out: BytesMut::new(), version, flexible, seed };
    writer.fields(shapes::request(api));
    writer.out.freeze()
}

fn frame(api: ApiKey, version: i16, body: &[u8]) -> Bytes {
    let header = RequestHeader { api_key: api.key(), api_version: version, correlation_id: 7, client_id: None };
    let mut out = BytesMut::new();
    header.encode(api, &mut out).unwrap();
    out.put_slice(body);
    out.freeze()
}

fn all_versions() -> impl Iterator<Item = (ApiKey, i16)> {
    ApiKey::ALL.iter().flat_map(|&api| api.versions().map(move |version| (api, version)))
}

#[test]
fn every_request_in_every_version_is_the_codecs() {
    for (api, version) in all_versions() {
        for seed in 0..40 {
            let body = random_body(api, version, seed);
            check(api, version, &body).unwrap_or_else(|error| panic!("{api} v{version}, seed {seed}: {error}"));
            let mut rest = body.clone();
            let request = RequestKind::decode(api.codec_key(), &mut rest, version)
                .unwrap_or_else(|error| panic!("{api} v{version}, seed {seed}: {error}"));
            assert!(rest.is_empty(), "{api} v{version}, seed {seed}");
            let mut again = BytesMut::new();
            request.encode(&mut again, version).unwrap();
            assert_eq!(again.freeze(), body, "{api} v{version}, seed {seed}");
        }
    }
}

#[test]
fn a_truncated_request_is_refused_in_every_version() {
    for (api, version) in all_versions() {
        let body = random_body(api, version, 3);
        for len in 0..body.len() {
            assert!(decode_request(frame(api, version, &body[..len])).is_err(), "{api} v{version} cut to {len}");
        }
    }
}

#[test]
fn a_count_no_bytes_back_is_refused_before_memory_is_reserved() {
    // Wherever a count may stand, 0x7fffffff there must never reach the codec's allocator: this test would abort.
    for (api, version) in all_versions() {
        let body = random_body(api, version, 5);
        for at in 0..=body.len() {
            for hostile in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
                let bytes = [&body[..at], hostile, &[0; 8]].concat();
                let _ = decode_request(frame(api, version, &bytes));
            }
        }
    }
    let metadata = frame(ApiKey::Metadata, 0, &[0x7f, 0xff, 0xff, 0xff]);
    assert!(decode_request(metadata).is_err());
}

#[test]
fn a_frame_of_tiny_elements_is_refused() {
    let count = ELEMENT_COUNT_MAX + 1;
    let mut body = BytesMut::new();
    body.put_i32(i32::try_from(count).unwrap());
    body.put_bytes(0, 2 * count);
    assert_eq!(check(ApiKey::Metadata, 1, &body), Err("too many array elements"));
}

#[test]
fn unknown_tagged_fields_pass_and_known_ones_of_wrong_length_do_not() {
    // Metadata v9: no topics, three booleans, then tagged fields.
    let with_unknown_tag = [1, 0, 0, 0, 1, 99, 2, 8, 8];
    assert!(decode_request(frame(ApiKey::Metadata, 9, &with_unknown_tag)).is_ok());

    // UpdateMetadata v8 has the known tag 0, one byte long.
    let mut body = random_body(ApiKey::UpdateMetadata, 8, 1).to_vec();
    body.pop();
    let right = [&body[..], &[1, 0, 1, 2]].concat();
    assert_eq!(check(ApiKey::UpdateMetadata, 8, &right), Ok(()));
    let wrong = [&body[..], &[1, 0, 2, 2, 2]].concat();
    assert!(check(ApiKey::UpdateMetadata, 8, &wrong).is_err());
}

proptest! {
    #[test]
    fn random_frames_are_refused_or_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_request(Bytes::from(bytes));
    }

    #[test]
    fn random_bodies_are_refused_or_decoded_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        pick in any::<proptest::sample::Index>(),
    ) {
        let all: Vec<_> = all_versions().collect();
        let (api, version) = all[pick.index(all.len())];
        let _ = decode_request(frame(api, version, &bytes));
    }

    #[test]
    fn whatever_the_codec_accepts_in_full_the_walk_accepts(
        seed in any::<u64>(),
        pick in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..4), 0..3),
    ) {
        let all: Vec<_> = all_versions().collect();
        let (api, version) = all[pick.index(all.len())];
        let mut body = random_body(api, version, seed).to_vec();
        for (at, byte) in damage {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let refused_for = check(api, version, &body).err();
        // A refused count is not put to the codec: it might reserve more memory than there is and end this test.
        if refused_for.is_some_and(|reason| ![MORE_THAN_BYTES, TOO_MANY].contains(&reason)) {
            let mut rest = Bytes::from(body);
            prop_assert!(RequestKind::decode(api.codec_key(), &mut rest, version).is_err(), "{} v{}", api, version);
        }
    }
}
