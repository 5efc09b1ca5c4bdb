//! StackGAN: a sentence becomes a small picture, and that a larger one.
//!
//! Zhang et al. 2017, "StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks", with the
//! constants of the authors' code. Both stages are trained in one run, one after the other. Each critic sees real pictures with their
//! own captions, real ones with wrong captions, and fakes (Reed et al. 2016, "Generative Adversarial Text to Image Synthesis").

mod discriminator;
mod generator;
mod parts;

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::s;
use ganvas_kernels::avg_pool2;

use crate::data::images::captioned::{self, CaptionedBatch, TEXT, Wrong};
use crate::data::images::{Images, Shape};
use crate::data::vectors;
use crate::looks::sentences::{Encoder, Reader, WIDTH};
use crate::looks::squeezenet::enlarged;
use crate::loss::penalty::Penalty;
use crate::nn::{Norm, Statistics, chain};
use crate::prelude::*;
use discriminator::Critic;
use generator::{CHANNELS, First, Second};

/// What it learns when no other captioned pictures are given.
const SET: &str = "avatars";
/// Captions beside those of a batch, among which a picture's own is to be found.
const OTHERS: usize = 480;
/// Captions that are kept as the usual ones.
const USUAL: usize = 64;
const LOSS: Adversarial = Adversarial::NonSaturating;

