//! The half of a recipe that one keeps: from named tensors to named tensors, and the one place where what people give becomes
//! tensors and tensors become pictures, points and music.

use std::collections::BTreeMap;
use std::ops::Range as Part;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::data::music::{STEPS, notes};
use crate::error::{Error, Result, nearest};
use crate::field::{Field, Kind, Range};
use crate::looks::sentences::WIDTH;
use crate::media::{Chord, Image, JOINTS, Media, Notes, Pose};
use crate::parts::{MODEL, Parts};
use crate::random::Draws;
use crate::request::{Latent, PICTURE, Request, SHOW, Sample, Value};

/// Samples at a time, so that a long request needs no more memory than a short one; and of those made out of pictures.
const AT_A_TIME: [usize; 2] = [256, 16];
/// Pixels of the pictures that are made at a time, unless one alone has more. It is the same on every machine, for the last
/// digits of a sample may depend on how many are made with it.
const PIXELS_AT_A_TIME: usize = 1 << 18;
/// Twelve roots, one of them on, and whether the chord is minor.
const CHORD: usize = 13;
/// How far styles go from their average, as a share: 1 as they are drawn, 0 for the average itself. Less gives better and less
/// varied samples (StyleGAN's ψ).
pub const TRUNCATION: &str = "truncation";
/// The styles of a model that has them, `[n, layers, style]`, in place of its latent vectors.
pub const STYLES: &str = "styles";

/// Something whose weights can be saved and loaded. Every Burn module is.
pub trait Weights {
    /// Names the weights, as the part `model`.
    fn weights(&mut self, visit: &mut Parts);
    /// Where they are.
    fn device(&self) -> Device;
}

impl<M: Module> Weights for M {
    fn weights(&mut self, visit: &mut Parts) {
        visit.module(MODEL, self);
    }

    fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_default()
    }
}

/// The half of a recipe that one keeps: what sample, apply, serve and export load.
pub trait Model: Weights + 'static {
    /// What it takes. Who takes a picture calls it [`PICTURE`].
    fn takes(&self) -> Vec<Field>;

    /// What it makes; the first is shown where nothing else is asked for.
    fn makes(&self) -> Vec<Field>;

    /// What becomes of what is given: every field of [`Model::takes`] that has no usual value, and a tensor for every field of
    /// [`Model::makes`].
    fn forward(&self, given: Given) -> Made;

    /// The styles between its latent vectors and what it makes; none for a model without.
    fn style_space(&self) -> Option<StyleSpace> {
        None
    }

    /// How a large picture can be gone through in tiles; none for a model that sees all of a picture, or takes none.
    fn tiling(&self) -> Option<Tiling> {
        None
    }
}

/// How a picture is brought to a model that turns it into another of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Width and height of the picture it takes are multiples of this, in pixels.
    pub multiple: usize,
    /// The least width and height that it takes, in pixels.
    pub least: usize,
    /// Pixels of the result along one of the picture: 1 for a result of the same size.
    pub scale: usize,
    /// How far, in pixels of the picture, a pixel of the result sees; larger distances change it little or not at all. None for a
    /// model that takes a picture only whole.
    pub reach: Option<usize>,
    /// Whether the result shows the picture itself, larger or mended, so that grey stays grey. Else its colours are the model's
    /// own, and it takes a picture as it looks over white, which is how it learned.
    pub keeps_colours: bool,
    /// Bytes of memory that it needs whatever the picture: the weights, and room to work.
    pub bytes: usize,
    /// Bytes of memory that a picture needs at the peak, for each of its pixels.
    pub bytes_per_pixel: usize,
}

/// From seeds to what they draw, a row for each.
pub type OfSeeds = dyn Fn(&[u64]) -> Tensor<2>;

/// What a model draws by each style w (Karras et al. 2019, the space W).
pub struct StyleSpace {
    /// The average style, `[1, style]`.
    pub average: Tensor<2>,
    /// The root of the mean squared distance of styles from their average.
    pub spread: Box<dyn Fn() -> f64>,
    /// The styles `[n, style]` of seeds.
    pub styles: Box<OfSeeds>,
    /// Styles `[n, style]`, on the graph or off it, to pictures `[n, channels, side, side]` in [-1, 1].
    pub pictures: Box<dyn Fn(Tensor<2>) -> Tensor<4>>,
    /// How many layers of a picture have a style each.
    pub layers: usize,
}

