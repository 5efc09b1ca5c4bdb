//! MIDI files, damaged or not: what is read of them, and the melody that is made of that.
#![no_main]

use ganvas::data::music::{Melody, midi};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok((score, lost)) = midi::score(bytes) else { return };
    assert!(lost.iter().all(|why| !why.is_empty()));
    for part in &score.parts {
        assert!(part.windows(2).all(|two| two[0].start <= two[1].start));
        assert!(part.iter().all(|tone| tone.start < tone.end));
    }
    for wanted in [Melody::OneVoice, Melody::Highest] {
        if let Ok(melody) = score.melody(wanted) {
            assert!(!melody.notes.is_empty() && melody.notes.windows(2).all(|two| two[0].start < two[1].start));
        }
    }
});
