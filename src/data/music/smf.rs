//! Standard MIDI files, read as players read them: damage costs as little as it can, and is told with its byte.
//!
//! After the MIDI Association's "Standard MIDI Files 1.0". Where files break it and players go on, this goes on, too:
//! running status outlasts meta events and system exclusive ones; a track ends with its end-of-track event, whatever
//! length its head gives; a file that is cut off gives what comes before the cut.

/// Where a file may begin within another, such as a RIFF file.
const FURTHEST_HEAD: usize = 4096;
const HEAD: &[u8] = b"MThd";
const TRACK: &[u8] = b"MTrk";

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
pub struct File {
    /// 0 for one track, 1 for tracks together, 2 for one piece after the other.
    pub format: u16,
    /// Ticks of a quarter; or, with the highest bit set, a time in seconds.
    pub division: u16,
    /// Each in the order of its events.
    pub tracks: Vec<Track>,
    /// What could not be read, a sentence each without its subject, the file's name.
    pub lost: Vec<String>,
}

/// The events of a track that are of use here.
#[derive(Debug, Default, PartialEq)]
pub struct Track {
    /// Each with the tick that it happens at.
    pub events: Vec<(u64, Event)>,
    /// The tick at which it ends.
    pub end: u64,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A key of a channel (0 to 15) is struck, or let go when the velocity is 0.
    Key {
        /// From 0 on.
        channel: u8,
        /// MIDI's number of the pitch, 0 to 127.
        pitch: u8,
        /// 0 to 127.
        velocity: u8,
    },
    /// The metre from here on: so many beats, each the `1 / 2^of`-th of a whole note.
    Metre {
        /// Over the line.
        beats: u8,
        /// A power of two.
        of: u8,
    },
}

/// Why a track cannot be read on, and at which byte.
enum Stop {
    /// The bytes end within an event.
    Cut,
    /// What stands there is no event.
    Nonsense(usize),
}

/// Reads a file. The error completes "NAME ...".
pub fn parse(bytes: &[u8]) -> Result<File, String> {
    let head = find(&bytes[..bytes.len().min(FURTHEST_HEAD)], 0, HEAD);
    let head = head.ok_or_else(|| "is no MIDI file: it does not begin with MThd".to_owned())?;
    let cut = || format!("is cut off within its head, at byte {}", bytes.len());
    let length = word(bytes, head + 4).ok_or_else(cut)?;
    let fields = [head + 8, head + 10, head + 12].map(|at| half(bytes, at));
    let [Some(format), Some(promised), Some(division)] = fields else { return Err(cut()) };
    if format > 2 {
        return Err(format!("is of format {format}, which is none"));
    }
    let mut file = File { format, division, ..File::default() };
    let mut at = (head + 8).saturating_add(length).max(head + 14);
    if !is_chunk(bytes, at) {
        at = head + 14;
    }
    while at < bytes.len() {
        if !bytes[at..].starts_with(TRACK) {
            let next = match is_chunk(bytes, at) {
                true => Some(after_chunk(bytes, at)),
                false => find(bytes, at, TRACK),
            };
            match next {
                Some(next) => at = next,
                None => break, // what follows the last track is nobody's
            }
            continue;
        }
        let number = file.tracks.len() + 1;
        let (track, end, why) = track(bytes, at);
        file.tracks.push(track);
        file.lost.extend(why.map(|why| match why {
            Stop::Cut => {
                format!("is cut off at byte {}, within track {number}; what comes before that is read", bytes.len())
            }
            Stop::Nonsense(byte) => {
                format!(
                    "has no MIDI event at byte {byte}, in track {number}; what comes before it in the track is read"
                )
            }
        }));
        at = end;
    }
    if file.tracks.is_empty() {
        return Err("holds no track, that is, no MTrk".to_owned());
    }
    if file.tracks.len() < usize::from(promised) && file.lost.is_empty() {
        file.lost.push(format!("should have {promised} tracks and has {}", file.tracks.len()));
    }
    Ok(file)
}

/// A track whose head stands at a byte, where the next chunk may stand, and why it was not read to its end, if so.
fn track(bytes: &[u8], head: usize) -> (Track, usize, Option<Stop>) {
    let start = head + 8;
    let Some(length) = word(bytes, head + 4) else { return (Track::default(), bytes.len(), Some(Stop::Cut)) };
    let promised = start.saturating_add(length);
    let is_sound = promised == bytes.len() || is_chunk(bytes, promised);
    let mut reader = Reader { bytes, at: start, status: None };
    let (mut track, mut now) = (Track::default(), 0_u64);
    // How much there was at the promised end, where the track goes on after it.
    let mut within = None;
    let stop = loop {
        let at = reader.at;
        if at >= bytes.len() {
            break (promised > bytes.len()).then_some(Stop::Cut);
        }
        if at >= promised && within.is_none() {
            if is_chunk(bytes, at) {
                break None;
            }
            within = Some((track.events.len(), now));
        }
        if at > start && !is_sound && bytes[at..].starts_with(TRACK) && is_chunk(bytes, at) {
            break None; // the next one, though this one has not said that it ends
        }
        match reader.event(&mut now) {
            Ok(Some(event)) => track.events.push((now, event)),
            Ok(None) => (),
            Err(Found::End) => {
                track.end = now;
                return (track, next(bytes, reader.at, promised), None);
            }
            // A length within the track that leads out of the file is no cut.
            Err(Found::Stop(Stop::Cut)) if promised <= bytes.len() => break Some(Stop::Nonsense(reader.at)),
            Err(Found::Stop(stop)) => break Some(stop),
        }
    };
    // After the promised end, something else than an event is no loss.
    if let (Some((events, tick)), Some(_)) = (within, &stop) {
        track.events.truncate(events);
        track.end = tick;
        return (track, promised, None);
    }
    track.end = now;
    let from = reader.at.min(bytes.len());
    let end = match &stop {
        Some(_) => match promised > from && is_chunk(bytes, promised) {
            true => promised,
            false => find(bytes, from, TRACK).unwrap_or(bytes.len()),
        },
        None => from,
    };
    (track, end, stop)
}

