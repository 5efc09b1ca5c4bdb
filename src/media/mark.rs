//! A sentence that a picture's file carries beside its pixels, where other programs show it as a comment.

use super::kinds::Format;

/// The file's bytes with this sentence, ASCII, in them: PNG's tEXt, JPEG's COM, GIF's comment, WebP's XMP, TIFF's ImageDescription. The
/// bytes are those that [`super::Picture::encode`] and [`super::Film::end`] make.
pub fn marked(bytes: Vec<u8>, format: Format, sentence: &str) -> Vec<u8> {
    assert!(sentence.is_ascii() && sentence.len() < 60_000, "a sentence in ASCII");
    let found = match format {
        Format::Png => png(&bytes, sentence),
        Format::Jpeg => jpeg(&bytes, sentence),
        Format::Gif => gif(&bytes, sentence),
        Format::WebP => webp(&bytes, sentence),
        Format::Tiff => tiff(&bytes, sentence),
    };
    found.unwrap_or(bytes)
}

fn with(bytes: &[u8], at: usize, part: &[u8]) -> Option<Vec<u8>> {
    Some([bytes.get(..at)?, part, bytes.get(at..)?].concat())
}

/// After the header (PNG 3, 11.3.3.2).
fn png(bytes: &[u8], sentence: &str) -> Option<Vec<u8>> {
    let data = [b"tEXtComment\0", sentence.as_bytes()].concat();
    let length = (data.len() as u32 - 4).to_be_bytes();
    with(bytes, 33, &[&length[..], &data, &crc32fast::hash(&data).to_be_bytes()].concat())
}

/// Before the frame, behind JFIF's own segment (ITU-T T.81, B.2.4.5).
fn jpeg(bytes: &[u8], sentence: &str) -> Option<Vec<u8>> {
    let at = match bytes.get(2..6)? {
        [0xFF, 0xE0, high, low] => 4 + usize::from(*high) * 256 + usize::from(*low),
        _ => 2,
    };
    let length = (sentence.len() as u16 + 2).to_be_bytes();
    with(bytes, at, &[&[0xFF, 0xFE], &length[..], sentence.as_bytes()].concat())
}

/// Behind the colours that all frames share (GIF89a, section 24).
fn gif(bytes: &[u8], sentence: &str) -> Option<Vec<u8>> {
    let flags = *bytes.get(10)?;
    let colours = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let blocks = sentence.as_bytes().chunks(255).flat_map(|block| [&[block.len() as u8], block].concat());
    let comment = [0x21, 0xFE].into_iter().chain(blocks).chain([0]).collect::<Vec<u8>>();
    with(bytes, 13 + colours, &comment)
}

/// At the end, and the header says that it is there (WebP's container, "Extended File Format").
fn webp(bytes: &[u8], sentence: &str) -> Option<Vec<u8>> {
    let xmp = format!(
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">{}</rdf:li></rdf:Alt>\
         </dc:description></rdf:Description></rdf:RDF></x:xmpmeta>",
        sentence.replace('&', "&amp;").replace('<', "&lt;")
    );
    let chunk = |name: &[u8], data: &[u8]| {
        [name, &(data.len() as u32).to_le_bytes(), data, if data.len() % 2 == 1 { &[0] } else { &[] }].concat()
    };
    let mut chunks = bytes.get(12..)?.to_vec();
    match chunks.get(..4)? {
        b"VP8X" => *chunks.get_mut(8)? |= 4,
        b"VP8L" => {
            // Width and height less one, 14 bits each, and whether there is transparency.
            let bits = u32::from_le_bytes(*chunks.get(9..)?.first_chunk()?);
            let [width, height] = [bits & 0x3FFF, (bits >> 14) & 0x3FFF].map(u32::to_le_bytes);
            let flags = 4 | if bits >> 28 & 1 == 1 { 0x10 } else { 0 };
            let header = [&[flags, 0, 0, 0], &width[..3], &height[..3]].concat();
            chunks = [chunk(b"VP8X", &header), chunks].concat();
        }
        _ => return None,
    }
    chunks.extend(chunk(b"XMP ", xmp.as_bytes()));
    Some([b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks].concat())
}

