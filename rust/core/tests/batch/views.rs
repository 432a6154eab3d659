//! Several views of one image: each as if it were alone, from one read, one header and one decode.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jpeg_encoder::{ColorType, Encoder};
use torchfeed_core::{
    Error, Result,
    batch::{Dataset, Epoch, Field, Finished, Pipeline, Pool, Request, TargetForm, one_hot::Levels},
    decode::{Decoder, Fallback, RowIndexMemory},
    image::{Rect, Size, Window},
    rng::Key,
    source::{Arrays, Blobs, Source},
    transform::{
        CropOp, Filter, FlipOp, Layout, Lookup, Op, Plan, RandomCrop, RandomResizedCrop, Resize, ResizeOrder,
        execute::{Executor, ExecutorScratch},
    },
};

use crate::{CROP, arrays, bytes, half_broken_files, plan, targets, wait};

const FLIP: Op = Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 });

fn crop(edge: usize) -> Op {
    let resize = Resize { size: Size::new(edge, edge), filter: Filter::Bilinear };
    Op::Crop(CropOp::RandomResizedCrop(RandomResizedCrop { resize, scale: (0.1, 1.0), ratio: (0.75, 4.0 / 3.0) }))
}

/// Values of four bytes, which no other plan here has.
fn floats(ops: Vec<Op>, channels: usize) -> Plan {
    let table = (0..channels * 256).flat_map(|value| (value as f32).to_ne_bytes()).collect();
    let lookup = Lookup::new(table, channels, 4, Layout::ChannelsLast).unwrap();
    Plan { ops, lookup, resize_order: ResizeOrder::default() }
}

fn pipeline(source: Source, plans: Vec<Plan>, decoder: Decoder, target: TargetForm) -> Pipeline {
    let labels = (0..source.len() as i64).collect();
    let dataset = Dataset::new(Arc::new(source), labels, plans).unwrap();
    Pipeline::new(vec![dataset], decoder, target, Pool::new(usize::MAX)).unwrap()
}

/// Two JPEGs that do not compress well, behind each other.
fn jpegs(progressive: bool) -> Source {
    let (mut data, mut ends) = (Vec::new(), Vec::new());
    for (height, width) in [(150, 210), (97, 64)] {
        let pixels: Vec<u8> = (0..3 * height * width).map(|i| ((i * i / 7) ^ (i / 31 * 5)) as u8).collect();
        let mut encoder = Encoder::new(&mut data, 80);
        encoder.set_progressive(progressive);
        encoder.encode(&pixels, width as u16, height as u16, ColorType::Rgb).unwrap();
        ends.push(data.len() as u64);
    }
    Source::Blobs(Blobs::new(Box::new(data), ends).unwrap())
}

/// The bytes of every field.
fn fields(done: &Finished) -> Vec<Vec<u8>> {
    done.fields.iter().map(|strip| bytes(&strip.memory)).collect()
}

/// A batch of samples 1, 0 and 1 again, made by some threads.
fn make(pipeline: &Arc<Pipeline>, workers: usize) -> Result<Finished> {
    let mut epoch = Epoch::new(Arc::clone(pipeline), 7, workers).unwrap();
    epoch.submit(&[1, 0, 1])?;
    wait(&mut epoch)
}

#[test]
fn each_view_is_what_its_plan_makes_of_the_whole_image() {
    for progressive in [false, true] {
        let plans = [plan(vec![crop(24), FLIP], 3), plan(vec![crop(24), FLIP], 3), floats(vec![FLIP, crop(9)], 3)];
        let plain = pipeline(jpegs(progressive), plans.to_vec(), Decoder::default(), TargetForm::Class);
        let indexed = pipeline(jpegs(progressive), plans.to_vec(), Decoder::default(), TargetForm::Class)
            .with_row_indexes(&RowIndexMemory::new(1 << 20));
        for pipeline in [plain, indexed].map(Arc::new) {
            let whole = [0, 1].map(|index| pipeline.sample(index, None).unwrap().image().unwrap());
            let sizes: Vec<_> = pipeline.fields().iter().map(Field::size).collect();
            assert_eq!(sizes, [Some(Size::new(24, 24)), Some(Size::new(24, 24)), Some(Size::new(9, 9)), None]);
            for workers in [0, 1, 3] {
                let done = make(&pipeline, workers).unwrap();
                assert_eq!(done.fields.iter().map(|strip| strip.size).collect::<Vec<_>>(), sizes);
                let made = fields(&done);
                assert_ne!(made[0], made[1], "views are drawn independently");
                for (position, (index, occurrence)) in [(1, 0), (0, 0), (1, 1)].into_iter().enumerate() {
                    let (size, calls) = pipeline.sample(index, None).unwrap().draw(7, occurrence).unwrap();
                    let mut first = 0;
                    for (view, plan) in plans.iter().enumerate() {
                        // The plan's own calls, by their positions.
                        let own: Vec<_> =
                            calls.iter().filter(|(at, _)| (first..first + 2).contains(at)).copied().collect();
                        first += 2;
                        let executor = Executor::new(plan, &own, size);
                        let mut expected = vec![0; executor.output_bytes()];
                        executor.run(whole[index].view(), &mut ExecutorScratch::default(), &mut expected).unwrap();
                        let image = &made[view][position * expected.len()..][..expected.len()];
                        assert!(image == expected, "sample {index}, view {view}, {workers} threads");
                    }
                }
            }
        }
    }
}

