//! Photographs as they look after a lifetime in a drawer, made from new ones.
//!
//! The unstructured part is that of Wan, Zhang, Chen, Zhang, Chen, Liao and Wen 2020, "Bringing Old Photos Back to Life",
//! section 4.1: blur, noise, a smaller size and JPEG, each with probability 0.7, in random order. Their scratch textures
//! were never published; what happens to colours and to the paper here is drawn from nothing but numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blur::filtered;
use super::damage::Paper;
use super::jpeg::compressed;
use super::kernel::Kernel;
use super::resize::{Filter, resized};
use super::{Chances, Planes, noise};
use crate::random::Draws;

/// The settings of ageing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ageing {
    /// Side in pixels of the photograph that a picture is a part of, by which damage is measured and over which it is spread;
    /// 0 for pictures that are whole.
    #[schemars(range(max = 65_536))]
    pub photograph: usize,
    /// Probability of each of the four: blur, noise, a smaller size and back, JPEG. They come in random order.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub unstructured_share: f64,
    /// Least and most pixels along a side of the blur kernel; odd numbers between them are as likely.
    #[schemars(inner(range(min = 1, max = 41)))]
    pub blur_side: [usize; 2],
    /// Least and most deviation of the blur, in pixels.
    #[schemars(inner(range(min = 0.01, max = 100.0)))]
    pub blur_sigma: [f64; 2],
    /// Least and most deviation of Gaussian and of speckle noise, in 256ths of full.
    #[schemars(inner(range(min = 0.0, max = 255.0)))]
    pub noise: [f64; 2],
    /// Most of the pixels that salt and pepper may hit. Each of the three kinds of noise is as likely.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub salt_and_pepper: f64,
    /// Least and most of its sides that is left of a picture which is made smaller and large again.
    #[schemars(inner(range(min = 0.05, max = 1.0)))]
    pub smaller: [f64; 2],
    /// Worst and best quality of the JPEG.
    #[schemars(inner(range(min = 1, max = 100)))]
    pub jpeg: [usize; 2],
    /// Probability of film grain.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub grain_share: f64,
    /// Least and most deviation of the grain, in 256ths of full.
    #[schemars(inner(range(min = 0.0, max = 255.0)))]
    pub grain: [f64; 2],
    /// Shares of the pictures that keep their colours, fade in colour, are grey, are sepia.
    #[schemars(inner(range(min = 0.0, max = 1.0)))]
    pub tone_shares: [f64; 4],
    /// Least and most strength of fading and of sepia.
    #[schemars(inner(range(min = 0.0, max = 1.0)))]
    pub fading: [f64; 2],
    /// Probability that the fading is uneven, and that the edges are darker.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub uneven_share: f64,
    /// Probability that there are stains; 0 for none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub stains_share: f64,
    /// Most stains in a picture.
    #[schemars(range(min = 1, max = 1000))]
    pub stains: usize,
    /// Probability that there are scratches; 0 for none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub scratches_share: f64,
    /// Most scratches in a picture.
    #[schemars(range(min = 1, max = 1000))]
    pub scratches: usize,
    /// Probability that there is dust; 0 for none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub dust_share: f64,
    /// Most specks of dust in a picture.
    #[schemars(range(min = 1, max = 1000))]
    pub dust: usize,
    /// Probability that there are hairs; 0 for none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub hairs_share: f64,
    /// Most hairs in a picture.
    #[schemars(range(min = 1, max = 1000))]
    pub hairs: usize,
    /// Probability that there are folds; 0 for none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub folds_share: f64,
    /// Most folds in a picture.
    #[schemars(range(min = 1, max = 1000))]
    pub folds: usize,
    /// Probability that the scan is a JPEG of quality 75 to 95, which comes last.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub scan_share: f64,
}

impl Default for Ageing {
    fn default() -> Self {
        Ageing {
            photograph: 0,
            unstructured_share: 0.7,
            blur_side: [3, 7],
            blur_sigma: [1.0, 5.0],
            noise: [5.0, 50.0],
            salt_and_pepper: 0.01,
            smaller: [0.5, 1.0],
            jpeg: [40, 100],
            grain_share: 0.6, // from here on ours: the paper has none of it
            grain: [2.0, 9.0],
            tone_shares: [0.15, 0.25, 0.3, 0.3],
            fading: [0.2, 1.0],
            uneven_share: 0.5,
            stains_share: 0.35,
            stains: 4,
            scratches_share: 0.6,
            scratches: 8,
            dust_share: 0.7,
            dust: 60,
            hairs_share: 0.25,
            hairs: 4,
            folds_share: 0.3,
            folds: 3,
            scan_share: 0.5,
        }
    }
}

