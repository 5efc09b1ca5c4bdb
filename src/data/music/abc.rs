//! Tunes in ABC notation, by its standard 2.1 and the older habits that collections keep, read measure by measure.

use super::score::{MOST_BARS, Measure, Score, WHOLE, Written};

const LONGEST: u64 = 64 * WHOLE; // a single note
const TOP: i32 = 127;
/// The letters in the order of the circle of fifths, which is that of the sharps in a key.
const FIFTHS: [char; 7] = ['F', 'C', 'G', 'D', 'A', 'E', 'B'];
/// The semitones above C of the letters C to B.
const NATURALS: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];
/// Lines before the first tune that are read.
const MOST_SHARED: usize = 100;
/// Signs within a chord's brackets.
const LONGEST_CHORD: usize = 200;
/// Bars of all tunes of a book.
const MOST_OF_BOOK: usize = 64 * MOST_BARS;
/// The modes by the first three letters of their names, and how many sharps they have more than the major key of their
/// tonic.
const MODES: [(&str, &str, i32); 9] = [
    ("maj", "major", 0),
    ("ion", "major", 0),
    ("mix", "mixolydian", -1),
    ("dor", "dorian", -2),
    ("min", "minor", -3),
    ("aeo", "minor", -3),
    ("phr", "phrygian", -4),
    ("loc", "locrian", -5),
    ("lyd", "lydian", 1),
];

/// One tune of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tune {
    /// Its number in the book, as written.
    pub number: String,
    /// At least one, perhaps empty.
    pub titles: Vec<String>,
    /// The key at its beginning, as in `E minor`.
    pub key: String,
    /// Whether its metre at the beginning is 4/4, written as C, C| or 2/2, too.
    pub in_four: bool,
    /// Its measures; the repeated parts are there once.
    pub measures: Vec<Measure>,
    /// The tones of its first voice: of chords the highest, and no grace notes.
    pub tones: Vec<Written>,
}

impl Tune {
    /// The tune in exact time.
    pub fn score(&self) -> Score {
        Score::of(&self.measures, std::slice::from_ref(&self.tones))
    }
}

/// The text of a book: UTF-8, or Latin-1 as older ones have it.
pub fn text(bytes: Vec<u8>) -> String {
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut text = String::from_utf8(bytes).unwrap_or_else(|error| latin(error.as_bytes()));
    if text.starts_with('\u{feff}') {
        text.remove(0); // a byte order mark
    }
    text
}

/// What of a title tells one tune from another: its words without articles and the kind of dance, however they are
/// written.
pub fn plain(title: &str) -> String {
    const WITHOUT: [&str; 10] = ["the", "a", "an", "reel", "jig", "hornpipe", "strathspey", "clog", "march", "air"];
    let letters = title.to_lowercase().replace(['\'', '\u{2019}', '`'], "");
    let words = letters.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let telling = words.iter().copied().filter(|word| !WITHOUT.contains(word)).collect::<Vec<_>>();
    if telling.is_empty() { words.join(" ") } else { telling.join(" ") }
}

/// The tunes of a book, in order; of one that cannot be read, a sentence that says which and why.
///
/// Quoted strings, grace notes, decorations, lyrics, overlays and further voices are passed over. An accidental holds
/// to the end of its measure, for its letter in all octaves. What is not understood makes its measure unclear.
pub fn tunes(book: &str) -> Vec<Result<Tune, String>> {
    // A tune begins with X: and ends with an empty line. Fields before the first are for all of them.
    let (mut tunes, mut shared, mut is_open, mut is_words) = (Vec::<Vec<&str>>::new(), Vec::new(), true, false);
    for line in book.lines() {
        is_words = (is_words || line.starts_with("%%begintext")) && !line.starts_with("%%endtext");
        if is_words {
            continue;
        }
        if let Some(('X', _)) = field(line) {
            tunes.push(vec![line]);
            is_open = true;
        } else if line.trim().is_empty() {
            is_open = tunes.is_empty();
        } else if is_open {
            match tunes.last_mut() {
                Some(tune) => tune.push(line),
                None if shared.len() < MOST_SHARED => shared.push(line), // each tune reads them again
                None => (),
            }
        }
    }
    let mut bars = 0;
    let mut within = |lines: &Vec<&str>| {
        let read = tune(&shared, lines)?;
        bars += read.measures.len();
        match bars > MOST_OF_BOOK {
            true => {
                Err(format!("tune {} lies beyond the {MOST_OF_BOOK} bars of one book; split the book", read.number))
            }
            false => Ok(read),
        }
    };
    tunes.iter().map(&mut within).collect()
}