/// Tensors of any rank by name.
#[derive(Clone, Debug, Default)]
struct Named(BTreeMap<String, (Tensor<1>, Vec<usize>)>);

impl Named {
    fn put<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        self.0.insert(name.to_owned(), (tensor.reshape([-1]), shape));
    }

    fn get<const D: usize>(&self, name: &str) -> Option<Tensor<D>> {
        let (values, shape) = self.0.get(name)?;
        let wanted = <[usize; D]>::try_from(shape.as_slice());
        let wanted = wanted.unwrap_or_else(|_| panic!("{name} is {shape:?} and has not {D} axes"));
        Some(values.clone().reshape(wanted))
    }
}

/// What a model is given, each with a row or an entry for each of n samples.
#[derive(Clone, Debug)]
pub struct Given {
    /// The samples' seeds, for chance that is no vector.
    pub seeds: Vec<u64>,
    device: Device,
    tensors: Named,
    numbers: BTreeMap<String, Vec<f64>>,
    choices: BTreeMap<String, Vec<usize>>,
}

impl Given {
    /// Nothing yet, for samples of these seeds.
    pub fn of_seeds(seeds: Vec<u64>, device: &Device) -> Self {
        let (numbers, choices) = (BTreeMap::new(), BTreeMap::new());
        Given { seeds, device: device.clone(), tensors: Named::default(), numbers, choices }
    }

    /// The same with a tensor, a row for each sample.
    pub fn with<const D: usize>(mut self, name: &str, tensor: Tensor<D>) -> Self {
        self.tensors.put(name, tensor);
        self
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.seeds.len()
    }

    /// The tensor of a name. Panics where there is none, or one of another rank.
    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.get(name).unwrap_or_else(|| panic!("no tensor `{name}` is given"))
    }

    /// The tensor of a name, if it is given.
    pub fn get<const D: usize>(&self, name: &str) -> Option<Tensor<D>> {
        self.tensors.get(name)
    }

    /// The numbers of a name, one for each sample. Panics where there are none.
    pub fn numbers(&self, name: &str) -> &[f64] {
        self.numbers.get(name).unwrap_or_else(|| panic!("no numbers `{name}` are given"))
    }

    /// Which of its words a choice of this name is, for each sample. Panics where there is none.
    pub fn choices(&self, name: &str) -> &[usize] {
        self.choices.get(name).unwrap_or_else(|| panic!("no choice `{name}` is given"))
    }

    /// The same of some samples.
    fn part(&self, part: Part<usize>) -> Self {
        let count = part.len();
        let tensors = self.tensors.0.iter().map(|(name, (values, shape))| {
            let row = shape[1..].iter().product::<usize>();
            let shape = [&[count], &shape[1..]].concat();
            (name.clone(), (values.clone().narrow(0, part.start * row, count * row), shape))
        });
        Given {
            seeds: self.seeds[part.clone()].to_vec(),
            device: self.device.clone(),
            tensors: Named(tensors.collect()),
            numbers: self.numbers.iter().map(|(name, all)| (name.clone(), all[part.clone()].to_vec())).collect(),
            choices: self.choices.iter().map(|(name, all)| (name.clone(), all[part.clone()].to_vec())).collect(),
        }
    }

    /// What is made of the samples, those in a row with one key together: for what is another network by what is given.
    pub fn each<K: PartialEq>(&self, keys: &[K], made: impl Fn(&K, Given) -> Made) -> Made {
        let mut start = 0;
        let parts = keys.chunk_by(|a, b| a == b).map(|some| {
            let part = start..start + some.len();
            start = part.end;
            made(&some[0], self.part(part))
        });
        Made::joined(parts.collect())
    }
}

/// What a model makes: a tensor for each of its fields, with a row for each sample.
#[derive(Clone, Debug, Default)]
pub struct Made(Named);

impl Made {
    /// One thing.
    pub fn one<const D: usize>(name: &str, tensor: Tensor<D>) -> Self {
        Made::default().and(name, tensor)
    }

