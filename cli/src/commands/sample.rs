//! `ganvas sample`: pictures and music from a run.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use ganvas::field::Kind;
use ganvas::media::{GAP_LEVEL, Image, Media, grid, sheet, write_animation};
use ganvas::model::{made_picture, remarks};
use ganvas::project;
use ganvas::report::Progress;
use ganvas::run::Checkpoint;
use ganvas::{Error, Latent, Model, RECIPES, Request, RunDir, Value, sample};
use serde_json::json;

use super::{Computing, told_path};
use crate::asked::{Ends, MOST_SAMPLES, Music, Seeds, given, named, truncation};
use crate::progress::{Work, say};

const FRAMES_PER_SEC: u32 = 20;
/// Seeds of a grid or folder where none are named, from 0 on.
const SEEDS: u64 = 64;
/// Likewise, of a grid with a row for each value.
const SEEDS_OF_A_ROW: u64 = 8;
/// The longer side of a file in pixels that one can see, where nobody says how large it shall be.
const SEEN: usize = 256;
/// Numbers of a range that have a row each.
const ROWS_OF_A_RANGE: u32 = 5;

/// Make pictures or music with a run's model: a grid, single files, or the way between two seeds.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas sample runs/0001-mnist -o grid.png
  ganvas sample latest -o grid.png
  ganvas sample runs/0001-mnist --seeds 100-163 --grid 16x4 -o grid.png
  ganvas sample runs/0001-mnist --seeds 85,265,300-320 -o chosen.png
  ganvas sample runs/0001-mnist --interpolate 3-9 -o between.gif
  ganvas sample runs/0003-biggan --rows class -o classes.png
  ganvas sample runs/0003-biggan --interpolate 7 --with class=fish --to class=fruits -o between.gif
  ganvas sample runs/0001-mnist --seeds 0-999 -o pictures/
  ganvas sample runs/0004-songs --seeds 7 -o song.mid
  ganvas sample runs/0002-stylegan2 --truncation 0.7 -o best.png
  ganvas sample runs/0002-stylegan2 --rows truncation --seeds 0-7 -o rows.png
  ganvas sample runs/0002-stylegan2 --mix 0-4x10-17 --cut 4 -o mixed.png
  ganvas sample runs/0002-stylegan2 --project me.jpg you.jpg -o found.png
  ganvas sample runs/0005-stackgan --with 'text=a cartoon with red hair' -o red.png
  ganvas sample runs/0005-stackgan --rows text=sentences.txt -o rows.png
  ganvas sample runs/0005-stackgan --interpolate 3 --with text=red --to text=blue -o way.gif")]
