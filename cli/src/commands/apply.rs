//! `ganvas apply`: what a run's model makes of pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ganvas::apply::{Need, Plan, apply, size};
use ganvas::data::degrade::Planes;
use ganvas::data::degrade::resize::{Filter, resized};
use ganvas::data::people::{faces, video};
use ganvas::field::Kind;
use ganvas::media::{Delay, Film, Format, Image, NOT_READ, Opened, Picture, READ, READ_WORDS, Raster, grid, marked};
use ganvas::memory::{UNITS, bytes_of};
use ganvas::model::{check, taken_picture};
use ganvas::report::Progress;
use ganvas::request::SHOW;
use ganvas::swap::{Counts, SENTENCE, Swap, takes_faces};
use ganvas::{Error, Model, RECIPES, Request, Sample, Tiling, Value, sample, write_aside};
use serde_json::json;

use super::{Computing, told_path};
use crate::asked::{is_video, named, place_of_poses, poses_at, with_poses};
use crate::memory;
use crate::progress::{Work, say};

/// So many times larger than what a model learned from, a picture looks strange to it.
const LARGE: usize = 4;

/// Poses side by side, and one after the other.
const ACROSS: usize = 8;
const POSES_A_SECOND: u32 = 10;

/// Turn pictures into others with a run's model, whatever their size.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas apply runs/0001-colours drawing.png -o coloured.png
  ganvas apply runs/0001-colours drawings/ -o coloured/
  ganvas apply runs/0002-horses a.jpg b.jpg --with direction=b_to_a -o translated/
  ganvas apply runs/0004-posegan person.png --with pose=other.jpg -o turned.png
  ganvas apply runs/0004-posegan person.png --with pose=dance.mp4 -o dances.gif
  ganvas apply runs/0005-faceswap party.jpg --with to=anna --only ben.jpg -o swapped.jpg
  ganvas apply runs/0005-faceswap talk.mp4 --with to=anna -o swapped.mp4
  ganvas apply runs/upscaler photo.jpg --scale 2 -o twice.png
  ganvas apply runs/upscaler album/ --format jpg --quality 90 -o larger/
  ganvas apply runs/upscaler dance.gif -o dance.webp
  ganvas apply runs/0003-restore scan.jpg --mask damage.png -o restored.png
  ganvas apply runs/0001-colours poster.png --memory 500MiB -o coloured.png")]
