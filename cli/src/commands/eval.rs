//! `ganvas eval`: how near generated samples come to real ones.

use std::fs;
use std::path::{Path, PathBuf};

use ganvas::data::images::{Images, Shape};
use ganvas::data::music;
use ganvas::eval::{
    Against, Answers, ByClass, ByText, Drawn, Given, Like, Measure, Metric, Music, On, Part, Passport, Pictures, Seen,
    Side, Subject, kind_of, metric, misplaced, misplaced_on, table, usual,
};
use ganvas::eval::{
    answered_music, differences, group, no_text, of_features, of_model, of_music, of_pairs, of_statistics, panel,
    text_field, turned, wanted_music,
};
use ganvas::field::Kind;
use ganvas::import::Card;
use ganvas::looks::Network;
use ganvas::media::{Format, Picture};
use ganvas::report::Report;
use ganvas::{Error, Example, Model, RECIPES, RunDir, Unusable, sample};

use super::Computing;
use crate::progress::{Work, say};

const MOST_SAMPLES: usize = 10_000;
const ARRAYS: &[&str] = &["npz", "npy"];

/// Measure generated samples against real ones, with intervals.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas eval runs/0002-stylegan2
  ganvas eval pictures/ --against my-photos/ --metric kid --json
  ganvas eval runs/0003-biggan runs/0004-dcgan --by-class --differences
  ganvas eval runs/0005-stackgan --by-text
  ganvas eval runs/0003-pix2pix --baselines --panel seen.jpg
  ganvas eval runs/0001-mnist runs/0003-dcgan mnist:test --against mnist --metric fd --table
  ganvas eval runs/0004-songs melodies/ --against folk --metric music
  ganvas eval generated.npz --against real.npz --metric fd --metric kid --like torch-fidelity
  ganvas eval enlarged/ --against originals/ --metric psnr --metric ssim --border 4")]