impl Ageing {
    /// What is wrong with values that fit only each other, as one sentence with the way out.
    pub fn problem(&self) -> Option<String> {
        let [least, most] = self.blur_side;
        if least.is_multiple_of(2) || most.is_multiple_of(2) || least > most {
            return Some(format!("blur_side is [{least}, {most}]; give two odd numbers, the smaller first"));
        }
        let [worst, best] = self.jpeg;
        if worst > best {
            return Some(format!("jpeg is [{worst}, {best}]; give the smaller quality first"));
        }
        if self.tone_shares.iter().all(|share| *share == 0.0) {
            return Some("tone_shares has nothing but 0; give at least one share above 0".into());
        }
        let ranges = [
            ("blur_sigma", self.blur_sigma),
            ("noise", self.noise),
            ("smaller", self.smaller),
            ("grain", self.grain),
            ("fading", self.fading),
        ];
        let wrong = ranges.into_iter().find(|(_, [least, most])| least > most);
        wrong.map(|(name, [least, most])| format!("{name} is [{least}, {most}]; give the smaller number first"))
    }
}

/// A photograph that has aged.
#[derive(Clone, Debug, PartialEq)]
pub struct Aged {
    /// What is left of it.
    pub picture: Planes,
    /// How much of the picture is gone to structured damage (scratches, dust, hairs, folds), one plane: 0 for nothing, 1 for all.
    /// Stains and the shade beside a fold do not count, for the picture can be seen under them.
    pub mask: Planes,
    /// Whether the colours are gone. Who does not want a network to guess them makes the clean picture grey as well.
    pub colourless: bool,
}

/// One thing that happens to the paper.
type Damage = fn(&mut Paper, &mut Chances);

/// The picture aged: a function of the draws and of `name`, which must be another one for every picture of a step.
pub fn aged(picture: &Planes, settings: &Ageing, draws: &Draws, name: &str) -> Aged {
    let chances = |stage: &str| Chances::of(draws, name, stage);
    let copied = copied(picture, settings, draws, name);
    let grain = &mut chances("grain");
    let film = match grain.happens(settings.grain_share) {
        true => {
            let levels = grain.between(settings.grain);
            noise::grain(&copied, levels, grain.between([0.3, 0.9]), grain)
        }
        false => copied,
    };
    let (toned, colourless) = toned(film, settings, &mut chances("tone"));
    let print = match chances("uneven").happens(settings.uneven_share) {
        true => uneven(toned, &mut chances("unevenness")),
        false => toned,
    };

    let mut paper = Paper::part(print, settings.photograph, &mut chances("part"));
    let kinds: [(&str, f64, usize, Damage); 5] = [
        ("stains", settings.stains_share, settings.stains, Paper::stain),
        ("folds", settings.folds_share, settings.folds, Paper::fold),
        ("scratches", settings.scratches_share, settings.scratches, Paper::scratch),
        ("hairs", settings.hairs_share, settings.hairs, Paper::hair),
        ("dust", settings.dust_share, settings.dust, Paper::speck),
    ];
    for (kind, share, most, happen) in kinds {
        let chances = &mut chances(kind);
        if chances.happens(share) {
            // A few are more usual than many.
            let count = 1 + (chances.unit().powi(2) * most as f64) as usize;
            (0..count.min(most)).for_each(|_| happen(&mut paper, chances));
        }
    }

    let scan = &mut chances("scan");
    let picture = match scan.happens(settings.scan_share) {
        true => compressed(&paper.picture, scan.whole([75, 95]) as u8),
        false => paper.picture.clamped(),
    };
    Aged { picture, mask: paper.mask, colourless }
}