pub struct Args {
    /// The run directory, or latest for the newest in the folder runs.
    run: PathBuf,
    /// Pictures (PNG, JPEG, WebP, GIF, BMP, TIFF), or folders of them. Of an animation every frame is done; where faces are swapped,
    /// of a video, too.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A .png, .jpg, .webp, .tiff or .gif for one picture, else a folder, where each has its own name and is a .png, or the
    /// .gif or .webp that an animation is.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Where to put the damage that a model which restores pictures finds, white where it is: a file for one picture, else a
    /// folder.
    #[arg(long, value_name = "OUT")]
    mask: Option<PathBuf>,
    /// The kind of the files in a folder for results: png, jpg, webp, tiff or gif.
    #[arg(long, value_name = "KIND", value_parser = format)]
    format: Option<Format>,
    /// How well a JPEG is kept, from 1 to 100; 95 by default. The other kinds lose nothing, but for colours in a GIF.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Bring a picture's longer side to N pixels first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30_000))]
    side: Option<u32>,
    /// Make results N times as large as the pictures, with a model that makes them larger still; as large as it makes them
    /// by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    scale: Option<u32>,
    /// The seed of what is left to chance, where a model leaves something.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// A word, a text or a pose that the model takes; once for each. A pose is its file, or a picture of a person. With a folder of
    /// poses or a video, OUT shows one picture in all of them: .png and .jpg side by side, .gif, .webp and .mp4 one after the other.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    with: Vec<(String, String)>,
    /// Poses a second, where they come one after the other; 10 by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: Option<u32>,
    /// Swap the face of the person in this picture alone, and leave those of others as they are; all faces by default.
    #[arg(long, value_name = "PICTURE")]
    only: Option<PathBuf>,
    /// From which cosine on a face is that person's, with --only: of one person it is about 0.7, of strangers under 0.2.
    #[arg(long, value_name = "F", default_value_t = faces::ALIKE, requires = "only")]
    alike: f32,
    /// The pictures are upright faces, cut as those that the run learned from, such as `ganvas data faces` writes: nothing is looked for.
    #[arg(long, conflicts_with = "only")]
    aligned: bool,
    /// The memory it may take, such as 1GiB or 500MB; half of what is free by default. Larger pictures are done in tiles.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
    /// A checkpoint other than the latest, by its folder's name.
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
    #[command(flatten)]
    device: Computing,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// Bytes from a number with a unit.
fn memory(text: &str) -> Result<u64, String> {
    let units = [&UNITS[..], &[("", 1.0)]].concat();
    let bytes = bytes_of(text, &units).filter(|bytes| (1.0..1e15).contains(bytes));
    let wrong = || format!("`{text}` is no size; write a number and a unit, as in 1GiB or 500MB");
    bytes.map(|bytes| bytes as u64).ok_or_else(wrong)
}

/// The kind of files that a word names.
fn format(word: &str) -> Result<Format, String> {
    let kinds = Format::ALL.map(Format::ending).join(", ");
    Format::named(word).ok_or_else(|| format!("`{word}` is no kind of picture that is written; give one of {kinds}"))
}

/// A picture to be turned into another, and where that goes.
struct Task {
    input: PathBuf,
    output: PathBuf,
    mask: Option<PathBuf>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let run = super::open_run(&args.run)?;
    let config = run.config(RECIPES)?;
    let checkpoint = sample::checkpoint(&run, args.checkpoint.as_deref())?;
    let model = sample::model(&config, &checkpoint, &args.device.get()?)?;
    memory::give_back();
    let (Some(tiling), Some((channels, learned))) = (model.tiling(), taken_picture(model.as_ref())) else {
        let run = run.path().display();
        return Err(Error::input(format!(
            "{run} makes samples out of seeds and takes no pictures; use `ganvas sample`"
        ))
        .into());
    };
    let mask = model.makes().into_iter().find(|field| field.kind == Kind::Mask).map(|field| field.name);
    let swaps = takes_faces(model.as_ref());
    if args.mask.is_some() && (mask.is_none() || swaps) {
        let run = run.path().display();
        return Err(Error::input(format!("{run} looks for no damage in pictures; leave --mask out")).into());
    }
    if let (false, Some(flag)) = (swaps, args.only.as_ref().map(|_| "--only").or(args.aligned.then_some("--aligned"))) {
        let run = run.path().display();
        return Err(Error::input(format!("{run} swaps no faces; leave {flag} out")).into());
    }
    let finds = swaps && !args.aligned;
    let many = place_of_poses(&args.with, model.as_ref());
    let with = args.with.iter().filter(|(name, _)| many.as_ref().is_none_or(|(many, _)| many != name)).cloned();
    let with = with_poses(&with.collect::<Vec<_>>(), model.as_ref())?;
    if many.is_none() && args.fps.is_some() {
        return Err(Error::input("--fps is for several poses, one after the other; leave it out").into());
    }
    let film = args.inputs.iter().find(|input| finds && is_video(input) && input.is_file());
    film.map_or(Ok(()), |film| check_video(&args, film))?;
    let tasks = if many.is_some() || film.is_some() { Vec::new() } else { tasks(&args)? };
    let asked = |sample: Sample, (name, value): &(String, String)| sample.with(name, Value::Text(value.clone()));
    let asked = with.iter().fold(Sample::seed(args.seed), asked);
    let side = tiling.multiple;
    let black = Sample::of_picture(Image::new(side, side, channels, vec![0; side * side * channels]));
    let whole = Sample { given: asked.given.clone().into_iter().chain(black.given).collect(), ..asked.clone() };
    check(model.as_ref(), &Request { samples: vec![whole] })?; // once, not for every picture
    if let Some(scale) = args.scale.filter(|scale| *scale as usize > tiling.scale) {
        let most = tiling.scale;
        return Err(Error::input(format!(
            "--scale is {scale}; this model makes pictures {most} times as large at most"
        ))
        .into());
    }
    let memory = args.memory.unwrap_or_else(ganvas::memory::half_of_free);
    let learned = learned.filter(|_| !swaps); // a face is brought to that side wherever it is found
    let how = How { tiling: &tiling, learned, asked: &asked, mask: mask.as_deref(), memory };
    if let Some((name, place)) = many {
        return Ok(in_poses(model.as_ref(), &how, &args, &name, &place)?);
    }
    let mut work = Work::new(format!("applying {}", config.entry.info.name));
    let mut swap = swaps.then(|| swap(model.as_ref(), &asked, &args, &mut work)).transpose()?;
    if let (Some(film), Some(swap)) = (film, &mut swap) {
        let begun = Instant::now();
        let told = in_video(swap, &args, film, &mut work);
        work.end();
        let mut told = told?;
        told["secs"] = json!(begun.elapsed().as_secs_f64());
        return match args.json {
            true => super::print_json(&[told]),
            false => super::print(&format!("{}\n", args.output.display())),
        };
    }
    let (mut written, mut problems) = (Vec::new(), Vec::new());
    for (done, task) in tasks.iter().enumerate() {
        let begun = Instant::now();
        match one((model.as_ref(), swap.as_mut()), &how, &args, task, &mut work, [done, tasks.len()]) {
            Ok(mut told) => {
                told["secs"] = json!(begun.elapsed().as_secs_f64());
                written.push(told);
            }
            Err(error) if tasks.len() > 1 && error.exit_code() == 2 => problems.push(error.to_string()),
            Err(error) => {
                work.end();
                return Err(error.into());
            }
        }
    }
    work.end();
    if args.json {
        super::print_json(&written)?;
    } else {
        let path = |told: &serde_json::Value| format!("{}\n", told["output"].as_str().unwrap_or_default());
        super::print(&written.iter().map(path).collect::<String>())?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    let (some, all) = (problems.len(), tasks.len());
    Err(Error::input(format!("{some} of {all} pictures were not turned into others:\n  {}", problems.join("\n  ")))
        .into())
}

/// How every picture is turned into another.
struct How<'a> {
    tiling: &'a Tiling,
    /// The side of the pictures that the model learned from, where there is one.
    learned: Option<usize>,
    asked: &'a Sample,
    /// What a mask is called among the things that the model makes.
    mask: Option<&'a str>,
    memory: u64,
}

/// Turns one picture into another, or every frame of an animation, and tells what was written.
fn one(
    (model, mut swap): (&dyn Model, Option<&mut Swap>),
    how: &How,
    args: &Args,
    task: &Task,
    work: &mut Work,
    [done, all]: [usize; 2],
) -> ganvas::Result<serde_json::Value> {
    let name = task.input.display();
    let named = |why: String| Error::input(format!("{name} {why}"));
    let bytes = std::fs::read(&task.input).map_err(|error| Error::io("read the picture", &task.input, &error))?;
    let opened = Opened::new(&bytes, 1).map_err(named)?;
    let longer = args.side.map(|side| side as usize);
    let [width, height] = opened.sides_with(longer);
    let (film, frames, plays) = (opened.film(), opened.frames, opened.plays);
    let outputs = [Some(&task.output), task.mask.as_ref()].into_iter().flatten();
    let outputs = outputs.map(|path| Ok((path, Format::of(path)?))).collect::<ganvas::Result<Vec<_>>>()?;
    let scale = args.scale.map_or(how.tiling.scale, |scale| scale as usize);
    let sides = [width, height].map(|side| side * scale);
    outputs.iter().try_for_each(|(_, format)| holds(*format, film.map(|_| frames), sides)).map_err(named)?;
    let plan = plan(how, &opened, longer).map_err(|error| match error {
        Error::Input(why) => Error::input(format!("{name}: {why}")),
        other => other,
    })?;
    let parts = match plan.count() {
        1 => "whole".to_owned(),
        tiles => format!("in {tiles} tiles of {}x{}", plan.tile[0], plan.tile[1]),
    };
    let each = match film {
        Some(_) => format!("{frames} frames of {width}x{height}"),
        None if frames > 1 => format!("{width}x{height}, the first of {frames} pages"),
        None => format!("{width}x{height}"),
    };
    let mut notes = vec![format!("{name}: {each}, {parts}, about {} of memory", size(plan.bytes))];
    if let Some(side) = how.learned.filter(|side| width.min(height) > LARGE * side) {
        notes.push(format!("the model learned from {side}x{side} pixels; --side brings a picture nearer to that"));
    }
    let shown = [Some(how.asked.text(SHOW)), task.mask.as_ref().map(|_| how.mask)];
    let shown = shown.into_iter().flatten().collect::<Vec<_>>();
    let (mut frame_done, mut counts) = (0, Vec::new());
    let mut made = |picture: &Picture, work: &mut Work| {
        if frame_done == 0 {
            notes.extend(picture.notes(outputs[0].1));
            work.suspend(|| say(&notes.join("; ")));
        }
        if let Some(swap) = swap.as_deref_mut() {
            let swapped = if film.is_some() { swap.frame(picture)? } else { swap.picture(picture)? };
            work.show(&Progress {
                what: &format!("{} of {all} pictures", done + 1),
                done: done as u64,
                total: Some(all as u64),
            });
            frame_done += 1;
            counts.push(swapped.1);
            return Ok(vec![swapped.0]);
        }
        let made = apply(model, (how.asked, &shown), picture, &plan, &mut |progress| {
            let (frames, passes) = (u64::from(frames.max(1)), progress.total.unwrap_or(1));
            let frames = if film.is_some() { frames } else { 1 };
            let (at, total) =
                ((done as u64 * frames + frame_done) * passes + progress.done, all as u64 * frames * passes);
            work.show(&Progress { what: &format!("{} of {all} pictures", done + 1), done: at, total: Some(total) });
        })?;
        frame_done += 1;
        let scaled = made.into_iter().map(|made| match args.scale {
            Some(scale) => shrunk(made, picture.sides().map(|side| side * scale as usize)),
            None => made,
        });
        Ok::<_, Error>(scaled.collect::<Vec<Picture>>())
    };
    let told = told_path(json!({ "tiles": plan.count() }), "input", &task.input);
    let mut told = told_path(told, "output", &task.output);
    let mut files = Vec::new();
    match film {
        None => {
            let picture = opened.picture_with(longer).map_err(named)?;
            for (made, (_, format)) in made(&picture, work)?.into_iter().zip(&outputs) {
                [told["width"], told["height"]] = made.sides().map(|side| json!(side));
                files.push(made.encode(*format, args.quality)?);
            }
        }
        Some(_) => {
            let (has_alpha, is_grey) = Opened::new(&bytes, 1).and_then(Opened::look_of_frames).map_err(named)?;
            let is_grey = is_grey && how.tiling.keeps_colours;
            let film = |(i, (_, format)): (usize, &(&PathBuf, Format))| match i {
                0 => Film::new(*format, plays, has_alpha, is_grey),
                _ => Film::new(*format, plays, false, true), // a mask
            };
            let mut films = outputs.iter().enumerate().map(film).collect::<ganvas::Result<Vec<_>>>()?;
            for frame in opened.frames().map_err(named)? {
                let (picture, delay) = frame.map_err(named)?;
                let picture = match longer {
                    Some(longer) => picture.resized(longer),
                    None => picture,
                };
                for (made, film) in made(&picture, work)?.into_iter().zip(&mut films) {
                    [told["width"], told["height"]] = made.sides().map(|side| json!(side));
                    film.add(&made, delay)?;
                }
            }
            told["frames"] = json!(frames);
            files = films.into_iter().map(Film::end).collect::<ganvas::Result<_>>()?;
        }
    }
    if !counts.is_empty() {
        said_of_faces(&mut told, &counts, work).map_err(named)?;
    }
    for ((path, format), bytes) in outputs.iter().zip(files) {
        let bytes = if takes_faces(model) { marked(bytes, *format, SENTENCE) } else { bytes };
        with_folder(path)?;
        write_aside(path, &bytes, "write the picture")?;
    }
    if let Some(mask) = &task.mask {
        told = told_path(told, "mask", mask);
    }
    Ok(told)
}

/// What swaps faces, of everybody or of who is meant.
fn swap<'a>(model: &'a dyn Model, asked: &Sample, args: &Args, work: &mut Work) -> ganvas::Result<Swap<'a>> {
    if args.aligned {
        return Swap::upright(model, asked.clone());
    }
    let only = args.only.as_ref().map(|path| Ok::<_, Error>((path, Picture::read(path)?))).transpose()?;
    let report = &mut |progress: Progress<'_>| work.show(&progress);
    let swap = Swap::new(model, asked.clone(), report)?;
    match only {
        Some((path, picture)) => {
            let picture = picture.raster.shallow().into_image().to_colour();
            swap.only(&picture, &path.display().to_string(), args.alike, report)
        }
        None => Ok(swap),
    }
}