    /// The same with one thing more.
    pub fn and<const D: usize>(mut self, name: &str, tensor: Tensor<D>) -> Self {
        self.0.put(name, tensor);
        self
    }

    /// The tensor of a name. Panics where there is none, or one of another rank.
    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.0.get(name).unwrap_or_else(|| panic!("the model made no `{name}`"))
    }

    /// The samples of one after those of the other.
    fn joined(mut parts: Vec<Made>) -> Self {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let names = parts.first().map(|part| part.0.0.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let joined = names.into_iter().map(|name| {
            let all = parts.iter().map(|part| &part.0.0[&name]);
            let rows = all.clone().map(|(_, shape)| shape[0]).sum();
            let shape = [&[rows], &parts[0].0.0[&name].1[1..]].concat();
            let values = Tensor::cat(all.map(|(values, _)| values.clone()).collect(), 0);
            (name, (values, shape))
        });
        Made(Named(joined.collect()))
    }
}

/// The field of a name.
fn named<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}

/// The channels of the pictures that a model takes, and the side that it learned from, where there is one; none where it takes
/// no pictures.
pub fn taken_picture(model: &dyn Model) -> Option<(usize, Option<usize>)> {
    model.takes().iter().find_map(|field| match field.kind {
        Kind::Picture { channels, side, .. } if field.name == PICTURE => Some((channels, side)),
        Kind::Face { side, .. } if field.name == PICTURE => Some((3, Some(side))),
        _ => None,
    })
}

/// Width, height and channels of the pictures that a model makes; none where it makes something else, and where the sides are
/// those of what it is given.
pub fn made_picture(model: &dyn Model) -> Option<[usize; 3]> {
    match model.makes().first()?.kind {
        Kind::Picture { channels, side: Some(side), .. } => Some([side, side, channels]),
        _ => None,
    }
}

/// One medium for each sample of the request, in its order. An error where the request does not fit the model; the sentence
/// says the way out.
pub fn generate(model: &dyn Model, request: &Request) -> Result<Vec<Media>> {
    let mut all = Vec::with_capacity(request.samples.len());
    for some in in_pieces(model, request)? {
        all.extend(some?);
    }
    Ok(all)
}

/// How many samples a model makes at a time.
fn at_a_time(model: &dyn Model) -> usize {
    let most = AT_A_TIME[usize::from(taken_picture(model).is_some())];
    made_picture(model).map_or(most, |[width, height, _]| most.min(PIXELS_AT_A_TIME / (width * height)).max(1))
}

/// The pixels of the pictures that a model makes at a time where it is asked for so many samples; 0 of one that makes other things.
pub(crate) fn pixels_at_a_time(model: &dyn Model, samples: usize) -> usize {
    made_picture(model).map_or(0, |[width, height, _]| width * height * samples.min(at_a_time(model)))
}

/// The same, as many at a time as the model makes in one go: who writes each piece down needs no memory for the whole.
pub fn in_pieces<'a>(
    model: &'a dyn Model,
    request: &'a Request,
) -> Result<impl Iterator<Item = Result<Vec<Media>>> + 'a> {
    check(model, request)?;
    let (takes, most) = (model.takes(), at_a_time(model));
    let mut left = request.samples.as_slice();
    Ok(std::iter::from_fn(move || {
        let first = left.first()?;
        let alike =
            |other: &&Sample| shape(first, &takes) == shape(other, &takes) && first.text(SHOW) == other.text(SHOW);
        let (some, rest) = left.split_at(left.iter().take(most).take_while(alike).count());
        left = rest;
        Some(made(model, some, &[first.text(SHOW)]).map(|mut made| made.remove(0)))
    }))
}

/// What a model makes of samples of one shape, as few as are made at a time: a list for each of the things shown, by the names of
/// [`Model::makes`]; none for the first of them.
pub fn made(model: &dyn Model, samples: &[Sample], shown: &[Option<&str>]) -> Result<Vec<Vec<Media>>> {
    let (takes, makes) = (model.takes(), model.makes());
    let made = model.forward(encoded(model, &takes, samples)?);
    let field = |name: &Option<&str>| name.and_then(|name| named(&makes, name)).unwrap_or(&makes[0]);
    shown.iter().map(|name| decoded(&made, field(name), &takes, samples)).collect()
}

