//! Points in the plane, drawn anew for every batch.

use burn::tensor::TensorData;
use rand_distr::{Distribution, StandardNormal};

use super::source::{Asked, Drawing, Source, Split};
use crate::error::Result;
use crate::media::Media;
use crate::random::Draws;
use crate::request::{Batch, Example};

/// Gaussians of equal weight that points come from.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// Their means.
    pub centres: Vec<[f64; 2]>,
    /// The standard deviation of each, along both axes.
    pub deviation: f64,
}

/// Points on the host, `[n, 2]`.
#[derive(Clone, Debug)]
pub struct Points(pub TensorData);

impl Batch for Points {
    fn examples(&self) -> Vec<Example> {
        let points = self.0.iter::<f32>().collect::<Vec<f32>>();
        points.chunks(2).map(|point| Example::real(Media::Point([point[0], point[1]]))).collect()
    }
}

impl Mixture {
    /// Batches of its points, of which there is no end.
    pub fn open(self, drawing: Drawing) -> Box<dyn Source<Points>> {
        match drawing.split {
            Split::Test => Box::new(Asked(Vec::new())),
            _ => Box::new(Gaussians { mixture: self, drawing }),
        }
    }
}

struct Gaussians {
    mixture: Mixture,
    drawing: Drawing,
}

impl Source<Points> for Gaussians {
    fn items(&self) -> usize {
        usize::MAX
    }

    // A batch is a function of the step, which is why a resumed run has nothing to restore.
    fn batch(&self, step: u64) -> Result<Points> {
        let (Mixture { centres, deviation }, Drawing { seed, batch, .. }) = (&self.mixture, self.drawing);
        let draws = Draws::new(seed, step);
        let name = if self.drawing.is_held_out() { "validation" } else { "train" };
        let mut noise = draws.stream(&format!("{name}.noise"));
        let mut around = |centre: f64| -> f32 {
            let normal: f32 = StandardNormal.sample(&mut noise);
            centre as f32 + *deviation as f32 * normal
        };
        let modes = draws.indices(&format!("{name}.mode"), centres.len() as u32, batch);
        let points = modes.into_iter().flat_map(|mode| centres[mode as usize].map(&mut around));
        Ok(Points(TensorData::new(points.collect::<Vec<f32>>(), [batch, 2])))
    }
}