/// Tells how many faces were swapped in how many frames. The error is that none was, and completes "NAME ...".
fn said_of_faces(told: &mut serde_json::Value, counts: &[Counts], work: &mut Work) -> Result<(), String> {
    let all = Counts::of_all(counts);
    let Counts { swapped, others, unclear } = all;
    let without = counts.iter().filter(|count| count.swapped == 0).count();
    told["faces"] = json!({ "swapped": swapped, "others": others, "unclear": unclear, "frames_without": without });
    all.hindrance().map_or(Ok(()), Err)?;
    let words = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let sentence = [
        words(swapped, if swapped == 1 { "face swapped" } else { "faces swapped" }),
        words(others, "of others left as they are"),
        words(unclear, "too small or unclear"),
        words(without, "frames unchanged"), // of a picture by itself there is none: its face was swapped
    ];
    let sentence = sentence.into_iter().flatten().collect::<Vec<_>>().join(", ");
    work.suspend(|| {
        say(&format!("{sentence}. The file says that faces in it were swapped; say it, too, where you show it"))
    });
    Ok(())
}

/// Whether what is asked suits a video; before anything is fetched.
fn check_video(args: &Args, input: &Path) -> ganvas::Result<()> {
    let output = &args.output;
    if args.inputs.len() > 1 {
        return Err(Error::input("give one video; several are done one after the other, each by a command of its own"));
    }
    if !output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mp4")) {
        return Err(Error::input(format!("{} is no .mp4; name a file that ends so for a video", output.display())));
    }
    let wrong = [
        (args.format.is_some(), "--format"),
        (args.quality.is_some(), "--quality"),
        (args.side.is_some(), "--side"),
        (args.scale.is_some(), "--scale"),
    ];
    if let Some((_, flag)) = wrong.iter().find(|(is_given, _)| *is_given) {
        return Err(Error::input(format!("{flag} is for pictures; leave it out for a video")));
    }
    check_is_another(output, input)
}

