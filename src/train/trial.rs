//! What a run would take, found out by a few steps on few images.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::tensor::Device;

use crate::entry::Resolved;
use crate::error::{Error, Result};
use crate::memory;
use crate::parts::{Parts, Saved};
use crate::random::Draws;
use crate::report::{Progress, Report};
use crate::session::Session;
use crate::step::StepCx;

/// Steps that are timed, one of each sixteenth of the run, for a recipe may begin with networks that learn alone; and one of each
/// remainder by 16, for it may do something every 4 or 16 steps. In this order, so that few of them are spread, too.
const TIMED: [u64; 16] = [15, 7, 11, 3, 13, 5, 9, 1, 14, 6, 10, 2, 12, 4, 8, 0];
/// Sizes of batches that are tried: three usually, more where memory asks for small ones first.
const MOST_SIZES: usize = 8;
/// No step is begun after so long.
const LONG: Duration = Duration::from_secs(2);

/// How long a step takes and how much memory a run needs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Trial {
    /// Parameters of each network.
    pub parameters: Vec<(String, usize)>,
    /// Expected seconds of one step, in the mean.
    pub secs_per_step: f64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Bytes of everything a checkpoint holds: weights, moments, averages.
    pub state_bytes: usize,
    /// The memory that the process is expected to need, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
    /// The memory that it may have, in bytes, where the system tells.
    pub free_bytes: Option<u64>,
    /// How many images a step can see in that memory; none where the whole batch fits, or nobody can tell.
    pub fitting_batch: Option<usize>,
}

impl Trial {
    /// Seconds of the whole run.
    pub fn secs(&self) -> f64 {
        self.secs_per_step * self.total_steps as f64
    }

    /// An error where the run needs more memory than there is.
    pub fn fits(&self) -> Result<()> {
        let (Some(fitting), Some(peak), Some(free)) = (self.fitting_batch, self.peak_bytes, self.free_bytes) else {
            return Ok(());
        };
        let way_out = match fitting {
            0 => "take smaller networks or pictures".to_owned(),
            fitting => format!("lower train.batch to {fitting} or less, or take smaller networks or pictures"),
        };
        let [peak, free] = [peak, free].map(|bytes| bytes as f64 / 1e9);
        Err(Error::input(format!("this run needs about {peak:.1} GB of memory, and {free:.1} GB are free; {way_out}")))
    }
}

/// What steps on so many images took.
#[derive(Clone, Copy)]
struct Tried {
    batch: usize,
    secs: f64,
    /// The peak in a step.
    bytes: Option<u64>,
    /// The peak in a preview, which does not depend on the batch.
    preview_bytes: Option<u64>,
}

impl Tried {
    /// So many images surely need no more than half of the free memory: as if all that these needed grew with their number.
    fn safe(&self, free: Option<u64>) -> usize {
        let each = self.bytes.unwrap_or(0) / self.batch as u64;
        let images = free.and_then(|free| (free / 2).checked_div(each));
        images.map_or(usize::MAX, |images| (images as usize).max(1))
    }
}

/// Runs some steps of a configuration without a run directory, on half of its batch at most, and concludes from them what
/// the whole batch takes: both the memory and the time grow in a line with the images of a step.
pub fn try_out(config: &Resolved, device: &Device, report: Report) -> Result<Trial> {
    let free = memory::free().zip(memory::resident()).map(|(free, own)| free + own);
    let mut trial = Trial {
        parameters: Vec::new(),
        secs_per_step: 0.0,
        total_steps: config.train.total_steps(),
        state_bytes: 0,
        peak_bytes: None,
        free_bytes: free,
        fitting_batch: None,
    };
    let batch = config.train.batch;
    let mut tried = Vec::<Tried>::new();
    let mut size = smallest(config);
    let most = (batch / 2).max(2 * size).min(batch);
    while tried.len() < MOST_SIZES {
        if let Ok(smaller) = config.with(&format!("train.batch={size}")) {
            let what = format!("steps with {size} of {batch} images");
            report(Progress { done: 0, total: None, what: &what });
            tried.push(steps(&smaller, config, device, tried.last(), &mut trial)?);
        }
        let half = if size < most / 2 { most / 2 } else { most };
        let next = power_below(half.min(tried.last().map_or(most, |last| last.safe(free))));
        if next <= size || enough(&tried) {
            break;
        }
        size = next;
    }
    trial.conclude(&tried, batch);
    Ok(trial)
}