/// An error where the model does not take something that is given, or wants something that is not.
pub fn check(model: &dyn Model, request: &Request) -> Result<()> {
    let (takes, makes, has_styles) = (model.takes(), model.makes(), model.style_space().is_some());
    let mut before = None;
    for sample in &request.samples {
        let same = before.is_some_and(|before: &Sample| before.given == sample.given);
        let wrong = hindrance_of_latent(&sample.latent, &takes, has_styles);
        let wrong = wrong.or_else(|| if same { None } else { hindrance(sample, &takes, &makes) });
        wrong.map_or(Ok(()), |wrong| Err(Error::input(wrong)))?;
        before = Some(sample);
    }
    Ok(())
}

fn hindrance_of_latent(latent: &Latent, takes: &[Field], has_styles: bool) -> Option<String> {
    let has_chance = takes.iter().any(Field::is_chance);
    match latent {
        Latent::Mixed { .. } if !has_styles => Some("this model has no styles to mix; leave --mix out".into()),
        Latent::Walk { .. } | Latent::Mixed { .. } if named(takes, PICTURE).is_some() => {
            Some("this model turns pictures into others and knows no way between two seeds".into())
        }
        Latent::Seed(0) => None,
        _ if has_chance => None,
        _ => Some("this model draws nothing by chance: for each input it has one result, that of seed 0".into()),
    }
}

/// What one should know of what is given, a sentence each: a text that its encoder may misread.
pub fn remarks(model: &dyn Model, request: &Request) -> Vec<String> {
    let mut remarks = Vec::new();
    for Field { name, kind } in model.takes() {
        let Kind::Text { reader, .. } = kind else { continue };
        let given = request.samples.iter().filter_map(|sample| sample.given.get(&name));
        for text in given.flat_map(said) {
            let remark = reader.encoder().remark(text);
            remarks.extend(remark.filter(|remark| !remarks.contains(remark)));
        }
    }
    remarks
}

/// The numbers or texts of a value.
fn said(value: &Value) -> Vec<&str> {
    match value {
        Value::Text(text) => vec![text],
        Value::Way { from, to, .. } => vec![from, to],
        Value::Media(_) => Vec::new(),
    }
}

/// What hinders a model from making a sample of what is given.
fn hindrance(sample: &Sample, takes: &[Field], makes: &[Field]) -> Option<String> {
    if named(takes, PICTURE).is_some() && sample.picture().is_none() {
        return Some("this model turns pictures into others; give it some with `ganvas apply`".into());
    }
    let shown = Field::new(SHOW, Kind::Choice { among: makes.iter().map(|field| field.name.clone()).collect() });
    let shown = Some(&shown).filter(|_| makes.len() > 1);
    sample.given.iter().find_map(|(name, value)| match named(takes, name).or(shown.filter(|_| name == SHOW)) {
        None if name == PICTURE => {
            Some("this model makes pictures out of noise and takes none; use `ganvas sample`".into())
        }
        None if name == TRUNCATION => Some("this model has no styles to truncate; leave --truncation out".into()),
        None => {
            let is_worded = |field: &&Field| {
                let is_own = [PICTURE, TRUNCATION].contains(&field.name.as_str());
                !is_own && !field.is_chance()
            };
            let names = takes.iter().filter(is_worded).chain(shown).map(|field| field.name.as_str());
            let names = names.collect::<Vec<_>>();
            Some(match names.is_empty() {
                true => format!("this model takes no `{name}`; leave --with out"),
                false => format!("this model takes no `{name}`; it takes {}", names.join(", ")),
            })
        }
        Some(field) => match (&field.kind, value) {
            (Kind::Choice { among }, Value::Text(word)) if !among.contains(word) => {
                Some(format!("{name} is `{word}`; give one of {}", among.join(", ")))
            }
            (Kind::Class { .. }, Value::Text(word)) if word.is_empty() => None,
            (Kind::Class { names }, Value::Text(_) | Value::Way { .. }) => {
                let word = said(value).into_iter().find(|word| !names.iter().any(|known| known == word))?;
                let near = nearest(word, names.iter().map(String::as_str));
                let near = near.map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
                Some(format!("this model knows no {name} `{word}`.{near} It knows {}", names.join(", ")))
            }
            (Kind::Number { low, high, .. }, Value::Text(_) | Value::Way { .. }) => {
                let is_right = |text: &&str| text.parse::<f64>().is_ok_and(|number| (*low..=*high).contains(&number));
                let wrong = said(value).into_iter().find(|text| !is_right(text));
                wrong.map(|text| format!("{name} is `{text}`; give a number from {low} to {high}"))
            }
            (Kind::Text { .. }, Value::Text(text)) if text.trim().is_empty() => None,
            (Kind::Text { reader, .. }, Value::Text(_) | Value::Way { .. }) => {
                let wrong = said(value).into_iter().find_map(|text| reader.encoder().hindrance(text));
                wrong.map(|wrong| format!("{name} {wrong}"))
            }
            (Kind::Pose { .. }, Value::Text(text)) if text.trim().is_empty() => None,
            (Kind::Pose { .. }, Value::Text(text)) => Pose::parse(text).err().map(|wrong| format!("{name} {wrong}")),
            (Kind::Pose { .. }, Value::Media(_)) => Some(format!("{name} is a picture; give the JSON of a pose")),
            (_, Value::Way { .. }) => Some(format!("{name} has no values between two of its own; leave --to out")),
            _ => None,
        },
    })
}