/// Swaps the faces of a video, frame by frame.
fn in_video(swap: &mut Swap, args: &Args, input: &Path, work: &mut Work) -> ganvas::Result<serde_json::Value> {
    let output = &args.output;
    with_folder(output)?;
    video::ready(&mut |progress| work.show(&progress))?;
    let mut counts = Vec::new();
    let rewritten = video::rewritten(input, output, SENTENCE, &mut |_| (), |number, frame| {
        work.show(&Progress { what: "swapping faces, frame", done: number as u64, total: None });
        let (made, count) = swap.image(frame)?;
        counts.push(count);
        Ok(made)
    })?;
    if let Some(problem) = &rewritten.problem {
        work.suspend(|| say(problem));
    }
    let told = json!({ "frames": rewritten.frames, "has_sound": rewritten.has_sound, "problem": rewritten.problem });
    let mut told = told_path(told_path(told, "input", input), "output", output);
    said_of_faces(&mut told, &counts, work).map_err(|why| {
        let _ = std::fs::remove_file(output); // it is as the given one
        Error::input(format!("{} {why}", input.display()))
    })?;
    Ok(told)
}

/// Shows one picture in several poses, in one file.
fn in_poses(model: &dyn Model, how: &How, args: &Args, name: &str, place: &Path) -> ganvas::Result<()> {
    let is_mp4 = args.output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mp4"));
    let format = match (is_mp4, Format::of(&args.output)) {
        (true, _) => None,
        (false, Ok(format)) => Some(format),
        (false, Err(_)) => {
            let output = args.output.display();
            let sentence =
                "name a file that ends in .png, .jpg, .webp, .tiff, .gif or .mp4 for one picture in several poses";
            return Err(Error::input(format!("{output} is no such file; {sentence}")));
        }
    };
    let is_film = is_mp4 || format.is_some_and(|format| [Format::Gif, Format::WebP].contains(&format));
    if args.quality.is_some() && format != Some(Format::Jpeg) {
        return Err(Error::input("--quality is for JPEG alone; leave it out, or end OUT with .jpg"));
    }
    if args.fps.is_some() && !is_film {
        return Err(Error::input(
            "--fps is for poses one after the other; leave it out, or end OUT with .gif, .webp or .mp4",
        ));
    }
    let per_second = args.fps.unwrap_or(POSES_A_SECOND);
    let [input] = args.inputs.as_slice() else {
        return Err(Error::input("give one picture; it is shown in all the poses"));
    };
    if args.format.is_some() {
        return Err(Error::input("leave --format out; the name of OUT says what kind of file it is"));
    }
    check_is_another(&args.output, input)?;
    let named = |why: String| Error::input(format!("{} {why}", input.display()));
    let bytes = std::fs::read(input).map_err(|error| Error::io("read the picture", input, &error))?;
    let opened = Opened::new(&bytes, 1).map_err(named)?;
    let longer = args.side.map(|side| side as usize);
    let plan = plan(how, &opened, longer).map_err(|error| Error::input(format!("{}: {error}", input.display())))?;
    let picture = opened.picture_with(longer).map_err(named)?;
    let raster = picture.clone().over_white(); // in another pose another part of it would be transparent
    let picture = picture.with(raster, None);
    if is_mp4 {
        let mut work = Work::new("writing a video".to_owned());
        let ready = video::ready(&mut |progress| work.show(&progress));
        work.end();
        ready?;
    }
    let poses = poses_at(place)?;
    let (columns, [width, height]) = (poses.len().min(ACROSS), picture.sides().map(|side| side * how.tiling.scale));
    let rows = poses.len().div_ceil(columns);
    let sides = if is_film { [width, height] } else { [(width + 2) * columns + 2, (height + 2) * rows + 2] };
    format.map_or(Ok(()), |format| holds(format, is_film.then_some(poses.len() as u32), sides)).map_err(named)?;
    let mut work = Work::new("drawing".to_owned());
    let mut made = Vec::with_capacity(poses.len());
    for (done, pose) in poses.iter().enumerate() {
        work.show(&Progress { what: "poses", done: done as u64, total: Some(poses.len() as u64) });
        let asked = how.asked.clone().with(name, Value::Text(pose.clone()));
        made.extend(apply(model, (&asked, &[None]), &picture, &plan, &mut |_| ())?);
    }
    work.end();
    with_folder(&args.output)?;
    let images =
        |made: Vec<Picture>| made.into_iter().map(|made| made.raster.shallow().into_image()).collect::<Vec<_>>();
    match format {
        None => video::write(&args.output, &images(made), per_second, &mut |_| ())?,
        Some(format) if is_film => {
            let mut film = Film::new(format, None, false, false)?;
            made.iter().try_for_each(|made| film.add(made, Delay::new(1, u64::from(per_second))))?;
            write_aside(&args.output, &film.end()?, "write the animation")?;
        }
        Some(format) => {
            let side_by_side = Picture::from(grid(&images(made), columns));
            write_aside(&args.output, &side_by_side.encode(format, args.quality)?, "write the picture")?;
        }
    }
    if args.json {
        let told = json!({ "poses": poses.len() });
        return super::print_json(&[told_path(told_path(told, "input", input), "output", &args.output)])
            .map_err(|error| Error::failed(error.to_string()));
    }
    super::print(&format!("{}\n", args.output.display())).map_err(|error| Error::failed(error.to_string()))
}

