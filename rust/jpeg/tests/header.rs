//! What a header says.
#![allow(missing_docs, reason = "tests")]

mod common;

use torchfeed_jpeg::{Limits, read_header};

#[test]
fn pieces_of_the_icc_profile_are_found() {
    let file = common::file("baseline-420-17x33");
    let segment =
        |code: u8, payload: &[u8]| [&[0xFF, code][..], &(payload.len() as u16 + 2).to_be_bytes(), payload].concat();
    let piece = |number: u8, data: &[u8]| segment(0xE2, &[b"ICC_PROFILE\0", &[number, 2][..], data].concat());
    let other = segment(0xE2, b"MPF\0ICC_PROFILE\0 12");
    let with = [&file[..2], &piece(1, b"one")[..], &other, &piece(2, b"two"), &file[2..]].concat();
    let header = read_header(&with, &Limits::default()).unwrap();
    let found: Vec<_> = header.icc(&with).map(|range| &with[range]).collect();
    assert_eq!(found, [b"one", b"two"]);
    assert_eq!(read_header(&file, &Limits::default()).unwrap().icc(&file).count(), 0);
    assert_eq!(header.icc(&with[..1]).count(), 0);
}
