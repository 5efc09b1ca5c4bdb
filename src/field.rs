//! What goes into a model and what comes out of it, by name and kind.

use crate::looks::sentences::Reader;
use crate::random::Prior;

/// One thing that a model takes or makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name: on the command line, on the page and among the tensors.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

impl Field {
    /// A field of this name and kind.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Field { name: name.into(), kind }
    }

    /// Whether it is drawn from a sample's seed, and not given.
    pub fn is_chance(&self) -> bool {
        matches!(self.kind, Kind::Latent { .. } | Kind::Noise)
    }

    /// One of these words; the first is the usual one.
    pub fn choice(name: &str, among: &[&str]) -> Self {
        Field::new(name, Kind::Choice { among: among.iter().map(ToString::to_string).collect() })
    }

    /// A picture of RGB, or of grey with one channel.
    pub fn picture(name: &str, channels: usize, side: Option<usize>, range: Range) -> Self {
        Field::new(name, Kind::Picture { channels, side, range })
    }
}

/// What a thing is, and the tensor that it becomes or comes from; n is the number of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A vector drawn from a seed or lying between several: `[n, width]`, for music `[n, bars * width]`.
    Latent {
        /// Its entries; for music, those for each bar.
        width: usize,
        /// Where they come from.
        prior: Prior,
    },
    /// Chance that is no vector, such as dropout: the samples' seeds ([`crate::model::Given::seeds`]).
    Noise,
    /// One of several words, by its number: [`crate::model::Given::choices`]. The first is the usual one.
    Choice {
        /// The words, such as the names of classes; known at run time only.
        among: Vec<String>,
    },
    /// One of several kinds of things that the model learned, or a place between two: `[n, classes]`, the share of each.
    /// Where none is given, or an empty text, each sample's seed chooses; on the way between two seeds it is between their classes.
    Class {
        /// Their names, in the order of the labels.
        names: Vec<String>,
    },
    /// A number: [`crate::model::Given::numbers`].
    Number {
        /// The least one.
        low: f64,
        /// The largest one.
        high: f64,
        /// What stands in where none is given.
        usual: f64,
    },
    /// A sentence, as an encoder reads it: `[n, 384]`. Where none is given, or an empty text, each sample's seed chooses one of the usual.
    Text {
        /// What reads it.
        reader: Reader,
        /// Sentences that stand in.
        usual: Vec<String>,
    },
    /// A picture, `[n, channels, height, width]`.
    Picture {
        /// 1 for grey, 3 for RGB.
        channels: usize,
        /// Width and height in pixels, where there is one; none where they are those of what is given.
        side: Option<usize>,
        /// What black and full are.
        range: Range,
    },
    /// A face, found in a picture and brought upright ([`crate::media::FACE`]): `[n, 3, height, width]` in [-1, 1].
    Face {
        /// The side in pixels that was learned from.
        side: usize,
        /// The share of its side that the face takes in a picture that is upright already, in the middle.
        inner: f64,
    },
    /// Where something is in a picture, `[n, 1, height, width]` in [0, 1].
    Mask,
    /// A point of the plane, `[n, 2]`.
    Point,
    /// Where the joints of a person are, as the text of a pose's file ([`crate::media::Pose`]): `[n, 17, 3]`, x and y as shares of
    /// the picture's width and height, and the score.
    Pose {
        /// What stands in where none is given, or an empty text.
        usual: String,
    },
    /// Bars of music: the pitch in each step, or -1 for a rest, `[n, bars, 16]`. Of a model that makes it, above the chords
    /// that it was given.
    Notes,
    /// One bar of music, `[n, 16]` likewise; given as a text or as music, and left out where it is empty.
    Bar {
        /// The lowest and the highest pitch that the model knows, as MIDI numbers.
        pitches: [u8; 2],
    },
    /// Chords, one a bar: twelve roots, one of them on, and whether it is minor, `[n, bars, 13]`.
    Chords {
        /// What stands in where none are given.
        usual: String,
    },
}

/// What black and full are in a picture's tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// -1 and 1.
    Signed,
    /// 0 and 1.
    Unit,
}