pub struct Args {
    /// Runs, or latest for the newest in the folder runs; pictures, as a folder, a zip or a data set of `ganvas data list`,
    /// with :train, :held-out, :test or :all for a part of them; music, as a folder of MIDI files or a data set, likewise;
    /// features: a .npz or .npy file with one array, a row for each sample, or a .npz file with mu and sigma as pytorch-fid saves
    /// them; or passports: what --json printed, in a .json file. Several are compared in a table.
    #[arg(required = true, value_name = "GENERATED")]
    generated: Vec<PathBuf>,
    /// Real pictures, likewise, :train by default; music, :held-out by default; or features. A run's own data by default.
    #[arg(long, value_name = "DATA")]
    against: Option<PathBuf>,
    /// What to measure, again for more; all that suits by default.
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,
    /// How many samples on either side; 10,000, or as many as there are, by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: Option<u32>,
    /// The seed of a run's first sample; the others follow.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    seed: u64,
    /// Whose features; digits for grey pictures of 28 pixels against digits, else squeezenet, by default.
    #[arg(long, value_name = "NETWORK")]
    features: Option<Of>,
    /// The weights of inception: pt_inception-2015-12-05-6726825d.pth of pytorch-fid, or the same as safetensors.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Measure each class by itself, and the mean over the classes, of a run that makes pictures: how far its samples of a class are
    /// from the real pictures of it, and how often a classifier sees the class that was asked for. --samples is then of each class.
    #[arg(long, conflicts_with = "panel")]
    by_class: bool,
    /// Measure by the captions of held-out pictures, of a run that takes a sentence: how often a sample is nearest to its own caption,
    /// has what that says, and changes as one word of it does. --samples is how many pictures are asked for.
    #[arg(long, conflicts_with_all = ["by_class", "panel"])]
    by_text: bool,
    /// How far a run's styles go from their average; for biggan, the largest entry of a latent vector. As they are drawn by default.
    #[arg(long, value_name = "F", value_parser = crate::asked::truncation)]
    truncation: Option<f64>,
    /// Pixels at every edge that psnr, ssim and ms-ssim leave out.
    #[arg(long, default_value_t = 0, value_name = "N")]
    border: usize,
    /// Go on without the files of a folder that cannot be used.
    #[arg(long)]
    skip_broken: bool,
    /// What nobody need learn: beside a run that makes pictures of others, the given pictures unchanged, one colour and, where the
    /// data has it, the nearest known pose or face;
    /// beside music, a random walk in the real rhythms.
    #[arg(long)]
    baselines: bool,
    /// Beside the rows, how much each differs from the first: of runs that were asked the same this is surer than either.
    #[arg(long)]
    differences: bool,
    /// Of a run that makes pictures of others, show eight held-out ones: what it was given, what it made and what it should have
    /// made, as a .png, .jpg or .webp.
    #[arg(long, value_name = "FILE")]
    panel: Option<PathBuf>,
    /// Round and draw as another tool does.
    #[arg(long, value_name = "TOOL")]
    like: Option<Tool>,
    #[command(flatten)]
    device: Computing,
    /// Print a Markdown table, and what the numbers were measured on.
    #[arg(long, conflicts_with = "json")]
    table: bool,
    /// Print the passports as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Of {
    Digits,
    #[value(name = "squeezenet")]
    SqueezeNet,
    Pixels,
    Inception,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Tool {
    TorchFidelity,
    CleanFid,
    Nvidia,
    #[value(name = "studiogan")]
    StudioGan,
}

impl From<Tool> for Like {
    fn from(tool: Tool) -> Self {
        match tool {
            Tool::TorchFidelity => Like::TorchFidelity,
            Tool::CleanFid => Like::CleanFid,
            Tool::Nvidia => Like::Nvidia,
            Tool::StudioGan => Like::StudioGan,
        }
    }
}

impl Args {
    /// The network that was named.
    fn network(&self) -> ganvas::Result<Option<Network<'_>>> {
        match (self.features, self.weights.as_deref()) {
            (Some(Of::Inception), Some(weights)) => Ok(Some(Network::Inception(weights))),
            (Some(Of::Inception), None) => Err(Error::input(
                "inception comes without weights; give --weights and the file that pytorch-fid publishes",
            )),
            (_, Some(_)) => Err(Error::input("only inception takes --weights; give --features inception, too")),
            (Some(Of::Digits), None) => Ok(Some(Network::Digits)),
            (Some(Of::SqueezeNet), None) => Ok(Some(Network::SqueezeNet)),
            (Some(Of::Pixels), None) => Ok(Some(Network::Pixels)),
            (None, None) => Ok(None),
        }
    }
}

pub fn run(mut args: Args) -> anyhow::Result<()> {
    for given in &mut args.generated {
        *given = super::run_path(given)?;
    }
    let network = args.network()?;
    if let Some(file) = &args.panel {
        Format::of(file)?;
        if args.generated.len() > 1 || !args.generated[0].join("config.toml").is_file() {
            return Err(Error::input(NO_PANEL).into());
        }
    }
    let named = args.metric.iter().map(|name| metric(name)).collect::<ganvas::Result<Vec<_>>>()?;
    if !args.by_class && named.iter().any(|metric| matches!(metric.measure, Measure::Asked)) {
        return Err(Error::input("asked is measured class by class; give --by-class, too").into());
    }
    if !args.by_text
        && let Some(Metric { name, .. }) = named.iter().find(|metric| matches!(metric.measure, Measure::OfText))
    {
        return Err(Error::input(format!("{name} is measured by captions; give --by-text, too")).into());
    }
    let mut work = Work::new("measuring".to_owned());
    let mut measuring =
        Measuring { args: &args, named, network, against: None, by_class: None, by_text: None, music: None };
    let measured = measuring.all(&mut |progress| work.show(&progress));
    work.end();
    let passports = measured.map_err(advised)?;
    if args.json {
        return super::print_json(&passports);
    }
    if args.against.is_none() {
        own_data(&passports).iter().for_each(|real| say(real));
    }
    if args.by_text {
        return super::print(&turned(&passports)?);
    }
    let text = table(&passports)?; // what does not compare is not printed side by side
    let is_of_one = passports.iter().all(|passport| passport.generated.title() == passports[0].generated.title());
    if args.table || args.baselines || args.differences || args.generated.len() > 1 || !is_of_one {
        return super::print(&text);
    }
    super::print(&passports.iter().map(line).collect::<String>())
}