/// The letter and the text of a field that has a line of its own.
fn field(line: &str) -> Option<(char, &str)> {
    let (letter, text) = line.split_once(':')?;
    let mut letters = letter.chars();
    let (letter, None) = (letters.next()?, letters.next()) else { return None };
    // `B:|` is music.
    let is_music = "abcdefgABCDEFG".contains(letter) && text.starts_with(['|', ':']);
    let text = text.split('%').next().unwrap_or_default().trim();
    // `+:` goes on with the field before it.
    ((letter.is_ascii_alphabetic() || letter == '+') && !is_music).then_some((letter, text))
}

fn tune(shared: &[&str], lines: &[&str]) -> Result<Tune, String> {
    let mut reader = Reader::new();
    let (mut number, mut titles, mut key) = (String::new(), Vec::new(), None);
    let mut lines = shared.iter().chain(lines);
    for line in lines.by_ref() {
        match field(line) {
            Some(('X', text)) => number = text.to_owned(),
            Some(('T', text)) => titles.push(text.to_owned()),
            Some(('K', text)) => {
                key = Some(text);
                break;
            }
            Some((letter, text)) => {
                reader.set(letter, text);
                reader.is_other_voice = false; // a head names voices and begins none
            }
            None => (),
        }
    }
    let title = titles.first().cloned().unwrap_or_default();
    let called = format!("tune {number}, `{title}`,");
    let text = key.ok_or_else(|| format!("{called} has no key"))?;
    let key = Key::parse(text).ok_or_else(|| format!("{called} has the key `{text}`, which is not understood"))?;
    let (name, in_four) = (key.name.clone(), reader.measure.in_four);
    reader.key = key.accidentals;
    reader.unit_is_given = true; // a metre within the tune does not change it
    for line in lines {
        match field(line) {
            Some((letter, text)) => reader.set(letter, text),
            None => reader.music(line),
        }
        if reader.measures.len() > MOST_BARS {
            return Err(format!("{called} has more than {MOST_BARS} bars"));
        }
    }
    reader.end_measure(true);
    titles.resize(titles.len().max(1), String::new());
    Ok(Tune { number, titles, key: name, in_four, measures: reader.measures, tones: reader.tones })
}

/// A key: what it is called, and how many semitones it raises the letters C to B by.
struct Key {
    name: String,
    accidentals: [i32; 7],
}

impl Key {
    /// As in `G`, `Am`, `Bb`, `D Mixolydian`, `Edor`, `none` and the bagpipe's `HP` and `Hp`; accidentals such as `^f`
    /// may follow, and other words mean nothing.
    fn parse(text: &str) -> Option<Key> {
        let sets_something = |word: &&str| word.chars().skip(1).any(|c| c == '='); // as in clef=bass
        let mut words = text.split_whitespace().filter(|word| !sets_something(word)).peekable();
        let first = words.next().unwrap_or("none");
        let (mut accidentals, none) = ([0; 7], ["none", "HP"].contains(&first));
        if none || first == "Hp" {
            let sharps = if none { 0 } else { 2 };
            FIFTHS[..sharps].iter().for_each(|letter| accidentals[degree(*letter)] = 1);
            return Some(Key { name: first.to_owned(), accidentals });
        }
        let tonic = first.chars().next()?;
        let fifths = FIFTHS.iter().position(|letter| *letter == tonic)? as i32 - 1; // from C
        let rest = &first[1..];
        let (sign, sharps, rest) = match (rest.strip_prefix('#'), rest.strip_prefix('b')) {
            (Some(rest), _) => ("#", 7, rest),
            (_, Some(rest)) => ("b", -7, rest),
            _ => ("", 0, rest),
        };
        let known = |word: &str| {
            let word = word.to_ascii_lowercase();
            let minor = if word == "m" { "min" } else { &word };
            MODES.iter().find(|(start, ..)| minor.starts_with(start)).copied()
        };
        let (_, mode, more) = match (rest, words.peek().and_then(|word| known(word))) {
            ("", Some(mode)) => mode,
            ("", None) => MODES[0],
            (attached, _) => known(attached)?,
        };
        let count = fifths + sharps + more;
        for turn in 0..count.unsigned_abs() as usize {
            match count > 0 {
                true => accidentals[degree(FIFTHS[turn % 7])] += 1,
                false => accidentals[degree(FIFTHS[6 - turn % 7])] -= 1,
            }
        }
        for word in words {
            let letter = word.trim_start_matches(['^', '_', '=']);
            let signs = &word[..word.len() - letter.len()];
            if let (false, Some(letter @ 'a'..='g')) = (signs.is_empty(), letter.to_ascii_lowercase().chars().next()) {
                accidentals[degree(letter.to_ascii_uppercase())] = signs.chars().map(raises).sum();
            }
        }
        Some(Key { name: format!("{tonic}{sign} {mode}").trim().to_owned(), accidentals })
    }
}

/// Where a letter from A to G stands in the scale on C.
fn degree(letter: char) -> usize {
    (letter as usize + 5 - 'A' as usize) % 7
}

