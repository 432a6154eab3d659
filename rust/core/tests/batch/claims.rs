//! Which sample a thread takes next: one of the oldest batch, and where that has none left, of the batch after it.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use torchfeed_core::{
    Result,
    batch::{Epoch, Pipeline, TargetForm},
    decode::{Decoder, Fallback},
    image::{Rect, Size, Window},
    source::{Blobs, Source},
};

use crate::{pipeline, wait};

/// Longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

/// A decoder that notes which samples are begun, and holds each back until it is let through.
#[derive(Debug, Default)]
struct Turnstile {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    begun: Vec<u8>,
    through: Vec<u8>,
}

impl Turnstile {
    fn let_through(&self, samples: impl IntoIterator<Item = u8>) {
        self.state.lock().unwrap().through.extend(samples);
        self.changed.notify_all();
    }

    /// The samples that were begun, in order, once they are `count`.
    fn begun(&self, count: usize) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let (state, late) = self.changed.wait_timeout_while(state, LONG, |state| state.begun.len() < count).unwrap();
        assert!(!late.timed_out(), "only {:?} were begun", state.begun);
        state.begun.clone()
    }
}

impl Fallback for Turnstile {
    fn size(&self, bytes: &[u8]) -> Result<Size> {
        let mut state = self.state.lock().unwrap();
        state.begun.push(bytes[0]);
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.through.contains(&bytes[0])).unwrap());
        Ok(Size::new(1, 1))
    }

    fn decode(&self, _: &[u8], out: &mut Window) -> Result<()> {
        out.reset(Size::new(1, 1), Rect::all(Size::new(1, 1)), 3);
        out.data.fill(1);
        Ok(())
    }
}

/// Samples whose numbers are their files' first bytes.
fn turnstile(samples: u8) -> (Arc<Turnstile>, Arc<Pipeline>) {
    let turnstile = Arc::new(Turnstile::default());
    let files = (0..samples).flat_map(|number| [number, 0, 0, 0]).collect::<Vec<_>>();
    let ends = (1..=u64::from(samples)).map(|number| 4 * number).collect();
    let decoder = Decoder { fallback: Some(Arc::clone(&turnstile) as Arc<dyn Fallback>), ..Decoder::default() };
    let source = Source::Blobs(Blobs::new(Box::new(files), ends).unwrap());
    (turnstile, pipeline(source, vec![], TargetForm::Class, decoder))
}

fn sorted(samples: &[u8]) -> Vec<u8> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted
}

#[test]
fn all_threads_work_on_the_first_batch_before_the_second() {
    let (turnstile, pipeline) = turnstile(12);
    let mut epoch = Epoch::new(pipeline, 0, 4).unwrap();
    for batch in [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]] {
        epoch.submit(&batch).unwrap();
    }
    assert_eq!(sorted(&turnstile.begun(4)), [0, 1, 2, 3]);
    // Whoever is done takes the next of the same batch, and one of the other batch when there is none.
    turnstile.let_through([2, 0]);
    assert_eq!(sorted(&turnstile.begun(6)[4..]), [4, 5]);
    turnstile.let_through([4]);
    assert_eq!(turnstile.begun(7)[6..], [6]);
    turnstile.let_through(0..12);
    assert_eq!((wait(&mut epoch).unwrap().len, wait(&mut epoch).unwrap().len), (6, 6));
}

#[test]
fn a_slow_sample_holds_nothing_up_but_its_own_batch() {
    let (turnstile, pipeline) = turnstile(12);
    let mut epoch = Epoch::new(pipeline, 0, 2).unwrap();
    turnstile.let_through(1..12);
    for batch in [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]] {
        epoch.submit(&batch).unwrap();
    }
    // All but the slow one are made meanwhile, by the other thread, in order.
    let begun = turnstile.begun(12);
    let others: Vec<_> = begun.into_iter().filter(|&sample| sample != 0).collect();
    assert_eq!(others, (1..12).collect::<Vec<_>>());
    for left in (1..4).rev() {
        assert_eq!(epoch.wait(LONG, false).unwrap(), Some(1), "the batch of the slow sample is not done");
        assert_eq!(epoch.take(1).unwrap().len, 3);
        assert_eq!(epoch.pending(), left);
    }
    assert_eq!(epoch.wait(Duration::ZERO, true).unwrap(), None);
    turnstile.let_through([0]);
    assert_eq!(wait(&mut epoch).unwrap().len, 3);
}