/// A picture that a model made, before it is rounded to levels.
pub struct Values {
    /// Width and height.
    pub sides: [usize; 2],
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// `height * width * channels` values, 0 for black and 1 for full.
    pub values: Vec<f32>,
}

/// What a model turns a picture `[1, channels, height, width]` in [-1, 1] into, with all else that is asked: one for each of the
/// things shown, by the names of [`Model::makes`]; none for the first of them. Panics where a thing shown is no picture.
pub fn turned(model: &dyn Model, asked: &Sample, picture: Tensor<4>, shown: &[Option<&str>]) -> Result<Vec<Values>> {
    let (takes, makes) = (model.takes(), model.makes());
    let [_, channels, ..] = picture.dims();
    let stand_in = Image::new(1, 1, channels, vec![0; channels]);
    let sample = asked.clone().with(PICTURE, Value::Media(Media::Image(stand_in)));
    let range = named(&takes, PICTURE).map_or(Range::Signed, |field| match field.kind {
        Kind::Picture { range, .. } => range,
        _ => Range::Signed,
    });
    let picture = match range {
        Range::Signed => picture,
        Range::Unit => (picture + 1.0) * 0.5,
    };
    let made = model.forward(encoded(model, &takes, &[sample])?.with(PICTURE, picture));
    let values = |name: &Option<&str>| {
        let field = name.and_then(|name| named(&makes, name)).unwrap_or(&makes[0]);
        let range = match field.kind {
            Kind::Picture { range, .. } => range,
            Kind::Mask => Range::Unit,
            ref other => panic!("a picture is turned into {other:?}"),
        };
        let pictures = made.tensor::<4>(&field.name);
        let [_, channels, height, width] = pictures.dims();
        Values { sides: [width, height], channels, values: unit(pictures, range) }
    };
    Ok(shown.iter().map(values).collect())
}

/// What decides on the shapes of a sample's tensors.
fn shape(sample: &Sample, takes: &[Field]) -> Vec<usize> {
    let of = |field: &Field| match (&field.kind, sample.given.get(&field.name)) {
        (Kind::Picture { .. } | Kind::Face { .. }, Some(Value::Media(Media::Image(image)))) => {
            vec![image.width, image.height]
        }
        (Kind::Chords { usual }, _) => {
            vec![Chord::sequence(sample.text(&field.name).unwrap_or(usual)).map_or(0, |chords| chords.len())]
        }
        (Kind::Bar { .. }, value) => vec![usize::from(value.is_some_and(|value| *value != Value::from("")))],
        _ => Vec::new(),
    };
    takes.iter().flat_map(of).collect()
}