/// Wan et al.'s unstructured degradations.
fn copied(picture: &Planes, settings: &Ageing, draws: &Draws, name: &str) -> Planes {
    let mut picture = picture.clone();
    for stage in Chances::of(draws, name, "order").shuffled(["blur", "noise", "smaller", "jpeg"]) {
        let chances = &mut Chances::of(draws, name, stage);
        if !chances.happens(settings.unstructured_share) {
            continue;
        }
        picture = match stage {
            "blur" => {
                let [least, most] = settings.blur_side;
                let side = 2 * chances.whole([least / 2, most / 2]) + 1;
                filtered(&picture, &Kernel::gaussian(side, chances.between(settings.blur_sigma)))
            }
            "noise" => match chances.choice(&[1.0; 3]) {
                0 => noise::gaussian(&picture, chances.between(settings.noise), false, chances),
                1 => noise::speckle(&picture, chances.between(settings.noise), chances),
                _ => noise::salt_and_pepper(&picture, chances.between([0.0, settings.salt_and_pepper]), chances),
            },
            "smaller" => {
                let (scale, filter) = (chances.between(settings.smaller), drawn_filter(chances));
                let [width, height] =
                    [picture.width, picture.height].map(|side| ((side as f64 * scale).round() as usize).max(1));
                let small = resized(&picture, width, height, filter);
                resized(&small, picture.width, picture.height, drawn_filter(chances)).clamped()
            }
            _ => compressed(&picture, chances.whole(settings.jpeg) as u8),
        };
    }
    picture
}

fn drawn_filter(chances: &mut Chances) -> Filter {
    [Filter::Bicubic, Filter::Bilinear, Filter::Area][chances.whole([0, 2])]
}

/// The picture with the colours that time has left, and whether that is none.
fn toned(picture: Planes, settings: &Ageing, chances: &mut Chances) -> (Planes, bool) {
    let kind = chances.choice(&settings.tone_shares);
    let strength = chances.between(settings.fading) as f32;
    if kind == 0 {
        return (picture, false);
    }
    let luma = picture.luma();
    let mut out = picture;
    // Dyes and silver go: black is no longer black, white has yellowed, and what is between moves.
    let gamma = (chances.normal() * 0.18 * f64::from(strength)).exp() as f32;
    let mut between = |low: f32, high: f32| chances.between([f64::from(low), f64::from(high)]) as f32;
    let lift = strength * between(0.0, 0.3);
    let paper = 1.0 - strength * between(0.0, 0.22);
    let (colour, black, white, bend) = match kind {
        1 => {
            // The cyan dye fades first, then the yellow or the magenta: a red cast, or a brown one.
            let (red, blue) = (between(0.8, 1.7), between(0.3, 1.1));
            let yellowed = strength * between(0.0, 0.22);
            let white = [paper, paper * (1.0 - 0.4 * yellowed), paper * (1.0 - yellowed)];
            let bend = [1.0 - 0.2 * strength * between(0.0, 1.0), 1.0, 1.0 + 0.25 * strength * between(-0.6, 1.0)];
            (1.0 - strength * between(0.2, 0.65), [lift * red, lift * 0.75, lift * blue], white, bend)
        }
        2 => {
            let warm = strength * between(-0.02, 0.08);
            (0.0, [lift; 3], [paper, paper * (1.0 - 0.4 * warm), paper * (1.0 - warm)], [1.0; 3])
        }
        _ => {
            let warm = strength * between(0.5, 1.0);
            let white = [paper, paper * (1.0 - 0.09 * warm), paper * (1.0 - 0.26 * warm)];
            (0.0, [lift + 0.07 * warm, lift + 0.03 * warm, lift], white, [1.0 - 0.22 * warm, 1.0, 1.0 + 0.33 * warm])
        }
    };
    let grey = out.channels == 1;
    let shared = |levels: [f32; 3]| if grey { [levels[1]; 3] } else { levels };
    let (black, white, bend) = (shared(black), shared(white), shared(bend));
    for (c, plane) in out.planes_mut().enumerate() {
        for (value, y) in plane.iter_mut().zip(&luma.values) {
            let kept = (y + colour * (*value - y)).clamp(0.0, 1.0).powf(gamma * bend[c]);
            *value = black[c] + (white[c] - black[c]) * kept;
        }
    }
    (out, kind > 1)
}

