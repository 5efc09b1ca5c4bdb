//! What the blocks of a picture's file say beside its pixels: how many frames there are, and whether it is whole.

use super::density::png_chunk;

/// How many frames a PNG says that it has, and how often they are seen.
pub(super) fn png_frames(bytes: &[u8]) -> (u32, Option<u32>) {
    let control = png_chunk(bytes, b"acTL").and_then(|data| data.first_chunk::<8>());
    let number = |from: &[u8]| from.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    control.map_or((1, None), |data| (number(&data[..4]).max(1), Some(number(&data[4..])).filter(|plays| *plays > 0)))
}

/// The same of a WebP, by its chunks ANIM and ANMF.
pub(super) fn webp_frames(bytes: &[u8]) -> (u32, Option<u32>) {
    let (mut at, mut frames, mut plays) = (12_usize, 0, None);
    while let (Some(name), Some(size)) = (bytes.get(at..at.saturating_add(4)), bytes.get(at.saturating_add(4)..)) {
        let Some(size) = size.first_chunk::<4>().map(|size| u32::from_le_bytes(*size) as usize) else { break };
        match name {
            b"ANMF" => frames += 1,
            b"ANIM" => {
                let data = bytes.get(at + 12..).and_then(|data| data.first_chunk::<2>());
                plays = data.map(|data| u32::from(u16::from_le_bytes(*data))).filter(|plays| *plays > 0);
            }
            _ => (),
        }
        at = at.saturating_add(8).saturating_add(size).saturating_add(size % 2);
    }
    (frames.max(1), plays)
}

/// The same of a GIF, by its blocks. A number of repeats comes after the first time; without one it is seen once.
pub(super) fn gif_frames(bytes: &[u8]) -> (u32, Option<u32>) {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let Ok(mut decoder) = options.read_info(bytes) else { return (1, None) };
    let mut frames = 0;
    while let Ok(Some(_)) = decoder.next_frame_info() {
        frames += 1;
    }
    let plays = match decoder.repeat() {
        gif::Repeat::Infinite => None,
        gif::Repeat::Finite(repeats) => Some(u32::from(repeats) + 1),
    };
    (frames.max(1), plays)
}

/// Whether a JPEG has its end-of-image marker, found by walking the segments (ITU-T T.81, annex B): a thumbnail inside
/// a segment has an end of its own.
pub(super) fn jpeg_ends(bytes: &[u8]) -> bool {
    let mut at = 2; // after the start of the image
    loop {
        // Compressed data hold 0xFF only before 0 (stuffing) or a restart marker; before a marker it may be repeated.
        while !matches!(bytes.get(at..at + 2), Some([0xFF, marker]) if !matches!(marker, 0 | 0xFF | 0xD0..=0xD7)) {
            at += 1;
            if at + 2 > bytes.len() {
                return false;
            }
        }
        if bytes[at + 1] == 0xD9 {
            return true;
        }
        match bytes.get(at + 2..at + 4) {
            Some(length) => at += 2 + usize::from(length[0]) * 256 + usize::from(length[1]),
            None => return false,
        }
        if at >= bytes.len() {
            return false;
        }
    }
}
