//! Pipelines of several datasets, samples that come with a batch, and planar arrays.

use std::{fs, path::PathBuf, sync::Arc};

use torchfeed_core::{
    Error, Result,
    batch::{Dataset, Epoch, Pipeline, Pool, Request, TargetForm},
    decode::Decoder,
    image::{Rect, Size, View},
    rng::Key,
    source::{Arrays, Blobs, Files, Provided, Source},
    transform::{
        CropOp, FlipOp, Layout, Lookup, Op, Plan,
        execute::{Executor, ExecutorScratch},
    },
};

use crate::{CROP, arrays, images, plan, png, targets, wait};

fn part(source: Source, plan: Plan, first_label: i64) -> Dataset {
    let labels = (first_label..).take(source.len()).collect();
    Dataset::new(Arc::new(source), labels, [plan]).unwrap()
}

fn joined(parts: Vec<Dataset>) -> Result<Arc<Pipeline>> {
    Pipeline::new(parts, Decoder::default(), TargetForm::Class, Pool::new(8)).map(Arc::new)
}

/// A plan that turns every value into 255 - value.
fn inverted(ops: Vec<Op>) -> Plan {
    let lookup = Lookup::new((0..=255).rev().collect(), 1, 1, Layout::ChannelsFirst).unwrap();
    Plan { lookup, ..plan(ops, 1) }
}

/// A batch made in this thread: its images and labels.
fn make(pipeline: &Arc<Pipeline>, request: Request<'_>) -> Result<(Vec<u8>, Vec<i64>)> {
    let mut epoch = Epoch::new(Arc::clone(pipeline), 5, 0).unwrap();
    epoch.submit(request)?;
    let done = wait(&mut epoch)?;
    let labels = targets(&done).as_chunks().0.iter().map(|label| i64::from_ne_bytes(*label)).collect();
    Ok((images(&done), labels))
}

fn temporary(name: &str, content: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("torchfeed-{}-{name}", std::process::id()));
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn each_part_has_its_own_ops_table_and_labels() {
    let plans =
        [plan(vec![CROP], 1), plan(vec![], 1), inverted(vec![Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 }), CROP])];
    let [first, empty, last] = plans.clone();
    let parts = vec![part(arrays(10), first, 0), part(arrays(0), empty, 0), part(arrays(4), last, 100)];
    let pipeline = joined(parts).unwrap();
    assert_eq!(pipeline.len(), 14);
    let indices = [13, 0, 9, 10, 11];
    // The empty part leaves images of 6 x 6 as they are, so the size is not known beforehand.
    assert_eq!(pipeline.output_size(0), None);
    let (images, labels) = make(&pipeline, Request::from(&indices)).unwrap();
    assert_eq!(labels, [103, 0, 9, 100, 101]);
    for (&index, image) in indices.iter().zip(images.chunks(25)) {
        let (plan, at) = if index < 10 { (&plans[0], index) } else { (&plans[2], index - 10) };
        let (size, mut calls) = (Size::new(6, 6), Vec::new());
        plan.draw(Key { seed: 5, index: index as u64, occurrence: 0 }, size, &mut calls).unwrap();
        assert_eq!(pipeline.sample(index, None).unwrap().draw(5, 0).unwrap(), (size, calls.clone()));
        let data: Vec<u8> = (at * 36..(at + 1) * 36).map(|i| (i * 7 % 251) as u8).collect();
        let mut expected = vec![0; 25];
        let view = View::packed(size, Rect::all(size), 1, &data);
        Executor::new(plan, &calls, size).run(view, &mut ExecutorScratch::default(), &mut expected).unwrap();
        assert_eq!(image, expected, "sample {index}");
    }
}

#[test]
fn a_size_is_known_where_all_parts_agree() {
    let sized = |edge| part(arrays(3), plan(vec![Op::Crop(CropOp::CenterCrop { size: Size::new(edge, edge) })], 1), 0);
    assert_eq!(joined(vec![sized(4), sized(4)]).unwrap().output_size(0), Some(Size::new(4, 4)));
    assert_eq!(joined(vec![sized(4), sized(5)]).unwrap().output_size(0), None);
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    assert!(matches!(joined(vec![]), Err(Error::Parameter(_))));
    let lookup = Lookup::new(vec![0; 1024], 1, 4, Layout::ChannelsFirst).unwrap();
    let floats = part(arrays(3), Plan { lookup, ..plan(vec![], 1) }, 0);
    assert!(matches!(joined(vec![part(arrays(3), plan(vec![], 1), 0), floats]), Err(Error::Parameter(_))));
    let labels: Arc<[i64]> = Arc::new([0; 2]);
    assert!(matches!(Dataset::new(Arc::new(arrays(3)), labels, [plan(vec![], 1)]), Err(Error::Parameter(_))));
}

#[test]
fn errors_name_the_index_over_all_parts_and_the_path() {
    let mut files = Files::default();
    files.push(&[b"/nonexistent/file.jpg"]);
    let pipeline =
        joined(vec![part(Source::PerBatch(2), plan(vec![], 3), 0), part(Source::Files(files), plan(vec![], 3), 0)])
            .unwrap();
    let (error, place) = make(&pipeline, Request::from(&[2])).unwrap_err().split();
    let place = place.unwrap();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    assert_eq!((place.index, place.path), (2, Some("/nonexistent/file.jpg".into())));
    assert!(matches!(make(&pipeline, Request::from(&[3])), Err(Error::Parameter(_))));
}