/// Where the next chunk stands after a track that ended at a byte, and was to end at another.
fn next(bytes: &[u8], ended: usize, promised: usize) -> usize {
    let fits = |at: usize| at >= bytes.len() || is_chunk(bytes, at);
    if !fits(ended) && promised > ended && promised <= bytes.len() && fits(promised) { promised } else { ended }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of the last channel message: what follows may leave it out.
    status: Option<u8>,
}

/// What ends the reading of a track.
enum Found {
    End,
    Stop(Stop),
}

impl Reader<'_> {
    /// The next event, or none where it is of no use here. `now` moves on to its tick.
    fn event(&mut self, now: &mut u64) -> Result<Option<Event>, Found> {
        let begin = self.at;
        let result = self.read(now, begin);
        if result.is_err() && !matches!(result, Err(Found::End)) {
            self.at = begin;
        }
        result
    }

    fn read(&mut self, now: &mut u64, begin: usize) -> Result<Option<Event>, Found> {
        let nonsense = || Found::Stop(Stop::Nonsense(begin));
        let delta = self.number()?;
        let first = *self.bytes.get(self.at).ok_or(Found::Stop(Stop::Cut))?;
        let status = match first {
            0x80.. => {
                self.at += 1;
                first
            }
            _ => self.status.ok_or_else(nonsense)?,
        };
        let event = match status {
            0xff => {
                let [kind] = self.take()?;
                let length = self.number()? as usize;
                let data = self.bytes.get(self.at..self.at.saturating_add(length)).ok_or(Found::Stop(Stop::Cut))?;
                self.at += length;
                *now += u64::from(delta);
                match (kind, data) {
                    (0x2f, _) => return Err(Found::End),
                    (0x58, [beats, of, ..]) => Some(Event::Metre { beats: *beats, of: *of }),
                    _ => None,
                }
            }
            0xf0 | 0xf7 => {
                let length = self.number()? as usize;
                self.bytes.get(self.at..self.at.saturating_add(length)).ok_or(Found::Stop(Stop::Cut))?;
                self.at += length;
                *now += u64::from(delta);
                None
            }
            0xf1.. => {
                let data = match status {
                    0xf1 | 0xf3 => 1,
                    0xf2 => 2,
                    _ => 0,
                };
                self.data(data, begin)?;
                *now += u64::from(delta);
                None
            }
            _ => {
                let length = if matches!(status & 0xf0, 0xc0 | 0xd0) { 1 } else { 2 };
                let [pitch, velocity] = self.data(length, begin)?;
                self.status = Some(status);
                *now += u64::from(delta);
                let channel = status & 0x0f;
                match status & 0xf0 {
                    0x80 => Some(Event::Key { channel, pitch, velocity: 0 }),
                    0x90 => Some(Event::Key { channel, pitch, velocity }),
                    _ => None,
                }
            }
        };
        Ok(event)
    }

    /// Up to two bytes of seven bits.
    fn data(&mut self, length: usize, begin: usize) -> Result<[u8; 2], Found> {
        let mut data = [0; 2];
        for place in &mut data[..length] {
            [*place] = self.take()?;
            if *place > 0x7f {
                return Err(Found::Stop(Stop::Nonsense(begin)));
            }
        }
        Ok(data)
    }

    fn take(&mut self) -> Result<[u8; 1], Found> {
        let byte = *self.bytes.get(self.at).ok_or(Found::Stop(Stop::Cut))?;
        self.at += 1;
        Ok([byte])
    }

    /// A number of seven bits a byte, at most four of them.
    fn number(&mut self) -> Result<u32, Found> {
        let (begin, mut number) = (self.at, 0);
        for _ in 0..4 {
            let [byte] = self.take()?;
            number = number << 7 | u32::from(byte & 0x7f);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Found::Stop(Stop::Nonsense(begin)))
    }
}

/// Whether a chunk's head stands there: four letters, and a length that does not lead far out of the file.
fn is_chunk(bytes: &[u8], at: usize) -> bool {
    let Some(name) = at.checked_add(4).and_then(|end| bytes.get(at..end)) else { return false };
    let is_name = name.starts_with(b"MT") || name.iter().all(u8::is_ascii_alphabetic);
    is_name && word(bytes, at + 4).is_some_and(|length| name == TRACK || after(at, length) <= bytes.len())
}

/// The byte after a chunk that is no track.
fn after_chunk(bytes: &[u8], at: usize) -> usize {
    after(at, word(bytes, at + 4).unwrap_or(bytes.len()))
}

fn after(at: usize, length: usize) -> usize {
    (at + 8).saturating_add(length)
}

/// Where some bytes stand, from a byte on.
fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(word.iter().fold(0, |word, byte| word << 8 | usize::from(*byte)))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from(half[0]) << 8 | u16::from(half[1]))
}