/// A directory with one entry more, behind all else (TIFF 6.0, section 2); ours are little-endian, with one page.
fn tiff(bytes: &[u8], sentence: &str) -> Option<Vec<u8>> {
    const DESCRIPTION: u16 = 270;
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    if bytes.get(..4)? != b"II*\0" {
        return None;
    }
    let at = number(4)?;
    let count = usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let mut found = bytes.to_vec();
    found.resize(bytes.len().next_multiple_of(2), 0);
    let text = found.len() as u32;
    found.extend(sentence.as_bytes());
    found.push(0);
    found.resize(found.len().next_multiple_of(2), 0);
    let directory = found.len() as u32;
    let entry = [
        &DESCRIPTION.to_le_bytes()[..],
        &2_u16.to_le_bytes(),
        &(sentence.len() as u32 + 1).to_le_bytes(),
        &text.to_le_bytes(),
    ]
    .concat();
    let mut entries = bytes.get(at + 2..at + 2 + 12 * count)?.chunks_exact(12).collect::<Vec<_>>();
    let tag = |entry: &[u8]| u16::from_le_bytes([entry[0], entry[1]]);
    entries.retain(|entry| tag(entry) != DESCRIPTION);
    entries.push(&entry);
    entries.sort_by_key(|entry| tag(entry));
    found.extend((entries.len() as u16).to_le_bytes());
    found.extend(entries.concat());
    found.extend(bytes.get(at + 2 + 12 * count..)?.first_chunk::<4>()?);
    found.get_mut(4..8)?.copy_from_slice(&directory.to_le_bytes());
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Delay, Film, Image, Picture, Raster};

    const SENTENCE: &str = "A face in this picture is swapped; made with Ganvas.";

    fn picture() -> Picture {
        let picture = Picture::from(Image::new(6, 4, 3, (0..72).collect()));
        let alpha = Raster::of_unit([6, 4], 1, false, (0..24).map(|i| i as f32 / 23.0));
        picture.with(picture.raster.clone(), Some(alpha))
    }

    #[test]
    fn a_file_of_every_kind_carries_the_sentence_and_its_pixels_are_as_they_were() {
        for format in Format::ALL {
            for picture in [picture(), Picture::from(Image::new(3, 5, 3, (0..45).collect()))] {
                let bytes = picture.encode(format, None).unwrap();
                let marked = marked(bytes.clone(), format, SENTENCE);
                assert_ne!(bytes, marked, "{format:?}");
                assert!(marked.windows(SENTENCE.len()).any(|part| part == SENTENCE.as_bytes()), "{format:?}");
                let [before, now] = [bytes, marked].map(|bytes| Picture::decode(&bytes, "it").unwrap());
                assert_eq!((before.raster, before.alpha), (now.raster, now.alpha), "{format:?}");
            }
        }
        let mut reader = png::Decoder::new(std::io::Cursor::new(marked(
            picture().encode(Format::Png, None).unwrap(),
            Format::Png,
            SENTENCE,
        )))
        .read_info()
        .unwrap();
        let text = &reader.info().uncompressed_latin1_text[0];
        assert_eq!((text.keyword.as_str(), text.text.as_str()), ("Comment", SENTENCE));
        reader.finish().unwrap();
    }

    #[test]
    fn so_does_an_animation() {
        for format in Format::ALL.into_iter().filter(|format| format.is_animated()) {
            let mut film = Film::new(format, None, false, false).unwrap();
            for level in [10, 200] {
                film.add(&Picture::from(Image::new(6, 4, 3, vec![level; 72])), Delay::new(1, 10)).unwrap();
            }
            let bytes = marked(film.end().unwrap(), format, SENTENCE);
            assert!(bytes.windows(SENTENCE.len()).any(|part| part == SENTENCE.as_bytes()), "{format:?}");
            let opened = crate::media::Opened::new(&bytes, 1).unwrap();
            assert_eq!((opened.frames, opened.frames().unwrap().filter_map(Result::ok).count()), (2, 2), "{format:?}");
        }
    }
}
