//! Videos, sound and damaged: ffmpeg reads them as a program of its own, and its frames are read from it.
#![no_main]

use ganvas::data::people::video;
use ganvas::Error;
use libfuzzer_sys::fuzz_target;

/// Frames after which a video is left.
const MOST: usize = 50;
/// Characters that a refusal may have.
const SENTENCE: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("ganvas-fuzz-{}.mp4", std::process::id()));
    std::fs::write(&path, bytes).expect("the file can be written");
    let (mut sides, mut count) = (None, 0);
    let read = video::frames(&path, &mut |_| (), |number, frame| {
        assert_eq!(number, count, "frames come in order");
        assert_eq!(*sides.get_or_insert(frame.dimensions()), frame.dimensions(), "all frames have one size");
        count += 1;
        if count < MOST { Ok(()) } else { Err(Error::input("enough")) }
    });
    match read {
        Ok(_) => assert!(count > 0, "a video has frames"),
        Err(error) => {
            let said = error.to_string();
            assert!(said.chars().count() < SENTENCE, "{} characters are no sentence", said.chars().count());
            assert!(!said.chars().any(char::is_control), "{said:?} is not fit for a terminal");
        }
    }
    let _ = std::fs::remove_file(&path); // the next one is written over it
});
