//! Text as pieces of words: the WordPiece of BERT (Devlin et al. 2019; Schuster and Nakajima 2012), uncased, as the file
//! tokenizer.json describes it.

use std::collections::HashMap;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Longer words are unknown.
const LONGEST_WORD: usize = 100;
/// Before a piece that does not begin its word.
const INNER: &str = "##";

/// A vocabulary of pieces.
#[derive(Debug)]
pub struct WordPiece {
    numbers: HashMap<String, u32>,
    unknown: u32,
    first: u32,
    last: u32,
}

impl WordPiece {
    /// Of a tokenizer.json; or why there is none.
    pub fn of_json(bytes: &[u8]) -> Result<Self, String> {
        let mut file = serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string())?;
        let is_known = |at: &str, wanted: &str| file.pointer(at).and_then(Value::as_str) == Some(wanted);
        if !is_known("/model/type", "WordPiece") || !is_known("/normalizer/type", "BertNormalizer") {
            return Err("its tokenizer is not the WordPiece of BERT".to_owned());
        }
        let vocabulary = file.pointer_mut("/model/vocab").map(Value::take).unwrap_or_default();
        let numbers = serde_json::from_value(vocabulary).map_err(|error| format!("its vocabulary: {error}"))?;
        WordPiece::of(numbers)
    }

    /// Of pieces and their numbers, among which are [UNK], [CLS] and [SEP].
    pub fn of(numbers: HashMap<String, u32>) -> Result<Self, String> {
        let special = |name: &str| numbers.get(name).copied().ok_or_else(|| format!("its vocabulary has no {name}"));
        let (unknown, first, last) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        Ok(WordPiece { numbers, unknown, first, last })
    }

    /// The numbers of a text's pieces between [CLS] and [SEP], at most so many in all; and whether any piece is known.
    pub fn pieces(&self, text: &str, most: usize) -> (Vec<u32>, bool) {
        let mut pieces = vec![self.first];
        words(text).iter().for_each(|word| self.add_word(word, &mut pieces));
        pieces.truncate(most - 1);
        let is_known = pieces[1..].iter().any(|piece| *piece != self.unknown);
        pieces.push(self.last);
        (pieces, is_known)
    }

    /// The longest piece that the word begins with, then that of the rest, and so on; one unknown piece where a rest has none.
    fn add_word(&self, word: &str, pieces: &mut Vec<u32>) {
        let start = pieces.len();
        let mut rest = word;
        while !rest.is_empty() && word.chars().count() <= LONGEST_WORD {
            let before = if rest.len() < word.len() { INNER } else { "" };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
            let found = ends.clone().find_map(|end| {
                let piece = self.numbers.get(&format!("{before}{}", &rest[..end]))?;
                Some((end, *piece))
            });
            let Some((end, piece)) = found else { break };
            pieces.push(piece);
            rest = &rest[end..];
        }
        if !rest.is_empty() {
            pieces.truncate(start);
            pieces.push(self.unknown);
        }
    }
}

/// The words of a text in small letters without accents; each mark and each Chinese character is one of its own.
fn words(text: &str) -> Vec<String> {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_control(*c)) {
        match c {
            c if is_space(c) => plain.push(' '),
            c if is_chinese(c) => plain.extend([' ', c, ' ']),
            c => plain.push(c),
        }
    }
    let letters = plain.nfd().filter(|c| c.general_category() != GeneralCategory::NonspacingMark);
    let mut words = Vec::new();
    let mut word = String::new();
    for c in letters.flat_map(char::to_lowercase) {
        if !is_space(c) && !is_mark(c) {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if is_mark(c) {
            words.push(c.to_string());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// What is dropped: control characters and those that stand for nothing.
fn is_control(c: char) -> bool {
    let is_other = c.general_category_group() == GeneralCategoryGroup::Other;
    c == '\0' || c == '\u{fffd}' || is_other && !matches!(c, '\t' | '\n' | '\r')
}

fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// The blocks of the ideographs that Chinese is written in.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x20000..=0x2a6df | 0x2a700..=0x2b73f | 0x2b740..=0x2b81f | 0x2b920..=0x2ceaf
        | 0xf900..=0xfaff | 0x2f800..=0x2fa1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by tests/golden/sentences.py with the package tokenizers.
    #[test]
    fn texts_fall_into_the_pieces_of_an_independent_implementation() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/sentences.json")).unwrap();
        let pieces = golden["vocabulary"].as_array().unwrap().iter();
        let numbers = (0..).zip(pieces).map(|(i, piece)| (piece.as_str().unwrap().to_owned(), i)).collect();
        let pieces = WordPiece::of(numbers).unwrap();
        let cases = golden["pieces"].as_array().unwrap();
        assert!(cases.len() > 20);
        for case in cases {
            let text = case[0].as_str().unwrap();
            let wanted = case[1].as_array().unwrap().iter().map(|piece| piece.as_u64().unwrap() as u32);
            assert_eq!(pieces.pieces(text, 256).0, wanted.collect::<Vec<_>>(), "{text:?}");
        }
    }

    #[test]
    fn a_text_without_any_known_piece_is_told_from_others_and_a_long_one_is_cut() {
        let names = ["[UNK]", "[CLS]", "[SEP]", "a", "##b"];
        let pieces = WordPiece::of((0..).zip(names).map(|(i, name)| (name.to_owned(), i)).collect()).unwrap();
        assert_eq!(pieces.pieces("a ab 🙂", 256), (vec![1, 3, 3, 4, 0, 2], true));
        assert_eq!(pieces.pieces("🙂 ba", 256), (vec![1, 0, 0, 2], false));
        assert_eq!(pieces.pieces("", 256), (vec![1, 2], false));
        assert_eq!(pieces.pieces(&"a ".repeat(300), 256).0.len(), 256);
        let refused = WordPiece::of(HashMap::new()).unwrap_err();
        assert_eq!(refused, "its vocabulary has no [UNK]");
    }
}