fn raises(sign: char) -> i32 {
    match sign {
        '^' => 1,
        '_' => -1,
        _ => 0,
    }
}

/// A note or rest that was just read.
#[derive(Clone, Copy)]
struct Last {
    /// Where it is among the tones; `None` for a rest.
    tone: Option<usize>,
    length: u64,
    /// Degree and octave, and the pitch it has.
    written: Option<((usize, i32), i32)>,
    tied: bool,
    /// Whether it is of this measure and its rhythm is not broken yet.
    is_whole: bool,
}

/// The state between two characters of a tune.
struct Reader {
    measures: Vec<Measure>,
    tones: Vec<Written>,
    /// The measure that is being read.
    measure: Measure,
    last: Option<Last>,
    /// A whole note's parts, of a note without a length.
    unit: u64,
    unit_is_given: bool,
    key: [i32; 7],
    /// Since the last bar line.
    accidentals: [Option<i32>; 7],
    /// How many notes of a tuplet are left, and what each is multiplied by: numerator, denominator.
    tuplet: (u32, [u64; 2]),
    /// What the note after a broken rhythm is multiplied by.
    broken: [u64; 2],
    /// Three beats to a beat's half: what tuplets of 5, 7 and 9 depend on.
    is_compound: bool,
    /// An overlay is passed over up to the bar line.
    is_overlay: bool,
    first_voice: Option<String>,
    is_other_voice: bool,
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn take_while(&mut self, is: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !is(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// A number from 1 to 999; none where there is none or another.
    fn number(&mut self) -> Option<u64> {
        self.take_while(|c| c.is_ascii_digit()).parse().ok().filter(|number| (1..1000).contains(number))
    }

    /// What stands before a character, which is taken too; none where it does not come.
    fn until(&mut self, end: char) -> Option<&'a str> {
        let (inside, rest) = self.0.split_once(end)?;
        self.0 = rest;
        Some(inside)
    }

    /// A length as a ratio, as in `3/2`, `/`, `//`; none where it is not understood.
    fn ratio(&mut self) -> Option<[u64; 2]> {
        let has_digit = |rest: &Self| rest.peek().is_some_and(|c| c.is_ascii_digit());
        let mut ratio = [if has_digit(self) { self.number()? } else { 1 }, 1];
        while self.peek() == Some('/') {
            self.take();
            ratio[1] *= if has_digit(self) { self.number()? } else { 2 };
            if ratio[1] > WHOLE {
                return None;
            }
        }
        Some(ratio)
    }
}

/// A length times a ratio, where that is exact.
fn times(length: u64, [numerator, denominator]: [u64; 2]) -> Option<u64> {
    let product = length.checked_mul(numerator)?;
    (product % denominator == 0 && product / denominator <= LONGEST).then_some(product / denominator)
}

impl Reader {
    fn new() -> Self {
        Reader {
            measures: Vec::new(),
            tones: Vec::new(),
            measure: Measure { length: 0, in_four: false, understood: true, opens: true, closes: false },
            last: None,
            unit: WHOLE / 8,
            unit_is_given: false,
            key: [0; 7],
            accidentals: [None; 7],
            tuplet: (0, [1, 1]),
            broken: [1, 1],
            is_compound: false,
            is_overlay: false,
            first_voice: None,
            is_other_voice: false,
        }
    }

    /// What a field changes.
    fn set(&mut self, letter: char, text: &str) {
        match letter {
            _ if self.is_other_voice && letter != 'V' => (), // it is of the other voice
            'M' => self.set_metre(text),
            'L' => {
                let ratio = text
                    .split_once('/')
                    .and_then(|(one, of)| Some([one.trim().parse().ok()?, of.trim().parse().ok()?]));
                let length = ratio.filter(|[_, of]| *of > 0).and_then(|ratio| times(WHOLE, ratio));
                match length {
                    Some(length) => (self.unit, self.unit_is_given) = (length, true),
                    None => self.measure.understood = false,
                }
            }
            'K' if text.starts_with("clef=") => (), // which is all that it changes
            'K' => match Key::parse(text) {
                Some(key) => self.key = key.accidentals,
                None => self.measure.understood = false,
            },
            'V' => {
                let voice = text.split_whitespace().next().unwrap_or_default();
                let first = self.first_voice.get_or_insert_with(|| voice.to_owned());
                self.is_other_voice = first != voice;
            }
            _ => (),
        }
    }

    fn set_metre(&mut self, text: &str) {
        let (beats, of) = match text {
            "C" => (4, 4),
            "C|" => (2, 2),
            _ => {
                let parts = text.split_once('/');
                let parts = parts.and_then(|(beats, of)| Some((beats.trim().parse().ok()?, of.trim().parse().ok()?)));
                parts.filter(|(beats, of)| *beats < 100_u32 && *of < 100_u32).unwrap_or((0, 1))
            }
        };
        self.measure.in_four = matches!((beats, of), (4, 4) | (2, 2));
        self.is_compound = beats % 3 == 0 && beats > 3;
        if !self.unit_is_given && beats > 0 {
            self.unit = if 4 * beats < 3 * of { WHOLE / 16 } else { WHOLE / 8 };
        }
    }

