//! This decoder beside libjpeg-turbo, in one run, on one core, with files in memory.
//!
//! ```text
//! taskset -c 0 cargo run --release -p side-by-side -- DIR [seconds per row] [filter]
//! ```
//! Every answer is compared before it is timed. For each file both take turns, and its best time counts: machines are
//! shared, so single figures are not to be trusted.
use std::{
    ffi::c_int,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use torchfeed_jpeg::{Decoder, Header, Limits, Options, Output, Region, RowIndex, Scale, read_header};
use turbojpeg_sys as tj;

struct Photo {
    bytes: Vec<u8>,
    header: Header,
    region: Region,
}

/// libjpeg-turbo through its TurboJPEG API, as `torchfeed-core` used it.
struct Turbo(tj::tjhandle);

impl Turbo {
    fn new() -> Self {
        // SAFETY: no precondition.
        let handle = unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as c_int) };
        assert!(!handle.is_null());
        // SAFETY: the handle is live.
        unsafe { tj::tj3Set(handle, tj::TJPARAM_TJPARAM_SAVEMARKERS as c_int, 0) };
        Self(handle)
    }

    /// Decodes a part of the file; `rect` must start at a multiple of the iMCU width.
    fn decode(&mut self, photo: &Photo, rect: Option<Region>, out: &mut [u8], channels: usize) {
        let zero = tj::tjregion { x: 0, y: 0, w: 0, h: 0 };
        let crop = rect.map_or(zero, |r| tj::tjregion {
            x: r.left as c_int,
            y: r.top as c_int,
            w: r.width as c_int,
            h: r.height as c_int,
        });
        let (height, width) = rect.map_or((photo.header.height, photo.header.width), |r| (r.height, r.width));
        assert!(out.len() >= height * width * channels);
        let format = if channels == 4 { tj::TJPF_TJPF_CMYK } else { tj::TJPF_TJPF_RGB };
        // SAFETY: the handle is live, the input is a slice, and the output has room for the region, see above.
        unsafe {
            let status = tj::tj3DecompressHeader(self.0, photo.bytes.as_ptr(), photo.bytes.len() as tj::size_t);
            assert_eq!(status, 0);
            assert_eq!(tj::tj3SetCroppingRegion(self.0, crop), 0);
            tj::tj3Decompress8(
                self.0,
                photo.bytes.as_ptr(),
                photo.bytes.len() as tj::size_t,
                out.as_mut_ptr(),
                (width * channels) as c_int,
                format as c_int,
            );
        }
    }
}

/// What libjpeg-turbo can decode that contains the region exactly (see `jpeg_header.rs` of `torchfeed-core`).
fn enclose(header: &Header, region: Region) -> Option<Region> {
    if header.progressive {
        return None;
    }
    let unit = 8 * header.components.iter().map(|component| usize::from(component.h)).max().unwrap_or(1);
    let halo = usize::from(unit == 16);
    let left = region.left.saturating_sub(halo) / unit * unit;
    let right = ((region.left + region.width + halo).div_ceil(unit) * unit).min(header.width);
    Some(Region { left, width: right - left, ..region })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(directory) = arguments.first() else {
        println!("no directory of JPEG files given: nothing is timed");
        return;
    };
    let seconds: f64 = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(6.0);
    let filter = arguments.get(2).map_or("", String::as_str);
    let mut random = 1_u64;
    let mut photos = Vec::new();
    collect(Path::new(directory), &mut photos, &mut random);
    let bytes: usize = photos.iter().map(|photo| photo.bytes.len()).sum();
    let pixels: usize = photos.iter().map(|photo| photo.header.width * photo.header.height).sum();
    println!("{} files, {:.1} MB, {:.1} megapixels", photos.len(), bytes as f64 / 1e6, pixels as f64 / 1e6);

    let largest = photos.iter().map(|photo| photo.header.width * photo.header.height * 4).max().unwrap_or(0);
    let (mut ours, mut theirs) = (vec![0; largest], vec![0; largest]);
    let (mut decoder, mut portable, mut turbo) = (Decoder::new(), Decoder::portable(), Turbo::new());

    for photo in &photos {
        let header = &photo.header;
        let channels = header.channels();
        let size = header.width * header.height * channels;
        let output = Output { pixels: &mut ours, stride: header.width * channels };
        let info = decoder.decode(&photo.bytes, header, &Options::default(), output).expect("a good file");
        turbo.decode(photo, None, &mut theirs, channels);
        assert!(info.warnings > 0 || ours[..size] == theirs[..size], "pixels differ");
    }

    let whole = |decoder: &mut Decoder, photo: &Photo, out: &mut [u8], options: &Options| {
        let header = read_header(&photo.bytes, &Limits::default()).expect("a good file");
        let (_, width) = header.size_at(options.scale);
        let stride = options.region.map_or(width, |region| region.width) * header.channels();
        let info = decoder.decode(&photo.bytes, &header, options, Output { pixels: out, stride });
        black_box(info.expect("a good file"));
    };
    if "full".contains(filter) {
        compare("full decode", &photos, seconds, |photo, ours_turn| match ours_turn {
            true => whole(&mut decoder, photo, &mut ours, &Options::default()),
            false => turbo.decode(photo, None, &mut theirs, photo.header.channels()),
        });
    }
    if "region".contains(filter) {
        compare("region, against crop and skip", &photos, seconds, |photo, ours_turn| match ours_turn {
            true => {
                whole(&mut decoder, photo, &mut ours, &Options { region: Some(photo.region), ..Options::default() });
            }
            false => {
                turbo.decode(photo, enclose(&photo.header, photo.region), &mut theirs, photo.header.channels());
            }
        });
        compare("region, against full decode", &photos, seconds, |photo, ours_turn| match ours_turn {
            true => {
                whole(&mut decoder, photo, &mut ours, &Options { region: Some(photo.region), ..Options::default() });
            }
            false => turbo.decode(photo, None, &mut theirs, photo.header.channels()),
        });
    }
    if "index".contains(filter) {
        let mut indices: Vec<_> = photos.iter().map(|_| RowIndex::new()).collect();
        let mut at = 0;
        compare("region with an index, against crop and skip", &photos, seconds, |photo, ours_turn| match ours_turn {
            true => {
                // The files come in order, each once a round; the first round makes the index.
                let index = &mut indices[at];
                at = (at + 1) % photos.len();
                let options = Options { region: Some(photo.region), ..Options::default() };
                let stride = photo.region.width * photo.header.channels();
                let output = Output { pixels: &mut ours, stride };
                let info = decoder.decode_indexed(&photo.bytes, &photo.header, &options, index, output);
                black_box(info.expect("a good file"));
            }
            false => {
                turbo.decode(photo, enclose(&photo.header, photo.region), &mut theirs, photo.header.channels());
            }
        });
    }
    if "portable".contains(filter) {
        compare("portable full decode (set JSIMD_FORCENONE=1)", &photos, seconds, |photo, ours_turn| match ours_turn {
            true => whole(&mut portable, photo, &mut ours, &Options::default()),
            false => turbo.decode(photo, None, &mut theirs, photo.header.channels()),
        });
    }
    if "scaled".contains(filter) {
        compare("1/8, against full decode", &photos, seconds, |photo, ours_turn| match ours_turn {
            true => whole(&mut decoder, photo, &mut ours, &Options { scale: Scale::Eighth, ..Options::default() }),
            false => turbo.decode(photo, None, &mut theirs, photo.header.channels()),
        });
    }
}

