//! PG2: a person in a new pose, first the whole and then what is finer.
//!
//! Ma et al. 2017, "Pose Guided Person Image Generation", with the constants of the authors' code. Both stages are trained in one run, one
//! after the other.

mod discriminator;
mod generator;
mod maps;

use crate::data::images::Shape;
use crate::data::images::posed::{POSE, Posed, PosedBatch};
use crate::loss::penalty::Penalty;
use crate::nn::{Norm, brought};
use crate::prelude::*;
use discriminator::Critic;
use generator::{First, Second};

const CHANNELS: usize = 3;
/// What it learns when no other persons are given.
const SET: &str = "sprites";
const LOSS: Adversarial = Adversarial::NonSaturating;
/// Pairs in a preview.
const PREVIEWED: usize = 16;

/// The configuration of `posegan`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Side of the pictures in pixels; those of other sizes are brought to it.
    #[schemars(extend("enum" = [16, 32, 64, 128, 256]))]
    pub resolution: usize,
    /// Channels of both generators at the full size; every halving of the side adds as many.
    #[schemars(range(min = 1, max = 512))]
    pub width: usize,
    /// Channels of the critic's first layer; every one after it doubles them.
    #[schemars(range(min = 1, max = 512))]
    pub d_width: usize,
    /// The critic's normalisation, after all layers but the first and the last.
    pub d_norm: Norm,
    /// Weight, gamma, of the penalty R1 on the critic's gradient by real pairs; 0 for none, as in the paper.
    #[schemars(range(min = 0.0))]
    pub r1_weight: f64,
    /// Steps from one R1 to the next, each so many times as strong.
    #[schemars(range(min = 1, max = 1000))]
    pub r1_every: u64,
    /// Entries of what the first stage puts all of a picture into.
    #[schemars(range(min = 1, max = 4096))]
    pub code: usize,
    /// Weight of the distance from the truth in the second stage; of the critic's judgement it is 1.
    #[schemars(range(min = 0.0))]
    pub l1_weight: f64,
    /// The pose that stands in where none is given, as the text of its file; empty for the first one of the data.
    pub pose: String,
    /// Thousands of images of the first stage.
    #[schemars(range(min = 0.0))]
    pub first_kimg: f64,
    /// Thousands of images of the second stage, in which the first stays as it is; 0 for a first stage alone.
    #[schemars(range(min = 0.0))]
    pub second_kimg: f64,
    /// The optimizer, for all players.
    pub adam: Adam,
    /// Half-life of the moving average of the generators' weights that results come from, in thousands of images; 0 for none.
    pub average_kimg: f64,
    /// The persons.
    pub data: Posed,
    /// The run.
    pub train: Train,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            resolution: 128, // Market-1501 has 128x64
            width: 128,
            d_width: 64,
            d_norm: Norm::Batch,
            r1_weight: 0.0,
            r1_every: 4,
            code: 64,
            l1_weight: 10.0,
            pose: String::new(),
            first_kimg: 352.0,  // 22,000 steps
            second_kimg: 608.0, // up to 60,000
            adam: Adam { learning_rate: 2e-5, ..Adam::default() },
            average_kimg: 0.0,
            data: Posed::default(),
            train: Train { kimg: 960.0, batch: 16, ..Train::every([0.2, 10.0, 20.0]) },
        }
    }
}

impl Settings for Config {
    fn train(&self) -> &Train {
        &self.train
    }

    fn settle(&mut self) -> Result<Vec<String>> {
        if !self.pose.is_empty() {
            return Ok(Vec::new());
        }
        self.pose = self.data.first_pose(SET)?;
        Ok(vec!["pose = the first one of the data, which stands in where none is given".into()])
    }

    fn problem(&self) -> Option<String> {
        if self.first_kimg + self.second_kimg <= 0.0 {
            return Some("neither stage has any images; give first_kimg or second_kimg more than 0".into());
        }
        let wrong = crate::media::Pose::parse(&self.pose).err().filter(|_| !self.pose.is_empty());
        wrong.map(|wrong| format!("pose {wrong}"))
    }
}

