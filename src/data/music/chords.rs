//! One chord for every bar, derived from what sounds in it: nobody wrote these chords down.
//!
//! Of all sequences of the 24 major and minor triads c, one for each bar b, the one is found (Viterbi) that maximises
//! `Σ_b share(b, c_b) + 0.1 ln P(c_b | key) + 0.1 [c_b = c_{b-1}]`. `share` is how much of the sounding time in the bar
//! the three pitch classes of the chord have. The key is the one of 24 whose profile correlates best with the time of
//! each pitch class in the whole piece (Krumhansl and Kessler's profiles, from Krumhansl 1990, "Cognitive Foundations
//! of Musical Pitch"), and `P(c | key)` is the profile summed over the three pitch classes, with all chords' sum at 1.
//!
//! Both weights of 0.1 were chosen on every other one of Bach's chorales. On the rest, the chord derived from the
//! soprano alone is that of all voices, where a bar has one, in 53 of 100 bars; the one that fits each bar's soprano best
//! by itself in 47, the tonic of the key in 37.

use crate::media::Chord;

/// The profiles of C major and C minor: how well each pitch class from C on fits the key.
const MAJOR: [f64; 12] = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88];
const MINOR: [f64; 12] = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17];
const CHORDS: usize = 24;
const PRIOR: f64 = 0.1;
const STAY: f64 = 0.1;

/// For each bar the chord derived from how long each pitch class sounds in it, in any unit; from the bars around it
/// where it is silent.
pub fn derive(bars: &[[u64; 12]]) -> Vec<Chord> {
    let Some(key) = key(bars) else { return vec![chord(0); bars.len()] };
    let prior = prior(key);
    let fit = |bar: &[u64; 12]| -> [f64; CHORDS] {
        let time = bar.iter().sum::<u64>().max(1) as f64;
        std::array::from_fn(|at| PRIOR * prior[at].ln() + of_tones(chord(at), |class| bar[class] as f64) / time)
    };

    // best[c]: the highest sum of a sequence that ends with c; from[b][c]: the chord before it.
    let mut best = [0.0; CHORDS];
    let mut from = Vec::with_capacity(bars.len());
    for (number, bar) in bars.iter().enumerate() {
        let highest = highest(&best);
        let before =
            std::array::from_fn::<usize, CHORDS, _>(|at| if best[at] + STAY >= best[highest] { at } else { highest });
        let stay = if number > 0 { STAY } else { 0.0 };
        let fit = fit(bar);
        best = std::array::from_fn(|at| fit[at] + if before[at] == at { best[at] + stay } else { best[before[at]] });
        from.push(before);
    }
    let mut at = highest(&best);
    let mut chords = vec![chord(at); bars.len()];
    for (bar, before) in from.iter().enumerate().rev() {
        chords[bar] = chord(at);
        at = before[at];
    }
    chords
}

/// The major or minor triad whose three tones sound in a bar, and nothing else.
pub fn triad(bar: &[u64; 12]) -> Option<Chord> {
    let classes = (0..12).filter(|class| bar[usize::from(*class)] > 0).collect::<Vec<u8>>();
    (0..CHORDS).map(chord).find(|chord| classes.len() == 3 && classes.iter().all(|class| chord.tones().contains(class)))
}

/// The key of a piece, as its tonic's triad; `None` where nothing sounds.
pub fn key(bars: &[[u64; 12]]) -> Option<Chord> {
    let time = std::array::from_fn::<f64, 12, _>(|class| bars.iter().map(|bar| bar[class] as f64).sum());
    let fit = std::array::from_fn(|at| correlation(&time, &profile(chord(at))));
    time.iter().any(|time| *time > 0.0).then(|| chord(highest::<CHORDS>(&fit)))
}

/// The chords in an order: major from C on, then minor.
fn chord(at: usize) -> Chord {
    Chord { root: (at % 12) as u8, is_minor: at >= 12 }
}

fn of_tones(chord: Chord, of: impl Fn(usize) -> f64) -> f64 {
    chord.tones().into_iter().map(|class| of(usize::from(class))).sum()
}

/// How well each pitch class from C on fits a key.
fn profile(key: Chord) -> [f64; 12] {
    let of_c = if key.is_minor { MINOR } else { MAJOR };
    std::array::from_fn(|class| of_c[(class + 12 - usize::from(key.root)) % 12])
}

/// P(chord | key).
fn prior(key: Chord) -> [f64; CHORDS] {
    let profile = profile(key);
    let sums = std::array::from_fn::<f64, CHORDS, _>(|at| of_tones(chord(at), |class| profile[class]));
    let all = sums.iter().sum::<f64>();
    sums.map(|sum| sum / all)
}

fn correlation(a: &[f64; 12], b: &[f64; 12]) -> f64 {
    let mean = |values: &[f64; 12]| values.iter().sum::<f64>() / 12.0;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum::<f64>();
    let spread = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
    if spread > 0.0 { sum(&|a, b| a * b) / spread } else { 0.0 }
}

