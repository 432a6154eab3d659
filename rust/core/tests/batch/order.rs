//! In which order batches are handed out, and who counts how often an index came up.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use torchfeed_core::{
    Error, Result,
    batch::{Epoch, Pipeline, Pool, Request, Strip, TargetForm},
    decode::{Decoder, Fallback},
    image::{Rect, Size, Window},
    source::{Blobs, Source},
};

use crate::{CROP, arrays, images, pipeline, png, targets, wait};

/// Longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

/// A decoder that holds back `slow` until it is told to go on, and fails for `bad`.
#[derive(Debug, Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Fallback for Gate {
    fn size(&self, bytes: &[u8]) -> Result<Size> {
        match bytes {
            b"bad " => return Err(Error::Format("bad".into())),
            b"slow" => drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap()),
            _ => {}
        }
        Ok(Size::new(1, 1))
    }

    fn decode(&self, _: &[u8], out: &mut Window) -> Result<()> {
        out.reset(Size::new(1, 1), Rect::all(Size::new(1, 1)), 3);
        out.data.fill(1);
        Ok(())
    }
}

/// Samples 0: slow, 1: fast, 2: bad.
fn gated() -> (Arc<Gate>, Arc<Pipeline>) {
    let gate = Arc::new(Gate::default());
    let files = Blobs::new(Box::new(*b"slowfastbad "), vec![4, 8, 12]).unwrap();
    let decoder = Decoder { fallback: Some(Arc::clone(&gate) as Arc<dyn Fallback>), ..Decoder::default() };
    (gate, pipeline(Source::Blobs(files), vec![], TargetForm::Class, decoder))
}

#[test]
fn whichever_batch_is_done_can_be_taken_first() {
    let (gate, pipeline) = gated();
    let mut epoch = Epoch::new(pipeline, 0, 2).unwrap();
    for batch in [[0, 1], [1, 1], [2, 1]] {
        epoch.submit(&batch).unwrap();
    }
    // The other thread makes what the slow sample does not hold up, in order.
    assert_eq!(epoch.wait(LONG, false).unwrap(), Some(1));
    assert_eq!(epoch.take(1).unwrap().len, 2);
    assert_eq!(epoch.wait(LONG, false).unwrap(), Some(1));
    let (error, place) = epoch.take(1).unwrap_err().split();
    assert!(matches!(error, Error::Format(_)) && place.unwrap().index == 2);
    assert_eq!(epoch.pending(), 1);

    for in_order in [true, false] {
        assert_eq!(epoch.wait(Duration::from_millis(5), in_order).unwrap(), None);
    }
    assert!(matches!(epoch.take(0), Err(Error::Parameter(_))));
    assert!(matches!(epoch.take(1), Err(Error::Parameter(_))));
    assert_eq!(epoch.pending(), 1, "a batch that is not done is kept");

    epoch.submit(&[1]).unwrap();
    assert_eq!(epoch.wait(LONG, false).unwrap(), Some(1));
    gate.open();
    assert_eq!(epoch.wait(LONG, true).unwrap(), Some(0));
    assert_eq!(epoch.take(0).unwrap().len, 2);
    assert_eq!(epoch.take(0).unwrap().len, 1);
    assert!(matches!(epoch.wait(LONG, false), Err(Error::Parameter(_))));
}

#[test]
fn a_finished_batch_wakes_whoever_waits() {
    let (gate, pipeline) = gated();
    let mut epoch = Epoch::new(pipeline, 0, 1).unwrap();
    epoch.submit(&[0]).unwrap();
    let opener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        gate.open();
    });
    let start = Instant::now();
    assert_eq!(epoch.wait(LONG, true).unwrap(), Some(0));
    assert!(start.elapsed() < LONG / 2);
    opener.join().unwrap();
}

#[test]
fn all_batches_come_out_once_in_any_order() {
    let pipeline = pipeline(arrays(60), vec![CROP], TargetForm::Class, Decoder::default());
    for _ in 0..50 {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, 3).unwrap();
        (0..60).for_each(|index| epoch.submit(&[index]).unwrap());
        let mut seen: Vec<u8> = Vec::new();
        while epoch.pending() > 0 {
            let position = epoch.wait(LONG, false).unwrap().unwrap();
            seen.extend(targets(&epoch.take(position).unwrap()).first());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..60).collect::<Vec<u8>>());
    }
}

