//! `ganvas doctor`: what went wrong in a run, in words.

use std::path::PathBuf;

use ganvas::doctor::{BEGINNING, Episode, episodes};
use ganvas::import::Card;
use ganvas::run::{Event, read_events, standing};

/// Say what goes wrong in a run, since when, what comes of it and what to try.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas doctor runs/0001-mnist
  ganvas doctor runs/0001-mnist --json

It reads the run's events.jsonl alone; the trainer says the same while it trains. docs/doctor.md lists what it knows.")]
pub struct Args {
    /// The run directory, or latest for the newest in the folder runs.
    run: PathBuf,
    /// Print an array of objects with name, sentence, evidence (of the look at seen_step; first: of that at found_step),
    /// leads_to, try, since_step and ended_step.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let run = super::open_run(&args.run)?;
    let events = run.events();
    let records = if events.exists() { standing(read_events(&events)?) } else { Vec::new() };
    let found = episodes(&records);
    if args.json {
        return super::print_json(&found);
    }
    if found.is_empty() {
        if let Some(card) = Card::of(&run) {
            let card = card.line();
            return super::print(&format!("There is no training to judge: the network was imported ({card}).\n"));
        }
        let looks = records.iter().filter(|record| matches!(record.event, Event::Scalars { .. })).count();
        let (least_looks, least_kimg) = BEGINNING;
        return super::print(&match (looks, records.last()) {
            (1.., Some(last)) if looks < least_looks || last.kimg < least_kimg => format!(
                "Nothing is wrong so far, but it is too early to be sure: most faults are looked for from {least_looks} \
                 looks and {least_kimg:.0} kimg on, and this run has {looks} and {:.1}.\n",
                last.kimg
            ),
            (1.., Some(last)) => format!(
                "Nothing is wrong as far as the doctor can see, by {looks} looks up to step {} ({:.1} kimg).\n",
                last.step, last.kimg
            ),
            _ => "There is nothing to judge yet: nothing is logged.\n".to_owned(),
        });
    }
    super::print(&found.iter().map(told).collect::<Vec<_>>().join("\n"))
}

fn told(episode: &Episode) -> String {
    let found = &episode.diagnosis;
    let when = match episode.ended_step {
        Some(ended) => format!("from step {} to step {ended}", found.since_step),
        None => format!("since step {}", found.since_step),
    };
    let was = match found.sentence == episode.first.sentence {
        true => String::new(),
        false => format!("  When it was found, at step {}: {}\n", episode.found_step, episode.first.sentence),
    };
    let more = [("It leads to this", &found.leads_to), ("Try this", &found.remedy)].into_iter();
    let more = more.filter(|(_, text)| !text.is_empty()).map(|(title, text)| format!("  {title}: {text}\n"));
    format!("{}, {when}: {}\n{was}{}", found.name, found.sentence, more.collect::<String>())
}