/// Whether a kind of file can hold a result: so many frames, of these sides. The error completes "NAME ...".
fn holds(format: Format, frames: Option<u32>, [width, height]: [usize; 2]) -> Result<(), String> {
    let (ending, most) = (format.ending(), format.most_side());
    match frames {
        Some(frames) if !format.is_animated() => Err(format!(
            "is an animation of {frames} frames, and a .{ending} holds one picture; take .gif, .png or .webp for it"
        )),
        _ if width.max(height) > most => Err(format!(
            "becomes {width}x{height} pixels, and the sides of a .{ending} end at {most}; take .png for it, or make it smaller \
             with --side"
        )),
        _ => Ok(()),
    }
}

/// How a file's picture is gone through within the memory that there is. An error says what it needs, before it is decoded.
fn plan(how: &How, opened: &Opened, longer: Option<usize>) -> ganvas::Result<Plan> {
    let (to_decode, [width, height]) = (opened.bytes_with(longer), opened.sides);
    if to_decode > how.memory {
        return Err(Error::input(format!(
            "{width}x{height} pixels need {} to be decoded, and may take {}; give more with --memory",
            size(to_decode),
            size(how.memory)
        )));
    }
    Plan::new(how.tiling, &Need::of_file(opened, opened.sides_with(longer)), how.memory)
}

