//! A picture as a file holds it: grey or in colour, with 8 or 16 bits, with its transparency and its density.

use std::path::Path;

use super::clear::{bleed, out_of_white, over_white};
use super::density::Density;
use super::kinds::Format;
use super::profile::Profile;
use super::raster::Raster;
use super::reading::Opened;
use super::{Image, writing};
use crate::aside::write_aside;
use crate::error::{Error, Result};

/// A picture and what goes with it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Grey or RGB, upright, in sRGB. A pixel of which nothing is seen has the colours beside it.
    pub raster: Raster,
    /// How opaque each pixel is, of the same sides and depth, in one channel; none where all are.
    pub alpha: Option<Raster>,
    /// How many pixels there are to an inch, where the file says it.
    pub density: Option<Density>,
    /// What became of the file's colour profile.
    pub profile: Profile,
    /// Whether the file has EXIF data, which are not kept.
    pub has_exif: bool,
}

impl From<Image> for Picture {
    fn from(image: Image) -> Self {
        Picture::of(image.into(), None)
    }
}

impl Picture {
    /// The picture with these levels, as opaque as `alpha` says, and nothing else to be known of it.
    pub(super) fn of(mut raster: Raster, alpha: Option<Raster>) -> Self {
        let alpha = alpha.filter(|alpha| (0..alpha.width * alpha.height).any(|at| alpha.unit(at) < 1.0));
        if let Some(alpha) = &alpha {
            bleed(&mut raster, alpha);
        }
        Picture { raster, alpha, density: None, profile: Profile::Srgb, has_exif: false }
    }

    /// Reads a picture's file, of a kind in [`super::READ`]; of an animation its first frame. The error names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read the picture", path, &error))?;
        Picture::decode(&bytes, &path.display().to_string())
    }

    /// The same of a file's bytes; the error calls it by this name.
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self> {
        let picture = Opened::new(bytes, 1).and_then(|opened| opened.picture());
        picture.map_err(|why| Error::input(format!("{name} {why}")))
    }

    /// Width and height.
    pub fn sides(&self) -> [usize; 2] {
        self.raster.sides()
    }

    /// The picture with its longer side of so many pixels, by a Lanczos filter.
    pub fn resized(self, longer: usize) -> Self {
        let to = with_longer(self.sides(), longer);
        let alpha = self.alpha.map(|alpha| alpha.resized(to));
        Picture { raster: self.raster.resized(to), alpha, ..self }
    }

    /// What it looks like over white.
    pub fn over_white(self) -> Raster {
        match &self.alpha {
            Some(alpha) => over_white(self.raster, alpha),
            None => self.raster,
        }
    }

    /// What becomes of this picture when its look over white is turned into another, which is as opaque as `alpha` says.
    pub fn with_look(&self, look: Raster, alpha: Option<Raster>) -> Self {
        let raster = match &alpha {
            Some(alpha) => out_of_white(look, alpha),
            None => look,
        };
        self.with(raster, alpha)
    }

    /// Other levels and transparency with what else is to be known of this picture.
    pub fn with(&self, raster: Raster, alpha: Option<Raster>) -> Self {
        Picture { raster, alpha, ..*self }
    }

    /// What was done to the file's picture and what of the file is not kept in a file of this kind, a few words each.
    pub fn notes(&self, format: Format) -> Vec<String> {
        let mut lost = Vec::new();
        if self.raster.is_deep() && !format.is_deep() {
            lost.push("16 bits a channel");
        }
        if self.profile == Profile::Unusable {
            lost.push("colour profile");
        }
        if self.density.is_some() && !format.has_density() {
            lost.push("density");
        }
        if self.has_exif {
            lost.push("EXIF data");
        }
        let converted = (self.profile == Profile::Converted).then(|| "colour profile converted to sRGB".to_owned());
        let lost = (!lost.is_empty()).then(|| format!("not carried over: {}", lost.join(", ")));
        converted.into_iter().chain(lost).collect()
    }

    /// Writes a file of a kind that its name says, whole or not at all; a JPEG as [`Picture::encode`] has it.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_aside(path, &self.encode(Format::of(path)?, None)?, "write the picture")
    }

    /// The bytes of a file of this kind. `quality` is a JPEG's, from 1 to 100, 95 by default. A JPEG is opaque: white shows
    /// through.
    pub fn encode(&self, format: Format, quality: Option<u8>) -> Result<Vec<u8>> {
        writing::encode(self, format, quality)
    }
}

/// The sides of a picture whose longer one is to have so many pixels.
pub(super) fn with_longer([width, height]: [usize; 2], longer: usize) -> [usize; 2] {
    [width, height].map(|side| ((side * longer) as f64 / width.max(height) as f64).round().max(1.0) as usize)
}