/// Two PNGs of one's own, then four images that are brought.
fn half_brought() -> Arc<Pipeline> {
    let file = png();
    let ends = vec![file.len() as u64, 2 * file.len() as u64];
    let own = Source::Blobs(Blobs::new(Box::new([file.clone(), file].concat()), ends).unwrap());
    joined(vec![part(own, plan(vec![], 3), 0), part(Source::PerBatch(4), plan(vec![], 3), 10)]).unwrap()
}

fn bring(indices: &[usize], items: Vec<Option<Provided>>) -> Result<(Vec<u8>, Vec<i64>)> {
    let provided = Some(Arc::new(Source::Provided(items)));
    make(&half_brought(), Request { provided, ..Request::from(indices) })
}

#[test]
fn brought_samples_are_read_from_what_is_given() {
    let path = temporary("given.png", &png());
    let pixels = Provided::pixels(Box::new((0..36).collect::<Vec<u8>>()), Size::new(3, 4)).unwrap();
    let items = vec![
        Some(Provided::Path(path.clone())),
        None,
        Some(Provided::Encoded(Box::new(png()))),
        Some(pixels),
        // Not read: the sample has a source of its own.
        Some(Provided::Path("/nonexistent".into())),
    ];
    let outcome = bring(&[3, 0, 5, 2, 1], items);
    fs::remove_file(path).unwrap();
    let (images, labels) = outcome.unwrap();
    assert_eq!(labels, [11, 0, 13, 10, 1]);
    for (position, image) in images.chunks(36).enumerate() {
        let expected: Vec<u8> =
            if position == 3 { (0..3).flat_map(|c| (c..36).step_by(3)).collect() } else { vec![9; 36] };
        assert_eq!(image, expected, "position {position}");
    }
}

#[test]
fn what_is_wrong_with_a_given_sample_is_said_with_its_place() {
    let junk = temporary("junk.jpg", b"junk");
    let fail = |item| {
        let (error, place) = bring(&[0, 4], vec![None, item]).unwrap_err().split();
        let place = place.unwrap();
        assert_eq!(place.index, 4);
        (error, place.path)
    };
    let (error, path) = fail(Some(Provided::Path(junk.clone())));
    assert!(matches!(error, Error::Format(_)) && path.as_ref() == Some(&junk), "{error:?} {path:?}");
    fs::remove_file(&junk).unwrap();
    let (error, path) = fail(Some(Provided::Path(junk.clone())));
    assert!(matches!(error, Error::Io(_)) && path.as_ref() == Some(&junk), "{error:?} {path:?}");
    let (error, path) = fail(Some(Provided::Encoded(Box::new(*b"junk"))));
    assert!(matches!(error, Error::Format(_)) && path.is_none(), "{error:?} {path:?}");
    let (error, path) = fail(None);
    assert!(matches!(error, Error::Parameter(_)) && path.is_none(), "{error:?} {path:?}");
}

#[test]
fn brought_samples_must_be_given() {
    let pipeline = half_brought();
    let (error, place) = make(&pipeline, Request::from(&[1, 2])).unwrap_err().split();
    assert!(matches!(error, Error::Parameter(_)), "{error:?}");
    assert_eq!(place.unwrap().index, 2);
    assert!(pipeline.sample(2, None).unwrap().draw(0, 0).is_err());
    assert!(pipeline.sample(2, None).unwrap().image().is_err());
    let nothing = Source::Provided(vec![]);
    assert!(pipeline.sample(2, Some((&nothing, 0))).unwrap().image().is_err());
    assert!(matches!(bring(&[2, 3], vec![None]), Err(Error::Parameter(_))));
    let gray = Some(Arc::new(arrays(1)));
    assert!(matches!(make(&pipeline, Request { provided: gray, ..Request::from(&[2]) }), Err(Error::Parameter(_))));
    assert!(Provided::pixels(Box::new(vec![0; 12]), Size::new(3, 4)).is_err());
}

#[test]
fn planar_arrays_give_the_same_samples() {
    let (n, size) = (5, Size::new(6, 7));
    let planar: Vec<u8> = (0..n * 126).map(|i| (i * 7 % 251) as u8).collect();
    let interleaved: Vec<u8> =
        planar.chunks(126).flat_map(|image| (0..42).flat_map(|i| [image[i], image[42 + i], image[84 + i]])).collect();
    let make = |data, strides| {
        let source = Source::Arrays(Arrays::strided(Box::new(data), n, size, 3, strides).unwrap());
        make(&joined(vec![part(source, plan(vec![CROP], 3), 0)]).unwrap(), Request::from(&[4, 0, 2])).unwrap()
    };
    let (expected, got): (_, (Vec<u8>, _)) = (make(interleaved, [126, 21, 3, 1]), make(planar, [126, 7, 1, 42]));
    assert_eq!(got, expected);
}
