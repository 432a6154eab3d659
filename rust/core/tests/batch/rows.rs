//! Row indexes: they change no bit, belong to the very bytes, and keep to their budget.

use std::{fs, path::PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use torchfeed_core::{
    decode::RowIndexMemory,
    source::Files,
    transform::{CropOp, Filter, RandomResizedCrop, Resize},
};

use super::*;

const RESIZED: Op = Op::Crop(CropOp::RandomResizedCrop(RandomResizedCrop {
    resize: Resize { size: Size::new(12, 12), filter: Filter::Bilinear },
    scale: (0.05, 0.6),
    ratio: (0.5, 2.0),
}));

/// A folder that goes when its test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("torchfeed-rows-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, number: usize, bytes: &[u8]) {
        fs::write(self.0.join(number.to_string()), bytes).unwrap();
    }

    /// A pipeline of the first `n` files.
    fn pipeline(&self, n: usize, memory: Option<&RowIndexMemory>) -> Arc<Pipeline> {
        let mut files = Files::default();
        for number in 0..n {
            files.push(&[self.0.join(number.to_string()).to_str().unwrap().as_bytes()]);
        }
        let dataset =
            Dataset::new(Arc::new(Source::Files(files)), vec![0; n].into(), [plan(vec![RESIZED], 3)]).unwrap();
        let pipeline = Pipeline::new(vec![dataset], Decoder::default(), TargetForm::Class, Pool::new(8)).unwrap();
        Arc::new(match memory {
            Some(memory) => pipeline.with_row_indexes(memory),
            None => pipeline,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn jpeg(seed: usize, size: Size, quality: u8, configure: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let value = |i: usize| (i * (2 * seed + 3) % 251) as u8 ^ (i / 97) as u8;
    let pixels: Vec<u8> = (0..size.height * size.width * 3).map(value).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    configure(&mut encoder);
    encoder.encode(&pixels, size.width as u16, size.height as u16, ColorType::Rgb).unwrap();
    bytes
}

/// What an epoch makes of each file, in batches of three, or why not.
fn epoch(pipeline: &Arc<Pipeline>, seed: u64, workers: usize) -> Vec<std::result::Result<Vec<u8>, String>> {
    let mut epoch = Epoch::new(Arc::clone(pipeline), seed, workers).unwrap();
    let indices: Vec<usize> = (0..pipeline.len()).collect();
    indices.chunks(3).for_each(|chunk| epoch.submit(chunk).unwrap());
    let made = |epoch: &mut Epoch| wait(epoch).map(|done| images(&done)).map_err(|error| error.to_string());
    indices.chunks(3).map(|_| made(&mut epoch)).collect()
}

#[test]
fn epochs_are_the_same_with_and_without() {
    let folder = Folder::new("same");
    let size = |n: usize| Size::new(60 + 9 * n, 90 - 4 * n);
    for n in 0..8 {
        folder.write(
            n,
            &jpeg(n, size(n), 90, |encoder| match n {
                0 => encoder.set_progressive(true),
                1 => encoder.set_restart_interval(2),
                2 | 3 => encoder.set_sampling_factor(SamplingFactor::F_2_2),
                4 => encoder.set_optimized_huffman_tables(true),
                _ => {}
            }),
        );
    }
    let without = folder.pipeline(8, None);
    for workers in [0, 1, 3] {
        let memory = RowIndexMemory::new(1 << 20);
        for seed in 0..6 {
            // As a loader does: a new pipeline for each epoch.
            assert_eq!(epoch(&folder.pipeline(8, Some(&memory)), seed, workers), epoch(&without, seed, 0));
        }
        // Not the progressive one, that with restart markers, and the optimised one, whose components this encoder
        // puts in scans of their own.
        assert_eq!(memory.in_use().0, 5);
    }
}

/// Whatever happens to a file between epochs, or in the midst of one, it is decoded as what it is.
#[test]
fn files_may_change() {
    let folder = Folder::new("change");
    let size = Size::new(80, 64);
    let (first, other) = (jpeg(1, size, 90, |_| ()), jpeg(5, size, 90, |_| ()));
    // Another picture of the same length: no date and no length tells the two apart.
    let pad = |bytes: &[u8], length: usize| [&bytes[..2], &comment(length - bytes.len()), &bytes[2..]].concat();
    let length = first.len().max(other.len()) + 10;
    let (first, other) = (pad(&first, length), pad(&other, length));
    let mut grown = first.clone();
    grown.extend(b"more");
    let mut damaged = first.clone();
    damaged[length / 2..length / 2 + 40].fill(0x55);
    let longer = jpeg(2, Size::new(160, 64), 95, |_| ());
    let memory = RowIndexMemory::new(1 << 20);
    let with = |seed| epoch(&folder.pipeline(1, Some(&memory)), seed, 0);
    for contents in
        [&first, &other, &grown, &damaged, &longer, &first[..length * 2 / 3].to_vec(), &other, &vec![], &first]
    {
        for seed in 0..4 {
            folder.write(0, contents);
            let expected = epoch(&folder.pipeline(1, None), seed, 0);
            assert_eq!(with(seed), expected);
            assert_eq!(with(seed + 10), epoch(&folder.pipeline(1, None), seed + 10, 0));
            assert_eq!(expected[0].is_ok(), contents.ends_with(&[0xFF, 0xD9]) || contents.ends_with(b"more"));
        }
    }
}

/// A comment segment of so many bytes in all.
fn comment(length: usize) -> Vec<u8> {
    [&[0xFF, 0xFE][..], &(length as u16 - 2).to_be_bytes(), &vec![0; length - 4]].concat()
}

#[test]
fn the_budget_is_kept() {
    let folder = Folder::new("budget");
    let files: Vec<_> = (0..10).map(|n| jpeg(n, Size::new(100 + n, 64), 80, |_| ())).collect();
    files.iter().enumerate().for_each(|(n, bytes)| folder.write(n, bytes));
    let without = folder.pipeline(10, None);
    let mut before = 0;
    for budget in [0, 100, 500, 1000, 10_000] {
        let memory = RowIndexMemory::new(budget);
        for seed in 0..5 {
            assert_eq!(epoch(&folder.pipeline(10, Some(&memory)), seed, 2), epoch(&without, seed, 0));
            assert!(memory.in_use().1 <= budget, "{:?} of {budget}", memory.in_use());
        }
        assert!(memory.in_use().0 >= before);
        before = memory.in_use().0;
    }
    assert_eq!(before, 10);
    // A list of another length is another dataset.
    let memory = RowIndexMemory::new(10_000);
    epoch(&folder.pipeline(10, Some(&memory)), 0, 0);
    epoch(&folder.pipeline(4, Some(&memory)), 0, 0);
    assert_eq!(memory.in_use().0, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_file_and_any_crops(
        height in 1usize..120,
        width in 1usize..120,
        sampling in 0usize..4,
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        seeds in prop::collection::vec(any::<u64>(), 1..6),
    ) {
        let folder = Folder::new("any");
        let mut file = jpeg(height, Size::new(height, width), 85, |encoder| {
            use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2};
            encoder.set_sampling_factor([F_1_1, F_2_1, F_1_2, F_2_2][sampling]);
        });
        if let Some((at, value)) = damage {
            let at = at.index(file.len());
            file[at] ^= value;
        }
        folder.write(0, &file);
        let memory = RowIndexMemory::new(1 << 16);
        for seed in seeds {
            prop_assert_eq!(epoch(&folder.pipeline(1, Some(&memory)), seed, 0), epoch(&folder.pipeline(1, None), seed, 0));
        }
    }
}