/// Where the highest value is; the first of equal ones.
fn highest<const N: usize>(values: &[f64; N]) -> usize {
    let order = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]).then(b.cmp(a));
    (0..N).max_by(order).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::music::folk::{MUSIC21, corpus};
    use crate::data::music::musicxml;
    use crate::data::music::score::{Score, WHOLE};

    fn names(chords: &[Chord]) -> String {
        chords.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
    }

    /// A bar in which each of these pitch classes sounds as long as it is written often.
    fn bar(classes: &[usize]) -> [u64; 12] {
        let mut bar = [0; 12];
        classes.iter().for_each(|class| bar[*class] += 1);
        bar
    }

    #[test]
    fn the_sequence_found_is_the_best_of_all() {
        // All sequences of three chords, by the formula at the top of this file.
        for seed in 0..20_u64 {
            let number = |at: u64| (seed * 977 + at * 7919 + 13) % 11 * u64::from(!(seed + at).is_multiple_of(3));
            let bars = [0, 1, 2].map(|bar| std::array::from_fn::<u64, 12, _>(|class| number(bar * 12 + class as u64)));
            let prior = prior(key(&bars).unwrap());
            let value = |chords: [usize; 3]| {
                let fit = chords.iter().zip(&bars).map(|(at, bar)| {
                    let inside = chord(*at).tones().iter().map(|class| bar[usize::from(*class)]).sum::<u64>();
                    inside as f64 / bar.iter().sum::<u64>() as f64 + 0.1 * prior[*at].ln()
                });
                let stays = chords.windows(2).filter(|two| two[0] == two[1]).count();
                fit.sum::<f64>() + 0.1 * stays as f64
            };
            let all = (0..24 * 24 * 24).map(|i| value([i / 576, i / 24 % 24, i % 24]));
            let found = derive(&bars)
                .iter()
                .map(|chord| usize::from(chord.root) + 12 * usize::from(chord.is_minor))
                .collect::<Vec<_>>();
            let found = value([found[0], found[1], found[2]]);
            assert!((all.fold(f64::MIN, f64::max) - found).abs() < 1e-9, "seed {seed}");
        }
    }

    #[test]
    fn a_melody_through_three_chords_has_them_in_every_key() {
        let bars = [bar(&[0, 0, 4, 7]), bar(&[5, 5, 9, 0]), bar(&[7, 7, 11, 2]), bar(&[0, 4, 0, 0])];
        assert_eq!(names(&derive(&bars)), "C F G C");
        let up = bars.map(|bar| std::array::from_fn(|class| bar[(class + 12 - 3) % 12]));
        assert_eq!(names(&derive(&up)), "D# G# A# D#");
        assert_eq!(
            names(&derive(&[bar(&[9, 0, 4]), [0; 12], bar(&[9, 0, 4])])),
            "Am Am Am",
            "a silent bar has its neighbours'"
        );
        assert_eq!(names(&derive(&[[0; 12]; 2])), "C C");
        assert_eq!(derive(&[]), []);
    }

    #[test]
    fn three_tones_are_a_triad_only_by_themselves() {
        assert_eq!(triad(&bar(&[9, 0, 4, 4])).unwrap().to_string(), "Am");
        assert_eq!(triad(&bar(&[6, 10, 1])).unwrap().to_string(), "F#");
        assert_eq!([bar(&[9, 0]), bar(&[9, 0, 4, 7]), bar(&[0, 3, 6]), [0; 12]].map(|bar| triad(&bar)), [None; 4]);
    }

    /// How long each pitch class sounds in each bar that is kept.
    fn sounding(score: &Score, parts: usize) -> Vec<[u64; 12]> {
        let kept = score.bars.iter().filter(|bar| bar.lost.is_none());
        let tones = || score.parts[..parts].iter().flatten();
        kept.map(|bar| {
            tones().fold([0; 12], |mut sum, tone| {
                let (start, end) = (tone.start.max(bar.start), tone.end.min(bar.start + WHOLE));
                sum[usize::from(tone.pitch % 12)] += end.saturating_sub(start);
                sum
            })
        })
        .collect()
    }

    /// Needs music21 in the cache, or pip and a network. A bar's chord is the triad whose tones have at least 70 % of
    /// the time of all voices in it, where there is one.
    #[test]
    #[ignore = "needs pip"]
    fn the_soprano_of_bach_s_chorales_tells_their_chords_more_often_than_their_keys_do() {
        let wheel = MUSIC21.bytes(&mut |_| ()).unwrap();
        let (mut bars, mut derived, mut tonic, mut fitting) = ([0; 2], [0; 2], [0; 2], [0; 2]);
        for (number, bytes) in corpus(&wheel, "bach", ".mxl").unwrap().values().enumerate() {
            let score = musicxml::score(bytes).unwrap();
            let (soprano, all) = (sounding(&score, 1), sounding(&score, score.parts.len()));
            let Some(key) = key(&soprano) else { continue };
            for ((found, soprano), all) in derive(&soprano).into_iter().zip(&soprano).zip(&all) {
                let inside = |chord: Chord, bar: &[u64; 12]| of_tones(chord, |class| bar[class] as f64);
                let share = |at: usize| inside(chord(at), all) / all.iter().sum::<u64>() as f64;
                let Some(real) = (0..CHORDS).find(|at| share(*at) >= 0.7).map(chord) else { continue };
                let best =
                    (0..CHORDS).map(chord).rev().max_by(|a, b| inside(*a, soprano).total_cmp(&inside(*b, soprano)));
                bars[number % 2] += 1;
                derived[number % 2] += usize::from(found == real);
                tonic[number % 2] += usize::from(key == real);
                fitting[number % 2] += usize::from(best == Some(real));
            }
        }
        // The second half was not used to choose the weights.
        let share = |counts: [usize; 2]| counts[1] as f64 / bars[1] as f64;
        assert!(bars[1] > 600, "{bars:?}");
        assert!(share(derived) > share(tonic) + 0.1, "{} and {}", share(derived), share(tonic));
        assert!(share(derived) > share(fitting) + 0.05, "{} and {}", share(derived), share(fitting));
    }
}