/// The picture faded more in some places than in others, and perhaps darker or yellower towards some edges.
fn uneven(mut picture: Planes, chances: &mut Chances) -> Planes {
    let (width, height) = (picture.width, picture.height);
    let depth = chances.between([0.05, 0.28]);
    let coarse = (0..16).map(|_| (depth * chances.between([-0.4, 1.0])) as f32).collect();
    let field = resized(&Planes::new(4, 4, 1, coarse), width, height, Filter::Bicubic);
    let edges = [(); 4].map(|()| if chances.happens(0.4) { chances.between([0.05, 0.4]) } else { 0.0 });
    let reach = chances.between([0.03, 0.16]);
    let gone = [0.55f32, 0.8, 1.0]; // brown takes blue first
    for (c, plane) in picture.planes_mut().enumerate() {
        let paper = [0.86f32, 0.82, 0.75][c];
        for (at, (value, faded)) in plane.iter_mut().zip(&field.values).enumerate() {
            let (x, y) = ((at % width) as f64 + 0.5, (at / width) as f64 + 0.5);
            let (x, y) = (x / width as f64, y / height as f64);
            let away = [x, y, 1.0 - x, 1.0 - y];
            let dark =
                edges.iter().zip(away).map(|(edge, away)| edge * (-away / reach).exp()).fold(0.0, f64::max) as f32;
            *value += faded.max(0.0) * (paper - *value) + faded.min(0.0) * *value;
            *value *= 1.0 - dark * gone[c];
        }
    }
    picture.clamped()
}

#[cfg(test)]
mod tests {
    use super::super::tests::wave_picture;
    use super::*;

    /// Settings that do nothing.
    fn still() -> Ageing {
        Ageing {
            unstructured_share: 0.0,
            grain_share: 0.0,
            tone_shares: [1.0, 0.0, 0.0, 0.0],
            uneven_share: 0.0,
            stains_share: 0.0,
            scratches_share: 0.0,
            dust_share: 0.0,
            hairs_share: 0.0,
            folds_share: 0.0,
            scan_share: 0.0,
            ..Ageing::default()
        }
    }

    fn aged_by(settings: &Ageing, seed: u64, step: u64, name: &str) -> Aged {
        aged(&wave_picture(48, 40, 3), settings, &Draws::new(seed, step), name)
    }

    #[test]
    fn ageing_is_a_function_of_seed_step_and_name() {
        let settings = Ageing::default();
        let one = aged_by(&settings, 1, 2, "picture 3");
        assert_eq!(one, aged_by(&settings, 1, 2, "picture 3"));
        let others = [(2, 2, "picture 3"), (1, 3, "picture 3"), (1, 2, "picture 4")];
        assert!(others.into_iter().all(|(seed, step, name)| aged_by(&settings, seed, step, name) != one));
    }

    #[test]
    fn a_picture_to_which_nothing_happens_stays_as_it_is() {
        let aged = aged_by(&still(), 1, 2, "picture");
        assert_eq!((aged.picture, aged.colourless), (wave_picture(48, 40, 3), false));
        assert!(aged.mask.values.iter().all(|mask| *mask == 0.0));
    }

    #[test]
    fn every_stage_happens_by_itself_and_only_structured_damage_has_a_mask() {
        type Change = fn(&mut Ageing);
        let changes: [(&str, bool, Change); 10] = [
            ("unstructured", false, |s| s.unstructured_share = 1.0),
            ("grain", false, |s| s.grain_share = 1.0),
            ("faded", false, |s| s.tone_shares = [0.0, 1.0, 0.0, 0.0]),
            ("uneven", false, |s| s.uneven_share = 1.0),
            ("stains", false, |s| s.stains_share = 1.0),
            ("scan", false, |s| s.scan_share = 1.0),
            ("scratches", true, |s| s.scratches_share = 1.0),
            ("dust", true, |s| s.dust_share = 1.0),
            ("hairs", true, |s| s.hairs_share = 1.0),
            ("folds", true, |s| s.folds_share = 1.0),
        ];
        for (stage, structured, change) in changes {
            let mut settings = still();
            change(&mut settings);
            let (mut changed, mut masked) = (0, 0);
            for step in 0..20 {
                let aged = aged_by(&settings, 1, step, "picture");
                changed += usize::from(aged.picture != wave_picture(48, 40, 3));
                masked += usize::from(aged.mask.values.iter().any(|mask| *mask > 0.0));
            }
            assert!(changed > 12, "{stage}: {changed}");
            assert_eq!(masked > 12, structured, "{stage}: {masked}");
            assert!(structured || masked == 0, "{stage}: {masked}");
        }
    }