/// Makes the folder that a file is to be in.
fn with_folder(path: &Path) -> ganvas::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::fs::create_dir_all(folder)
            .map_err(|error| Error::io("make the folder for the pictures", folder, &error)),
        None => Ok(()),
    }
}

/// A picture at a smaller size, as MATLAB's imresize makes it.
fn shrunk(picture: Picture, to: [usize; 2]) -> Picture {
    if picture.sides() == to {
        return picture;
    }
    let smaller = |raster: &Raster| {
        let Raster { width, height, channels, .. } = *raster;
        let plane = |c: usize| (0..width * height).map(move |at| raster.unit(at * channels + c));
        let planes = Planes::new(width, height, channels, (0..channels).flat_map(plane).collect());
        let small = resized(&planes, to[0], to[1], Filter::Bicubic).side_by_side();
        Raster::of_unit(to, channels, raster.is_deep(), small.into_iter())
    };
    picture.with(smaller(&picture.raster), picture.alpha.as_ref().map(smaller))
}

/// Every picture that is named, and where its result goes: nowhere twice, and onto none that is named.
fn tasks(args: &Args) -> ganvas::Result<Vec<Task>> {
    let (mut inputs, mut left) = (Vec::new(), Vec::new()); // and what each is called below the folder for the results
    let places = [Some(&args.output), args.mask.as_ref()].into_iter().flatten();
    let results = places.clone().filter_map(|place| std::fs::canonicalize(place).ok()).collect::<Vec<_>>();
    for input in &args.inputs {
        if !input.is_dir() {
            inputs.push((input.clone(), PathBuf::from(input.file_name().unwrap_or_default())));
            continue;
        }
        let before = inputs.len();
        walk(input, Path::new(""), &results, (&mut inputs, &mut left))?;
        if inputs.len() == before {
            let (folder, kinds) = (input.display(), READ.join(", ."));
            return Err(Error::input(format!("{folder} holds no pictures, that is, no files named .{kinds}")));
        }
    }
    if let Some(first) = left.first() {
        let more = if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() };
        say(&format!("left alone: {}{more}; only {READ_WORDS} are read", first.display()));
    }
    let is_file = |place: &Path| place.extension().is_some() && !place.is_dir();
    for place in places.filter(|place| is_file(place)) {
        if inputs.len() > 1 || args.inputs[0].is_dir() {
            return Err(Error::input(format!(
                "{} is one file and there are more pictures; give a folder without a dot in its name",
                place.display()
            )));
        }
        let of_name = Format::of(place)?;
        if let Some(format) = args.format.filter(|format| *format != of_name) {
            let (place, format) = (place.display(), format.ending());
            return Err(Error::input(format!(
                "{place} is to be a .{format} by --format; leave --format out, or name it so"
            )));
        }
    }
    let within = |place: &Path, below: &Path| match is_file(place) {
        true => place.to_owned(),
        false => place.join(below),
    };
    let task = |(input, below): (PathBuf, PathBuf)| {
        let format = args.format.or_else(|| film(&input)).unwrap_or(Format::Png);
        let below = below.with_extension(format.ending());
        Task {
            output: within(&args.output, &below),
            mask: args.mask.as_deref().map(|place| within(place, &below)),
            input,
        }
    };
    let tasks = inputs.into_iter().map(task).collect::<Vec<_>>();
    let results = |task: &Task| [Some(task.output.clone()), task.mask.clone()].into_iter().flatten();
    let is_jpeg = |path: PathBuf| Format::of(&path).is_ok_and(|format| format == Format::Jpeg);
    if args.quality.is_some() && !tasks.iter().flat_map(results).any(is_jpeg) {
        return Err(Error::input("--quality is for JPEG alone; leave it out, or take --format jpg"));
    }
    let mut taken = BTreeMap::new();
    for (input, output) in tasks.iter().flat_map(|task| results(task).map(move |output| (&task.input, output))) {
        if let Some(other) = taken.insert(output.clone(), input) {
            return Err(Error::input(format!(
                "{} and {} would both become {}; rename one, or apply one after the other",
                other.display(),
                input.display(),
                output.display()
            )));
        }
    }
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let given = tasks.iter().filter_map(|task| real(&task.input)).collect::<Vec<_>>();
    let replaces = |output: &PathBuf| real(output).is_some_and(|output| given.contains(&output));
    if let Some(output) = tasks.iter().flat_map(results).find(replaces).as_deref() {
        return Err(is_given(output));
    }
    Ok(tasks)
}