/// What samples of one shape are to a model.
fn encoded(model: &dyn Model, takes: &[Field], samples: &[Sample]) -> Result<Given> {
    let device = model.device();
    let mut given = Given::of_seeds(samples.iter().map(|sample| sample.latent.seed()).collect(), &device);
    let mut bars = 1;
    for Field { name, kind } in takes {
        let text = |sample: &Sample, usual: &str| sample.text(name).unwrap_or(usual).to_owned();
        match kind {
            Kind::Choice { among } => {
                let number = |sample: &Sample| among.iter().position(|word| Some(word.as_str()) == sample.text(name));
                let numbers = samples.iter().map(|sample| number(sample).unwrap_or(0)).collect();
                given.choices.insert(name.clone(), numbers);
            }
            Kind::Class { names } => {
                let alone = |class: usize| (0..names.len()).map(|i| f32::from(u8::from(i == class))).collect();
                let of_seed = |seed| Ok(alone(Draws::new(seed, 0).indices(name, names.len() as u32, 1)[0] as usize));
                let of = |word: &str| {
                    let class = names.iter().position(|known| known == word);
                    class.map(alone).ok_or_else(|| Error::input(format!("this model knows no {name} `{word}`")))
                };
                let shares = samples.iter().map(|sample| blended(name, sample, of, of_seed));
                let shares = shares.collect::<Result<Vec<_>>>()?.concat();
                let shares = TensorData::new(shares, [samples.len(), names.len()]);
                given = given.with(name, Tensor::<2>::from_data(shares, &device));
            }
            Kind::Number { usual, .. } => {
                let parsed = |text: &str| text.parse::<f64>().unwrap_or(*usual);
                let number = |sample: &Sample| match sample.given.get(name) {
                    Some(Value::Text(text)) => parsed(text),
                    Some(Value::Way { from, to, share }) => parsed(from) * (1.0 - share) + parsed(to) * share,
                    _ => *usual,
                };
                given.numbers.insert(name.clone(), samples.iter().map(number).collect());
            }
            Kind::Picture { .. } | Kind::Face { .. } => {
                let pictures = samples.iter().filter_map(|sample| match sample.given.get(name) {
                    Some(Value::Media(Media::Image(image))) => Some(match kind {
                        Kind::Picture { range: Range::Unit, .. } => (image.to_signed(&device) + 1.0) * 0.5,
                        _ => image.to_signed(&device),
                    }),
                    _ => None,
                });
                given = given.with(name, Tensor::cat(pictures.collect(), 0));
            }
            Kind::Text { reader, usual } => {
                let of_seed = |seed| match usual.len() {
                    0 => Ok(vec![0.0; WIDTH]),
                    count => reader.vector(&usual[Draws::new(seed, 0).indices(name, count as u32, 1)[0] as usize]),
                };
                let vectors = samples.iter().map(|sample| blended(name, sample, |text| reader.vector(text), of_seed));
                let vectors = vectors.collect::<Result<Vec<_>>>()?.concat();
                let vectors = TensorData::new(vectors, [samples.len(), WIDTH]);
                given = given.with(name, Tensor::<2>::from_data(vectors, &device));
            }
            Kind::Pose { usual } => {
                let given_pose = |sample| {
                    Pose::parse(Some(text(sample, "")).filter(|text| !text.trim().is_empty()).as_ref().unwrap_or(usual))
                };
                let shares = samples.iter().map(|sample| given_pose(sample).map(|pose| pose.shares()));
                let shares = shares.collect::<Result<Vec<_>, String>>();
                let shares = shares.map_err(|wrong| Error::input(format!("{name} {wrong}")))?.concat();
                let shares = TensorData::new(shares, [samples.len(), JOINTS, 3]);
                given = given.with(name, Tensor::<3>::from_data(shares, &device));
            }
            Kind::Chords { usual } => {
                let chords = samples.iter().map(|sample| Chord::sequence(&text(sample, usual)));
                let chords = chords.collect::<Result<Vec<_>>>()?;
                bars = chords[0].len();
                given = given.with(name, chord_vectors(&chords, &device));
            }
            Kind::Bar { pitches } => {
                let bars = samples.iter().filter_map(|sample| bar(name, sample.given.get(name)?, *pitches).transpose());
                let bars = bars.collect::<Result<Vec<_>>>()?;
                if !bars.is_empty() {
                    let steps = bars.iter().flatten().map(|pitch| pitch.map_or(-1.0, f32::from)).collect::<Vec<f32>>();
                    given =
                        given.with(name, Tensor::<2>::from_data(TensorData::new(steps, [bars.len(), STEPS]), &device));
                }
            }
            Kind::Latent { .. } | Kind::Noise | Kind::Mask | Kind::Point | Kind::Notes => (),
        }
    }
    if let Some(space) = model.style_space() {
        let styles = styles(&space, samples, given.numbers(TRUNCATION));
        return Ok(given.with(STYLES, styles));
    }
    for Field { name, kind } in takes {
        if let Kind::Latent { width, prior } = kind {
            let seeded = |seed, most: Option<f64>| {
                let (draws, shape) = (Draws::new(seed, 0), [1, bars * width]);
                match most {
                    Some(most) => prior.draw_within(most as f32, &draws, "latent", shape, &device),
                    None => prior.draw(&draws, "latent", shape, &device),
                }
            };
            // Without styles, truncation bounds the latent vectors themselves; at its largest it does not.
            let bound = named(takes, TRUNCATION).map(|field| field.kind.clone());
            let most = |i: usize| match &bound {
                Some(Kind::Number { high, .. }) => Some(given.numbers(TRUNCATION)[i]).filter(|most| most < high),
                _ => None,
            };
            let vectors = samples.iter().enumerate().map(|(i, sample)| match &sample.latent {
                Latent::Walk { from, steps } => {
                    let along = |at, (to, t): &(u64, f32)| prior.between(at, seeded(*to, most(i)), *t);
                    steps.iter().fold(seeded(*from, most(i)), along)
                }
                latent => seeded(latent.seed(), most(i)),
            });
            let vectors = Tensor::cat(vectors.collect(), 0);
            given = given.with(name, vectors);
        }
    }
    Ok(given)
}