pub struct Args {
    /// The run directory, or latest for the newest in the folder runs.
    run: PathBuf,
    /// Where to: a .png for a grid, a .gif, .apng or .png for an interpolation, a .mid or .wav for one piece of music, else a
    /// folder for single pictures or pieces of music, each as .mid, .wav and .png; with --rows their names begin with the row.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The seeds, such as 7, 0-63 or 85,265,300-320, one sample each; 0-63 by default, and 0 for a .mid or .wav.
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<Seeds>,
    /// Columns x rows of a grid; as near to square as the seeds allow by default.
    #[arg(long, value_name = "CxR")]
    grid: Option<Grid>,
    /// An animation of the way from one seed to another and back; at one seed, as in 7, what goes from --with to --to.
    #[arg(long, value_name = "A-B", conflicts_with_all = ["grid", "seeds"])]
    interpolate: Option<Ends>,
    /// A grid of mixed styles: a row for each of the first seeds, which gives the coarse layers' style, a column for each of
    /// the second ones, which gives that of the others.
    #[arg(long, value_name = "A-BxC-D", conflicts_with_all = ["grid", "seeds", "interpolate"])]
    mix: Option<Mix>,
    /// With --mix, the number of coarse layers; each size of picture above 4 pixels has two.
    #[arg(long, default_value_t = 4, value_name = "N", requires = "mix")]
    cut: usize,
    /// Less for better and less varied samples: how far styles go from their average, where 1 is as they are drawn; for biggan, the
    /// largest entry of a latent vector.
    #[arg(long, value_name = "F", value_parser = truncation)]
    truncation: Option<f64>,
    /// A word or text that the model takes beside seeds; once for each.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named, conflicts_with = "project")]
    with: Vec<(String, String)>,
    /// With --interpolate, the number, class or text at the other end, which --with gives for the first one; once for each.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named, requires = "interpolate")]
    to: Vec<(String, String)>,
    /// Find the styles that draw given pictures, and show each beside what was found; in a folder, what was found alone.
    #[arg(long, value_name = "PICTURE", num_args = 1.., conflicts_with_all = ["grid", "seeds", "interpolate", "mix", "truncation"])]
    project: Vec<PathBuf>,
    /// A grid with a row for each value of one thing that the model takes: every word of a choice, five numbers of its range, or the
    /// lines of a file. The seeds are the columns, eight by default.
    #[arg(long, value_name = "NAME[=FILE]", conflicts_with_all = ["grid", "interpolate", "mix", "project"])]
    rows: Option<String>,
    /// With --project, how often the styles are improved.
    #[arg(long, default_value_t = 1000, value_name = "N", requires = "project", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    steps: u64,
    /// Frames of an interpolation, one way.
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    frames: u16,
    /// Enlarge every pixel to N x N; 1 keeps the true size. By default one file is enlarged until its longer side has 256 pixels
    /// or more, and the pictures of a folder keep theirs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    zoom: Option<u8>,
    /// A checkpoint other than the latest, by its folder's name.
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
    #[command(flatten)]
    device: Computing,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// Seeds of rows and of columns.
#[derive(Clone)]
struct Mix {
    coarse: Vec<u64>,
    fine: Vec<u64>,
}

impl FromStr for Mix {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((coarse, fine)) = text.split_once('x') else {
            return Err("write two lists of seeds with an x between them, as in 0-4x10-17 or 85,100,75x55,821".into());
        };
        let (Seeds(coarse), Seeds(fine)) = (coarse.parse()?, fine.parse()?);
        if (coarse.len() * fine.len()) as u64 > MOST_SAMPLES {
            return Err(format!("these are more than {MOST_SAMPLES} mixtures, the most at once; give fewer seeds"));
        }
        Ok(Mix { coarse, fine })
    }
}

impl Mix {
    /// The seeds themselves along both edges, and between them every mixture; one more of the first comes at the corner.
    fn latents(&self, cut: usize) -> Vec<Latent> {
        let Mix { coarse, fine } = self;
        let corner = Latent::Seed(coarse[0]); // a list of seeds is never empty
        let first = [corner].into_iter().chain(fine.iter().copied().map(Latent::Seed));
        let rows = coarse.iter().flat_map(|&coarse| {
            let mixed = fine.iter().map(move |&fine| Latent::Mixed { coarse, fine, cut });
            [Latent::Seed(coarse)].into_iter().chain(mixed)
        });
        first.chain(rows).collect()
    }
}

/// Columns and rows.
#[derive(Clone, Copy)]
struct Grid {
    columns: usize,
    rows: usize,
}

