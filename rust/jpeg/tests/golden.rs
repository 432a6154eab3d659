//! Pixels are Pillow's, bit for bit (`make_data.py` has asked it).

mod common;

use torchfeed_jpeg::{Decoder, InstructionSet, Options};

#[test]
fn pixels_are_those_of_pillow() {
    let golden = std::fs::read_to_string(common::directory().join("golden.txt")).expect("golden.txt");
    let mut decoders: Vec<Decoder> = InstructionSet::available().filter_map(Decoder::with).collect();
    let mut lines = 0;
    for line in golden.lines() {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let [scale, height, width, channels] =
            [(); 4].map(|()| words.next().expect("a number").parse().expect("a number"));
        let hash = u64::from_str_radix(words.next().expect("a hash"), 16).expect("a hash");
        let bytes = common::file(name);
        for decoder in &mut decoders {
            let options = Options { scale: common::scale(scale), ..Options::default() };
            let (pixels, header, info) = common::decode(decoder, &bytes, &options).expect(name);
            assert_eq!(header.size_at(options.scale), (height, width), "{name}");
            assert_eq!(info.channels, channels, "{name}");
            assert_eq!(info.warnings > 0, name.starts_with("damaged"), "{name}: {} warnings", info.warnings);
            assert_eq!(common::fnv(&pixels), hash, "{name} at 1/{scale}");
        }
        lines += 1;
    }
    assert!(lines > 150, "only {lines} lines");
}