    #[test]
    fn outside_the_mask_a_damaged_picture_is_the_same_one_undamaged() {
        let damaged = Ageing { folds_share: 0.0, scan_share: 0.0, ..Ageing::default() };
        let undamaged = Ageing { scratches_share: 0.0, dust_share: 0.0, hairs_share: 0.0, ..damaged.clone() };
        let mut inside = 0;
        for step in 0..60 {
            let (with, without) = (aged_by(&damaged, 1, step, "picture"), aged_by(&undamaged, 1, step, "picture"));
            assert!(without.mask.values.iter().all(|mask| *mask == 0.0));
            for at in 0..with.picture.values.len() {
                let mask = with.mask.values[at % (48 * 40)];
                assert!(mask > 0.0 || with.picture.values[at] == without.picture.values[at], "step {step}, value {at}");
                inside += usize::from(mask > 0.0);
            }
        }
        assert!(inside > 1_000, "{inside}");
    }

    #[test]
    fn grey_and_sepia_pictures_are_said_to_be_colourless_and_are() {
        let smooth = Planes::new(2, 1, 3, vec![0.9, 0.3, 0.3, 0.3, 0.2, 0.5]);
        for (kind, colourless) in [(1, false), (2, true), (3, true)] {
            let mut settings = still();
            settings.tone_shares = [0.0; 4];
            settings.tone_shares[kind] = 1.0;
            // Two pixels as light as each other are the same colour after it; those of other colours are not.
            let twin = Planes::new(2, 1, 3, [[0.5, 0.2], [0.2, 0.2], [0.2, 0.2 + 0.299 * 0.3 / 0.114]].concat());
            let aged_twin = aged(&twin, &settings, &Draws::new(0, 0), "picture");
            assert_eq!(aged_twin.colourless, colourless);
            let same = aged_twin.picture.planes().all(|plane| (plane[0] - plane[1]).abs() < 1e-5);
            assert_eq!(same, colourless, "{aged_twin:?}");
            assert_ne!(aged(&smooth, &settings, &Draws::new(0, 0), "picture").picture, smooth);
        }
    }

    #[test]
    fn stages_come_as_often_as_they_should() {
        let dots = |settings: &Ageing| {
            let point = wave_picture(12, 10, 3);
            let of = |step| aged(&point, settings, &Draws::new(4, step), "picture");
            (0..2_000).filter(|&step| of(step).picture != point).count()
        };
        let scanned = dots(&Ageing { scan_share: 0.3, ..still() });
        assert!(scanned.abs_diff(600) < 70, "{scanned}");
        let faded = dots(&Ageing { tone_shares: [0.6, 0.1, 0.1, 0.2], ..still() });
        assert!(faded.abs_diff(800) < 80, "{faded}");
        // At least one of four, each with 0.7; a picture made smaller to its own size, or noise that hits no pixel, is as
        // it was.
        let copied = dots(&Ageing { unstructured_share: 0.7, ..still() });
        assert!((1_920..=1_999).contains(&copied), "{copied}");
    }

    #[test]
    fn pictures_of_any_size_age_within_the_range_of_values() {
        for (width, height) in [(1, 1), (1, 9), (5, 2), (3, 3), (64, 7)] {
            for step in 0..60 {
                for channels in [1, 3] {
                    let aged = aged(
                        &wave_picture(width, height, channels),
                        &Ageing::default(),
                        &Draws::new(0, step),
                        "picture",
                    );
                    let shape = (aged.picture.width, aged.picture.height, aged.picture.channels);
                    assert_eq!(shape, (width, height, channels));
                    assert_eq!((aged.mask.width, aged.mask.height, aged.mask.channels), (width, height, 1));
                    let values = aged.picture.values.iter().chain(&aged.mask.values);
                    assert!(values.into_iter().all(|value| (0.0..=1.0).contains(value)));
                }
            }
        }
    }

    #[test]
    fn settings_that_do_not_fit_each_other_are_named_with_the_way_out() {
        assert_eq!(Ageing::default().problem(), None);
        let problem = |settings: Ageing| settings.problem().unwrap_or_default();
        assert_eq!(
            problem(Ageing { blur_side: [3, 8], ..Ageing::default() }),
            "blur_side is [3, 8]; give two odd numbers, the smaller first"
        );
        assert_eq!(
            problem(Ageing { jpeg: [90, 40], ..Ageing::default() }),
            "jpeg is [90, 40]; give the smaller quality first"
        );
        assert_eq!(
            problem(Ageing { tone_shares: [0.0; 4], ..Ageing::default() }),
            "tone_shares has nothing but 0; give at least one share above 0"
        );
        assert_eq!(
            problem(Ageing { grain: [9.0, 2.0], ..Ageing::default() }),
            "grain is [9, 2]; give the smaller number first"
        );
    }
}