impl Config {
    /// At how many sizes the first generator sees a picture.
    fn levels(&self) -> usize {
        generator::levels(self.resolution)
    }

    /// Whether the first stage learns.
    fn is_first(&self, images: u64) -> bool {
        (images as f64) < 1000.0 * self.first_kimg || self.second_kimg == 0.0
    }
}

/// The half one keeps: a person and a pose to that person in it.
#[derive(Module, Debug)]
pub struct Painter {
    first: First,
    second: Option<Second>,
    #[module(skip)]
    config: Config,
}

impl Painter {
    fn new(config: &Config, device: &Device) -> Self {
        let draws = Draws::new(config.train.seed, 0);
        Painter {
            first: First::new(config, &draws, device),
            second: (config.second_kimg > 0.0).then(|| Second::new(config, &draws, device)),
            config: config.clone(),
        }
    }

    /// What the last stage that there is makes of persons and of what the first one drew, all `[n, 3, side, side]`.
    fn refined(&self, drawn: Tensor<4>, given: Tensor<4>) -> Tensor<4> {
        match &self.second {
            Some(second) => second.forward(drawn.clone(), given) + drawn,
            None => drawn,
        }
    }
}

impl Model for Painter {
    fn takes(&self) -> Vec<Field> {
        let picture = Field::picture(PICTURE, CHANNELS, Some(self.config.resolution), Range::Signed);
        vec![picture, Field::new(POSE, Kind::Pose { usual: self.config.pose.clone() })]
    }

    fn makes(&self) -> Vec<Field> {
        let picture = |name| Field::picture(name, CHANNELS, None, Range::Signed);
        match self.second {
            Some(_) => vec![picture("result"), picture("first")],
            None => vec![picture("result")],
        }
    }

    fn forward(&self, given: Given) -> Made {
        let (picture, joints) = (given.tensor::<4>(PICTURE), given.tensor::<3>(POSE));
        let [_, _, height, width] = picture.dims();
        let side = self.config.resolution;
        let person = brought(picture, [side, side]);
        let drawn = self.first.forward(person.clone(), maps::heat_maps(joints, side));
        let made = self.refined(drawn.clone(), person);
        let [made, drawn] = [made, drawn].map(|picture| brought(picture, [height, width]));
        Made::one("result", made).and("first", drawn)
    }

    fn tiling(&self) -> Option<Tiling> {
        // A picture is brought to the model's own side: a large one needs room for itself alone.
        let Config { resolution: side, width, .. } = self.config;
        let bytes = 4 * (self.num_params() + 16 * side * side * width);
        Some(Tiling { multiple: 1, least: 8, scale: 1, reach: None, keeps_colours: false, bytes, bytes_per_pixel: 64 })
    }
}

/// The distance of pictures `[n, 3, side, side]`, where every pixel of the body, by a mask `[n, 1, side, side]`, counts twice: `[1]`
/// (equations 2 and 7).
fn distance(made: Tensor<4>, wanted: Tensor<4>, mask: Tensor<4>) -> Tensor<1> {
    ((made - wanted).abs() * (mask + 1.0)).mean()
}

/// The players in training: the painter's two stages, and the critic of the second.
pub struct PoseGan {
    config: Config,
    painter: Trained<Painter>,
    critic: Option<Trained<Critic>>, // of the second stage
}

impl Recipe for PoseGan {
    const INFO: Info = Info {
        name: "posegan",
        title: "PG2",
        paper: "Ma et al. 2017, Pose Guided Person Image Generation",
        sentence: "A person is drawn in another pose; learns pictures of persons with their joints.",
        dataset: Some(SET),
        time: "2 months",
        presets: &[
            Preset { name: LAPTOP, time: "55 min", text: include_str!("../../../configs/posegan-laptop.toml") },
            Preset { name: "walkers", time: "50 min", text: include_str!("../../../configs/posegan-walkers.toml") },
        ],
        small: &[
            "resolution=16",
            "width=2",
            "d_width=2",
            "code=4",
            "first_kimg=0.012",
            "second_kimg=1",
            "train.batch=4",
        ],
    };
    type Config = Config;
    type Model = Painter;
    type Batch = PosedBatch; // two pictures of each person, [n, 3, resolution, resolution] in [-1, 1], and their joints [n, 17, 3]

