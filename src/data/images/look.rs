//! What is noticed of pictures before anything is learned from them: copies, too few different ones, what is cut off.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use image::{RgbImage, imageops};

use super::Crop;

/// Pixels along a side of the small picture by which near copies are found.
const SMALL: u32 = 16;
/// How far apart levels of two small pictures may be that show the same.
const NEAR: u8 = 3;
/// A small picture whose levels lie nearer together shows too little to tell by it.
const LEAST_CONTRAST: u8 = 32;
/// A network learns fewer different pictures by heart.
const FEW: usize = 100;
/// Whoever sees no more of a picture is told.
const LEAST_SEEN: f64 = 0.5;

/// One picture as it was decoded.
pub(super) struct Look {
    name: String,
    held_out: bool,
    size: [u32; 2],
    exact: u64,
    small: Vec<u8>,
}

impl Look {
    /// A picture of a file.
    pub fn of(name: &str, held_out: bool, picture: &RgbImage) -> Self {
        let mut hasher = DefaultHasher::new();
        (picture.dimensions(), picture.as_raw()).hash(&mut hasher);
        let small = imageops::thumbnail(picture, SMALL, SMALL).into_raw();
        let (width, height) = picture.dimensions();
        Look { name: name.to_owned(), held_out, size: [width, height], exact: hasher.finish(), small }
    }

    /// The same of one of two pictures side by side, which is so large.
    pub fn of_half(self, size: [u32; 2]) -> Self {
        Look { size, ..self }
    }

    /// The share that the largest square in the middle has.
    fn seen(&self) -> f64 {
        let [width, height] = self.size.map(f64::from);
        width.min(height) / width.max(height)
    }

    fn has_contrast(&self) -> bool {
        let (least, most) =
            self.small.iter().fold((255, 0), |(least, most), level| (least.min(*level), most.max(*level)));
        most - least >= LEAST_CONTRAST
    }

    /// Whether it shows what another shows: the same pixels, or as good as the same when they are made small.
    fn is_like(&self, other: &Look) -> bool {
        let is_near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= NEAR;
        self.exact == other.exact
            || (self.has_contrast()
                && (self.seen() - other.seen()).abs() < 0.02
                && self.small.iter().zip(&other.small).all(is_near))
    }

    fn brightness(&self) -> u32 {
        self.small.iter().map(|level| u32::from(*level)).sum()
    }
}

/// The share of its pictures that the largest square in the middle has, on average; none without pictures.
pub(super) fn seen(looks: &[Look]) -> Option<f64> {
    (!looks.is_empty()).then(|| looks.iter().map(Look::seen).sum::<f64>() / looks.len() as f64)
}

/// The share of pictures that are twice as wide as they are high, within a twentieth.
pub(super) fn wide(looks: &[Look]) -> f64 {
    let is_wide = |look: &&Look| (f64::from(look.size[0]) / f64::from(look.size[1]) - 2.0).abs() < 0.1;
    looks.iter().filter(is_wide).count() as f64 / looks.len().max(1) as f64
}

/// What there is to know before a training, a sentence each.
pub(super) fn remarks(looks: &[Look], crop: Crop) -> Vec<String> {
    let (n, mut said) = (looks.len(), Vec::new());
    let originals = originals(looks);
    let different = n - originals.iter().flatten().count();
    if let Some((copy, original)) = originals.iter().enumerate().find_map(|(at, original)| Some((at, (*original)?))) {
        let [copy, original] = [copy, original].map(|at| &looks[at].name);
        said.push(format!(
            "copies: {} of {n} pictures are copies of others, or nearly, as {copy} is of {original}; different: {different}",
            n - different
        ));
    }
    let learned = looks.iter().enumerate().filter(|(_, look)| !look.held_out);
    let learned = learned.map(|(at, _)| originals[at].unwrap_or(at)).collect::<HashSet<_>>();
    let leaked =
        looks.iter().enumerate().filter(|(at, look)| look.held_out && learned.contains(&originals[*at].unwrap_or(*at)));
    let leaked = leaked.count();
    if leaked > 0 {
        said.push(format!(
            "copies: {leaked} of the pictures held out are copies of ones to learn from, so they tell little of what is new"
        ));
    }
    if crop == Crop::Detail {
        return said; // of which the whole of every picture is seen
    }
    if (1..FEW).contains(&different) {
        let are = if different == 1 { "1 picture is" } else { &format!("{different} different pictures are") };
        said.push(format!("{are} few: a network learns them by heart; bring at least {FEW}"));
    }
    let mut cut = looks.iter().filter(|look| look.seen() <= LEAST_SEEN).collect::<Vec<_>>();
    cut.sort_by(|a, b| a.seen().total_cmp(&b.seen()));
    if let Some(Look { name, size: [width, height], .. }) = cut.first() {
        said.push(format!(
            "cut off: of {} of {n} pictures training sees half or less, the largest square in the middle; of {name}, \
             {width} x {height}, it sees {:.0} %",
            cut.len(),
            100.0 * cut[0].seen()
        ));
    }
    said
}