impl FromStr for Grid {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('x').and_then(|(c, r)| Some((c.parse().ok()?, r.parse().ok()?)));
        match parsed {
            Some((columns @ 1.., rows @ 1..)) => Ok(Grid { columns, rows }),
            _ => Err("write columns x rows, as in 8x8".into()),
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let run = super::open_run(&args.run)?;
    let config = run.config(RECIPES)?;
    let checkpoint = sample::checkpoint(&run, args.checkpoint.as_deref())?;
    let model = sample::model(&config, &checkpoint, &args.device.get()?)?;
    if !args.project.is_empty() {
        let written = project(model.as_ref(), &args)?;
        return tell(&args, &run, &checkpoint, &written);
    }
    let extension = extension(&args.output);
    let music = extension.as_deref().and_then(Music::of);
    let seeds = match &args.seeds {
        Some(Seeds(seeds)) => seeds.clone(),
        None if music.is_some() => vec![0],
        None if args.rows.is_some() => (0..SEEDS_OF_A_ROW).collect(),
        None => (0..SEEDS).collect(),
    };

    let request = match (&args.interpolate, &args.mix) {
        (Some(Ends { from, to }), _) => Request::interpolation(*from, *to, usize::from(args.frames)),
        (_, Some(mix)) => Request::of(mix.latents(args.cut)),
        _ => Request::seeds(seeds.iter().copied()),
    };
    let with = args.with.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let request = towards(given(request, with, args.truncation), &args)?;
    let (request, rows) = match &args.rows {
        Some(name) => rows(request, name, model.as_ref())?,
        None => (request, 1),
    };
    if args.mix.is_some() && extension.as_deref() != Some("png") {
        return Err(Error::input("mixed styles make one grid; end -o in .png").into());
    }
    match music {
        Some(_) if request.samples.len() > 1 => {
            let sentence = "one file of music holds one sample; give one seed, as in --seeds 7, or a folder with -o";
            return Err(Error::input(sentence).into());
        }
        None if args.interpolate.is_none() => grid_ending(extension.as_deref())?,
        _ => (),
    }

    remarks(model.as_ref(), &request).iter().for_each(|remark| say(&format!("note: {remark}")));
    let title = config.entry.info.title;
    let written = if extension.is_none() && args.interpolate.is_none() {
        singles(model.as_ref(), &request, &seeds, &args, title)?
    } else {
        let grid = match extension {
            Some(_) if music.is_none() && args.interpolate.is_none() => {
                Some(laid_out(&args, rows, request.samples.len())?)
            }
            _ => None,
        };
        affordable(model.as_ref(), request.samples.len(), grid, args.zoom)?;
        together(model.as_ref(), &request, (grid, music), &args, title)?
    };
    tell(&args, &run, &checkpoint, &written)
}

/// A folder of single samples, each written as soon as it is made.
fn singles(
    model: &dyn Model,
    request: &Request,
    seeds: &[u64],
    args: &Args,
    title: &str,
) -> anyhow::Result<Vec<serde_json::Value>> {
    make_folder(&args.output)?;
    // With --rows each seed comes once for each value, and a name tells the row first.
    let named = seeds.iter().map(|seed| format!("seed-{seed:06}.png"));
    let names = (0..).flat_map(|row: usize| {
        let of_row = move |name: String| if args.rows.is_some() { format!("row-{row:03}-{name}") } else { name };
        named.clone().map(of_row)
    });
    let (mut names, mut written) = (names.zip(seeds.iter().cycle()), Vec::new());
    let (mut done, all) = (0, request.samples.len() as u64);
    let mut work = Work::new("drawing".to_owned());
    for some in sample::in_pieces(model, request)? {
        let some = some?;
        done += some.len() as u64;
        for (sample, (name, seed)) in some.iter().zip(names.by_ref()) {
            let path = args.output.join(name);
            if let Media::Notes(notes) = sample {
                for (music, ending) in Music::ALL {
                    let path = path.with_extension(ending);
                    ganvas::write_aside(&path, &music.bytes(notes, title)?, "write the music")?;
                    written.push(told_path(json!({ "seed": seed }), "path", &path));
                }
            }
            sample.picture()?.enlarged(args.zoom.map_or(1, usize::from)).write_png(&path)?;
            let point = if let Media::Point(point) = sample { Some(point) } else { None };
            written.push(told_path(json!({ "seed": seed, "point": point }), "path", &path));
        }
        work.show(&Progress { what: &format!("{all} samples"), done, total: Some(all) });
    }
    work.end();
    Ok(written)
}

/// One file: a piece of music, an animation, or a grid.
fn together(
    model: &dyn Model,
    request: &Request,
    (grid, music): (Option<Grid>, Option<Music>),
    args: &Args,
    title: &str,
) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut samples = sample::generate(model, request)?;
    if let (Some(_), Some(Media::Image(corner))) = (&args.mix, samples.first_mut()) {
        corner.pixels.fill(GAP_LEVEL);
    }
    let told = if let Some(grid) = grid {
        let picture = visible(sheet(&samples, grid.columns)?, args.zoom);
        picture.write_png(&args.output)?;
        json!({ "width": picture.width, "height": picture.height, "samples": samples.len() })
    } else if args.interpolate.is_some() {
        if let Some(Media::Point(_)) = samples.first().filter(|_| args.zoom > Some(4)) {
            return Err(Error::input("points are drawn large already; give --zoom 4 or less").into());
        }
        let frames = samples.iter().map(|sample| Ok(visible(sample.picture()?, args.zoom)));
        let mut frames = frames.collect::<ganvas::Result<Vec<_>>>()?;
        frames.extend(frames.iter().rev().skip(1).take(frames.len().saturating_sub(2)).cloned().collect::<Vec<_>>());
        write_animation(&frames, FRAMES_PER_SEC, &args.output)?;
        json!({ "frames": frames.len() })
    } else {
        let (Some(Media::Notes(notes)), Some(music)) = (samples.first(), music) else {
            let sentence = "this model makes no music; end -o in .png, or give a folder without a dot in its name";
            return Err(Error::input(sentence).into());
        };
        ganvas::write_aside(&args.output, &music.bytes(notes, title)?, "write the music")?;
        json!({ "seed": request.samples[0].latent.seed() })
    };
    Ok(vec![told_path(told, "path", &args.output)])
}

