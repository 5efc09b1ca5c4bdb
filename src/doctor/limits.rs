//! Every threshold of the doctor, each with its reason. A look is one line of scalars.

/// Looks in a row that a rule must hold in before it is a diagnosis: one unlucky batch is no illness.
pub const LOOKS: u32 = 3;
/// Looks in a row that it must not hold in before it has passed: a D that is too strong has weaker moments.
pub const LOOKS_TO_PASS: u32 = 10;

/// Share of real and of fake samples that a D which is too strong is right about. Healthy runs of every recipe stay below
/// 0.97 on the mean of a look.
pub const TOO_RIGHT: f64 = 0.99;
/// Such a D gives fakes this probability at most: the loss of G is then above 6.9, where its samples hardly matter.
pub const TOO_SURE: f64 = 1e-3;

/// Looks and thousands of images before collapse is judged: a G that begins draws the same grey for every latent vector.
pub const BEGINNING: (usize, f64) = (10, 10.0);
/// Samples are this share as far apart as real ones when a G has collapsed. Finished runs are above 0.8.
pub const SPREAD: f64 = 0.4;
/// The same of the directions they differ in, by the effective rank.
pub const RANK: f64 = 0.2;
/// Share of samples in one class of ten when a G has collapsed. With 64 samples of equal classes 0.25 is rare.
pub const ONE_CLASS: f64 = 0.7;

/// How far D's accuracy on fakes swings, from below the first to above the second, when the players go in circles.
pub const SWING: [f64; 2] = [0.3, 0.7];
/// Looks that are searched for swings, and how many there must be from one end to the other.
pub const SWING_LOOKS: usize = 40;
/// See [`SWING_LOOKS`].
pub const SWINGS: usize = 6;

/// A gradient explodes when its norm is so many times its median before. At the beginning it grows as much in health, so
/// some layer's gradient must be larger than its weights, too.
pub const EXPLODED: f64 = 20.0;
/// A gradient has vanished when its norm is this share of its median before.
pub const VANISHED: f64 = 1e-3;
/// Looks that a median needs before something is held against it.
pub const USUAL: usize = 5;

/// Share of a layer's units that no sample of a batch went through. ReLU leaves about half of the units out for each sample,
/// but few for all of a batch.
pub const DEAD: f64 = 0.5;

/// D memorises when its mean logit on the batch it learns from is so many standard deviations above that on a held-out one.
pub const GAP: f64 = 1.5;

/// A G is frozen when samples move by this share of the distance between real ones, or less: an average of weights that do
/// not change is rounded anew each step.
pub const FROZEN: f64 = 1e-5;
/// Samples that move by this share of the distance between real ones from a look to the next stand still,
pub const STILL: f64 = 0.01;
/// and it is no rest at the goal while D is right about so many of both.
pub const APART: f64 = 0.95;
/// Looks that learning must stand still for.
pub const STALLED_LOOKS: usize = 10;

/// A trainer is slow below this share of its median speed,
pub const SLOW: f64 = 0.5;
/// by a look that took so many seconds: shorter ones say more of the clock and of a preview than of the speed.
pub const MEASURABLE_SECS: f64 = 0.5;

/// The disk must have room for so many checkpoints: the next one is written before the oldest goes.
pub const ROOM: u64 = 3;
