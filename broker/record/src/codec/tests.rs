//! Round trips, foreign framings and hostile streams, codec by codec.

use proptest::prelude::*;

use super::*;
use crate::{MAGIC_V1, MAGIC_V2};

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|index| b"the quick brown fox "[index * index % 20]).collect()
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

fn round_trip(codec: Codec, magic: i8, data: &[u8]) {
    let compressed = Bytes::from(Compression::from(codec).compress(data, magic).unwrap());
    let back = decompress(codec, &compressed, magic, data.len()).unwrap();
    assert_eq!(back, data, "{codec} magic {magic} {} bytes", data.len());
}

#[test]
fn every_codec_gives_back_what_it_was_given() {
    for codec in Codec::ALL {
        for len in [0, 1, 1000, 32 * 1024, 64 * 1024, 64 * 1024 + 1, 300_000] {
            round_trip(codec, MAGIC_V2, &text(len));
            round_trip(codec, MAGIC_V2, &noise(len));
        }
    }
}

#[test]
fn every_level_gives_back_what_it_was_given() {
    let data = text(100_000);
    let levels = [(Codec::Gzip, -1), (Codec::Gzip, 1), (Codec::Gzip, 9), (Codec::Lz4, 1), (Codec::Lz4, 9)];
    for (codec, level) in levels.into_iter().chain([(Codec::Lz4, 17), (Codec::Zstd, -50), (Codec::Zstd, 19)]) {
        let compressed = Compression { codec, level: Some(level) }.compress(&data, MAGIC_V2).unwrap();
        let back = decompress(codec, &compressed.into(), MAGIC_V2, data.len()).unwrap();
        assert_eq!(back, data, "{codec} level {level}");
    }
}

#[test]
fn the_bound_stops_every_bomb() {
    let data = vec![0; 1 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let compressed = Bytes::from(Compression::from(codec).compress(&data, MAGIC_V2).unwrap());
        let limit = data.len() - 1;
        assert_eq!(decompress(codec, &compressed, MAGIC_V2, limit), Err(Error::TooLarge { codec, limit }));
        assert!(decompress(codec, &compressed, MAGIC_V2, limit + 1).is_ok(), "{codec}");
    }
}

#[test]
fn a_snappy_block_that_lies_about_its_size_allocates_nothing() {
    // A bare block announcing 4 GiB - 1 in a five-byte length.
    let lie = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
    assert!(matches!(decompress(Codec::Snappy, &lie, MAGIC_V2, usize::MAX), Err(Error::Decompress { .. })));
}

#[test]
fn bare_snappy_is_read() {
    let data = text(10_000);
    let bare = snap::raw::Encoder::new().compress_vec(&data).unwrap();
    assert_eq!(decompress(Codec::Snappy, &bare.into(), MAGIC_V2, data.len()).unwrap(), data);
}

#[test]
fn streams_written_one_after_the_other_read_as_one() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Zstd] {
        let mut both = Compression::from(codec).compress(b"first ", MAGIC_V2).unwrap();
        both.extend(Compression::from(codec).compress(b"second", MAGIC_V2).unwrap());
        assert_eq!(decompress(codec, &both.into(), MAGIC_V2, 100).unwrap(), "first second", "{codec}");
    }
}

#[test]
fn snappy_streams_begin_with_the_xerial_header() {
    let compressed = Compression::from(Codec::Snappy).compress(b"x", MAGIC_V2).unwrap();
    assert_eq!(&compressed[..16], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
}

#[test]
fn lz4_frames_have_independent_64_kib_blocks_and_no_checksums() {
    let compressed = Compression::from(Codec::Lz4).compress(b"x", MAGIC_V2).unwrap();
    assert_eq!(&compressed[..7], [0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82]);
}

#[test]
fn the_reference_decoder_reads_our_lz4_frames() {
    let data = noise(200_000);
    let compressed = Compression::from(Codec::Lz4).compress(&data, MAGIC_V2).unwrap();
    let mut back = Vec::new();
    ::lz4::Decoder::new(&compressed[..]).unwrap().read_to_end(&mut back).unwrap();
    assert_eq!(back, data);
}

#[test]
fn lz4_frames_with_checksums_and_larger_blocks_are_read() {
    let data = text(700_000);
    let mut encoder = ::lz4::EncoderBuilder::new()
        .block_size(::lz4::BlockSize::Max256KB)
        .block_mode(::lz4::BlockMode::Independent)
        .block_checksum(::lz4::liblz4::BlockChecksum::BlockChecksumEnabled)
        .checksum(::lz4::ContentChecksum::ChecksumEnabled)
        .content_size(data.len() as u64)
        .build(Vec::new())
        .unwrap();
    encoder.write_all(&data).unwrap();
    let (frame, finished) = encoder.finish();
    finished.unwrap();
    let mut broken = frame.clone();
    assert_eq!(decompress(Codec::Lz4, &frame.into(), MAGIC_V2, data.len()).unwrap(), data);
    broken[40] ^= 1;
    assert!(decompress(Codec::Lz4, &broken.into(), MAGIC_V2, data.len()).is_err());
}

#[test]
fn format_0_writes_the_broken_lz4_header_checksum_and_reads_both() {
    let right = Compression::from(Codec::Lz4).compress(b"payload", MAGIC_V1).unwrap();
    let broken = Compression::from(Codec::Lz4).compress(b"payload", MAGIC_V0).unwrap();
    assert_ne!(right[6], broken[6]);
    assert_eq!(decompress(Codec::Lz4, &broken.clone().into(), MAGIC_V0, 100).unwrap(), "payload");
    assert_eq!(decompress(Codec::Lz4, &right.into(), MAGIC_V0, 100).unwrap(), "payload");
    assert!(decompress(Codec::Lz4, &broken.into(), MAGIC_V1, 100).is_err());
}

#[test]
fn zstd_does_not_exist_below_format_2() {
    assert_eq!(Compression::from(Codec::Zstd).compress(b"x", MAGIC_V1), Err(ZSTD_BELOW_V2));
    assert_eq!(decompress(Codec::Zstd, &Bytes::new(), MAGIC_V1, 1), Err(ZSTD_BELOW_V2));
}

#[test]
fn names_and_ids_come_back() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_id(codec.id()), Ok(codec));
        assert_eq!(Codec::from_name(codec.name()), Some(codec));
    }
    assert_eq!(Codec::from_name("uncompressed"), Some(Codec::None));
    assert_eq!(Codec::from_id(5), Err(Error::UnknownCodec { id: 5 }));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(data: Vec<u8>, magic in 0..=2i8) {
        let data = Bytes::from(data);
        for codec in Codec::ALL {
            let _ = decompress(codec, &data, magic, 1 << 16);
        }
    }

    #[test]
    fn mutated_streams_never_panic(at: prop::sample::Index, with: u8, cut: prop::sample::Index) {
        for codec in Codec::ALL {
            let mut data = Compression::from(codec).compress(&text(2000), MAGIC_V2).unwrap();
            let position = at.index(data.len());
            data[position] = with;
            let whole = Bytes::from(data);
            let _ = decompress(codec, &whole, MAGIC_V2, 1 << 16);
            let _ = decompress(codec, &whole.slice(..cut.index(whole.len())), MAGIC_V2, 1 << 16);
        }
    }
}
