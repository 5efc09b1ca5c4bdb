//! The recipes learn: short runs, properties that an untrained network does not have.

use std::ops::ControlFlow;

use ganvas::data::mnist::{self, Part};
use ganvas::media::Media;
use ganvas::{Device, Request, Resolved, RunDir, recipe, sample, train};
use ganvas_made_up as made_up;

const PIXELS: usize = 784;

/// The mean picture, 0 to 255.
fn mean_picture<'a>(pictures: impl Iterator<Item = &'a [u8]>) -> Vec<f64> {
    let (mut sum, mut count) = (vec![0.0; PIXELS], 0.0);
    for picture in pictures {
        sum.iter_mut().zip(picture).for_each(|(sum, &pixel)| *sum += f64::from(pixel));
        count += 1.0;
    }
    sum.iter().map(|sum| sum / count).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn mnist_learns_where_digits_have_ink_within_fifty_thousand_images() {
    made_up::use_cache();
    let folder = tempfile::tempdir().unwrap();
    let entry = recipe("mnist").unwrap();
    let mut sets = made_up::settings(entry.info.dataset, &Resolved::new(entry, None, &[]).unwrap().keys());
    sets.extend(["train.steps=400".to_owned(), "train.seed=3".to_owned()]);
    let config = Resolved::new(entry, None, &sets).unwrap();
    let run = RunDir::create(folder.path(), "mnist", &config).unwrap();
    let device = Device::flex();
    train(&run, &run.lock().unwrap(), &config, config.open(&device).unwrap(), None, &device, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();

    let digits = mnist::read(&made_up::digits(), Part::Test).unwrap(); // pictures it has not seen
    let real = mean_picture((0..digits.len()).map(|i| digits.image(i)));
    let mean_of = |samples: &[Media]| {
        let pictures = samples.iter().map(|sample| match sample {
            Media::Image(image) => image.pixels.as_slice(),
            other => panic!("mnist makes pictures, not {other:?}"),
        });
        mean_picture(pictures)
    };
    let request = Request::seeds(0..500);
    let untrained = sample::generate(config.model(&device).unwrap().as_ref(), &request).unwrap();
    let model = sample::model(&config, &sample::checkpoint(&run, None).unwrap(), &device).unwrap();
    let trained = sample::generate(model.as_ref(), &request).unwrap();
    let (before, after) = (distance(&mean_of(&untrained), &real), distance(&mean_of(&trained), &real));
    let black = distance(&[0.0; PIXELS], &real); // what drawing nothing at all would reach
    let found = format!("{after:.0} from the real mean picture; {before:.0} before, {black:.0} for black pictures");
    assert!(after < before / 2.0 && after < black * 0.85, "{found}");
}