    /// Reads one line of music.
    fn music(&mut self, line: &str) {
        let mut rest = Rest(line);
        loop {
            if self.is_other_voice {
                match rest.0.find("[V:") {
                    Some(at) => rest.0 = &rest.0[at..],
                    None => return,
                }
            }
            let before = rest.0;
            let Some(c) = rest.take() else { return };
            match c {
                '%' => return,
                '"' => self.skip(&mut rest, '"'),
                '{' => self.skip(&mut rest, '}'),
                '!' | '+' => {
                    // Older books end a line with one.
                    let inside = rest.0.split_once(c).filter(|(inside, _)| !inside.contains(['|', ' ']));
                    rest.0 = inside.map_or(rest.0, |(_, after)| after);
                }
                '[' if is_field(rest.0) => match rest.until(']') {
                    Some(inside) => match field(inside) {
                        Some((letter, text)) => self.set(letter, text),
                        None => self.measure.understood = false,
                    },
                    None => (self.measure.understood, rest.0) = (false, ""),
                },
                '[' if rest.peek().is_some_and(|c| c.is_ascii_digit()) => endings(&mut rest),
                '|' | ':' => self.bar_line(&mut rest, before),
                '[' if rest.peek() == Some('|') => self.bar_line(&mut rest, before),
                _ if self.is_overlay => (),
                '&' => self.is_overlay = true,
                '[' => self.chord(&mut rest),
                'a'..='g' | 'A'..='G' | '^' | '_' | '=' => {
                    rest.0 = before;
                    match self.pitch(&mut rest) {
                        Some(written) => self.note(&mut rest, Some(written)),
                        None => self.measure.understood = false,
                    }
                }
                'z' | 'x' => self.note(&mut rest, None),
                'y' => drop(rest.number()),
                'Z' | 'X' => self.silent_measures(rest.number().unwrap_or(1)),
                '(' if rest.peek().is_some_and(|c| c.is_ascii_digit()) => self.begin_tuplet(&mut rest),
                '>' | '<' => {
                    let more = rest.take_while(|next| next == c).len();
                    self.break_rhythm(c == '>', more + 1);
                }
                '-' => {
                    if let Some(last) = &mut self.last {
                        last.tied = true;
                        last.tone.into_iter().for_each(|tone| self.tones[tone].tied = true);
                    }
                }
                // Slurs, dots, decorations by a letter, spacing, the ends of lines.
                '(' | ')' | '.' | '~' | 'H'..='W' | 'h'..='w' | '`' | '\\' | '*' | '$' | ' ' | '\t' | '\r' => (),
                _ => self.measure.understood = false,
            }
        }
    }

    /// Passes over what is enclosed.
    fn skip(&mut self, rest: &mut Rest<'_>, end: char) {
        if rest.until(end).is_none() {
            self.measure.understood = false;
            rest.0 = "";
        }
    }

    /// A bar line, from its first character on.
    fn bar_line<'a>(&mut self, rest: &mut Rest<'a>, from: &'a str) {
        rest.0 = from;
        let signs = loop {
            rest.take_while(|c| matches!(c, '|' | ':' | ']'));
            if !rest.0.starts_with("[|") {
                break &from[..from.len() - rest.0.len()];
            }
            rest.take();
        };
        if signs == ":" {
            return; // alone it means nothing
        }
        endings(rest);
        self.end_measure(signs.len() > 1);
    }

    /// Puts the measure with the others; where something ends with it, the next begins something.
    fn end_measure(&mut self, closes: bool) {
        let next = Measure { length: 0, understood: true, opens: closes, closes: false, ..self.measure };
        if self.measure.length > 0 || !self.measure.understood {
            self.measures.push(Measure { closes, ..self.measure });
            self.measure = next;
        } else if closes {
            self.measures.iter_mut().rev().take(1).for_each(|last| last.closes = true);
            self.measure.opens = true;
        }
        (self.accidentals, self.is_overlay) = ([None; 7], false);
        (self.tuplet, self.broken) = ((0, [1, 1]), [1, 1]);
        self.last.iter_mut().for_each(|last| last.is_whole = false);
    }

    fn silent_measures(&mut self, count: u64) {
        self.end_measure(false);
        for _ in 0..count {
            if self.measures.len() > MOST_BARS {
                break; // the tune is refused
            }
            self.measure.length = WHOLE;
            self.end_measure(false);
        }
        self.last = None;
    }