    fn data(config: &Config, split: Split) -> Result<Box<dyn Source<PosedBatch>>> {
        let shape = Shape { channels: CHANNELS, side: config.resolution };
        config.data.open(SET, shape, config.train.drawing(split).showing(PREVIEWED))
    }

    fn model(config: &Config, device: &Device) -> Painter {
        Painter::new(config, device)
    }

    fn new(config: &Config, model: Painter, setup: &Setup<PosedBatch>) -> Result<Self> {
        let draws = Draws::new(config.train.seed, 0);
        let critic = || Trained::new(Critic::new(config, &draws, &setup.autodiff()), config.adam.rule(), 0.0);
        Ok(PoseGan {
            painter: Trained::new(model, config.adam.rule(), config.average_kimg),
            critic: (config.second_kimg > 0.0).then(critic),
            config: config.clone(),
        })
    }

    fn step(&mut self, batch: PosedBatch, cx: &StepCx) -> Scalars {
        let [given, wanted] = [batch.given, batch.wanted].map(|pictures| cx.tensor::<4>(pictures));
        let (joints, side) = (cx.tensor::<3>(batch.wanted_joints), self.config.resolution);
        let (maps, mask) = (maps::heat_maps(joints.clone(), side), maps::mask(joints, side));
        let (rate, is_first) = (self.config.adam.learning_rate, self.config.is_first(cx.images));

        // The first stage: G1 by the distance alone
        let critic = match self.critic.as_mut() {
            Some(critic) if !is_first => critic,
            _ => {
                let l1 = distance(self.painter.net().first.forward(given, maps), wanted, mask);
                let g_gradient = self.painter.descend(l1.clone(), rate, cx);
                return Scalars::default().with("l1", l1).with("g_gradient_norm", g_gradient);
            }
        };
        let drawn = self.painter.net().first.valid().forward(given.clone(), maps);
        let fake = self.painter.net().refined(drawn, given.clone());

        // D, on each kind in a batch of its own, so that batch norm sees them apart
        let net = critic.net();
        let (on_real, back) = net.vjp(Tensor::cat(vec![given.clone(), wanted.clone()], 1));
        let on_fake = net.forward(given.clone(), fake.clone().without_autodiff());
        let Config { r1_weight, r1_every, .. } = self.config;
        let penalty = Penalty::lazy_r1((r1_weight, r1_every), cx.step, (on_real.clone(), back));
        let scalars = LOSS.learn(critic, [on_real, on_fake], penalty, rate, cx);

        // G2: D's judgement, and the distance from the truth
        let on_fake = critic.frozen().forward(given, fake.clone());
        let g_loss = LOSS.generator(on_fake.clone(), || on_fake);
        let l1 = distance(fake, wanted, mask);
        let total = g_loss.clone() + l1.clone() * self.config.l1_weight;
        let g_gradient = self.painter.descend(total, rate, cx);
        scalars.with("l1", l1).with("g_loss", g_loss).with("g_gradient_norm", g_gradient)
    }

    fn judge(&self, batch: PosedBatch, cx: &StepCx) -> Option<Tensor<2>> {
        let critic = self.critic.as_ref().filter(|_| !self.config.is_first(cx.images))?;
        let [given, wanted] = [batch.given, batch.wanted].map(|pictures| cx.tensor::<4>(pictures));
        Some(critic.net().valid().forward(given, wanted))
    }

