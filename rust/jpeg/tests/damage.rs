//! Damaged files: an error where Pillow raises, its pixels where it does not (`make_damage.py` has asked it).
//!
//! Where the outcome is another, it is one of the [`DIFFERENCES`].

mod common;

use torchfeed_jpeg::{Decoder, Error, Header, Info, Limits, Options, read_header};

/// What Pillow makes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict<'a> {
    /// It raises: its own look at the header found something.
    Refused,
    /// It raises: libjpeg has given up.
    Broken,
    /// It raises: libjpeg wants more of the file.
    Truncated,
    /// It has pixels, and that is their size, channels and hash. libjpeg may have warned, which Pillow does not heed.
    Decoded { warned: bool, pixels: &'a str },
}

/// What is known of one damaged file.
struct Case<'a> {
    original: &'a [u8],
    bytes: &'a [u8],
    pillow: Verdict<'a>,
    ours: Result<(Vec<u8>, Header, Info), Error>,
}

/// A way in which an outcome may be another than Pillow's, and what must then be the case.
type Difference = (&'static str, fn(&Case<'_>) -> bool);

/// All of them. None is silent: there is an error, or there are warnings.
const DIFFERENCES: [Difference; 5] = [
    ("not decoded here: arithmetic coding, or a progressive file without its last scans", |case| {
        case.decoded() && matches!(case.ours, Err(Error::Unsupported(_)))
    }),
    (
        "markers between entropy-coded data are damaged: libjpeg guesses how to go on (`jpeg_resync_to_restart`)",
        |case| {
            let known = case.ours_warned() || matches!(case.ours, Err(Error::Format(_) | Error::Truncated { .. }));
            let restarts = |bytes| codes(bytes).iter().any(is_restart);
            case.libjpeg_warned() && known && restarts(case.original) && codes(case.original) != codes(case.bytes)
        },
    ),
    ("something other than the end of the image stands after the only scan: it is not read here", |case| {
        let left = codes(case.bytes);
        let left: Vec<_> = left.iter().filter(|code| !is_restart(code)).collect();
        let raised = matches!(case.pillow, Verdict::Broken | Verdict::Truncated);
        let single = read_header(case.bytes, &Limits::default()).is_ok_and(|header| !header.progressive);
        raised && case.ours_warned() && single && left != [&0xD9]
    }),
    ("the third byte is not the start of a marker: Pillow does not take that for a JPEG, libjpeg does", |case| {
        case.pillow == Verdict::Refused && case.ours_warned() && case.bytes.get(2) != Some(&0xFF)
    }),
    ("bytes are left over after a scan: libjpeg does not notice if it has read them ahead", |case| {
        matches!(case.pillow, Verdict::Decoded { warned: false, .. }) && case.same_pixels() && case.ours_warned()
    }),
];

impl Case<'_> {
    /// Nothing is different.
    fn agrees(&self) -> bool {
        match (self.pillow, &self.ours) {
            (Verdict::Decoded { warned, .. }, Ok(_)) => self.same_pixels() && self.ours_warned() == warned,
            (Verdict::Decoded { .. }, Err(_)) => false,
            (_, Ok(_)) => false,
            (_, Err(error)) => !matches!(error, Error::Limit { .. } | Error::Parameter(_)),
        }
    }

    fn decoded(&self) -> bool {
        matches!(self.pillow, Verdict::Decoded { .. })
    }

    fn libjpeg_warned(&self) -> bool {
        matches!(self.pillow, Verdict::Decoded { warned: true, .. })
    }

    fn ours_warned(&self) -> bool {
        self.ours.as_ref().is_ok_and(|(_, _, info)| info.warnings > 0)
    }

    fn same_pixels(&self) -> bool {
        match (self.pillow, &self.ours) {
            (Verdict::Decoded { pixels: theirs, .. }, Ok((pixels, header, info))) => {
                let hash = common::fnv(pixels);
                theirs == format!("{} {} {} {hash:016x}", header.height, header.width, info.channels)
            }
            _ => false,
        }
    }
}

#[test]
fn damaged_files_are_as_with_pillow() {
    let corpus = std::fs::read_to_string(common::directory().join("damage.txt")).expect("damage.txt");
    let (mut best, mut portable) = (Decoder::new(), Decoder::portable());
    let (mut name, mut original) = ("", Vec::new());
    let (mut agreed, mut counts) = (0, DIFFERENCES.map(|_| 0));
    for line in corpus.lines() {
        let (edit, rest) = line.split_once(' ').expect("an edit");
        if edit == "file" {
            (name, original) = (rest, common::file(rest));
            continue;
        }
        let (bytes, verdict) = damage(&original, edit, rest);
        let pillow = verdict_of(verdict);
        let ours = common::decode(&mut best, &bytes, &Options::default());
        assert!(ours == common::decode(&mut portable, &bytes, &Options::default()), "{name}: {line}: portable");
        let case = Case { original: &original, bytes: &bytes, pillow, ours };
        if case.agrees() {
            agreed += 1;
        } else if let Some(index) = DIFFERENCES.iter().position(|(_, holds)| holds(&case)) {
            counts[index] += 1;
        } else {
            let ours = case.ours.map(|(pixels, _, info)| (common::fnv(&pixels), info));
            panic!("{name}: {line}\nhere: {ours:x?}");
        }
    }
    println!("{agreed} as with Pillow");
    for ((reason, _), count) in DIFFERENCES.iter().zip(counts) {
        println!("{count}: {reason}");
        assert!(count > 0, "no longer different: {reason}");
    }
    assert!(agreed > 3000, "only {agreed} as with Pillow");
}

/// Applies `cut` or `flip`. Returns the damaged file and the rest of the line.
fn damage<'a>(original: &[u8], edit: &str, arguments: &'a str) -> (Vec<u8>, &'a str) {
    let mut bytes = original.to_vec();
    let number = |words: &'a str| -> (usize, &'a str) {
        let (number, rest) = words.split_once(' ').expect("more words");
        (number.parse().expect("a number"), rest)
    };
    let (at, mut rest) = number(arguments);
    if edit == "cut" {
        bytes.truncate(at);
    } else {
        let mask;
        (mask, rest) = number(rest);
        bytes[at] ^= mask as u8;
    }
    (bytes, rest)
}

fn verdict_of(words: &str) -> Verdict<'_> {
    match words {
        "refused" => Verdict::Refused,
        "broken" => Verdict::Broken,
        "truncated" => Verdict::Truncated,
        _ => {
            let (warned, pixels) = words.split_once(' ').expect("pixels");
            Verdict::Decoded { warned: warned == "warned", pixels }
        }
    }
}

/// The codes of all markers from the first scan on.
fn codes(bytes: &[u8]) -> Vec<u8> {
    let pairs = || bytes.windows(2);
    let scan = pairs().position(|pair| pair == [0xFF, 0xDA]).map_or(bytes.len(), |scan| scan + 2);
    pairs().skip(scan).filter(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF)).map(|pair| pair[1]).collect()
}

fn is_restart(code: &u8) -> bool {
    (0xD0..=0xD7).contains(code)
}