    /// Degree and octave of a note, 0 from C to B, and its MIDI number.
    fn pitch(&mut self, rest: &mut Rest<'_>) -> Option<((usize, i32), i32)> {
        let signs = rest.take_while(|c| matches!(c, '^' | '_' | '='));
        let letter = rest.take()?;
        let degree = matches!(letter, 'a'..='g' | 'A'..='G').then(|| degree(letter.to_ascii_uppercase()))?;
        let marks = rest.take_while(|c| matches!(c, '\'' | ','));
        let up = marks.chars().map(|mark| if mark == '\'' { 1 } else { -1 }).sum::<i32>();
        let octave = up + i32::from(letter.is_ascii_lowercase());
        if !signs.is_empty() {
            self.accidentals[degree] = Some(signs.chars().map(raises).sum());
        }
        // A tie carries an accidental over the bar line.
        let tied = self.last.filter(|last| last.tied && signs.is_empty()).and_then(|last| last.written);
        let held = tied.filter(|(written, _)| *written == (degree, octave)).map(|(_, pitch)| pitch);
        let raised = self.accidentals[degree].unwrap_or(self.key[degree]);
        let pitch = held.unwrap_or(60 + 12 * octave + NATURALS[degree] + raised);
        (0..=TOP).contains(&pitch).then_some(((degree, octave), pitch))
    }

    /// The notes up to the bracket: the highest, as long as the first.
    fn chord(&mut self, rest: &mut Rest<'_>) {
        // It closes before the bar line, or it is none.
        let mut near = rest.0.char_indices().take(LONGEST_CHORD);
        let Some((end, ']')) = near.find(|(_, c)| matches!(c, '|' | ']')) else {
            self.measure.understood = false;
            return;
        };
        let inside = &rest.0[..end];
        rest.0 = &rest.0[end + 1..];
        let (mut inside, mut highest, mut length) = (Rest(inside), None, None);
        while let Some(c) = inside.peek() {
            match c {
                'a'..='g' | 'A'..='G' | '^' | '_' | '=' => {
                    let note = self.pitch(&mut inside).zip(inside.ratio());
                    let Some(((written, pitch), ratio)) = note else {
                        self.measure.understood = false;
                        return;
                    };
                    length.get_or_insert(ratio);
                    highest = highest.max(Some((pitch, written)));
                }
                '"' => {
                    inside.take();
                    self.skip(&mut inside, '"');
                }
                _ => drop(inside.take()),
            }
        }
        let Some((pitch, written)) = highest else {
            self.measure.understood = false;
            return;
        };
        self.note_of(rest, Some((written, pitch)), length.unwrap_or([1, 1]));
    }

    fn note(&mut self, rest: &mut Rest<'_>, written: Option<((usize, i32), i32)>) {
        self.note_of(rest, written, [1, 1]);
    }

    /// Adds a note or rest, whose length is a ratio and what still stands there.
    fn note_of(&mut self, rest: &mut Rest<'_>, written: Option<((usize, i32), i32)>, ratio: [u64; 2]) {
        let in_tuplet = if self.tuplet.0 > 0 { self.tuplet.1 } else { [1, 1] };
        self.tuplet.0 = self.tuplet.0.saturating_sub(1);
        let broken = std::mem::replace(&mut self.broken, [1, 1]);
        let length =
            rest.ratio().and_then(|own| times(times(times(times(self.unit, ratio)?, own)?, in_tuplet)?, broken));
        let length = length.filter(|length| *length > 0 && self.measure.length <= LONGEST);
        let Some(length) = length else {
            (self.measure.understood, self.last) = (false, None);
            return;
        };
        let tone = written.map(|(_, pitch)| {
            let (measure, start, pitch) = (self.measures.len(), self.measure.length, pitch as u8);
            self.tones.push(Written { measure, start, length, pitch, tied: false });
            self.tones.len() - 1
        });
        self.measure.length += length;
        self.last = Some(Last { tone, length, written, tied: false, is_whole: true });
    }

    /// `(p:q:r`: the next r notes in the time of q for every p.
    fn begin_tuplet(&mut self, rest: &mut Rest<'_>) {
        let p = rest.number().filter(|p| (2..=9).contains(p));
        let mut more = || {
            rest.0 = rest.0.strip_prefix(':')?;
            rest.number()
        };
        let (q, r) = (more(), more());
        let Some(p) = p else {
            self.measure.understood = false;
            return;
        };
        let usual = match p {
            2 | 4 | 8 => 3,
            3 | 6 => 2,
            _ if self.is_compound => 3,
            _ => 2,
        };
        self.tuplet = (r.unwrap_or(p) as u32, [q.unwrap_or(usual), p]);
    }