/// The configuration of `stackgan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures of the first stage in pixels.
    #[schemars(extend("enum" = [16, 32, 64, 128]))]
    pub first_resolution: usize,
    /// Side of those of the second stage, which are larger.
    #[schemars(extend("enum" = [32, 64, 128, 256]))]
    pub resolution: usize,
    /// What reads the sentences.
    pub encoder: Encoder,
    /// Which one that is, by the hash of its weights; empty for the one that is known here.
    pub encoder_sha256: String,
    /// Sentences that stand in where none is given; empty for some of the data's captions.
    pub texts: Vec<String>,
    /// Entries of the latent vector z.
    #[schemars(range(min = 1, max = 4096))]
    pub latent: usize,
    /// Entries of the condition that a sentence becomes, for each stage and for the critics.
    #[schemars(range(min = 1, max = 1024))]
    pub condition: usize,
    /// Channels of the first stage next to the picture; every halving of the side doubles them.
    #[schemars(range(min = 1, max = 512))]
    pub width: usize,
    /// Channels of the critics' first layer, likewise.
    #[schemars(range(min = 1, max = 512))]
    pub d_width: usize,
    /// The critics' normalisation, after all layers but the first and the last.
    pub d_norm: Norm,
    /// Weight, gamma, of the penalty R1 on the critics' gradient by real pictures with their captions; 0 for none, as in the paper.
    pub r1_weight: f64,
    /// Steps from one R1 to the next, each so many times as strong.
    #[schemars(range(min = 1, max = 1000))]
    pub r1_every: u64,
    /// Residual blocks of the second stage.
    #[schemars(range(max = 16))]
    pub blocks: usize,
    /// Which wrong caption the critics learn to tell from the right one, beside each real picture.
    pub wrong: Wrong,
    /// Share of the sentences G is trained on that are halfway between two captions (Reed et al. 2016): for what no caption says. 0 for none, as in the paper.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub between: f64,
    /// Weight of a contrastive loss: a picture is to be found by its sentence among those of its batch and 480 others, and a sentence by its picture among the batch's (Zhang et al. 2021). The critics learn it on real pictures, G through them. 0 for none, as in the paper.
    #[schemars(range(min = 0.0))]
    pub contrast: f64,
    /// Weight of the divergence of conditions from N(0, 1).
    pub kl_weight: f64,
    /// Thousands of images of the first stage.
    #[schemars(range(min = 0.0))]
    pub first_kimg: f64,
    /// Thousands of images of the second stage, in which the first stays as it is; 0 for a first stage alone.
    #[schemars(range(min = 0.0))]
    pub second_kimg: f64,
    /// The optimizer, for all players.
    pub adam: Adam,
    /// The critics' learning rate, in times of that of the optimizer; 1 in the paper.
    #[schemars(range(min = 0.0))]
    pub d_rate: f64,
    /// Equal parts of a stage after each of which the learning rate halves; 1 for a rate that stays.
    #[schemars(range(min = 1, max = 100))]
    pub rate_parts: u32,
    /// Half-life of the moving average of G's weights that samples come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The captioned pictures.
    pub data: Images,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            first_resolution: 64,
            resolution: 256,
            encoder: Encoder::Minilm, // no package has the paper's, which was trained on birds and flowers
            encoder_sha256: String::new(),
            texts: Vec::new(),
            latent: 100,
            condition: 128,
            width: 128,
            d_width: 64,
            d_norm: Norm::Batch,
            r1_weight: 0.0,
            r1_every: 4,
            blocks: 4,
            wrong: Wrong::Any,
            between: 0.0,
            contrast: 0.0,
            kl_weight: 2.0,
            first_kimg: 5300.0, // 600 times the birds
            second_kimg: 5300.0,
            adam: Adam::default(),
            d_rate: 1.0,
            rate_parts: 6,
            average_kimg: 10.0, // the paper keeps none; the average is visibly cleaner
            data: Images::default(),
            train: Train { kimg: 10_600.0, batch: 64, ..Train::every([1.0, 20.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn settle(&mut self) -> Result<Vec<String>> {
        let mut said = Vec::new();
        if self.texts.is_empty() {
            self.texts = captioned::some(&self.data, SET, USUAL)?;
            said.push(format!(
                "texts = {} of the captions, such as `{}`, which stand in where no text is given",
                self.texts.len(),
                self.texts.first().map_or("", String::as_str)
            ));
            if self.encoder == Encoder::Minilm {
                said.push(
                    "every caption is read once, which takes minutes where there are thousands; the cache keeps it"
                        .into(),
                );
            }
        }
        if self.encoder_sha256.is_empty() {
            self.encoder_sha256 = self.encoder.id().to_owned();
        }
        Ok(said)
    }

    fn problem(&self) -> Option<String> {
        if !self.encoder_sha256.is_empty() && self.encoder_sha256 != self.encoder.id() {
            return Some(format!(
                "the encoder is another one than encoder_sha256 says: here it is {}; use the version of Ganvas that the run was \
                 made with, or set encoder_sha256 to nothing for a new run",
                self.encoder.id()
            ));
        }
        if self.first_kimg + self.second_kimg <= 0.0 {
            return Some("neither stage has any images; give first_kimg or second_kimg more than 0".into());
        }
        let is_larger = self.resolution > self.first_resolution;
        let wrong =
            "the second stage makes pictures larger; set resolution to more than first_resolution, or second_kimg to 0";
        (self.second_kimg > 0.0 && !is_larger).then(|| wrong.into())
    }
}

impl Config {
    /// The side of the pictures that are made in the end.
    fn side(&self) -> usize {
        if self.second_kimg > 0.0 { self.resolution } else { self.first_resolution }
    }

    /// Entries of what a seed draws: z, and ε for the condition of each stage.
    fn drawn(&self) -> usize {
        self.latent + self.condition * if self.second_kimg > 0.0 { 2 } else { 1 }
    }

    /// Whether the first stage learns, and the learning rate.
    fn stage(&self, images: u64) -> (bool, f64) {
        let kimg = images as f64 / 1000.0;
        let is_first = kimg < self.first_kimg || self.second_kimg == 0.0;
        let share = match is_first {
            true => kimg / self.first_kimg,
            false => (kimg - self.first_kimg) / self.second_kimg,
        };
        let parts = f64::from(self.rate_parts);
        let halvings = (parts * share).floor().min(parts - 1.0);
        (is_first, self.adam.learning_rate * 0.5_f64.powf(halvings))
    }
}

/// The half one keeps: a sentence to a picture.
#[derive(Module, Debug)]
pub struct Painter {
    first: First,
    second: Option<Second>,
    #[module(skip)]
    config: Config,
    #[module(skip)]
    reader: Reader,
}

impl Painter {
    fn new(config: &Config, device: &Device) -> Self {
        let draws = Draws::new(config.train.seed, 0);
        Painter {
            first: First::new(config, &draws, device),
            second: (config.second_kimg > 0.0).then(|| Second::new(config, &draws, device)),
            reader: Reader::new(config.encoder),
            config: config.clone(),
        }
    }

    /// What a seed draws, taken apart: z, and the ε of each stage.
    fn apart(&self, drawn: Tensor<2>) -> ([Tensor<2>; 2], Tensor<2>) {
        let Config { latent, condition, .. } = self.config;
        let (z, first) =
            (drawn.clone().slice(s![.., ..latent]), drawn.clone().slice(s![.., latent..latent + condition]));
        ([z, first], drawn.slice(s![.., self.config.drawn() - condition..]))
    }
}

impl Model for Painter {
    fn takes(&self) -> Vec<Field> {
        let text = Kind::Text { reader: self.reader.clone(), usual: self.config.texts.clone() };
        let seed = Kind::Latent { width: self.config.drawn(), prior: Prior::Normal };
        vec![Field::new(TEXT, text), Field::new("seed", seed)]
    }

    fn makes(&self) -> Vec<Field> {
        let Config { first_resolution, resolution, .. } = self.config;
        let picture = |name, side| Field::picture(name, CHANNELS, Some(side), Range::Signed);
        match self.second {
            Some(_) => vec![picture("picture", resolution), picture("first", first_resolution)],
            None => vec![picture("picture", first_resolution)],
        }
    }

    fn forward(&self, given: Given) -> Made {
        let (text, drawn) = (given.tensor::<2>(TEXT), given.tensor::<2>("seed"));
        let (chances, chance) = self.apart(drawn);
        let (small, _) = self.first.forward(text.clone(), chances, None);
        let Some(second) = &self.second else { return Made::one("picture", small) };
        let picture = match second.is_at_work() {
            true => second.forward(small.clone(), text, chance, None).0,
            false => enlarged(small.clone(), self.config.resolution / self.config.first_resolution),
        };
        Made::one("picture", picture).and("first", small)
    }
}

/// D's loss from its logits `[n, 1]` on real pictures with their captions, on real ones with wrong ones and on fakes: `[1]`.
fn matching_aware(real: Tensor<2>, wrong: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
    let [real, wrong, fake] = [real, -wrong, -fake].map(|logits| -log_sigmoid(logits).mean());
    real + (wrong + fake) * 0.5
}

/// Pictures `[n, 3, side, side]` brought to a smaller side by averages of their pixels.
fn shrunk(mut pictures: Tensor<4>, side: usize) -> Tensor<4> {
    while pictures.dims()[2] > side {
        pictures = avg_pool2(pictures);
    }
    pictures
}

/// The players in training: the painter's two stages, and a critic for each.
pub struct StackGan {
    config: Config,
    painter: Trained<Painter>,
    critics: [Option<Trained<Critic>>; 2],
}

impl StackGan {
    /// The pictures of sentences and of what was drawn for them, z and ε, in training, and the divergence of their condition.
    fn drawn(&self, is_first: bool, text: &Tensor<2>, drawn: Tensor<2>, told: &Statistics) -> (Tensor<4>, Tensor<1>) {
        let painter = self.painter.net();
        let (chances, chance) = painter.apart(drawn);
        match &painter.second {
            Some(second) if !is_first => {
                // As it will be when one samples: by the running statistics.
                let small = painter.first.valid().forward(text.clone(), chances, None).0;
                second.forward(small, text.clone(), chance, Some(told))
            }
            _ => painter.first.forward(text.clone(), chances, Some(told)),
        }
    }
}

impl Recipe for StackGan {
    const INFO: Info = Info {
        name: "stackgan",
        title: "StackGAN",
        paper: "Zhang et al. 2017, StackGAN: Text to Photo-realistic Image Synthesis with Stacked GANs",
        sentence: "A sentence becomes a small picture, and that a larger one; learns captioned pictures.",
        dataset: Some(SET),
        time: "4 months",
        presets: &[Preset {
            name: LAPTOP,
            time: "50 min",
            text: include_str!("../../../configs/stackgan-laptop.toml"),
        }],
        small: &[
            "first_resolution=16",
            "width=8",
            "d_width=4",
            "latent=8",
            "condition=8",
            "first_kimg=1",
            "second_kimg=0",
            "train.batch=4",
        ],
    };
    type Config = Config;
    type Model = Painter;
    type Batch = CaptionedBatch; // pictures [n, 3, side, side] in [-1, 1], vectors of their captions and of wrong ones [n, 384]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<CaptionedBatch>>> {
        let shape = Shape { channels: CHANNELS, side: config.side() };
        let reader = Reader::new(config.encoder);
        let encode = |texts: &[&str]| reader.vectors(texts);
        let encoder = vectors::Encoder { id: config.encoder.id(), width: WIDTH, encode: &encode };
        let others = if config.contrast > 0.0 { OTHERS } else { 0 };
        let sentences = captioned::Sentences { encoder: &encoder, wrong: config.wrong, others };
        captioned::open(&config.data, SET, shape, config.train.drawing(split), &sentences)
    }

    fn model(config: &Config, device: &Device) -> Painter {
        Painter::new(config, device)
    }

    fn new(config: &Config, model: Painter, setup: &Setup<CaptionedBatch>) -> Result<Self> {
        let draws = Draws::new(config.train.seed, 0);
        let critic = |side, name: &str| {
            let critic = Critic::new(config, side, name, &draws, &setup.autodiff());
            Trained::new(critic, config.adam.rule(), 0.0)
        };
        Ok(StackGan {
            painter: Trained::new(model, config.adam.rule(), config.average_kimg),
            critics: [
                (config.first_kimg > 0.0).then(|| critic(config.first_resolution, "first_critic")),
                (config.second_kimg > 0.0).then(|| critic(config.resolution, "critic")),
            ],
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: CaptionedBatch, cx: &StepCx) -> Scalars {
        let shape = [batch.captions.len(), self.config.drawn()];
        let drawn = ["d.z", "g.z"].map(|name| cx.draws.normal(name, shape, cx.device));
        self.improved(batch, drawn, cx)
    }

    fn judge(&self, batch: CaptionedBatch, cx: &StepCx) -> Option<Tensor<2>> {
        let is_first = self.config.stage(cx.images).0;
        let side = if is_first { self.config.first_resolution } else { self.config.resolution };
        let critic = self.critics[usize::from(!is_first)].as_ref()?.net().valid();
        let (seen, _) = critic.seen(shrunk(cx.tensor(batch.pixels), side));
        Some(critic.judged(seen, cx.tensor(batch.vectors)).0)
    }

    fn parts(&mut self, visit: &mut Parts) {
        for (critic, part) in self.critics.iter_mut().zip(["first_critic", "critic"]) {
            if let Some(critic) = critic {
                critic.parts(part, visit);
            }
        }
        self.painter.model_parts("painter", visit);
    }
}

impl StackGan {
    /// A step by what was drawn for each player, z and ε.
    fn improved(&mut self, batch: CaptionedBatch, [of_d, of_g]: [Tensor<2>; 2], cx: &StepCx) -> Scalars {
        let (is_first, rate) = self.config.stage(cx.images);
        let side = if is_first { self.config.first_resolution } else { self.config.resolution };
        let real = shrunk(cx.tensor::<4>(batch.pixels), side);
        let [text, wrong] = [batch.vectors, batch.wrong].map(|vectors| cx.tensor::<2>(vectors));
        let others = (self.config.contrast > 0.0).then(|| cx.tensor::<2>(batch.others));
        if !is_first {
            self.painter.change(|painter| Painter { second: painter.second.map(Second::at_work), ..painter });
        }

        // D, on each kind in a batch of its own, so that batch norm sees them apart
        let fake = self.drawn(is_first, &text, of_d, &Statistics::default()).0.without_autodiff();
        let at = usize::from(!is_first);
        let Some(critic) = self.critics[at].as_mut() else { return Scalars::default() };
        let net = critic.net();
        let (seen, to_pictures) = net.seen(real);
        let (on_real, to_seen) = net.judged(seen.clone(), text.clone());
        let (on_wrong, _) = net.judged(seen.clone(), wrong);
        let (on_fake, _) = net.judged(net.seen(fake).0, text.clone());
        let d_contrast = others.clone().and_then(|others| net.contrast(seen, [text.clone(), others]));
        let Config { r1_weight, r1_every, contrast, .. } = self.config;
        let on = (on_real.clone(), chain(to_seen, to_pictures));
        let penalty = Penalty::lazy_r1((r1_weight, r1_every), cx.step, on);
        let d_wrong = sigmoid(on_wrong.clone().without_autodiff()).mean();
        let d_loss = matching_aware(on_real.clone(), on_wrong, on_fake.clone());
        let d_loss = d_contrast.iter().fold(d_loss, |sum, loss| sum + loss.clone() * contrast);
        let decided = LOSS.decided(on_real, on_fake);
        let scalars = critic::learn(critic, d_loss, penalty, decided, rate * self.config.d_rate, cx);
        let scalars = scalars.with("d_wrong", d_wrong).with_some("d_contrast", d_contrast);

        // G, through the D of this moment, and what keeps conditions near N(0, 1)
        let (told, text) = (Statistics::default(), between(text, self.config.between));
        let (fake, divergence) = self.drawn(is_first, &text, of_g, &told);
        let Some(critic) = self.critics[at].as_ref().map(Trained::frozen) else { return scalars };
        let (seen, _) = critic.seen(fake);
        let g_contrast = others.and_then(|others| critic.contrast(seen.clone(), [text.clone(), others]));
        let (on_fake, _) = critic.judged(seen, text);
        drop(critic);
        let g_loss = LOSS.generator(on_fake.clone(), || on_fake);
        self.painter.change(|painter| told.followed_by(painter));
        let total = g_loss.clone() + divergence.clone() * self.config.kl_weight;
        let total = g_contrast.iter().fold(total, |total, loss| total + loss.clone() * contrast);
        let g_gradient = self.painter.descend(total, rate, cx);
        let scalars = scalars.with("g_loss", g_loss).with_some("g_contrast", g_contrast);
        scalars.with("kl", divergence).with("g_gradient_norm", g_gradient)
    }
}

/// Sentences `[n, 384]` of which the first ones, this share of all, lie halfway between two.
fn between(text: Tensor<2>, share: f64) -> Tensor<2> {
    let n = text.dims()[0];
    match (share * n as f64).round() as usize {
        0 => text,
        mixed => {
            let half = (text.clone() + text.clone().flip([0])) * 0.5;
            if mixed == n {
                return half;
            }
            Tensor::cat(vec![half.slice(s![..mixed]), text.slice(s![mixed..])], 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_close, assert_gradients, assert_near, filled_with, floats, numbers, wave};
    use crate::recipes::tests::begun;
    use serde_json::Value;

    const N: usize = 3;

    /// Networks, losses and steps of both stages, in f64: made by tests/golden/stackgan.py, whose docs give the formulas.
    fn golden(is_first: bool, d_norm: Norm) -> Value {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/stackgan.json")).unwrap();
        let stage = if is_first { "first" } else { "second" };
        golden[if d_norm == Norm::None { "without norm" } else { "batch norm" }][stage].clone()
    }

    /// Of the stage that learns; the first one alone, or the second one from the beginning.
    fn small(is_first: bool) -> Config {
        let [first_kimg, second_kimg] = if is_first { [1.0, 0.0] } else { [0.0, 1.0] };
        Config {
            first_resolution: 16,
            resolution: 32,
            encoder: Encoder::Words,
            texts: vec!["a red disc".into(), "a blue square".into()],
            latent: 3,
            condition: 4,
            width: 8,
            d_width: 4,
            blocks: 1,
            first_kimg,
            second_kimg,
            average_kimg: 0.0,
            ..Config::default()
        }
    }

    /// Half as large as most scripts have them: the networks are deep.
    fn filled<M: Module>(net: M) -> M {
        filled_with(0.5, net)
    }

    /// In training, with the script's parameters.
    fn players(config: &Config) -> StackGan {
        let mut players = begun::<StackGan>(config);
        players.painter.change(filled);
        players.critics.iter_mut().flatten().for_each(|critic| critic.change(filled));
        players
    }

    fn text(rate: f64) -> Tensor<2> {
        wave([N, WIDTH], rate) * (1.0 / (WIDTH as f64).sqrt())
    }

    fn drawn(config: &Config, rate: f64) -> Tensor<2> {
        wave([N, 3 + 4 * 2], rate).slice(s![.., ..config.drawn()])
    }

    fn batch(config: &Config) -> CaptionedBatch {
        CaptionedBatch {
            // The first stage alone has small pictures.
            pixels: shrunk(wave([N, 3, 32, 32], 0.017), config.side()).into_data(),
            captions: vec![String::new(); N],
            vectors: text(0.31).into_data(),
            wrong: text(0.47).into_data(),
            others: text(0.53).into_data(),
        }
    }

    fn some(pictures: Tensor<4>) -> Tensor<4> {
        pictures.slice(s![.., .., ..;5, ..;5])
    }

    #[test]
    fn some_sentences_lie_halfway_between_two() {
        let text = || Tensor::<2>::from_floats([[0.0, 2.0], [4.0, 6.0], [8.0, 0.0], [6.0, 4.0]], &Device::flex());
        assert_eq!(floats(between(text(), 0.0)), floats(text()));
        assert_eq!(floats(between(text(), 0.5)), [3.0, 3.0, 6.0, 3.0, 8.0, 0.0, 6.0, 4.0]);
        assert_eq!(floats(between(text(), 1.0)), [3.0, 3.0, 6.0, 3.0, 6.0, 3.0, 3.0, 3.0]);
    }

    #[test]
    fn networks_and_losses_of_both_stages_are_those_of_an_independent_implementation() {
        for (is_first, d_norm) in [(true, Norm::Batch), (true, Norm::None), (false, Norm::Batch), (false, Norm::None)] {
            let (golden, config) = (golden(is_first, d_norm), Config { d_norm, ..small(is_first) });
            let stage = if is_first { "first" } else { "second" };
            let what = |name: &str| format!("{name} of the {stage} stage, {d_norm:?}");
            let players = players(&config);
            let critic = players.critics[usize::from(!is_first)].as_ref().unwrap().net();
            let (right, wrong, real) = (text(0.31), text(0.47), shrunk(wave([N, 3, 32, 32], 0.017), config.side()));
            let fakes = || players.drawn(is_first, &right, drawn(&config, 0.61), &Statistics::default());
            let (fake, divergence) = fakes();
            assert_near(some(fake.clone()), &golden["fake"], &what("the picture"));
            assert_near(divergence, &golden["kl"], &what("the divergence"));

            let judged = || {
                let (seen, to_pictures) = critic.seen(real.clone());
                let (on_real, to_seen) = critic.judged(seen.clone(), right.clone());
                let (on_wrong, _) = critic.judged(seen, wrong.clone());
                let (on_fake, _) = critic.judged(critic.seen(fake.clone().without_autodiff()).0, right.clone());
                let r1 = Penalty::zero_centred(1.5, (on_real.clone(), chain(to_seen, to_pictures)));
                (matching_aware(on_real.clone(), on_wrong.clone(), on_fake.clone()), r1, [on_real, on_wrong, on_fake])
            };
            let (d_loss, r1, logits) = judged();
            assert_near(Tensor::cat(logits.to_vec(), 0), &golden["logits"], &what("D's logits"));
            assert_near(r1, &golden["r1"], &what("R1"));
            assert_near(d_loss.clone(), &golden["d_loss"], &what("D's loss"));
            assert_gradients(critic, &d_loss.backward(), &golden["d_gradients"], &what("D's loss"));
            let (d_loss, r1, _) = judged();
            assert_gradients(critic, &(d_loss + r1).backward(), &golden["r1_gradients"], &what("D's loss with R1"));

            let (fake, divergence) = fakes();
            let frozen = critic.clone().no_grad();
            let (on_fake, _) = frozen.judged(frozen.seen(fake).0, right);
            let g_loss = LOSS.generator(on_fake.clone(), || on_fake);
            assert_near(g_loss.clone(), &golden["g_loss"], &what("G's loss"));
            let gradients = (g_loss + divergence * config.kl_weight).backward();
            match &players.painter.net().second {
                Some(second) => assert_gradients(second, &gradients, &golden["g_gradients"], &what("G's loss")),
                None => {
                    let first = &players.painter.net().first;
                    assert_gradients(first, &gradients, &golden["g_gradients"], &what("G's loss"));
                }
            }
        }
    }

    #[test]
    fn the_contrast_of_pictures_and_sentences_is_that_implementations() {
        for is_first in [true, false] {
            let (golden, config) =
                (golden(is_first, Norm::None), Config { d_norm: Norm::None, contrast: 1.0, ..small(is_first) });
            let players = players(&config);
            let critic = players.critics[usize::from(!is_first)].as_ref().unwrap().net();
            let [right, wrong, others] = [0.31, 0.47, 0.53].map(text);
            let seen = critic.seen(shrunk(wave([N, 3, 32, 32], 0.017), config.side())).0;
            let fake =
                players.drawn(is_first, &right, drawn(&config, 0.61), &Statistics::default()).0.without_autodiff();
            let contrast = critic.contrast(seen.clone(), [right.clone(), others]).unwrap();
            assert_near(contrast.clone(), &golden["contrast"]["loss"], "the contrast");
            let [on_real, on_wrong] = [right.clone(), wrong].map(|text| critic.judged(seen.clone(), text).0);
            let on_fake = critic.judged(critic.seen(fake).0, right).0;
            let gradients = (matching_aware(on_real, on_wrong, on_fake) + contrast).backward();
            assert_gradients(critic, &gradients, &golden["contrast"]["gradients"], "D's loss with the contrast");
        }
    }

    #[test]
    fn three_steps_of_either_stage_are_that_implementations() {
        // R1 comes at the first and the third step.
        let penalised = Config { d_norm: Norm::None, r1_weight: 0.3, r1_every: 2, ..Config::default() };
        for (is_first, of) in
            [false, true].into_iter().flat_map(|is| [(is, Config::default()), (is, penalised.clone())])
        {
            let Config { d_norm, r1_weight, r1_every, .. } = of;
            let (golden, device) = (golden(is_first, d_norm), Device::flex());
            let config = Config { d_norm, r1_weight, r1_every, ..small(is_first) };
            let mut players = players(&config);
            for (step, wanted) in (0..).zip(golden["steps"].as_array().unwrap()) {
                let cx = StepCx::new(0, step, N, &device);
                let told = players.improved(batch(&config), [0.61, 0.83].map(|rate| drawn(&config, rate)), &cx).read();
                for (name, wanted) in ["d_loss", "g_loss", "kl"].into_iter().zip(numbers(wanted)) {
                    let found = told.iter().find(|(known, _)| *known == name).unwrap().1;
                    assert_close(
                        &format!("{name} of step {step}, first: {is_first}, {d_norm:?}"),
                        found,
                        wanted,
                        wanted,
                        1e-3,
                    );
                }
            }
            let painter = players.painter.sampler();
            let given = Given::of_seeds(vec![0; N], &device).with(TEXT, text(0.31)).with("seed", drawn(&config, 0.61));
            let pictures = Model::forward(&painter, given).tensor::<4>("picture");
            crate::golden::assert_near_within(1e-2, some(pictures), &golden["sampled"], "what is made thereafter");
        }
    }

    #[test]
    fn the_first_stage_is_shown_enlarged_until_the_second_begins_and_stays_as_it_is_from_then_on() {
        let config = Config { first_kimg: 0.004, second_kimg: 0.004, ..small(false) };
        let (mut players, device) = (begun::<StackGan>(&config), Device::flex());
        let mut firsts = Vec::new();
        for step in 0..4 {
            let cx = StepCx { images: 2 * step, ..StepCx::new(0, step, 2, &device) };
            let told = players.step(batch(&config), &cx).read();
            assert!(told.iter().all(|(_, value)| value.is_finite()), "{told:?}");
            let painter = players.painter.sampler();
            let given = Given::of_seeds(vec![0; N], &device).with(TEXT, text(0.31)).with("seed", drawn(&config, 0.61));
            let made = Model::forward(&painter, given);
            let (picture, first) = (made.tensor::<4>("picture"), made.tensor::<4>("first"));
            let is_enlarged = enlarged(first.clone(), 2).into_data() == picture.into_data();
            assert_eq!(is_enlarged, step < 2, "after step {step}");
            firsts.push(first.into_data());
        }
        assert!(firsts[0] != firsts[1] && firsts[1] == firsts[3]);
    }

    #[test]
    fn both_stages_fit_every_pair_of_sizes_and_wrong_settings_are_refused() {
        let device = Device::flex();
        for first_resolution in [16, 32, 64, 128] {
            for resolution in [32, 64, 128, 256] {
                let config = Config { first_resolution, resolution, width: 2, d_width: 1, ..small(false) };
                let wrong = config.problem();
                assert_eq!(wrong.is_some(), resolution <= first_resolution, "{wrong:?}");
                if wrong.is_some() {
                    continue;
                }
                let painter = Painter::new(&config, &device);
                let given =
                    Given::of_seeds(vec![0; N], &device).with(TEXT, text(0.31)).with("seed", drawn(&config, 0.61));
                let picture = Model::forward(&painter, given).tensor::<4>("picture");
                assert_eq!(picture.dims(), [N, 3, resolution, resolution]);
                let critic = Critic::new(&config, resolution, "critic", &Draws::new(0, 0), &device);
                assert_eq!(critic.judged(critic.seen(picture).0, text(0.31)).0.dims(), [N, 1]);
            }
        }
        let none = Config { first_kimg: 0.0, second_kimg: 0.0, ..Config::default() };
        assert!(none.problem().unwrap().contains("neither stage"));
        let other = Config { encoder_sha256: "0123".into(), ..Config::default() };
        assert!(other.problem().unwrap().contains("use the version of Ganvas"));
        let own = Config { encoder_sha256: Encoder::Minilm.id().into(), ..Config::default() };
        assert_eq!(own.problem(), None);
    }

    #[test]
    fn the_critics_learn_at_a_rate_of_their_own() {
        let device = Device::flex();
        let moved = |d_rate: f64| {
            let config = Config { d_norm: Norm::None, d_rate, ..small(true) };
            let mut players = players(&config);
            let weight = |players: &StackGan| players.critics[0].as_ref().unwrap().net().text.weight.val();
            let before = weight(&players);
            let cx = StepCx::new(0, 0, N, &device);
            players.improved(batch(&config), [0.61, 0.83].map(|rate| drawn(&config, rate)), &cx).read();
            floats((weight(&players) - before).abs().mean())[0]
        };
        let once = moved(1.0);
        assert_close("the way at three times the rate", moved(3.0), 3.0 * once, once, 1e-3);
    }

    #[test]
    fn the_learning_rate_halves_after_every_part_of_a_stage() {
        let config = Config { first_kimg: 60.0, second_kimg: 120.0, ..Config::default() };
        let at = |kimg: u64| config.stage(kimg * 1000);
        let rate = config.adam.learning_rate;
        assert_eq!([0, 9, 10, 59].map(&at), [(true, rate), (true, rate), (true, rate / 2.0), (true, rate / 32.0)]);
        assert_eq!([60, 80, 179, 500].map(&at), [1.0, 2.0, 32.0, 32.0].map(|part| (false, rate / part)));
        let config = Config { rate_parts: 2, ..config };
        assert_eq!([29, 30, 59].map(|kimg| config.stage(kimg * 1000)), [1.0, 2.0, 2.0].map(|part| (true, rate / part)));
    }
}