/// A seed's draws do not change where other views follow.
#[test]
fn the_first_view_is_drawn_as_if_it_were_alone() {
    let ops = vec![crop(5), FLIP];
    let alone = Arc::new(pipeline(arrays(2), vec![plan(ops.clone(), 1)], Decoder::default(), TargetForm::Class));
    let plans = vec![plan(ops.clone(), 1), plan(ops.clone(), 1)];
    let both = Arc::new(pipeline(arrays(2), plans, Decoder::default(), TargetForm::Class));
    assert_eq!((alone.views(), both.views()), (1, 2));
    let (alone, both) = (fields(&make(&alone, 0).unwrap()), fields(&make(&both, 2).unwrap()));
    assert_eq!((&alone[0], &alone[1]), (&both[0], &both[2]));
    let mut calls = vec![];
    plan(ops, 1).draw_from(2, Key { seed: 7, index: 1, occurrence: 0 }, Size::new(6, 6), &mut calls).unwrap();
    assert!(calls.iter().all(|(position, _)| (2..4).contains(position)), "{calls:?}");
}

/// A decoder that counts what it is asked for.
#[derive(Debug, Default)]
struct Counting {
    sizes: AtomicUsize,
    decodes: AtomicUsize,
}

impl Fallback for Counting {
    fn size(&self, _: &[u8]) -> Result<Size> {
        self.sizes.fetch_add(1, Ordering::Relaxed);
        Ok(Size::new(8, 8))
    }

    fn decode(&self, _: &[u8], out: &mut Window) -> Result<()> {
        self.decodes.fetch_add(1, Ordering::Relaxed);
        out.reset(Size::new(8, 8), Rect::all(Size::new(8, 8)), 3);
        out.data.fill(3);
        Ok(())
    }
}

#[test]
fn an_image_is_decoded_once_for_all_views() {
    let counting = Arc::new(Counting::default());
    let decoder = Decoder { fallback: Some(Arc::clone(&counting) as Arc<dyn Fallback>), ..Decoder::default() };
    let source = Source::Blobs(Blobs::new(Box::new(*b"abcdefgh"), vec![4, 8]).unwrap());
    let plans = vec![plan(vec![CROP], 3), plan(vec![], 3), plan(vec![FLIP], 3)];
    make(&Arc::new(pipeline(source, plans, decoder, TargetForm::Class)), 2).unwrap();
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    assert_eq!((count(&counting.sizes), count(&counting.decodes)), (3, 3), "three samples");
}

#[test]
fn sizes_may_be_known_for_some_views_alone() {
    let (source, decoder) = half_broken_files();
    let plans = vec![plan(vec![], 3), plan(vec![Op::Crop(CropOp::CenterCrop { size: Size::new(2, 2) })], 3)];
    let pipeline = Arc::new(pipeline(source, plans, decoder, TargetForm::Class));
    assert_eq!((pipeline.output_size(0), pipeline.output_size(1)), (None, Some(Size::new(2, 2))));
    for workers in [0, 2] {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, workers).unwrap();
        for indices in [&[1, 2, 3, 0][..], &[3, 1]] {
            epoch.submit(Request { tolerant: true, ..Request::from(indices) }).unwrap();
        }
        let (some, none) = (wait(&mut epoch).unwrap(), wait(&mut epoch).unwrap());
        let positions = |done: &Finished| done.failures.iter().map(|(position, _)| *position).collect::<Vec<_>>();
        assert_eq!((positions(&some), positions(&none)), (vec![0, 2], vec![0, 1]));
        let sizes = |done: &Finished| [0, 1].map(|view: usize| done.fields[view].size.unwrap());
        assert_eq!(sizes(&some), [Size::new(3, 4), Size::new(2, 2)]);
        assert_eq!(sizes(&none), [Size::new(0, 0), Size::new(2, 2)]);
        let made = fields(&some);
        assert_eq!((&made[0][36..72], &made[1][12..24]), (&[9; 36][..], &[9; 12][..]));
    }
}

