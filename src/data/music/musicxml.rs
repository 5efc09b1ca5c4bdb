//! Music out of MusicXML, plain or packed (.mxl), in exact time.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use roxmltree::{Document, Node, ParsingOptions};

use super::score::{MOST_BARS, Measure, Score, WHOLE, Written};

const MOST_BYTES: u64 = 1 << 25; // of one unpacked file
const MOST_NODES: u32 = 4_000_000;
const LONGEST: u64 = 64 * WHOLE; // a single note or measure

/// Reads a score in parts (`score-partwise`), the usual kind, or the archive with one. A part is one voice of one of
/// its parts; grace notes and cues are passed over.
///
/// The error completes "NAME ...".
pub fn score(bytes: &[u8]) -> Result<Score, String> {
    if bytes.starts_with(b"PK") {
        return score(&unpacked(bytes)?);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is not text in UTF-8".to_owned())?;
    if text.contains("<!ENTITY") {
        return Err("declares entities, which no score needs".to_owned()); // they can stand for terabytes
    }
    // Every score names its DTD, which nobody fetches.
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let text = text.trim_start_matches('\u{feff}');
    let document = Document::parse_with_options(text, options).map_err(|error| format!("is no sound XML: {error}"))?;
    let root = document.root_element();
    if !root.has_tag_name("score-partwise") {
        return Err(format!("is a <{}>, not a <score-partwise>", root.tag_name().name()));
    }
    let (mut measures, mut parts) = (Vec::<Measure>::new(), Vec::new());
    for part in root.children().filter(|node| node.has_tag_name("part")) {
        let mut reader = Part::default();
        for (number, measure) in part.children().filter(|node| node.has_tag_name("measure")).enumerate() {
            if number == MOST_BARS {
                return Err(format!("is longer than {MOST_BARS} bars"));
            }
            let read = reader.measure(number, measure);
            match measures.get_mut(number) {
                // All parts of a measure last as long, and a part may leave out a rest at the end.
                Some(measure) => {
                    measure.length = measure.length.max(read.length);
                    measure.understood &= read.understood;
                }
                None => measures.push(read),
            }
        }
        parts.extend(reader.voices.into_values());
    }
    measures.iter_mut().take(1).for_each(|first| first.opens = true);
    measures.iter_mut().rev().take(1).for_each(|last| last.closes = true);
    for number in 1..measures.len() {
        measures[number].opens |= measures[number - 1].closes;
        measures[number - 1].closes |= measures[number].opens;
    }
    Ok(Score::of(&measures, &parts))
}

/// The score within an archive: the one that its container names.
fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let broken = |error: &dyn std::fmt::Display| format!("is no sound archive: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut read = |name: &str| -> Result<Vec<u8>, String> {
        let member = archive.by_name(name).map_err(|error| broken(&error))?;
        let mut bytes = Vec::new();
        member.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        match bytes.len() as u64 > MOST_BYTES {
            true => Err(format!("holds more than {} MB", MOST_BYTES >> 20)),
            false => Ok(bytes),
        }
    };
    let container = read("META-INF/container.xml")?;
    let container = String::from_utf8_lossy(&container);
    let options = ParsingOptions { nodes_limit: 10_000, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(&container, options).map_err(|error| format!("is no sound XML: {error}"))?;
    let file = document.descendants().find(|node| node.has_tag_name("rootfile"));
    let path =
        file.and_then(|file| file.attribute("full-path")).ok_or("does not say which of its files is the score")?;
    let score = read(path)?;
    match score.starts_with(b"PK") {
        true => Err("is an archive within an archive".to_owned()),
        false => Ok(score),
    }
}

/// What a part's measures leave for those after them.
#[derive(Default)]
struct Part {
    divisions: Option<u64>, // of a quarter
    in_four: bool,
    voices: BTreeMap<String, Vec<Written>>,
}

impl Part {
    fn measure(&mut self, number: usize, measure: Node<'_, '_>) -> Measure {
        let (mut now, mut struck, mut length, mut understood) = (0_u64, 0, 0, true);
        let (mut opens, mut closes) = (false, false);
        for node in measure.children().filter(Node::is_element) {
            let duration = child(node, "duration").and_then(number_of);
            let lasts = duration.zip(self.divisions).and_then(|(duration, divisions)| {
                let length = duration.checked_mul(WHOLE / 4)? / divisions;
                (length <= LONGEST && now + length <= LONGEST).then_some(length)
            });
            match (node.tag_name().name(), lasts) {
                ("attributes", _) => self.attributes(node),
                ("barline", _) => {
                    let repeat = node.children().find(|child| child.has_tag_name("repeat"));
                    let direction = repeat.and_then(|repeat| repeat.attribute("direction"));
                    let style = child(node, "bar-style").unwrap_or_default();
                    let is_double = matches!(style, "light-light" | "light-heavy");
                    opens |= direction == Some("forward");
                    closes |= direction == Some("backward") || is_double;
                }
                ("backup", Some(lasts)) => now = now.saturating_sub(lasts),
                ("forward", Some(lasts)) => now += lasts,
                ("note", lasts) => {
                    let has = |name| node.children().any(|child| child.has_tag_name(name));
                    if has("grace") || has("cue") {
                        continue;
                    }
                    let Some(lasts) = lasts else {
                        understood = false;
                        continue;
                    };
                    if !has("chord") {
                        struck = now;
                        now += lasts;
                    }
                    let tied =
                        node.children().any(|tie| tie.has_tag_name("tie") && tie.attribute("type") == Some("start"));
                    match (node.children().find(|child| child.has_tag_name("pitch")).map(pitch), has("rest")) {
                        (Some(Some(pitch)), _) => {
                            let voice = child(node, "voice").unwrap_or_default().to_owned();
                            let tone = Written { measure: number, start: struck, length: lasts, pitch, tied };
                            self.voices.entry(voice).or_default().push(tone);
                        }
                        (None, true) => (),
                        _ => understood = false, // no pitch, or none that there is
                    }
                }
                ("backup" | "forward", None) => understood = false,
                _ => (),
            }
            length = length.max(now);
        }
        for tones in self.voices.values_mut() {
            let of_this = tones.partition_point(|tone| tone.measure < number);
            tones[of_this..].sort_by_key(|tone| (tone.start, tone.pitch));
        }
        Measure { length, in_four: self.in_four, understood, opens, closes }
    }

    fn attributes(&mut self, node: Node<'_, '_>) {
        if let Some(divisions) = child(node, "divisions").and_then(number_of).filter(|divisions| *divisions > 0) {
            self.divisions = Some(divisions);
        }
        if let Some(time) = node.children().find(|child| child.has_tag_name("time")) {
            let metre = (child(time, "beats").unwrap_or_default(), child(time, "beat-type").unwrap_or_default());
            self.in_four = matches!(metre, ("4", "4") | ("2", "2"));
        }
    }
}

/// The text of a child, without spaces around it.
fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.has_tag_name(name))?.text().map(str::trim)
}

