//! What a leader spends on a 64 KiB batch before it is stored: checksum and walk, per codec.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use record::{BatchBuilder, Codec, ValidationRules, batches, validate};

const BATCH_BYTES: usize = 64 * 1024;

fn bench(criterion: &mut Criterion) {
    let rules = ValidationRules { produce_version: Some(9), ..ValidationRules::default() };
    for value_len in [100, 1000] {
        let mut group = criterion.benchmark_group(format!("{value_len}-byte values"));
        group.throughput(Throughput::Bytes(BATCH_BYTES as u64));
        for codec in Codec::ALL {
            let mut builder = BatchBuilder::with_codec(codec);
            while builder.uncompressed_size_in_bytes() < BATCH_BYTES {
                let value: Vec<u8> = (0..value_len).map(|at| (at * at % 61) as u8 + b' ').collect();
                builder.append(0, Some(b"some-key"), Some(&value), &[]).expect("fits");
            }
            let bytes = builder.build().expect("compresses");
            group.bench_function(BenchmarkId::new("validate", codec), |bencher| {
                bencher.iter(|| validate(bytes.clone(), &rules).expect("valid"));
            });
            let batch = batches(bytes).next().expect("one batch").expect("whole");
            group.bench_function(BenchmarkId::new("walk", codec), |bencher| {
                bencher.iter(|| batch.frames().expect("readable").count());
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