    fn parts(&mut self, visit: &mut Parts) {
        if let Some(critic) = &mut self.critic {
            critic.parts("critic", visit);
        }
        self.painter.model_parts("painter", visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{
        assert_close, assert_gradients, assert_near, assert_near_within, filled_with, floats, numbers, wave,
    };
    use crate::media::{Image, Media, Pose};
    use crate::recipes::tests::begun;
    use crate::request::Request;
    use burn::tensor::s;
    use serde_json::Value;

    /// Of a pose on the host and on the device.
    #[test]
    fn the_mask_is_the_body_that_metrics_see() {
        let pose = crate::media::pose::tests::pose();
        let joints = Tensor::<1>::from_floats(pose.shares().as_slice(), &Device::flex()).reshape([1, JOINTS, 3]);
        let wanted = floats(maps::mask(joints, 64)).into_iter().map(|value| value == 1.0).collect::<Vec<_>>();
        let apart = pose.body([64, 64]).into_iter().zip(&wanted).filter(|(a, b)| a != *b).count();
        assert!(apart <= 4 && wanted.contains(&true) && wanted.contains(&false), "{apart} pixels differ");
    }

    const N: usize = 3;
    const SIDE: usize = 64;
    const JOINTS: usize = 17;

    /// Heat maps, masks, networks, losses and steps of both stages, in f64: made by tests/golden/posegan.py, whose docs give the formulas.
    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../tests/golden/posegan.json")).unwrap()
    }

    /// Of the stage that learns; the first one alone, or the second one from the beginning.
    fn small(is_first: bool) -> Config {
        let [first_kimg, second_kimg] = if is_first { [1.0, 0.0] } else { [0.0, 1.0] };
        let (adam, pose) = (Adam::default(), crate::media::pose::tests::pose().text());
        Config {
            resolution: SIDE,
            width: 2,
            d_width: 2,
            code: 3,
            adam,
            pose,
            first_kimg,
            second_kimg,
            ..Config::default()
        }
    }

    /// Half as large as most scripts have them: the networks are deep.
    fn filled<M: Module>(net: M) -> M {
        filled_with(0.5, net)
    }

    /// In training, with the script's parameters.
    fn players(config: &Config) -> PoseGan {
        let mut players = begun::<PoseGan>(config);
        players.painter.change(filled);
        if let Some(critic) = &mut players.critic {
            critic.change(filled);
        }
        players
    }

    fn joints() -> Tensor<3> {
        let places = [0.9, 1.3].map(|rate| wave([N * JOINTS, 1], rate) * 0.4 + 0.5);
        let scores = (0..N * JOINTS).map(|i| if i % 6 == 4 { 0.0_f32 } else { 1.0 }).collect::<Vec<_>>();
        let scores = Tensor::<1>::from_floats(scores.as_slice(), &Device::flex()).reshape([N * JOINTS, 1]);
        Tensor::cat(vec![places[0].clone(), places[1].clone(), scores], 1).reshape([N, JOINTS, 3])
    }

    fn pictures() -> [Tensor<4>; 2] {
        [0.013, 0.017].map(|rate| wave([N, 3, SIDE, SIDE], rate))
    }

    fn batch() -> PosedBatch {
        let [given, wanted] = pictures().map(Tensor::into_data);
        let pose = crate::media::pose::tests::pose();
        let joints = joints().into_data();
        PosedBatch { given, given_joints: joints.clone(), wanted, wanted_joints: joints, poses: vec![pose; N] }
    }

    fn some(pictures: Tensor<4>) -> Tensor<4> {
        pictures.slice(s![.., .., ..;9, ..;9])
    }

    #[test]
    fn heat_maps_and_masks_are_discs_of_joints_and_the_body_around_its_bones() {
        let golden = golden();
        let maps = floats(maps::heat_maps(joints(), SIDE));
        let lit = |map: &[f64]| (0..map.len()).filter(|at| map[*at] == 1.0).collect::<Vec<_>>();
        let wanted = golden["maps"].as_array().unwrap().iter().map(|map| serde_json::from_value(map.clone()).unwrap());
        assert_eq!(maps.chunks(SIDE * SIDE).map(lit).collect::<Vec<_>>(), wanted.collect::<Vec<Vec<usize>>>());
        assert!(maps.iter().all(|value| value.abs() == 1.0));

        let mask = floats(maps::mask(joints(), SIDE));
        let changes =
            |row: &[f64]| (0..SIDE).filter(|x| row[*x] != if *x == 0 { 0.0 } else { row[x - 1] }).collect::<Vec<_>>();
        let wanted = golden["mask"].as_array().unwrap().iter().map(|row| serde_json::from_value(row.clone()).unwrap());
        assert_eq!(mask.chunks(SIDE).map(changes).collect::<Vec<_>>(), wanted.collect::<Vec<Vec<usize>>>());
        assert!(mask.iter().all(|value| [0.0, 1.0].contains(value)));
    }

    #[test]
    fn networks_and_losses_of_both_stages_are_those_of_an_independent_implementation() {
        let ([given, wanted], maps, mask) = (pictures(), maps::heat_maps(joints(), SIDE), maps::mask(joints(), SIDE));
        let first = &golden()["first"];
        let net = players(&small(true)).painter.net().clone();
        let made = net.first.forward(given.clone(), maps.clone());
        assert_near(some(made.clone()), &first["made"], "G1's picture");
        let l1 = distance(made, wanted.clone(), mask.clone());
        assert_near(l1.clone(), &first["l1"], "G1's distance");
        assert_gradients(&net.first, &l1.backward(), &first["gradients"], "G1's loss");

        for (d_norm, name) in [(Norm::Batch, "second"), (Norm::None, "without norm")] {
            let (config, second) = (Config { d_norm, ..small(false) }, &golden()[name]);
            let what = |value: &str| format!("{value}, {d_norm:?}");
            let players = players(&config);
            let (net, critic) = (players.painter.net(), players.critic.as_ref().unwrap().net());
            let drawn = net.first.valid().forward(given.clone(), maps.clone());
            let made = net.refined(drawn, given.clone());
            assert_near(some(made.clone()), &second["made"], "G2's picture");
            let judged = || {
                let (on_real, back) = critic.vjp(Tensor::cat(vec![given.clone(), wanted.clone()], 1));
                let on_fake = critic.forward(given.clone(), made.clone().without_autodiff());
                let r1 = Penalty::zero_centred(0.3, (on_real.clone(), back));
                (LOSS.discriminator(on_real.clone(), on_fake.clone()), r1, [on_real, on_fake])
            };
            let (d_loss, r1, logits) = judged();
            assert_near(Tensor::cat(logits.to_vec(), 0), &second["logits"], &what("D's logits"));
            assert_near(r1, &second["r1"], &what("R1"));
            assert_near(d_loss.clone(), &second["d_loss"], &what("D's loss"));
            assert_gradients(critic, &d_loss.backward(), &second["d_gradients"], &what("D's loss"));
            let (d_loss, r1, _) = judged();
            assert_gradients(critic, &(d_loss + r1).backward(), &second["r1_gradients"], &what("D's loss with R1"));
            let on_fake = critic.clone().no_grad().forward(given.clone(), made.clone());
            let g_loss = LOSS.generator(on_fake.clone(), || on_fake);
            assert_near(g_loss.clone(), &second["g_loss"], &what("G2's loss by D"));
            let l1 = distance(made, wanted.clone(), mask.clone());
            assert_near(l1.clone(), &second["l1"], &what("G2's distance"));
            let total = g_loss + l1 * config.l1_weight;
            assert_gradients(net.second.as_ref().unwrap(), &total.backward(), &second["gradients"], &what("G2's loss"));
        }
    }

    #[test]
    fn three_steps_of_either_stage_are_that_implementations() {
        // R1 comes at the first and the third step.
        let without = Config { d_norm: Norm::None, r1_weight: 0.3, r1_every: 2, ..small(false) };
        for (name, config) in [("first", small(true)), ("second", small(false)), ("without norm", without)] {
            let (golden, is_first) = (golden()[name].clone(), name == "first");
            let (mut players, device) = (players(&config), Device::flex());
            for (step, wanted) in (0..).zip(golden["steps"].as_array().unwrap()) {
                let told = players.step(batch(), &StepCx::new(0, step, N, &device)).read();
                let (names, wanted) = match is_first {
                    true => (vec!["l1"], vec![wanted.as_f64().unwrap()]),
                    false => (vec!["d_loss", "g_loss", "l1"], numbers(wanted)),
                };
                for (scalar, wanted) in names.into_iter().zip(wanted) {
                    let found = told.iter().find(|(known, _)| *known == scalar).unwrap().1;
                    assert_close(&format!("{scalar} of step {step}, {name}"), found, wanted, wanted, 1e-4);
                }
            }
            let given = Given::of_seeds(vec![0; N], &device).with(PICTURE, pictures()[0].clone()).with(POSE, joints());
            let made = Model::forward(&players.painter.sampler(), given).tensor::<4>("result");
            assert_near_within(1e-3, some(made), &golden["at_last"], "what is made thereafter");
        }
    }

    #[test]
    fn the_second_stage_begins_with_what_the_first_one_draws_and_leaves_that_as_it_is() {
        let config = Config { first_kimg: 0.004, second_kimg: 0.004, ..small(false) };
        let (mut players, device) = (begun::<PoseGan>(&config), Device::flex());
        let mut firsts = Vec::new();
        for step in 0..4 {
            let cx = StepCx { images: 2 * step, ..StepCx::new(0, step, 2, &device) };
            let told = players.step(batch(), &cx).read();
            assert!(told.iter().all(|(_, value)| value.is_finite()), "{told:?}");
            assert_eq!(told.iter().any(|(name, _)| *name == "d_loss"), step >= 2, "{told:?}");
            let given = Given::of_seeds(vec![0; N], &device).with(PICTURE, pictures()[0].clone()).with(POSE, joints());
            let made = Model::forward(&players.painter.sampler(), given);
            let [result, first] = ["result", "first"].map(|name| made.tensor::<4>(name).into_data());
            assert_eq!(result == first, step < 2, "after step {step}");
            firsts.push(first);
        }
        assert!(firsts[0] != firsts[1] && firsts[1] == firsts[3]);
    }

    #[test]
    fn a_person_of_any_size_is_drawn_in_a_pose_of_a_picture_of_any_size() {
        for resolution in [16, 32, 64, 128] {
            let config = Config { resolution, width: 1, ..small(false) };
            let painter = Painter::new(&config, &Device::flex());
            let pixels = (0..50 * 40 * 3).map(|i| (i * 7 % 251) as u8).collect();
            let picture = crate::request::Value::Media(Media::Image(Image::new(50, 40, 3, pixels)));
            let other = Pose { width: 640.0, height: 320.0, ..crate::media::pose::tests::pose() }.text();
            let usual = Request::seeds([0]).with(PICTURE, &picture);
            let made = |request: &Request| match crate::model::generate(&painter, request).unwrap().remove(0) {
                Media::Image(image) => image,
                other => panic!("{other:?}"),
            };
            let (one, two) = (made(&usual), made(&usual.clone().with(POSE, &other.as_str().into())));
            assert_eq!(([one.width, one.height], one == two), ([50, 40], false), "at {resolution}");
            for (text, wrong) in [("person.png", "pose is not JSON"), ("{}", "pose does not say the width")] {
                let error = crate::model::generate(&painter, &usual.clone().with(POSE, &text.into())).unwrap_err();
                assert!(error.exit_code() == 2 && error.to_string().starts_with(wrong), "{error}");
            }
        }
    }

    #[test]
    fn a_run_without_images_and_a_pose_that_is_none_are_refused() {
        let none = Config { first_kimg: 0.0, second_kimg: 0.0, ..Config::default() };
        assert!(none.problem().unwrap().contains("neither stage"));
        let wrong = Config { pose: "{}".into(), ..Config::default() };
        assert!(wrong.problem().unwrap().starts_with("pose does not say the width"));
        assert_eq!(Config::default().problem(), None);
    }
}