/// An error where a result would replace what it is made of.
fn check_is_another(output: &Path, input: &Path) -> ganvas::Result<()> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    match real(output).is_some_and(|output| Some(output) == real(input)) {
        true => Err(is_given(output)),
        false => Ok(()),
    }
}

/// The error for a result that would replace what it is made of.
fn is_given(output: &Path) -> Error {
    let output = output.display();
    Error::input(format!("{output} is one of the given pictures and would be replaced; give another place for it"))
}

/// The kind of animation that a file is by its name and its bytes: .gif and .webp alone, as a .png holds any.
fn film(input: &Path) -> Option<Format> {
    let named = Format::of(input).ok().filter(|format| [Format::Gif, Format::WebP].contains(format))?;
    let bytes = std::fs::read(input).ok()?;
    Opened::new(&bytes, 1).ok()?.film().map(|_| named)
}

/// The pictures below a folder by the order of their names, and those that are not read; hidden ones, links to folders and
/// the folders of the `results` are passed over.
fn walk(
    folder: &Path,
    below: &Path,
    results: &[PathBuf],
    (found, left): (&mut Vec<(PathBuf, PathBuf)>, &mut Vec<PathBuf>),
) -> ganvas::Result<()> {
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let mut entries = entries.map_err(|error| Error::io("look into the folder", folder, &error))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !std::fs::canonicalize(&path).is_ok_and(|path| results.contains(&path)) {
                walk(&path, &below.join(name), results, (found, left))?;
            }
        } else if READ.contains(&ending.as_str()) && path.is_file() {
            found.push((path, below.join(name)));
        } else if NOT_READ.contains(&ending.as_str()) {
            left.push(path);
        }
    }
    Ok(())
}