/// Times rounds over all files, ours and theirs in turn for each, and prints the ratio of the sums of the best times.
fn compare(name: &str, photos: &[Photo], seconds: f64, mut run: impl FnMut(&Photo, bool)) {
    let start = Instant::now();
    let mut best = vec![[f64::INFINITY; 2]; photos.len()];
    let mut rounds = 0;
    while rounds < 3 || start.elapsed() < Duration::from_secs_f64(seconds) {
        for (photo, best) in photos.iter().zip(&mut best) {
            for (turn, best) in best.iter_mut().enumerate() {
                let start = Instant::now();
                run(photo, turn == 0);
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
        rounds += 1;
    }
    let [ours, theirs] = [0, 1].map(|turn| best.iter().map(|best| best[turn]).sum::<f64>() / photos.len() as f64 * 1e6);
    println!(
        "{name}: ours {ours:.1} us, libjpeg-turbo {theirs:.1} us an image; ratio {:.3} ({rounds} rounds)",
        theirs / ours
    );
}

fn collect(path: &Path, photos: &mut Vec<Photo>, random: &mut u64) {
    if path.is_dir() {
        let mut inside: Vec<_> = std::fs::read_dir(path).expect("a directory").flatten().map(|it| it.path()).collect();
        inside.sort();
        inside.iter().for_each(|path| collect(path, photos, random));
    } else if let Ok(bytes) = std::fs::read(path)
        && let Ok(header) = read_header(&bytes, &Limits::default())
        && photos.len() < 3000
    {
        let region = random_resized_crop(&header, random);
        photos.push(Photo { bytes, header, region });
    }
}

/// torchvision's RandomResizedCrop: 8 to 100 % of the area, aspect ratio from 3/4 to 4/3.
fn random_resized_crop(header: &Header, random: &mut u64) -> Region {
    let mut uniform = || {
        // xorshift64* (Vigna 2016).
        *random ^= *random >> 12;
        *random ^= *random << 25;
        *random ^= *random >> 27;
        (random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (width, height) = (header.width, header.height);
    for _ in 0..10 {
        let area = (width * height) as f64 * (0.08 + 0.92 * uniform());
        let aspect = ((uniform() * 2.0 - 1.0) * (4.0_f64 / 3.0).ln()).exp();
        let (w, h) = ((area * aspect).sqrt().round() as usize, (area / aspect).sqrt().round() as usize);
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            let top = (uniform() * (height - h + 1) as f64) as usize;
            let left = (uniform() * (width - w + 1) as f64) as usize;
            return Region { top, left, height: h, width: w };
        }
    }
    Region { top: 0, left: 0, height, width }
}