    /// `>` halves the next note, `>>` quarters it, and what it loses the last one gains; `<` the other way round.
    fn break_rhythm(&mut self, last_gains: bool, times_halved: usize) {
        let Some(last) = self.last.as_mut().filter(|last| last.is_whole && times_halved <= 3) else {
            self.measure.understood = false;
            return;
        };
        let short = [1, 1 << times_halved];
        let long = [2 * short[1] - 1, short[1]];
        let (of_last, of_next) = if last_gains { (long, short) } else { (short, long) };
        let Some(length) = times(last.length, of_last) else {
            self.measure.understood = false;
            return;
        };
        self.measure.length = self.measure.length + length - last.length;
        last.tone.into_iter().for_each(|tone| self.tones[tone].length = length);
        last.is_whole = false;
        self.broken = of_next;
    }
}

/// Whether what follows a bracket is a field.
fn is_field(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && !text[2..].starts_with(['|', ':'])
}

/// Passes over the numbers of endings.
fn endings(rest: &mut Rest<'_>) {
    if rest.peek().is_some_and(|c| c.is_ascii_digit()) {
        rest.take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '-'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::music::Melody;

    fn tune_of(key: &str, music: &str) -> Tune {
        let book = format!("X:1\nT:A tune\nM:C\nL:1/8\nK:{key}\n{music}\n");
        tunes(&book).remove(0).unwrap()
    }

    /// Pitch and length of each tone, in eighths.
    fn tones(music: &str) -> Vec<(u8, f64)> {
        let eighths = |tone: &Written| (tone.pitch, tone.length as f64 * 8.0 / WHOLE as f64);
        tune_of("C", music).tones.iter().map(eighths).collect()
    }

    fn pitches(key: &str, music: &str) -> Vec<u8> {
        tune_of(key, music).tones.iter().map(|tone| tone.pitch).collect()
    }

    /// The length of each measure, in eighths.
    fn lengths(music: &str) -> Vec<f64> {
        tune_of("C", music).measures.iter().map(|measure| measure.length as f64 * 8.0 / WHOLE as f64).collect()
    }

    #[test]
    fn notes_have_octaves_and_lengths() {
        let expected = [(48, 1.0), (60, 2.0), (71, 0.5), (72, 1.5), (84, 0.25), (62, 0.75)];
        assert_eq!(tones("C, C2 B/ c3/2 c'// D3/4"), expected);
        assert_eq!(tones("C z2 D x E"), [(60, 1.0), (62, 1.0), (64, 1.0)]);
        assert_eq!(lengths("C z2 D x E"), [6.0]);
    }

    #[test]
    fn keys_raise_and_lower_as_their_circle_of_fifths_says() {
        // Sharps and flats as any book of theory lists them.
        let keys = [
            ("C", "C major", 0),
            ("G", "G major", 1),
            ("Am", "A minor", 0),
            ("E Minor", "E minor", 1),
            ("Bb", "Bb major", -2),
            ("Gm", "G minor", -2),
            ("Ador", "A dorian", 1),
            ("AMix", "A mixolydian", 2),
            ("D Mixolydian", "D mixolydian", 1),
            ("Bphr", "B phrygian", 1),
            ("Glyd", "G lydian", 2),
            ("Bloc", "B locrian", 0),
            ("F#m", "F# minor", 3),
            ("Cb", "Cb major", -7),
            ("C#", "C# major", 7),
            ("Hp", "Hp", 2),
            ("HP", "HP", 0),
            ("none", "none", 0),
            ("", "none", 0),
            ("D clef=bass", "D major", 2),
            ("G treble", "G major", 1),
        ];
        for (text, name, sharps) in keys {
            let key = Key::parse(text).unwrap();
            assert_eq!((key.name.as_str(), key.accidentals.iter().sum::<i32>()), (name, sharps), "{text}");
        }
        assert_eq!(pitches("D", "F C f c B"), [66, 61, 78, 73, 71]);
        assert_eq!(pitches("Eb", "A B E D"), [68, 70, 63, 62]);
        assert_eq!(pitches("D Phr ^f =e", "F E B"), [66, 64, 70]);
        assert!(["Bn", "H", "?"].iter().all(|key| Key::parse(key).is_none()));
    }

    #[test]
    fn an_accidental_holds_to_the_bar_line_and_over_a_tie() {
        assert_eq!(
            pitches("G", "=F F f ^G G _B B __B ^^c | F G B c"),
            [65, 65, 77, 68, 68, 70, 70, 69, 74, 66, 67, 71, 72]
        );
        assert_eq!(pitches("C", "^f8-|f4 f4|f8"), [78, 78, 77, 77]);
        assert_eq!(pitches("C", "^f8|f8"), [78, 77]);
        let score = tune_of("C", "C4 ^f4-|f4 f4-|f8").score();
        let ends = score.parts[0].iter().map(|tone| (tone.pitch, tone.end * 8 / WHOLE)).collect::<Vec<_>>();
        assert_eq!(ends, [(60, 4), (78, 12), (77, 24)]);
    }

    #[test]
    fn broken_rhythms_and_tuplets_share_out_their_time() {
        assert_eq!(tones("C>D E<F"), [(60, 1.5), (62, 0.5), (64, 0.5), (65, 1.5)]);
        assert_eq!(tones("C2>>D2 E<<<F"), [(60, 3.5), (62, 0.5), (64, 0.125), (65, 1.875)]);
        assert_eq!(tones("C->{d}D (E > z) F"), [(60, 1.5), (62, 0.5), (64, 1.5), (65, 1.0)]);
        let third = 2.0 / 3.0;
        assert_eq!(tones("(3CDE F"), [(60, third), (62, third), (64, third), (65, 1.0)]);
        assert_eq!(tones("(3:2:4CDEF"), [(60, third), (62, third), (64, third), (65, third)]);
        assert_eq!(tones("(3C>DE"), [(60, 1.0), (62, 1.0 / 3.0), (64, third)]);
        assert_eq!(lengths("((3cde) (2CD (5CDEFG"), [2.0 + 3.0 + 2.0]);
        assert!(!tune_of("C", "C|>D").measures[1].understood && !tune_of("C", ">D").measures[0].understood);
    }

    #[test]
    fn a_chord_is_its_highest_note_for_as_long_as_the_first() {
        assert_eq!(tones("[CEG]2 [c2E]/ [b\"4\"c'] D"), [(67, 2.0), (72, 1.0), (84, 1.0), (62, 1.0)]);
        assert_eq!(lengths("[\"Coda\" C2 D2 |] E"), [4.0, 1.0], "a label is no chord");
    }

    #[test]
    fn what_is_no_note_of_the_melody_is_passed_over() {
        let plain = tones("C D E F G A B c");
        let decorated = "\"Am\"C {g/a}.D ~E !trill!F +fermata+uG (vA TB) y2 Hc`";
        assert_eq!(tones(decorated), plain);
        assert_eq!(tones("C D % E F | G\nE F \\\n%%staves 1\nw: la la\nG A\nN:B:|\nB c !"), plain);
        assert_eq!(tones("[r:remark]C D [V:1]E F G A B c\n[V:2]C, D, E,\nV:3\nC,8\nV:1\n"), plain);
        assert_eq!(tones("C D E F G A B c & C8"), plain);
    }

    #[test]
    fn bar_lines_of_all_kinds_end_measures_and_some_end_parts() {
        let tune = tune_of("C", "C|:D8:|E8||F8|1G8:|2 A8|]\nB8::c8:|:d8|[1 e8 :|[2 f8 [|g8|]a8");
        let parts = tune.measures.iter().map(|measure| (measure.opens, measure.closes)).collect::<Vec<_>>();
        let (first, only, last) = ((true, false), (true, true), (false, true));
        assert_eq!(parts, [only, only, only, first, last, only, only, only, first, last, only, only, only]);
        assert_eq!(lengths("C8\nD8|E8"), [16.0, 8.0], "a line's end is none");
        assert_eq!(lengths("C8||||D8|  |E8|\n|F8"), [8.0; 4]);
        assert_eq!(lengths("Z2|C8|"), [8.0; 3]);
    }

    #[test]
    fn fields_change_what_follows_them() {
        assert_eq!(tones("C [L:1/16]D2 E\nL:1/4\nF"), [(60, 1.0), (62, 1.0), (64, 0.5), (65, 2.0)]);
        assert_eq!(pitches("C", "F [K:G]F\nK:Dm\nF B"), [65, 66, 65, 70]);
        assert_eq!(pitches("C", "B:|\nc::"), [71, 72], "these lines are music");
        let tune = tune_of("C", "C8|[M:3/4]C6|\nM:4/4\nC8|");
        assert_eq!(tune.measures.iter().map(|measure| measure.in_four).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(lengths("C8|[M:2/4]C4|[M:4/4]C8|"), [8.0, 4.0, 8.0], "a metre changes no note's length");
        assert_eq!(pitches("D", "F [K:clef=bass] F"), [66, 66]);
        assert_eq!(pitches("G", "F\nV:1\nF\nV:2\nK:C\nF\nV:1\nF"), [66; 3], "the key is the second voice's");
        assert_eq!(tunes("X:1\nV:1\nV:2\nK:C\nC8|")[0].as_ref().unwrap().tones.len(), 1);
        let metres =
            [("C", true), ("C|", true), ("4/4", true), ("2/2", true), ("2/4", false), ("6/8", false), ("none", false)];
        for (metre, in_four) in metres {
            let book = format!("X:1\nM:{metre}\nK:C\nC");
            assert_eq!(tunes(&book)[0].as_ref().unwrap().in_four, in_four, "{metre}");
        }
        let length = |metre: &str| tunes(&format!("X:1\nM:{metre}\nK:C\nC"))[0].as_ref().unwrap().measures[0].length;
        assert_eq!(WHOLE / length("2/4"), 16, "below 3/4 a note without a length is a sixteenth");
        assert_eq!(WHOLE / length("3/4"), 8);
    }

    #[test]
    fn a_book_s_tunes_end_with_an_empty_line_and_share_what_stands_before_them() {
        let book =
            "M:C\nL:1/4\n\nX: 7\nT:One\nT:The First\nK:G\nGF|\n\ntext: |C D|\n\nX:8\nK:C\nL:1/8\nC\nX:9\nT:No key\n";
        let tunes = tunes(book);
        let first = tunes[0].as_ref().unwrap();
        assert_eq!(
            (first.number.as_str(), first.titles.as_slice()),
            ("7", ["One".to_owned(), "The First".to_owned()].as_slice())
        );
        assert_eq!((first.key.as_str(), first.in_four, first.tones.len()), ("G major", true, 2));
        assert_eq!(first.measures[0].length, WHOLE / 2);
        assert_eq!(tunes[1].as_ref().unwrap().titles, [""]);
        assert_eq!(tunes[2].as_ref().unwrap_err(), "tune 9, `No key`, has no key");
        assert_eq!(
            super::tunes("X:1\nT:A\nK:Bn\n")[0].as_ref().unwrap_err(),
            "tune 1, `A`, has the key `Bn`, which is not understood"
        );
        assert!(super::tunes("no tune at all\n|CDE|\n").is_empty());
        assert_eq!(text(b"T:Caf\xe9".to_vec()), "T:Café");
        let marked = super::tunes(&text("\u{feff}X:1\nT:A\nK:G\nF8|\n\nX:2\nT:B\nK:C\nF8|\n".into()));
        let pitches = marked.iter().map(|tune| tune.as_ref().unwrap().tones[0].pitch).collect::<Vec<_>>();
        assert_eq!(pitches, [66, 65], "a byte order mark is no part of the first field");
        let words = super::tunes("X:1\nK:C\nC8|\n%%begintext\nA bagpipe tune\n%%endtext\nw: la\n+: faded\nD8|\n");
        assert_eq!(words[0].as_ref().unwrap().tones.len(), 2);
    }

    #[test]
    fn titles_are_one_however_they_are_written() {
        let same =
            ["The Miller's Maid", "MILLER\u{2019}S MAID -- Reel", "Miller's Maid, The", "the millers maid (reel)"];
        assert_eq!(same.map(plain), ["millers maid"; 4]);
        assert_eq!(plain("The Reel"), "the reel");
    }

    #[test]
    fn unclear_signs_cost_their_measure_and_no_more() {
        let measures =
            |music: &str| tune_of("C", music).measures.iter().map(|measure| measure.understood).collect::<Vec<_>>();
        assert_eq!(measures("C8|C4 =20 C4|D8|"), [true, false, true]);
        for wrong in [
            "\"open",
            "{open",
            "[CE",
            "^",
            "C99999",
            "C/////////////////////",
            "(1C",
            "?",
            "c''''''",
            "C,,,,,,,",
            "[K:?]",
            "(7:9:9C/64",
        ] {
            assert_eq!(measures(&format!("C8|{wrong}|"))[..2], [true, false], "{wrong}");
        }
    }

    #[test]
    fn nothing_that_is_written_does_more_than_fail() {
        const SIGNS: &[u8] = b"CDabcg^_=',/0123456789zxZ|:[]()<>-{}\"!+&~. \n\\%XKLMVT\xc3\xa9";
        let mut state = 1_u64;
        for length in 0..3000 {
            let music = (0..length % 120).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                SIGNS[(state >> 33) as usize % SIGNS.len()]
            });
            let music = String::from_utf8_lossy(&music.collect::<Vec<_>>()).into_owned();
            for tune in tunes(&format!("X:1\nM:C\nK:C\n{music}")).into_iter().flatten() {
                let _ = tune.score().melody(Melody::Highest);
            }
        }
        let long = format!("X:1\nT:Long\nM:C\nK:C\n{}", "C8|".repeat(5000));
        assert_eq!(tunes(&long)[0].as_ref().unwrap_err(), "tune 1, `Long`, has more than 4096 bars");
        let rests = format!("X:1\nM:C\nK:C\n{}", "Z999".repeat(5000));
        assert!(tunes(&rests)[0].is_err());
        let books = "X:1\nK:C\nZ999Z999Z999Z999\n\n".repeat(100);
        assert_eq!(tunes(&books).iter().filter(|tune| tune.is_ok()).count(), 64 * 4096 / 3996);
        for many in ["[", "[C]", "[K:", "[C"] {
            let _ = tunes(&format!("X:1\nK:C\n{}", many.repeat(500_000))); // in no more time than it has signs
        }
    }
}