impl Trial {
    /// What the whole batch takes.
    fn conclude(&mut self, tried: &[Tried], batch: usize) {
        let Some(last) = tried.last() else { return };
        let more = (batch - last.batch) as f64;
        // The growth with each image, from another size that was tried; of one size alone all of it.
        let growth = |before: Option<&Tried>, value: &dyn Fn(&Tried) -> f64| match before {
            Some(before) => ((value(last) - value(before)) / (last.batch - before.batch) as f64).max(0.0),
            None => value(last) / last.batch as f64,
        };
        let (first, near) = match tried {
            [_] => (None, None),
            [first, .., near, _] => (Some(first), Some(near)),
            [first, ..] => (Some(first), Some(first)),
            [] => return,
        };
        self.secs_per_step = last.secs + more * growth(near, &|tried| tried.secs); // small batches have other speeds
        let bytes = |tried: &Tried| tried.bytes.unwrap_or(0) as f64;
        let each = growth(first, &bytes); // memory is noisy, so over a wide range
        let preview = tried.iter().filter_map(|tried| tried.preview_bytes).max();
        self.peak_bytes = last.bytes.map(|bytes| preview.unwrap_or(0).max(bytes + (more * each) as u64));
        let Some((peak, free)) = self.peak_bytes.zip(self.free_bytes) else { return };
        self.fitting_batch = (peak > free).then(|| {
            let fitting = last.batch as f64 + (free as f64 - bytes(last)) / each.max(1.0);
            if fitting < 1.0 { 0 } else { power_below(fitting as usize) }
        });
    }
}

/// Whether a larger batch would tell little more for its time and memory.
fn enough(tried: &[Tried]) -> bool {
    let ([first, .., last], true) = (tried, tried.len() > 1) else { return false };
    last.secs > LONG.as_secs_f64() || last.bytes.zip(first.bytes).is_some_and(|(last, first)| last > 2 * first)
}

/// The fewest images that a step of this configuration can see.
fn smallest(config: &Resolved) -> usize {
    let sizes = [1, 2, 4, 8].into_iter().filter(|size| *size <= config.train.batch);
    sizes.into_iter().find(|size| config.with(&format!("train.batch={size}")).is_ok()).unwrap_or(config.train.batch)
}

/// The largest power of two that is at most `number`, which is above 0.
fn power_below(number: usize) -> usize {
    1 << number.ilog2()
}

/// Parameters, and bytes of what a checkpoint holds.
fn sizes(session: &mut dyn Session, trial: &mut Trial) -> Result<()> {
    let mut count = Parts::count();
    session.parts(&mut count);
    trial.parameters = count.counted();
    let mut sink = |_: &str, tensors: &BTreeMap<String, Saved>| {
        trial.state_bytes += tensors.values().map(Saved::bytes).sum::<usize>();
        Ok(())
    };
    let mut saved = Parts::save(&mut sink);
    session.parts(&mut saved);
    saved.saved()
}