/// For each picture the first one that shows the same, where there is one before it.
fn originals(looks: &[Look]) -> Vec<Option<usize>> {
    let (mut originals, mut exact) = (vec![None; looks.len()], HashMap::new());
    for (at, look) in looks.iter().enumerate() {
        originals[at] = exact.get(&look.exact).copied();
        exact.entry(look.exact).or_insert(at);
    }
    // Near copies are about as bright.
    let mut order =
        (0..looks.len()).filter(|at| originals[*at].is_none() && looks[*at].has_contrast()).collect::<Vec<_>>();
    order.sort_by_key(|at| (looks[*at].brightness(), *at));
    let most = u32::from(NEAR) * SMALL * SMALL * 3;
    for (place, &at) in order.iter().enumerate() {
        if originals[at].is_some() {
            continue;
        }
        let brightness = looks[at].brightness();
        let later = order[place + 1..].iter().take_while(|other| looks[**other].brightness() - brightness <= most);
        for &other in later {
            if originals[other].is_none() && looks[other].is_like(&looks[at]) {
                originals[other] = Some(at);
            }
        }
    }
    // Exact copies of a near copy have its original.
    (0..looks.len()).map(|at| originals[at].map(|first| originals[first].unwrap_or(first))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// A picture that another seed gives other colours.
    fn picture(seed: u32, [width, height]: [u32; 2]) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let [x, y] = [x * 16 / width, y * 16 / height];
            Rgb([(x * 13 + seed * 41) as u8, (y * 11 + seed * 29) as u8, ((x ^ y) * 9 + seed * 83) as u8])
        })
    }

    fn look(at: usize, held_out: bool, picture: &RgbImage) -> Look {
        Look::of(&format!("{at}.png"), held_out, picture)
    }

    #[test]
    fn copies_are_counted_whatever_their_size_and_noise_and_different_pictures_are_none() {
        let different = (0..120).map(|i| look(i, false, &picture(i as u32, [32, 32]))).collect::<Vec<_>>();
        assert_eq!(remarks(&different, Crop::Centre), Vec::<String>::new());

        let one = picture(7, [32, 32]);
        let copies = (0..120).map(|i| look(i, i % 10 == 0, &one)).collect::<Vec<_>>();
        let said = remarks(&copies, Crop::Centre);
        assert_eq!(
            said,
            [
                "copies: 119 of 120 pictures are copies of others, or nearly, as 1.png is of 0.png; different: 1",
                "copies: 12 of the pictures held out are copies of ones to learn from, so they tell little of what is new",
                "1 picture is few: a network learns them by heart; bring at least 100",
            ]
        );

        // With a little noise, and at another size.
        let mut noisy = one.clone();
        noisy.pixels_mut().enumerate().for_each(|(i, pixel)| pixel.0[0] = pixel.0[0].saturating_add((i % 3) as u8));
        let larger = imageops::resize(&one, 64, 64, imageops::FilterType::Nearest);
        let near = [one, noisy, larger, picture(8, [32, 32])];
        let near = near.iter().enumerate().map(|(i, picture)| look(i, false, picture)).collect::<Vec<_>>();
        assert_eq!(originals(&near).iter().flatten().count(), 2);
    }

    #[test]
    fn plain_pictures_are_copies_only_of_their_own_colour() {
        let plain = |level| RgbImage::from_pixel(16, 16, Rgb([level; 3]));
        let looks = [90, 91, 90].map(plain);
        let looks = looks.iter().enumerate().map(|(i, picture)| look(i, false, picture)).collect::<Vec<_>>();
        assert_eq!(originals(&looks), [None, None, Some(0)]);
    }

    #[test]
    fn what_is_cut_off_is_said_with_the_worst_picture_unless_all_of_it_is_seen() {
        let sizes = [[160, 40], [40, 90], [60, 40], [40, 40]];
        let looks = (0..120).map(|i| look(i, false, &picture(i as u32, sizes[i % 4]))).collect::<Vec<_>>();
        let said = remarks(&looks, Crop::Centre);
        assert_eq!(
            said,
            ["cut off: of 60 of 120 pictures training sees half or less, the largest square in the middle; of 0.png, \
              160 x 40, it sees 25 %"]
        );
        assert_eq!(remarks(&looks, Crop::Detail), Vec::<String>::new());
        let mean = seen(&looks).unwrap();
        assert!((mean - (0.25 + 40.0 / 90.0 + 40.0 / 60.0 + 1.0) / 4.0).abs() < 1e-9, "{mean}");
    }
}