/// The numbers of what a sample is given by this name: `of` its text, or of its seed where none is given. On the way between two texts
/// or two seeds they are the average of both, each by its share.
fn blended(
    name: &str,
    sample: &Sample,
    of: impl Fn(&str) -> Result<Vec<f32>>,
    of_seed: impl Fn(u64) -> Result<Vec<f32>>,
) -> Result<Vec<f32>> {
    let mixed = |from: Vec<f32>, to: Vec<f32>, share: f32| {
        from.into_iter().zip(to).map(|(from, to)| from * (1.0 - share) + to * share).collect()
    };
    match (sample.given.get(name), &sample.latent) {
        (Some(Value::Way { from, to, share }), _) => Ok(mixed(of(from)?, of(to)?, *share as f32)),
        (Some(Value::Text(text)), _) if !text.trim().is_empty() => of(text),
        (_, Latent::Walk { from, steps }) => {
            steps.iter().try_fold(of_seed(*from)?, |at, (to, t)| Ok(mixed(at, of_seed(*to)?, *t)))
        }
        (_, latent) => of_seed(latent.seed()),
    }
}

/// The styles `[n, layers, style]` of samples, each drawn towards the average by its own share.
fn styles(space: &StyleSpace, samples: &[Sample], truncation: &[f64]) -> Tensor<3> {
    let rows = samples.iter().zip(truncation).map(|(sample, share)| {
        let of = |seed: &u64| ((space.styles)(&[*seed]) - space.average.clone()) * *share + space.average.clone();
        let layers = match &sample.latent {
            Latent::Seed(seed) => vec![of(seed); space.layers],
            Latent::Walk { from, steps } => {
                vec![steps.iter().fold(of(from), |at, (to, t)| at * (1.0 - t) + of(to) * *t); space.layers]
            }
            Latent::Mixed { coarse, fine, cut } => {
                let (coarse, fine) = (of(coarse), of(fine));
                (0..space.layers).map(|layer| if layer < *cut { coarse.clone() } else { fine.clone() }).collect()
            }
        };
        Tensor::stack::<3>(layers, 1) // [1, layers, style]
    });
    Tensor::cat(rows.collect(), 0)
}