/// An error with the ways out that this command has.
fn advised(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Error>() {
        Ok(Error::Unusable(unusable)) => {
            let way_out = format!("{} `--skip-broken` goes on without them.", unusable.way_out);
            Error::Unusable(Unusable { way_out, ..unusable }).into()
        }
        Ok(other) => other.or("measure without a trained network: --features pixels, or for pairs --metric l1").into(),
        Err(other) => other,
    }
}

/// What runs were compared with that nobody named, and how much of it, in a sentence each.
fn own_data(passports: &[Passport]) -> Vec<String> {
    // What a classifier learned from is nothing to be compared with.
    let is_learned =
        |name: &str| metric(name).is_ok_and(|metric| matches!(metric.measure, Measure::Asked | Measure::OfText));
    let of_runs = passports.iter().filter(|passport| passport.generated.run.is_some() && !is_learned(&passport.metric));
    let mut said = of_runs
        .filter_map(|passport| {
            let real = passport.real.as_ref()?;
            let (run, n, data, m) = (&passport.generated.name, passport.generated.samples, real.title(), real.samples);
            Some(format!("{n} samples of {run} are compared with {m} of its own data, {data}."))
        })
        .collect::<Vec<_>>();
    said.dedup();
    said
}

/// What was named on the command line, and the real pictures or music once they were looked at.
struct Measuring<'a> {
    args: &'a Args,
    named: Vec<Metric>,
    network: Option<Network<'a>>,
    against: Option<Against>,
    /// The real pictures by class, and which they are.
    by_class: Option<(ByClass, Images, Shape)>,
    /// The questions by text, and of which pictures in which shape and by which encoder they are.
    by_text: Option<(ByText, (Images, Shape, &'static str))>,
    music: Option<Music>,
}

/// The named metrics; else these.
fn or<'a>(named: &[Metric], usual: impl IntoIterator<Item = &'a str>) -> ganvas::Result<Vec<Metric>> {
    if named.is_empty() { usual.into_iter().map(metric).collect() } else { Ok(named.to_vec()) }
}