#[test]
fn without_threads_every_call_makes_progress() {
    // Files: samples that are taken one at a time.
    let (files, ends) = (png().repeat(4), (1..=4).map(|n| (n * png().len()) as u64).collect());
    let source = Source::Blobs(Blobs::new(Box::new(files), ends).unwrap());
    let pipeline = pipeline(source, vec![], TargetForm::Class, Decoder::default());
    let mut epoch = Epoch::new(pipeline, 0, 0).unwrap();
    epoch.submit(&[0, 1, 2]).unwrap();
    epoch.submit(&[3]).unwrap();
    let waits: Vec<_> = (0..4).map(|_| epoch.wait(Duration::ZERO, false).unwrap()).collect();
    assert_eq!(waits, [None, None, Some(0), Some(0)]);
    assert_eq!(epoch.take(0).unwrap().len, 3);
    assert_eq!(epoch.wait(Duration::ZERO, false).unwrap(), Some(0));
}

#[test]
fn the_caller_may_count_occurrences() {
    let pipeline = pipeline(arrays(10), vec![CROP], TargetForm::Class, Decoder::default());
    let indices: Vec<usize> = (0..10).collect();
    let mut epoch = Epoch::new(Arc::clone(&pipeline), 3, 0).unwrap();
    let mut make = |occurrences: Option<&[u32]>| {
        epoch.submit(Request { occurrences, ..Request::from(&indices[..]) }).unwrap();
        images(&wait(&mut epoch).unwrap())
    };
    // What the caller counts the epoch does not, so its own count begins with the third batch.
    let (second, first) = (make(Some(&[1; 10])), make(Some(&[0; 10])));
    assert_eq!([make(None), make(None)], [first, second]);
    let request = Request { occurrences: Some(&[0]), ..Request::from(&indices[..]) };
    assert!(matches!(epoch.submit(request), Err(Error::Parameter(_))));
}

#[test]
fn the_caller_may_bring_memory() {
    let pipeline = pipeline(arrays(10), vec![CROP], TargetForm::Class, Decoder::default());
    let mut epoch = Epoch::new(Arc::clone(&pipeline), 3, 2).unwrap();
    let bytes: Vec<_> = pipeline.fields().iter().map(|field| 3 * field.bytes(field.size()).unwrap()).collect();
    let (image_bytes, target_bytes) = (bytes[0], bytes[1]);
    let pool = Pool::new(0);
    let memory = |bytes: &[usize]| {
        let blocks: Vec<_> = bytes.iter().map(|&bytes| pool.take(bytes)).collect();
        let addresses: Vec<_> = blocks.iter().map(|block| block.bytes().as_ptr()).collect();
        let memory = blocks.into_iter().map(Into::into).collect();
        (Request { memory, ..Request::from(&[4, 5, 6]) }, addresses)
    };
    let (request, addresses) = memory(&bytes);
    epoch.submit(request).unwrap();
    let done = wait(&mut epoch).unwrap();
    let start = |field: &Strip| field.memory.start().as_ptr().cast_const();
    assert_eq!(done.fields.iter().map(start).collect::<Vec<_>>(), addresses);
    let mut other = Epoch::new(pipeline, 3, 0).unwrap();
    other.submit(&[4, 5, 6]).unwrap();
    let expected = wait(&mut other).unwrap();
    assert_eq!([images(&done), targets(&done)], [images(&expected), targets(&expected)]);
    // The first fields alone may have some.
    let (request, addresses) = memory(&bytes[..1]);
    epoch.submit(request).unwrap();
    assert_eq!(start(&wait(&mut epoch).unwrap().fields[0]), addresses[0]);
    let refused =
        [&[image_bytes + 1, target_bytes][..], &[image_bytes, target_bytes - 1], &[image_bytes, target_bytes, 1]];
    for bytes in refused {
        assert!(matches!(epoch.submit(memory(bytes).0), Err(Error::Parameter(_))));
    }
}