/// The columns and rows of a grid of so many samples.
fn laid_out(args: &Args, rows: usize, samples: usize) -> ganvas::Result<Grid> {
    let columns = args.mix.as_ref().map(|mix| mix.fine.len() + 1).or(args.rows.is_some().then(|| samples / rows));
    let laid = columns.map(|columns| Grid { columns, rows: samples / columns });
    let grid = args.grid.or(laid).unwrap_or_else(|| nearly_square(samples));
    if grid.columns.saturating_mul(grid.rows) < samples {
        return Err(Error::input(format!(
            "a grid of {}x{} has no room for {samples} seeds; give fewer with --seeds or more rows with --grid",
            grid.columns, grid.rows,
        )));
    }
    Ok(Grid { columns: grid.columns.min(samples), rows: samples.div_ceil(grid.columns.min(samples)) })
}

/// An error where one file of all samples, a grid or an animation, needs more memory than is free. Nothing has been drawn yet.
fn affordable(model: &dyn Model, samples: usize, grid: Option<Grid>, zoom: Option<u8>) -> ganvas::Result<()> {
    let (Some([width, height, channels]), Some(free)) = (made_picture(model), ganvas::memory::free()) else {
        return Ok(());
    };
    let longer = grid.map_or(width.max(height), |grid| (width * grid.columns).max(height * grid.rows));
    let zoom = zoom.map_or(SEEN.div_ceil(longer), usize::from) as u64;
    let one = (width * height * channels) as u64;
    // The samples, all of them in one picture or there and back in frames, enlarged, and the file.
    let needed = (samples as u64).saturating_mul(one).saturating_mul(2 + 3 * zoom * zoom);
    if needed <= free {
        return Ok(());
    }
    let [needed, free] = [needed, free].map(|bytes| bytes as f64 / 1e9);
    let (what, way_out) = match grid {
        Some(_) => ("a grid", "fewer seeds, a smaller --zoom, or a folder with -o, where each is written by itself"),
        None => ("an animation", "fewer --frames or a smaller --zoom"),
    };
    Err(Error::input(format!(
        "{what} of {samples} pictures of {width}x{height} pixels needs about {needed:.1} GB of memory, and {free:.1} GB are free; \
         give {way_out}"
    )))
}

/// The samples of an interpolation with what goes from one value to another meanwhile.
fn towards(request: Request, args: &Args) -> ganvas::Result<Request> {
    args.to.iter().try_fold(request, |request, (name, to)| {
        let from = args.with.iter().find(|(known, _)| known == name).map(|(_, from)| from);
        let from = from.ok_or_else(|| {
            Error::input(format!("--to says where {name} ends; say where it begins, too, with --with {name}=VALUE"))
        })?;
        Ok(request.on_the_way(name, from, to))
    })
}

/// The lines of a file, without empty ones.
fn lines(file: &Path) -> ganvas::Result<Vec<String>> {
    let bytes = std::fs::read(file).map_err(|error| Error::io("read the rows", file, &error))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Error::input(format!("{} is no text in UTF-8; save it as such", file.display())))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.trim().to_owned());
    let lines = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>();
    match lines.is_empty() {
        true => Err(Error::input(format!("{} is empty; write one value a line, a row for each", file.display()))),
        false => Ok(lines),
    }
}