impl Measuring<'_> {
    fn all(&mut self, report: Report<'_>) -> anyhow::Result<Vec<Passport>> {
        self.args.generated.iter().try_for_each(|generated| self.check(generated))?; // before anything is computed
        let mut passports = Vec::new();
        for generated in &self.args.generated {
            if self.args.by_class && !generated.join("config.toml").is_file() {
                return Err(Error::input(NOT_BY_CLASS).into());
            }
            if self.args.by_text && !generated.join("config.toml").is_file() {
                return Err(no_text(&generated.display().to_string()).into());
            }
            passports.extend(if has_ending(generated, &["json"]) {
                read(generated)?
            } else if has_ending(generated, ARRAYS) {
                self.of_features(generated)?
            } else if generated.join("config.toml").is_file() {
                self.of_run(generated, report)?
            } else if let Some(music) = self.music_of(generated, Part::All)? {
                if let Some(real) = &self.args.against {
                    self.real_music(real)?;
                }
                of_music(&self.of_pieces(), &music)?
            } else {
                self.of_pictures(generated, report)?
            });
        }
        if let Some(real) = self.music.take() {
            let is_given = passports.iter().any(|one| one.generated.title() == real.side.title());
            // Nothing in music is best by itself: the real pieces are measured, too, as many as of the others.
            let fewest = passports.iter().map(|passport| passport.generated.samples).min().unwrap_or(usize::MAX);
            let metrics = self.of_pieces();
            let real = real.some(fewest)?;
            if self.args.baselines {
                passports.extend(of_music(&metrics, &real.walks()?)?);
            }
            if !is_given {
                passports.extend(of_music(&metrics, &real)?);
            }
        }
        let mut once = Vec::<Passport>::new(); // the baselines of several runs are the same
        for passport in passports {
            if !once.contains(&passport) {
                once.push(passport);
            }
        }
        if self.args.differences {
            once.extend(differences(&once)?);
        }
        Ok(once)
    }

    /// The named metrics; by default, the usual ones.
    fn metrics(&self, on: On) -> Vec<Metric> {
        if self.named.is_empty() { usual(on) } else { self.named.clone() }
    }

    /// The metrics of music.
    fn of_pieces(&self) -> Vec<Metric> {
        self.metrics(On::Music)
    }

    /// Takes music for what all runs hold out. An error when another run holds out other music.
    fn hold_out(&mut self, music: Music) -> anyhow::Result<()> {
        self.enough(&music.side)?;
        if self.music.as_ref().is_some_and(|known| known.side.sha256 != music.side.sha256) {
            let sentence =
                "these runs hold out different music; give one --against for all, or measure them one by one";
            return Err(Error::input(sentence).into());
        }
        self.music = Some(music);
        Ok(())
    }

    /// What can be refused without fetching or computing anything: files that are not there, and metrics of something else.
    fn check(&self, generated: &Path) -> anyhow::Result<()> {
        let real = self.args.against.as_deref();
        for given in [Some(generated), real].into_iter().flatten() {
            let (place, _) = place_and_part(given);
            super::train::is_there(&place)?;
        }
        if let Some(weights) = self.args.weights.as_deref().filter(|weights| !weights.is_file()) {
            return Err(
                Error::input(format!("{} does not exist; give the file of the weights", weights.display())).into()
            );
        }
        if has_ending(generated, &["json"]) || generated.join("config.toml").is_file() {
            return Ok(()); // a run is checked when its model is known
        }
        let suits: &dyn Fn(&Metric) -> bool = match has_ending(generated, ARRAYS) {
            true if !real.is_some_and(|real| has_ending(real, ARRAYS)) => return Err(Error::input(UNLIKE).into()),
            true => &|metric: &Metric| metric.suits(On::Features),
            // Of a folder it is not known yet what is in it.
            false => &|metric: &Metric| [On::Pictures, On::Answers, On::Music].iter().any(|on| metric.suits(*on)),
        };
        match self.named.iter().find(|metric| !suits(metric)) {
            Some(metric) => Err(misplaced(metric).into()),
            None => Ok(()),
        }
    }

    fn of_features(&self, generated: &Path) -> anyhow::Result<Vec<Passport>> {
        let real = self.args.against.as_deref().filter(|path| has_ending(path, ARRAYS));
        let real = real.ok_or_else(|| Error::input(UNLIKE))?;
        let (generated, real) = match (Given::read(generated)?, Given::read(real)?) {
            (Given::Features(generated), Given::Features(real)) => (Seen::given(generated), Seen::given(real)),
            (generated, real) => {
                let metrics = or(&self.named, ["fd"])?;
                say("mu and sigma do not say how many samples there were, so the distance has no interval.");
                return Ok(of_statistics(&metrics, &generated, &real)?);
            }
        };
        let metrics = self.metrics(On::Features);
        let like = self.args.like.map(Like::from);
        let passports = metrics.iter().map(|metric| of_features(metric, &generated, &real, like));
        Ok(passports.collect::<ganvas::Result<Vec<_>>>()?.concat())
    }

    /// What a run makes can be measured so, by its model alone. An error where it cannot.
    fn check_run(&self, path: &Path, model: &dyn Model, was_imported: bool) -> anyhow::Result<()> {
        let (name, kind) = (path.display(), kind_of(model));
        let real = self.args.against.as_deref();
        if self.args.panel.is_some() && kind != Some(On::Answers) {
            return Err(Error::input(NO_PANEL).into());
        }
        if self.args.by_class && kind != Some(On::Pictures) {
            return Err(Error::input(NOT_BY_CLASS).into());
        }
        if self.args.by_text && (kind != Some(On::Pictures) || text_field(model).is_none()) {
            return Err(no_text(&name.to_string()).into());
        }
        if let Some(on) = kind
            && let Some(metric) = self.named.iter().find(|metric| !metric.suits(on))
        {
            return Err(misplaced_on(metric, on).into());
        }
        if was_imported && real.is_none() {
            // The recipe's own data are not what this network learned from.
            return Err(Error::input(format!(
                "{name} was imported and has no data of its own to be compared with; give real pictures with --against, \
                 such as --against photos"
            ))
            .into());
        }
        if real.is_some_and(|real| has_ending(real, ARRAYS)) {
            return Err(Error::input(UNLIKE).into());
        }
        if kind == Some(On::Answers) && real.is_some() && !was_imported {
            return Err(Error::input(format!(
                "{name} is measured by what its own data hold out; for other pictures use `ganvas apply`, then measure its folder"
            ))
            .into());
        }
        Ok(())
    }

    fn of_run(&mut self, path: &Path, report: Report<'_>) -> anyhow::Result<Vec<Passport>> {
        let Args { seed, truncation, samples, .. } = *self.args;
        let run = RunDir::open(path)?;
        let mut config = run.config(RECIPES)?;
        let checkpoint = sample::checkpoint(&run, None)?;
        let model = sample::model(&config, &checkpoint, &self.args.device.get()?)?;
        let was_imported = Card::of(&run).is_some();
        self.check_run(path, model.as_ref(), was_imported)?;
        let real = self.args.against.as_deref();
        if let Some(real) = real.filter(|_| was_imported) {
            let (name, _) = place_and_part(real);
            let place = super::train::named_set(&name)?.unwrap_or(name);
            config = config.with(&super::train::data_setting(&place)?)?;
        } else if real.is_none() && (self.named.is_empty() || !self.named.iter().all(is_of_styles)) {
            super::its_data_are_there(&config, path)?;
            super::train::fetch_own(&config).map_err(|error| error.or("compare with others: --against FOLDER"))?;
        }
        if self.args.skip_broken {
            config = config.with("data.skip_broken=true").unwrap_or(config); // some data have no such key
        }
        let from = Drawn {
            recipe: config.entry.info.name.to_owned(),
            seed: config.train.seed,
            step: checkpoint.step(),
            first_seed: seed,
            truncation,
        };
        let like = self.args.like.map(Like::from);
        let n = samples.map_or(MOST_SAMPLES, |samples| samples as usize);
        let side = |samples| Side::of_run(path.display().to_string(), samples, from.clone());
        let subject = Subject::of(&config, model.as_ref(), real.is_some())?;
        if let (true, Subject::Pictures(shape)) = (self.args.by_class, &subject) {
            return self.of_classes((path, model.as_ref(), from), config.pictures()?, *shape, report);
        }
        if let (true, Subject::Pictures(shape)) = (self.args.by_text, &subject) {
            return self.of_captions((path, model.as_ref(), from), config.pictures()?, *shape, report);
        }
        let metrics = self.metrics(subject.on());
        let name = path.display().to_string();
        match subject {
            Subject::Answers(asked) => self.of_answers((path, model.as_ref(), from), config.pictures()?, asked, report),
            Subject::Music(asked) if self.args.against.is_none() => {
                let asked = &asked[..n.min(asked.len())];
                let data = config.pictures()?.map_or_else(|| name.clone(), |(_, data)| data);
                self.hold_out(Music::new(&data, Some(Part::HeldOut), wanted_music(asked).unwrap_or_default())?)?;
                Ok(of_music(&metrics, &answered_music(model.as_ref(), (&name, from), asked, report)?)?)
            }
            Subject::Music(_) | Subject::Pieces => {
                let real = self.args.against.clone().ok_or_else(|| {
                    Error::input(format!(
                        "{name} holds out no eight bars in a row; give real music, such as --against folk"
                    ))
                })?;
                let n = self.real_music(&real)?;
                Ok(of_model(&metrics, model.as_ref(), &side(n), (None, None), like, report)?)
            }
            Subject::Points(mixture) => {
                Ok(of_model(&metrics, model.as_ref(), &side(n), (None, Some(&mixture)), like, report)?)
            }
            Subject::Pictures(_) if metrics.iter().all(is_of_styles) => {
                Ok(of_model(&metrics, model.as_ref(), &side(n), (None, None), like, report)?)
            }
            Subject::Pictures(shape) => {
                let (metrics, against) = self.against(metrics, config.pictures()?, shape, report)?;
                let n = against.side().samples;
                Ok(of_model(&metrics, model.as_ref(), &side(n), (Some(against), None), like, report)?)
            }
        }
    }

    /// A run's pictures, class by class.
    fn of_classes(
        &mut self,
        (path, model, from): (&Path, &dyn Model, Drawn),
        own: Option<(Images, String)>,
        shape: Shape,
        report: Report<'_>,
    ) -> anyhow::Result<Vec<Passport>> {
        let (data, name, part) = self.real(own)?;
        let known = self.by_class.take().filter(|(_, of, in_shape)| (of, *in_shape) == (&data, shape));
        let (by_class, ..) = match known {
            Some(known) => self.by_class.insert(known),
            None => {
                let most = self.args.samples.map_or(MOST_SAMPLES, |samples| samples as usize);
                let opened = ByClass::open(&data, &name, (shape, part, most), self.network, report)?;
                let few = opened.left_out().collect::<Vec<_>>().join(", ");
                if !few.is_empty() {
                    say(&format!("Left out, as a distance takes 20 pictures of each class: {few}."));
                }
                self.by_class.insert((opened, data, shape))
            }
        };
        let is_asked = model.takes().iter().any(|field| matches!(field.kind, Kind::Class { .. }));
        let metrics = or(&self.named, ["kid", "asked"].into_iter().take(if is_asked { 2 } else { 1 }))?;
        let samples = self.args.samples.map_or(MOST_SAMPLES / by_class.classes(), |samples| samples as usize);
        let side = Side::of_run(path.display().to_string(), samples, from);
        Ok(by_class.measure(&metrics, model, &side, self.args.like.map(Like::from), report)?)
    }

    /// A run's pictures of the captions of held-out ones.
    fn of_captions(
        &mut self,
        (path, model, from): (&Path, &dyn Model, Drawn),
        own: Option<(Images, String)>,
        shape: Shape,
        report: Report<'_>,
    ) -> anyhow::Result<Vec<Passport>> {
        let (data, name, _) = self.real(own)?;
        let name_of_run = path.display().to_string();
        let (_, reader) = text_field(model).ok_or_else(|| no_text(&name_of_run))?;
        let of = (data, shape, reader.encoder().id());
        let known = self.by_text.take().filter(|(_, known)| *known == of);
        let (by_text, _) = match known {
            Some(known) => self.by_text.insert(known),
            None => {
                let most = self.args.samples.map_or(MOST_SAMPLES, |samples| samples as usize);
                let opened = ByText::open(&of.0, &name, (shape, most), &reader, self.network, report)?;
                opened.remarks().iter().for_each(|remark| say(remark));
                self.by_text.insert((opened, of))
            }
        };
        let has_attributes = by_text.has_attributes();
        let usual = ["r-precision", "says", "changes", "keeps"].into_iter();
        let metrics = or(&self.named, usual.take(if has_attributes { 4 } else { 1 }))?;
        Ok(by_text.measure(&metrics, model, &Side::of_run(name_of_run, 0, from), report)?)
    }

    /// What a run makes of the pictures that are held out, beside what it should make of them.
    fn of_answers(
        &self,
        (path, model, from): (&Path, &dyn Model, Drawn),
        data: Option<(Images, String)>,
        asked: Vec<Example>,
        report: Report<'_>,
    ) -> anyhow::Result<Vec<Passport>> {
        let name = path.display();
        let metrics = self.metrics(On::Answers);
        let data = data.map_or_else(String::new, |(_, name)| name);
        if let Some(file) = &self.args.panel {
            let image = panel(model, asked.clone())?;
            Picture::from(image).write(file)?;
        }
        let mut passports = Vec::new();
        for (what, mut asked) in group(asked) {
            asked.truncate(self.args.samples.map_or(MOST_SAMPLES, |samples| samples as usize));
            let group = (what, asked);
            let mut answers = vec![Answers::of_model(model, (&name.to_string(), from.clone()), &data, &group, report)?];
            if self.args.baselines {
                let baselines = answers[0].baselines(&data, &group.1)?;
                answers.extend(baselines);
            }
            for answers in answers {
                passports.extend(answers.measure(&metrics, self.network, report)?);
            }
        }
        if passports.is_empty() {
            let sentence = format!(
                "{name} is asked for nothing that these metrics measure; leave --metric out for those that suit"
            );
            return Err(Error::input(sentence).into());
        }
        Ok(passports)
    }

    fn of_pictures(&mut self, generated: &Path, report: Report<'_>) -> anyhow::Result<Vec<Passport>> {
        let is_paired =
            |metric: &Metric| matches!(metric.measure, Measure::Pairs(_) | Measure::Masks(_) | Measure::SeenPairs(_));
        let (paired, seen): (Vec<_>, Vec<_>) = self.metrics(On::Pictures).into_iter().partition(is_paired);
        let mut passports = Vec::new();
        if !paired.is_empty() {
            let real = self.args.against.as_deref().ok_or_else(missing_against)?;
            let [made, real] = [generated, real].map(|given| {
                let (name, part) = place_and_part(given);
                Ok::<_, ganvas::Error>((super::train::named_set(&name)?.unwrap_or(name), part))
            });
            let ((made, of_made), (real, of_real)) = (made?, real?);
            let places = [(made.as_path(), of_made), (real.as_path(), of_real)];
            passports.extend(of_pairs(&paired, places, self.args.border, report)?);
        }
        if !seen.is_empty() {
            let (name, part) = place_and_part(generated);
            let place = super::train::named_set(&name)?.unwrap_or_else(|| name.clone());
            let (shape, part) = (Pictures::shape_of(&place)?, part.unwrap_or(Part::All));
            let most = self.args.samples.map_or(MOST_SAMPLES, |samples| samples as usize);
            let pictures =
                Pictures::of_data(&self.pictures_at(&place), &name.display().to_string(), shape, part, Some(most))?;
            self.enough(&pictures.side)?;
            let like = self.args.like.map(Like::from);
            let (seen, against) = self.against(seen, None, shape, report)?;
            passports.extend(against.measure(&seen, &pictures, like, report)?);
        }
        Ok(passports)
    }

    fn pictures_at(&self, place: &Path) -> Images {
        Images { skip_broken: self.args.skip_broken, ..Images::at(place) }
    }

    /// The music of a place, as much as was asked for; none where there is no music. `part` is which, where it says none.
    fn music_of(&self, given: &Path, part: Part) -> anyhow::Result<Option<Music>> {
        let (name, named) = place_and_part(given);
        let place = super::train::named_set(&name)?.unwrap_or_else(|| name.clone());
        if !music::holds(&place) {
            return Ok(None);
        }
        let music = Music::of_data(&place, &name.display().to_string(), named.unwrap_or(part))?;
        let music = music.some(self.args.samples.map_or(MOST_SAMPLES, |samples| samples as usize))?;
        self.enough(&music.side)?;
        Ok(Some(music))
    }

    /// Reads the real music once; how many pieces it is.
    fn real_music(&mut self, place: &Path) -> anyhow::Result<usize> {
        let music = match self.music.take() {
            Some(music) => music,
            None => self.music_of(place, Part::HeldOut)?.ok_or_else(|| {
                let place = place.display();
                Error::input(format!("{place} holds no music; give some with --against, such as --against folk"))
            })?,
        };
        Ok(self.music.insert(music).side.samples)
    }

    /// The real pictures in a shape: those of --against, or `own`; and the metrics, without those that need a classifier
    /// where there is none and nobody named them.
    fn against(
        &mut self,
        metrics: Vec<Metric>,
        own: Option<(Images, String)>,
        shape: Shape,
        report: Report<'_>,
    ) -> anyhow::Result<(Vec<Metric>, &Against)> {
        let (data, name, part) = self.real(own)?;
        let known = self.against.take().filter(|known| known.is_of(&data, shape));
        let against = match known {
            Some(against) => against,
            None => {
                let most = self.args.samples.map_or(MOST_SAMPLES, |samples| samples as usize);
                Against::open(&data, &name, (shape, part, Some(most)), self.network, report)?
            }
        };
        self.enough(against.side())?;
        let is_mute = self.named.is_empty() && !against.has_logits();
        let suits = |metric: &Metric| !(is_mute && matches!(metric.measure, Measure::Logits(_)));
        Ok((metrics.into_iter().filter(suits).collect(), self.against.insert(against)))
    }

    /// The real pictures of --against, or else a run's `own`, what they are called and which part of them is meant.
    fn real(&self, own: Option<(Images, String)>) -> anyhow::Result<(Images, String, Part)> {
        match (&self.args.against, own) {
            (Some(given), _) if has_ending(given, ARRAYS) => Err(Error::input(UNLIKE).into()),
            (Some(given), _) => {
                let (name, part) = place_and_part(given);
                let place = super::train::named_set(&name)?.unwrap_or_else(|| name.clone());
                Ok((self.pictures_at(&place), name.display().to_string(), part.unwrap_or(Part::Train)))
            }
            (None, Some((data, name))) => Ok((data, name, Part::Train)),
            (None, None) => Err(missing_against().into()),
        }
    }

    /// An error when one side has fewer samples than were asked for.
    fn enough(&self, side: &Side) -> ganvas::Result<()> {
        match self.args.samples.filter(|most| side.samples < *most as usize) {
            Some(most) => {
                Err(Error::input(format!("{} has {} samples, not {most}; lower --samples", side.name, side.samples)))
            }
            None => Ok(()),
        }
    }
}

