//! Pictures of every kind that is read, with their frames, profiles and density, read whole, by rows and written again.
#![no_main]

use ganvas::media::{Format, Opened, Picture};
use libfuzzer_sys::fuzz_target;

/// Pixels of a picture that is decoded here, and frames of an animation.
const MOST: [usize; 2] = [1 << 18, 4];

fuzz_target!(|bytes: &[u8]| {
    let open = || Opened::new(bytes, 1).ok().filter(|opened| opened.sides[0] * opened.sides[1] <= MOST[0]);
    let Some(opened) = open() else { return };
    let (sides, kept, to_decode) = (opened.sides, opened.bytes_kept(), opened.bytes_to_decode());
    assert!(kept <= to_decode);
    let check = |picture: &Picture, sides: [usize; 2]| {
        assert_eq!(picture.sides(), sides);
        assert!(picture.alpha.as_ref().is_none_or(|alpha| alpha.sides() == sides && alpha.channels == 1));
    };
    if let Ok(picture) = opened.picture() {
        check(&picture, sides);
        for format in Format::ALL {
            let again = picture.encode(format, None);
            let again = again.ok().map(|bytes| Opened::new(&bytes, 1).expect("what was written is read").sides);
            assert!(again.is_none_or(|again| again == sides));
        }
    }
    let Some(opened) = open() else { return };
    if let Ok(frames) = opened.frames() {
        frames.take(MOST[1]).flatten().for_each(|(picture, _)| check(&picture, sides));
    }
    let Some(opened) = open() else { return };
    let small = opened.sides_with(Some(5));
    if let Ok(picture) = opened.picture_with(Some(5)) {
        check(&picture, small);
    }
});