/// Some steps of a whole run on the batch of this configuration, and a preview.
fn steps(
    config: &Resolved,
    whole: &Resolved,
    device: &Device,
    before: Option<&Tried>,
    trial: &mut Trial,
) -> Result<Tried> {
    let mut session = config.open(device)?;
    if before.is_none() {
        sizes(session.as_mut(), trial)?; // the same for every batch
    }
    memory::forget_peak();
    let batch = config.train.batch;
    let last = whole.train.total_steps().saturating_sub(1);
    let secs = rayon::scope(|_| {
        let mut step = |step: u64| {
            let (seed, images) = (config.train.seed, step * whole.train.batch as u64);
            let cx = StepCx { step, images, batch, draws: Draws::new(seed, step), device };
            session.step(&cx)?.are_finite(); // waits for the step
            Ok::<(), Error>(())
        };
        if before.is_none_or(|before| before.secs < LONG.as_secs_f64()) {
            step(0)?; // which may prepare what the others use
        }
        let (begun, mut done) = (Instant::now(), 0.0);
        for part in TIMED {
            step((last / 256 * part * 16 + part).min(last))?;
            done += 1.0;
            if begun.elapsed() > LONG {
                break;
            }
        }
        Ok::<f64, Error>(begun.elapsed().as_secs_f64() / done)
    })?;
    let bytes = memory::peak();
    memory::forget_peak();
    session.preview()?;
    Ok(Tried { batch, secs, bytes, preview_bytes: memory::peak() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe;

    fn trial(free_bytes: u64) -> Trial {
        Trial {
            parameters: Vec::new(),
            secs_per_step: 0.0,
            total_steps: 100,
            state_bytes: 0,
            peak_bytes: None,
            free_bytes: Some(free_bytes),
            fitting_batch: None,
        }
    }

    #[test]
    fn time_and_memory_of_the_whole_batch_lie_on_the_line_through_two_smaller_ones() {
        let tried = |batch: usize, preview: u64| Tried {
            batch,
            secs: 0.5 + 0.25 * batch as f64,
            bytes: Some(1_000_000_000 + 50_000_000 * batch as u64),
            preview_bytes: Some(preview),
        };
        let mut fits = trial(10_000_000_000);
        fits.conclude(&[tried(1, 0), tried(8, 0), tried(16, 0)], 64);
        assert_eq!((fits.secs_per_step, fits.secs()), (16.5, 1650.0));
        assert_eq!((fits.peak_bytes, fits.fitting_batch), (Some(4_200_000_000), None));
        assert!(fits.fits().is_ok());
        let mut previews = trial(10_000_000_000);
        previews.conclude(&[tried(8, 5_000_000_000), tried(16, 5_000_000_000)], 64);
        assert_eq!(previews.peak_bytes, Some(5_000_000_000));

        let mut large = trial(3_000_000_000);
        large.conclude(&[tried(8, 0), tried(16, 0)], 64);
        let said = large.fits().unwrap_err();
        assert_eq!((said.exit_code(), large.fitting_batch), (2, Some(32)));
        let wanted = "this run needs about 4.2 GB of memory, and 3.0 GB are free; lower train.batch to 32 or less";
        assert!(said.to_string().starts_with(wanted), "{said}");
        let mut larger = trial(500_000_000);
        larger.conclude(&[tried(1, 0)], 64);
        assert_eq!(larger.fitting_batch, Some(0).filter(|_| larger.peak_bytes > Some(500_000_000)));
        assert!(larger.fits().unwrap_err().to_string().ends_with("take smaller networks or pictures"));
    }

    #[test]
    fn a_trial_sees_at_most_half_of_the_batch_and_no_more_than_is_safe() {
        let with =
            |batch: usize| Resolved::new(recipe("ring").unwrap(), None, &[format!("train.batch={batch}")]).unwrap();
        assert_eq!([1, 3, 64].map(|batch| smallest(&with(batch))), [1; 3]);
        let music = Resolved::new(recipe("midinet").unwrap(), None, &[]).unwrap();
        assert_eq!(smallest(&music), 2, "batch norm wants two");
        let one = Tried { batch: 1, secs: 1.0, bytes: Some(1 << 30), preview_bytes: None };
        assert_eq!([1_u64 << 30, 16 << 30].map(|free| one.safe(Some(free))), [1, 8]);
        let found = try_out(&with(256), &Device::flex(), &mut |_| ()).unwrap();
        assert!(found.secs_per_step > 0.0 && found.fitting_batch.is_none() && found.state_bytes > 0);
        assert_eq!(found.total_steps, with(256).train.total_steps());
    }
}