const UNLIKE: &str =
    "features compare with features; give two .npz files, one with --against, or pictures on both sides";

const NOT_BY_CLASS: &str = "--by-class is for runs that make pictures of seeds, such as those of biggan; leave it out";

const NO_PANEL: &str = "--panel shows what one run makes of pictures; give one run, of a recipe such as pix2pix";

fn missing_against() -> Error {
    Error::input("give the real pictures with --against, such as --against mnist")
}

/// A place and the part of it that its ending names.
fn place_and_part(path: &Path) -> (PathBuf, Option<Part>) {
    let text = path.to_string_lossy();
    let split = text.rsplit_once(':').filter(|_| !path.exists());
    let found = split.and_then(|(place, name)| {
        let part = Part::ALL.into_iter().find(|part| part.name() == name)?;
        Some((PathBuf::from(place), Some(part)))
    });
    found.unwrap_or_else(|| (path.to_owned(), None))
}

/// Passports that an earlier call printed.
fn read(path: &Path) -> anyhow::Result<Vec<Passport>> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read the passports", path, &error))?;
    let passports = serde_json::from_str(&text).map_err(|error| {
        Error::input(format!("{} holds no passports as `ganvas eval --json` prints them: {error}", path.display()))
    })?;
    Ok(passports)
}

/// Whether a metric looks at a model's styles alone, and at no data.
fn is_of_styles(metric: &Metric) -> bool {
    matches!(metric.measure, Measure::Styles(_))
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let is = |extension: &std::ffi::OsStr| endings.iter().any(|ending| extension.eq_ignore_ascii_case(ending));
    path.extension().is_some_and(is)
}

fn line(passport: &Passport) -> String {
    let Passport { value, low, high, .. } = passport;
    format!("{:<28} {value:.6}  [{low:.6}, {high:.6}]\n", passport.title())
}