/// The samples of a request again for each value of one of the model's fields, a row for each, and how many rows there are. The values
/// are those of the field, or the lines of a file that is named after it.
fn rows(request: Request, name: &str, model: &dyn Model) -> ganvas::Result<(Request, usize)> {
    let (name, file) = name.split_once('=').map_or((name, None), |(name, file)| (name, Some(Path::new(file))));
    let takes = model.takes();
    let field = takes.iter().find(|field| field.name == name).map(|field| &field.kind);
    let values = match (file, field) {
        (Some(file), _) => lines(file)?,
        (None, Some(Kind::Choice { among } | Kind::Class { names: among })) => among.clone(),
        (None, Some(Kind::Number { low, high, .. })) => {
            let at = |i: u32| low + (high - low) * f64::from(i) / f64::from(ROWS_OF_A_RANGE - 1);
            (0..ROWS_OF_A_RANGE).map(|i| at(i).to_string()).collect()
        }
        (None, Some(Kind::Text { .. } | Kind::Chords { .. } | Kind::Bar { .. })) => {
            let sentence = "is a text; write those of the rows into a file, one a line, and give it";
            return Err(Error::input(format!("{name} {sentence}: --rows {name}=FILE")));
        }
        _ => {
            let sentence = format!("this model has no values of `{name}` to make rows of; leave --rows out");
            return Err(Error::input(sentence));
        }
    };
    if (values.len() * request.samples.len()) as u64 > MOST_SAMPLES {
        let sentence =
            format!("these are more than {MOST_SAMPLES} samples, the most at once; give fewer rows or seeds");
        return Err(Error::input(sentence));
    }
    let row = |value: &String| request.clone().with(name, &Value::Text(value.clone())).samples;
    Ok((Request { samples: values.iter().flat_map(row).collect() }, values.len()))
}

/// Says what was written.
fn tell(args: &Args, run: &RunDir, checkpoint: &Checkpoint, written: &[serde_json::Value]) -> anyhow::Result<()> {
    if args.json {
        let (run, step) = (run.path(), checkpoint.step());
        return super::print_json(&told_path(json!({ "step": step, "written": written }), "run", run));
    }
    super::print(&format!("{}\n", args.output.display()))
}

/// Finds the styles of given pictures and writes what they draw.
fn project(model: &dyn Model, args: &Args) -> anyhow::Result<Vec<serde_json::Value>> {
    let extension = extension(&args.output);
    grid_ending(extension.as_deref())?;
    let mut work = Work::new("projecting".to_owned());
    let projected = project::pictures(model, &args.project, args.steps, &mut |progress| work.show(&progress));
    work.end();
    let projected = projected?;
    let path = |i: usize| match extension {
        Some(_) => args.output.clone(),
        None => args.output.join(format!("projected-{i:06}.png")),
    };
    if extension.is_some() {
        let pairs = projected.iter().flat_map(|one| [&one.given, &one.found]).cloned().collect::<Vec<_>>();
        visible(grid(&pairs, 2), args.zoom).write_png(&args.output)?;
    } else {
        make_folder(&args.output)?;
        let zoom = args.zoom.map_or(1, usize::from);
        projected.iter().enumerate().try_for_each(|(i, one)| one.found.enlarged(zoom).write_png(&path(i)))?;
    }
    let told = args.project.iter().zip(&projected).enumerate();
    let told = told.map(|(i, (picture, one))| {
        let told = json!({ "perceptual_distance": one.distance, "style": one.style });
        told_path(told_path(told, "path", &path(i)), "picture", picture)
    });
    Ok(told.collect())
}

/// A picture that has a file to itself, as large as was asked for, or as one can see it.
fn visible(picture: Image, zoom: Option<u8>) -> Image {
    let longer = picture.width.max(picture.height).max(1);
    picture.enlarged(zoom.map_or(SEEN.div_ceil(longer), usize::from))
}

fn extension(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase())
}

/// An error for the ending of a file that a grid cannot be written to; none is a folder's.
fn grid_ending(extension: Option<&str>) -> ganvas::Result<()> {
    match extension.filter(|extension| *extension != "png") {
        Some(other) => Err(Error::input(format!(
            "a grid is written as .png, and not as .{other}; end -o in .png (music in .mid or .wav), or give a folder without \
             a dot in its name"
        ))),
        None => Ok(()),
    }
}

fn nearly_square(count: usize) -> Grid {
    let columns = (count as f64).sqrt().ceil().max(1.0) as usize;
    Grid { columns, rows: count.div_ceil(columns) }
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path)
        .map_err(|error| Error::io("make the folder for the pictures", path, &error))
        .context("give a folder, or a file that ends in .png, .gif or .apng")
}
