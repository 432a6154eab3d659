//! The memory of batches: no more than is under way and in the caller's hands, and used again.

use std::{collections::VecDeque, sync::Arc};

use torchfeed_core::{
    batch::{Epoch, Finished, Pipeline, TargetForm},
    decode::Decoder,
    source::{Blobs, Source},
};

use crate::{CROP, arrays, pipeline, png, wait};

/// Outputs of 5 x 5 gray pixels, of one size.
fn sized() -> Arc<Pipeline> {
    pipeline(arrays(40), vec![CROP], TargetForm::Class, Decoder::default())
}

/// Outputs of 3 x 4 RGB pixels, whose size nobody knows before they are made.
fn unsized_() -> Arc<Pipeline> {
    let files: Vec<_> = std::iter::repeat_n(png(), 40).collect();
    let ends = (1..=40).map(|number| number * files[0].len() as u64).collect();
    let source = Source::Blobs(Blobs::new(Box::new(files.concat()), ends).unwrap());
    let pipeline = pipeline(source, vec![], TargetForm::Class, Decoder::default());
    assert!(pipeline.output_size(0).is_none());
    pipeline
}

/// Bytes of a batch: its images and its targets, each up to the end of a cache line.
fn batch_bytes(pipeline: &Pipeline, size: usize) -> usize {
    let image = if pipeline.output_size(0).is_some() { 25 } else { 36 };
    (image * size).next_multiple_of(64) + (8 * size).next_multiple_of(64)
}

/// Makes 60 batches with `depth` under way, as a loop does that holds the `held` latest, and lets them go at the end.
fn run(pipeline: &Arc<Pipeline>, workers: usize, depth: usize, size: usize, held: usize) {
    let mut epoch = Epoch::new(Arc::clone(pipeline), 3, workers).unwrap();
    let batch: Vec<_> = (0..size).collect();
    let mut holds: VecDeque<Finished> = VecDeque::new();
    for number in 0..60 {
        while epoch.pending() < depth && number + epoch.pending() < 60 {
            epoch.submit(&batch[..]).unwrap();
        }
        holds.push_back(wait(&mut epoch).unwrap());
        // Threads are kept busy; without them a batch is begun when it is asked for.
        while workers > 0 && epoch.pending() < depth && number + 1 + epoch.pending() < 60 {
            epoch.submit(&batch[..]).unwrap();
        }
        if holds.len() > held {
            holds.pop_front();
        }
    }
}

#[test]
fn memory_is_that_of_the_batches_under_way_and_two_more() {
    for (make, name) in [(sized as fn() -> _, "sized"), (unsized_, "unsized")] {
        for (workers, prefetched, size) in [(0, 0, 8), (2, 4, 8), (2, 4, 1), (3, 6, 5)] {
            // A loop has the batch of this step while it asks for the next one: one by itself, or some that it keeps.
            for held in [1, 4] {
                let pipeline = make();
                run(&pipeline, workers, prefetched.max(1), size, held);
                let usage = pipeline.pool().usage();
                let bound = (prefetched + 2 + held - 1) * batch_bytes(&pipeline, size);
                let case = format!("{name}, {workers} workers, batches of {size}, {held} held: {usage:?}, {bound}");
                assert!(usage.most <= bound, "{case}");
                assert!(usage.kept <= (prefetched + 2) * batch_bytes(&pipeline, size), "{case}");
                assert!(usage.handed_out == 0 && usage.kept > 0, "{case}");
            }
        }
    }
}

#[test]
fn blocks_are_used_again() {
    // Where the size is not known, threads take memory when they get that far, so that the most varies with time.
    for (pipeline, workers, depth) in [(sized(), 2, 4), (sized(), 0, 1), (unsized_(), 0, 1)] {
        run(&pipeline, workers, depth, 8, 1);
        let before = pipeline.pool().usage();
        run(&pipeline, workers, depth, 8, 1);
        assert_eq!(pipeline.pool().usage(), before);
    }
}

#[test]
fn a_failed_batch_gives_its_memory_back() {
    let files = [png(), b"junk".to_vec()].concat();
    let ends = vec![png().len() as u64, files.len() as u64];
    let source = Source::Blobs(Blobs::new(Box::new(files), ends).unwrap());
    let pipeline = pipeline(source, vec![], TargetForm::Class, Decoder::default());
    let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, 2).unwrap();
    for _ in 0..10 {
        epoch.submit(&[0, 0, 1, 0]).unwrap();
        assert!(wait(&mut epoch).is_err());
    }
    assert_eq!(pipeline.pool().usage().handed_out, 0);
}