#[test]
fn unequal_sizes_of_any_view_are_refused() {
    // Both images fit the first view; the second view leaves them as they are.
    let plans = vec![plan(vec![crop(5)], 3), plan(vec![], 3)];
    let error = make(&Arc::new(pipeline(jpegs(false), plans, Decoder::default(), TargetForm::Class)), 2).unwrap_err();
    let (error, place) = error.split();
    assert!(error.to_string().contains("got [3, 97, 64] at entry 0 and [3, 150, 210] at entry 1"), "{error}");
    assert_eq!(place.unwrap().index, 0);
}

#[test]
fn a_view_that_does_not_apply_fails_the_sample() {
    let padding = torchfeed_core::transform::Padding::NONE;
    let large = Op::Crop(CropOp::RandomCrop(RandomCrop { size: Size::new(99, 99), padding, pad_if_needed: false }));
    let plans = vec![plan(vec![crop(5)], 3), plan(vec![large], 3)];
    let error = make(&Arc::new(pipeline(jpegs(false), plans, Decoder::default(), TargetForm::Class)), 0).unwrap_err();
    let (error, place) = error.split();
    assert!(matches!(error, Error::Parameter(_)), "{error:?}");
    assert_eq!(place.unwrap().index, 1);
}

#[test]
fn one_hot_rows_are_the_last_field() {
    let levels = TargetForm::OneHot(Levels::new(3, vec![1], vec![0]).unwrap());
    let plans = vec![plan(vec![], 1), floats(vec![CROP], 1)];
    let done = make(&Arc::new(pipeline(arrays(2), plans, Decoder::default(), levels)), 1).unwrap();
    assert_eq!(targets(&done), [0, 1, 0, 1, 0, 0, 0, 1, 0]);
    assert_eq!(fields(&done).iter().map(Vec::len).collect::<Vec<_>>(), [3 * 36, 3 * 25 * 4, 9]);
}

/// Pixels in memory are not copied first, wherever they lie.
#[test]
fn views_of_arrays() {
    let data: Vec<u8> = (0..2 * 6 * 6 * 3).map(|i| (i * 11 % 251) as u8).collect();
    let planar = Arrays::strided(Box::new(data), 2, Size::new(6, 6), 3, [108, 6, 1, 36]).unwrap();
    let pipeline = Arc::new(pipeline(
        Source::Arrays(planar),
        vec![plan(vec![CROP], 3), plan(vec![], 3)],
        Decoder::default(),
        TargetForm::Class,
    ));
    let made = fields(&make(&pipeline, 2).unwrap());
    let whole = pipeline.sample(1, None).unwrap().image().unwrap();
    let planes: Vec<u8> = (0..3).flat_map(|c| whole.data[c..].iter().step_by(3).copied().collect::<Vec<_>>()).collect();
    assert_eq!(made[1][..108], planes);
}

#[test]
fn views_that_do_not_fit_are_refused() {
    let dataset = |plans: Vec<Plan>| {
        let source = arrays(2);
        Dataset::new(Arc::new(source), Arc::new([0, 1]), plans)
    };
    assert!(matches!(dataset(vec![]), Err(Error::Parameter(_))));
    assert!(matches!(dataset(vec![plan(vec![], 1), plan(vec![], 3)]), Err(Error::Parameter(_))));
    assert!(matches!(dataset(vec![plan(vec![FLIP; 40_000], 1); 2]), Err(Error::Parameter(_))));
    let [one, two] = [1, 2].map(|views| dataset(vec![plan(vec![], 1); views]).unwrap());
    let other = dataset(vec![plan(vec![], 1), floats(vec![], 1)]).unwrap();
    for datasets in [vec![one, two.clone()], vec![two, other]] {
        let joined = Pipeline::new(datasets, Decoder::default(), TargetForm::Class, Pool::new(0));
        assert!(matches!(joined, Err(Error::Parameter(_))));
    }
}
