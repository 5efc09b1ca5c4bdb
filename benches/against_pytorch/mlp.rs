//! The MNIST GAN's step at batch 128, as the recipe `mnist` trains it where R1 is not due.

use ganvas::{Device, Resolved, StepCx, recipe};

use crate::count::{self, Layers};
use crate::workload::{Opened, Rival, Workload};

pub const WORKLOAD: Workload = Workload {
    name: "mlp",
    title: "MNIST GAN step, fully connected, batch 128",
    gflop: || {
        let layers = |widths: [usize; 5]| Layers::new(widths.windows(2).map(|w| (w[0] * w[1]) as f64));
        count::gflop(count::gan_step(BATCH, &layers([100, 256, 512, 1024, 784]), &layers([784, 1024, 512, 256, 1])))
    },
    prepare: |_| Ok(()),
    rivals: &[
        Rival { title: "fused Adam", arguments: &["--fused"] },
        Rival { title: "fused Adam, D frozen in G's step", arguments: &["--fused", "--freeze"] },
    ],
    ncnn: &[],
    wanted: Vec::new, // the recipe's tests hold it against PyTorch, weight by weight
    tolerance: 1e-3,
    open,
};

const BATCH: usize = 128;

fn open() -> Opened {
    let device = Device::flex();
    let config = Resolved::new(recipe("mnist").expect("a recipe"), None, &["gamma=0".to_owned()]).expect("no R1");
    let mut session = config.open(&device).expect("MNIST");
    let mut step = 0;
    Opened {
        numbers: Vec::new(),
        step: Box::new(move || {
            let cx = StepCx::new(0, step, BATCH, &device);
            session.step(&cx).expect("a step").read();
            step += 1;
        }),
    }
}