fn number_of(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// The MIDI number of a `<pitch>`.
fn pitch(node: Node<'_, '_>) -> Option<u8> {
    let letter = "C D EF G A B".find(child(node, "step").filter(|step| step.len() == 1 && *step != " ")?)? as i32;
    let within = |alter: &f64| alter.abs() <= 3.0;
    let alter = child(node, "alter").map_or(Some(0.0), |alter| alter.parse::<f64>().ok().filter(within))?;
    let octave = child(node, "octave")?.parse::<i32>().ok().filter(|octave| (0..=9).contains(octave))?;
    let pitch = 12 * (octave + 1) + letter + alter.round() as i32;
    (0..=127).contains(&pitch).then_some(pitch as u8)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::data::music::score::{Bar, Lost, Tone};

    /// A score of one part with these measures.
    fn part(measures: &str) -> String {
        format!("<?xml version=\"1.0\"?>\n<score-partwise><part id=\"P1\">{measures}</part></score-partwise>")
    }

    fn note(pitch: &str, duration: u32, more: &str) -> String {
        let (step, octave) = pitch.split_at(1);
        format!(
            "<note>{more}<pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{duration}</duration></note>"
        )
    }

    const FOUR: &str =
        "<attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>";

    #[test]
    fn voices_chords_ties_and_rests_lie_where_they_are_written() {
        let second = "<note><pitch><step>B</step><alter>-1</alter><octave>3</octave></pitch><duration>8</duration>\
            <voice>2</voice></note>";
        let measure = [
            FOUR,
            &note("C4", 2, ""),
            &note("E4", 2, "<chord/>"),
            "<note><rest/><duration>2</duration></note>",
            "<note><grace/><pitch><step>D</step><octave>5</octave></pitch></note>",
            &note("G4", 4, "<tie type=\"start\"/>"),
            "<backup><duration>8</duration></backup>",
            second,
        ];
        let measures = format!(
            "<measure>{}</measure><measure>{}</measure>",
            measure.concat(),
            note("G4", 8, "<tie type=\"stop\"/>")
        );
        let score = score(part(&measures).as_bytes()).unwrap();
        let quarter = WHOLE / 4;
        let tone = |start: u64, end: u64, pitch| Tone { start: start * quarter, end: end * quarter, pitch };
        assert_eq!(score.parts, [vec![tone(0, 1, 60), tone(0, 1, 64), tone(2, 8, 67)], vec![tone(0, 4, 58)]]);
        assert_eq!(score.bars, [0, 4].map(|start| Bar { start: start * quarter, length: WHOLE, lost: None }));
    }

    #[test]
    fn a_pick_up_is_lost_and_the_last_bar_that_it_completes_is_not() {
        let measures = [
            format!("{FOUR}{}", note("C4", 2, "")),
            note("D4", 8, ""),
            format!("{}<barline><repeat direction=\"backward\"/></barline>", note("E4", 6, "")),
            note("F4", 2, ""),
            note("G4", 4, ""),
            note("A4", 6, ""),
        ];
        let measures = measures.map(|inside| format!("<measure>{inside}</measure>")).concat();
        let bars = score(part(&measures).as_bytes()).unwrap().bars;
        let lost = bars.iter().map(|bar| bar.lost).collect::<Vec<_>>();
        assert_eq!(lost, [Some(Lost::PickUp), None, None, Some(Lost::PickUp), Some(Lost::Sum), None]);
    }

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn an_archive_s_score_is_the_one_that_its_container_names() {
        let container = b"<container><rootfiles><rootfile full-path=\"b.xml\"/></rootfiles></container>";
        let plain = part(&format!("<measure>{FOUR}{}</measure>", note("C4", 8, "")));
        let archive =
            packed(&[("a.xml", b"<other/>"), ("META-INF/container.xml", container), ("b.xml", plain.as_bytes())]);
        assert_eq!(score(&archive), score(plain.as_bytes()));
        let nested = packed(&[("META-INF/container.xml", container), ("b.xml", &archive)]);
        assert_eq!(score(&nested).unwrap_err(), "is an archive within an archive");
        let nothing = packed(&[("META-INF/container.xml", b"<container/>")]);
        assert_eq!(score(&nothing).unwrap_err(), "does not say which of its files is the score");
        assert!(score(&packed(&[("b.xml", b"")])).unwrap_err().starts_with("is no sound archive: "));
        let bomb = packed(&[("META-INF/container.xml", container), ("b.xml", &vec![b' '; MOST_BYTES as usize + 1])]);
        assert!(bomb.len() < 100_000);
        assert_eq!(score(&bomb).unwrap_err(), "holds more than 32 MB");
    }

    #[test]
    fn what_is_no_score_is_refused_in_one_sentence_and_in_little_time() {
        let deep = format!("<score-partwise>{}{}</score-partwise>", "<a>".repeat(300_000), "</a>".repeat(300_000));
        assert!(score(deep.as_bytes()).unwrap().bars.is_empty());
        let entities = format!(
            "<!DOCTYPE a [<!ENTITY x \"{}\">]><score-partwise>{}</score-partwise>",
            "y".repeat(99_999),
            "&x;".repeat(99_999)
        );
        assert_eq!(score(entities.as_bytes()).unwrap_err(), "declares entities, which no score needs");
        assert_eq!(score(b"<score-timewise/>").unwrap_err(), "is a <score-timewise>, not a <score-partwise>");
        assert_eq!(score(b"\xff\xfe<").unwrap_err(), "is not text in UTF-8");
        let long = part(&"<measure/>".repeat(MOST_BARS + 1));
        assert_eq!(score(long.as_bytes()).unwrap_err(), "is longer than 4096 bars");

        let sound = part(&format!("<measure>{FOUR}{}</measure>", note("C4", 8, "")));
        assert_eq!(score(sound.as_bytes()).unwrap().lost(), BTreeMap::new());
        for end in 0..sound.len() - 1 {
            assert!(score(&sound.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        let unclear =
            ["<octave>99", "<octave>four", "<step>H", "<duration>-1", "<duration>99999999999999999", "<divisions>0"];
        for wrong in unclear {
            let tag = &wrong[..=wrong.find('>').unwrap()];
            let at = sound.find(tag).unwrap();
            let text = format!("{}{wrong}{}", &sound[..at], &sound[at + sound[at..].find("</").unwrap()..]);
            assert_eq!(score(text.as_bytes()).unwrap().lost(), BTreeMap::from([(Lost::Unclear, 1)]), "{wrong}");
        }
    }
}