/// What is on in chords, as many for each sample: `[n, bars, 13]`.
pub fn chord_vectors(chords: &[Vec<Chord>], device: &Device) -> Tensor<3> {
    let (n, bars) = (chords.len(), chords.first().map_or(0, Vec::len));
    let mut values = vec![0.0_f32; n * bars * CHORD];
    for (values, chord) in values.chunks_mut(CHORD).zip(chords.iter().flatten()) {
        values[usize::from(chord.root)] = 1.0;
        values[CHORD - 1] = f32::from(u8::from(chord.is_minor));
    }
    Tensor::from_data(TensorData::new(values, [n, bars, CHORD]), device)
}

/// The pitch in each step of the one bar that is given; none for an empty text.
fn bar(name: &str, value: &Value, [lowest, highest]: [u8; 2]) -> Result<Option<Vec<Option<u8>>>> {
    let bar = match value {
        Value::Text(text) if text.is_empty() => return Ok(None),
        Value::Text(text) => text.parse::<Notes>()?,
        Value::Media(Media::Notes(notes)) => notes.clone(),
        Value::Media(_) => return Err(Error::input(format!("{name} is a picture; give one bar of music"))),
        Value::Way { .. } => {
            return Err(Error::input(format!("{name} has no values between two of its own; give one")));
        }
    };
    if bar.bars() != 1 {
        return Err(Error::input(format!("{name} has {} bars; give one, and the others follow", bar.bars())));
    }
    if let Some(note) = bar.notes.iter().find(|note| !(lowest..=highest).contains(&note.pitch)) {
        return Err(Error::input(format!(
            "{name} has the pitch {} (of MIDI), and the model knows those from {lowest}, C4, to {highest}, B5, alone; write it \
             there",
            note.pitch
        )));
    }
    Ok(Some(bar.sounding().into_iter().map(|note| note.map(|note| note.pitch)).collect()))
}

/// What a model made, as media. Music stands above the chords that were given.
fn decoded(made: &Made, field: &Field, takes: &[Field], samples: &[Sample]) -> Result<Vec<Media>> {
    let (values, shape) = made.0.0.get(&field.name).unwrap_or_else(|| panic!("the model made no `{}`", field.name));
    let numbers = || values.clone().into_data().iter::<f32>().collect::<Vec<f32>>();
    Ok(match &field.kind {
        Kind::Picture { channels, side, range } => {
            let side = |axis: usize| side.unwrap_or_else(|| shape[axis]);
            images(values.clone().reshape([shape[0], *channels, side(2), side(3)]), *range)
        }
        Kind::Mask => images(made.tensor::<4>(&field.name), Range::Unit),
        Kind::Point => numbers().chunks(2).map(|point| Media::Point([point[0], point[1]])).collect(),
        Kind::Notes => {
            let pitches = numbers().into_iter().map(|pitch| (pitch >= 0.0).then_some(pitch as u8)).collect::<Vec<_>>();
            let pieces = pitches.chunks(shape[1] * shape[2]).zip(samples).map(|(piece, sample)| {
                let bars = piece.chunks(shape[2]).collect::<Vec<_>>();
                let below = takes.iter().find_map(|field| match &field.kind {
                    Kind::Chords { usual } => Some(Chord::sequence(sample.text(&field.name).unwrap_or(usual))),
                    _ => None,
                });
                let below = below.transpose()?.unwrap_or_default().into_iter().map(Some).collect::<Vec<_>>();
                Ok(Media::Notes(notes(&bars, &below)))
            });
            pieces.collect::<Result<Vec<_>>>()?
        }
        other => panic!("a model makes no {other:?}"),
    })
}

/// Pictures `[n, channels, height, width]`.
fn images(pictures: Tensor<4>, range: Range) -> Vec<Media> {
    let [_, channels, height, width] = pictures.dims();
    let values = unit(pictures, range);
    let each = values.chunks(height * width * channels);
    each.map(|values| Media::Image(Image::from_unit(width, height, channels, values))).collect()
}

/// The values of pictures in [0, 1], the channels of a pixel side by side.
fn unit(pictures: Tensor<4>, range: Range) -> Vec<f32> {
    let pictures = pictures.permute([0, 2, 3, 1]);
    let pictures = match range {
        Range::Signed => (pictures + 1.0) * 0.5,
        Range::Unit => pictures,
    };
    pictures.into_data().iter::<f32>().collect()
}
