//! The engine and the buffer pool in many orders of what their threads do: `make shuttle`.
//!
//! [shuttle](https://docs.rs/shuttle) runs one thread at a time and chooses, at every lock, atomic and wait, which is
//! next: each iteration is another order, and a failure prints the one that failed. It reports deadlocks, and so lost
//! wake-ups. It orders memory as it orders threads; weak orderings are for the thread sanitizer and Miri.
#![cfg(shuttle)]

use std::{sync::Arc, time::Duration};

use torchfeed_core::{
    Error,
    batch::{Dataset, Epoch, Finished, Memory, Pipeline, Pool, TargetForm, one_hot::Levels},
    decode::Decoder,
    image::Size,
    source::{Arrays, Source},
    transform::{Layout, Lookup, Plan, ResizeOrder},
};

/// A wait is never cut short: shuttle's conditions do not time out, so a lost wake-up is a deadlock that it reports.
const LONG: Duration = Duration::from_secs(3600);

/// Runs `run` in many orders: half of them random, half with two preemptions at random places.
fn check(run: impl Fn() + Send + Sync + 'static) {
    let times = std::env::var("SHUTTLE_ITERATIONS").map_or(20_000, |times| times.parse().expect("a number"));
    let run = Arc::new(run);
    let again = Arc::clone(&run);
    shuttle::check_random(move || run(), times);
    shuttle::check_pct(move || again(), times, 3);
}

/// A pipeline of `n` gray images of one pixel, whose value is the index, labelled with the index.
fn pipeline(n: u8, target: TargetForm, pool: &Arc<Pool>) -> Arc<Pipeline> {
    let data: Vec<u8> = (0..n).collect();
    let source = Source::Arrays(Arrays::new(Box::new(data), n.into(), Size::new(1, 1), 1).unwrap());
    let lookup = Lookup::new((0..=255).collect(), 1, 1, Layout::ChannelsFirst).unwrap();
    let plan = Plan { ops: Vec::new(), lookup, resize_order: ResizeOrder::default() };
    let dataset = Dataset::new(Arc::new(source), (0..i64::from(n)).collect(), [plan]).unwrap();
    Arc::new(Pipeline::new(vec![dataset], Decoder::default(), target, Arc::clone(pool)).unwrap())
}

fn pixels(done: &Finished) -> Vec<u8> {
    let memory: &Memory = &done.fields[0].memory;
    // SAFETY: the batch is finished, so nobody writes to its memory any more.
    unsafe { std::slice::from_raw_parts(memory.start().as_ptr(), memory.len()) }.to_vec()
}

#[test]
fn batches_come_in_order_and_whole() {
    check(|| {
        let pipeline = pipeline(6, TargetForm::Class, &Pool::new(4));
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, 2).unwrap();
        epoch.submit(&[5, 1, 3]).unwrap();
        epoch.submit(&[2]).unwrap();
        let mut images = Vec::new();
        while epoch.pending() > 0 {
            assert_eq!(epoch.wait(LONG, true).unwrap(), Some(0));
            images.push(pixels(&epoch.take(0).unwrap()));
            if images.len() == 1 {
                epoch.submit(&[4, 0]).unwrap();
            }
        }
        assert_eq!(images, [vec![5, 1, 3], vec![2], vec![4, 0]]);
        drop(epoch);
        assert_eq!(Arc::strong_count(&pipeline), 1, "a joined thread holds no batch");
    });
}

#[test]
fn batches_in_any_order_come_once() {
    check(|| {
        let mut epoch = Epoch::new(pipeline(3, TargetForm::Class, &Pool::new(4)), 0, 2).unwrap();
        (0..3).for_each(|index| epoch.submit(&[index]).unwrap());
        let mut images = Vec::new();
        while epoch.pending() > 0 {
            let position = epoch.wait(LONG, false).unwrap().expect("a batch");
            images.extend(pixels(&epoch.take(position).unwrap()));
        }
        images.sort_unstable();
        assert_eq!(images, [0, 1, 2]);
    });
}

/// Which sample is blamed must not depend on who was faster.
#[test]
fn the_first_bad_sample_is_blamed() {
    check(|| {
        let levels = Levels::new(2, vec![1], vec![0]).unwrap();
        // The labels 2 and 3 have no place in a row of two classes.
        let mut epoch = Epoch::new(pipeline(4, TargetForm::OneHot(levels), &Pool::new(4)), 0, 2).unwrap();
        epoch.submit(&[0, 3, 2]).unwrap();
        epoch.submit(&[1]).unwrap();
        assert_eq!(epoch.wait(LONG, true).unwrap(), Some(0));
        let (error, place) = epoch.take(0).unwrap_err().split();
        assert!(matches!(error, Error::Parameter(_)), "{error:?}");
        assert_eq!(place.unwrap().index, 3);
        assert_eq!(epoch.wait(LONG, true).unwrap(), Some(0));
        assert_eq!(pixels(&epoch.take(0).unwrap()), [1]);
    });
}

#[test]
fn an_epoch_dropped_at_any_time_joins_its_threads() {
    check(|| {
        let pipeline = pipeline(4, TargetForm::Class, &Pool::new(4));
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, 2).unwrap();
        epoch.submit(&[0, 1]).unwrap();
        epoch.submit(&[2, 3]).unwrap();
        let _ = epoch.wait(Duration::ZERO, true);
        drop(epoch);
        assert_eq!(Arc::strong_count(&pipeline), 1);
    });
}

/// A batch that its user keeps is never written to again, and one that is let go of in another thread is used again.
#[test]
fn memory_comes_back_from_other_threads() {
    check(|| {
        let pool = Pool::new(4);
        let mut epoch = Epoch::new(pipeline(6, TargetForm::Class, &pool), 0, 1).unwrap();
        let mut next = |indices: &[usize]| {
            epoch.submit(indices).unwrap();
            assert_eq!(epoch.wait(LONG, true).unwrap(), Some(0));
            epoch.take(0).unwrap()
        };
        let (kept, dropped) = (next(&[1, 2]), next(&[3, 4]));
        let user = shuttle::thread::spawn(move || drop(dropped));
        let others = next(&[0, 5]);
        user.join().unwrap();
        assert_eq!((pixels(&kept), pixels(&others)), (vec![1, 2], vec![0, 5]));
        assert!(pool.free_blocks() <= 4);
    });
}

/// Blocks that are taken, written and given back by several threads at once never overlap, and the pool keeps as many as
/// it may.
#[test]
fn blocks_are_never_shared() {
    check(|| {
        let pool = Pool::new(1);
        let threads = [1, 2, 3].map(|mark| {
            let pool = Arc::clone(&pool);
            shuttle::thread::spawn(move || {
                for _ in 0..2 {
                    let mut block = pool.take(64);
                    block.bytes_mut().fill(mark);
                    shuttle::thread::yield_now();
                    assert!(block.bytes().iter().all(|&byte| byte == mark));
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(pool.free_blocks() <= 1);
    });
}
