//! The rules: what to look for, what comes of it, what to try.

use std::collections::BTreeMap;

use super::history::{History, Look, median};
use super::limits;
use crate::run::Layer;

/// An illness and how it shows.
pub struct Rule {
    /// A fixed name.
    pub name: &'static str,
    /// What comes of it.
    pub leads_to: &'static str,
    /// What to try, each where the run has a key for it.
    pub remedy: &'static [Advice],
    /// Whether a run seldom recovers by itself, so that `train.on_trouble` applies.
    pub is_grave: bool,
    /// Looks at the newest look; what was found when it is as ill as the rule says.
    pub find: fn(&History) -> Option<Finding>,
}

/// One thing to try: what, with `{}` for the key, and the last part of the key; empty for what every run has.
pub type Advice = (&'static str, &'static str);

/// What to try in a run that has these keys: all that is known where nobody knows its keys.
pub fn tried(remedy: &[Advice], keys: &[String]) -> String {
    let of = |(what, key): &Advice| {
        let is_it = |known: &&String| *known == key || known.ends_with(&format!(".{key}"));
        match keys.iter().find(is_it) {
            Some(known) => Some(what.replace("{}", known)),
            None => (key.is_empty() || keys.is_empty()).then(|| what.replace("{}", key)),
        }
    };
    let all = remedy.iter().filter_map(of).collect::<Vec<_>>().join("; ");
    let mut letters = all.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).chain(['.']).collect())
}

/// What a rule found.
pub struct Finding {
    /// In one sentence.
    pub sentence: String,
    /// In numbers, most of them by the names of scalars.
    pub evidence: BTreeMap<String, f64>,
}

impl Finding {
    fn new(sentence: String, evidence: &[(&str, f64)]) -> Self {
        let evidence = evidence.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Finding { sentence, evidence }
    }
}

/// What is said of a value that is not finite: the trainer finds it, because it ends the run.
pub const NOT_FINITE: Rule = Rule {
    name: "not_finite",
    leads_to: "Every weight it reaches is lost; nothing more is learned.",
    remedy: &[
        ("lower {}", "learning_rate"),
        ("`ganvas train --on-trouble rollback` halves it and goes on from the last good checkpoint", ""),
    ],
    is_grave: true,
    find: |_| None,
};

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule {
        name: "d_too_strong",
        leads_to: "G knows that it is wrong and hardly which way to go; it stands still, or repeats a few samples.",
        remedy: &[
            ("lower {}", "learning_rate"),
            ("lower {}, D's target for real samples", "real_label"),
            ("raise {}", "dropout"),
            ("set {} to \"r1\" or \"r1r2\"", "penalty"),
            ("raise {}", "gamma"),
            ("raise {}", "r1_weight"),
            ("change {}", "train.seed"),
        ],
        is_grave: true,
        find: d_too_strong,
    },
    Rule {
        name: "mode_collapse",
        leads_to: "G draws a few samples for every seed; kinds it has given up come back late, or never.",
        remedy: &[
            ("change {}", "train.seed"),
            ("lower {}", "learning_rate"),
            ("set {} to \"relativistic\"", "loss"),
            ("set {} to \"r1r2\"", "penalty"),
            ("raise {}", "gamma"),
            ("raise {}", "train.batch"),
        ],
        is_grave: true,
        find: mode_collapse,
    },
    Rule {
        name: "g_frozen",
        leads_to: "G is not trained: its samples stay the same however long the run is.",
        remedy: &[
            ("set {} above 0", "learning_rate"),
            ("in a recipe of your own, see whether G's loss depends on G's weights", ""),
        ],
        is_grave: true,
        find: g_frozen,
    },
    Rule {
        name: "oscillation",
        leads_to: "The players chase each other and neither gets better; whether the last checkpoint is good is luck.",
        remedy: &[
            ("lower {}", "learning_rate"),
            ("sample from the average of G's weights by {}", "average_kimg"),
            ("set {} to \"r1\" or \"r1r2\"", "penalty"),
            ("raise {}", "gamma"),
        ],
        is_grave: false,
        find: oscillation,
    },
    Rule {
        name: "exploding_gradient",
        leads_to: "Updates go no useful way, and soon some value is not a number.",
        remedy: &[("lower {}", "learning_rate"), ("set {} to \"r1\" or \"r1r2\"", "penalty"), ("raise {}", "gamma")],
        is_grave: true,
        find: exploding_gradient,
    },
    Rule {
        name: "vanishing_gradient",
        leads_to: "That layer and those before it learn nothing more.",
        remedy: &[
            ("if it is G's, set {} to \"non_saturating\"", "generator_loss"),
            ("if it is G's, set {} to \"non_saturating\"", "loss"),
            ("lower {}", "learning_rate"),
            ("change {}", "train.seed"),
        ],
        is_grave: false,
        find: vanishing_gradient,
    },
    Rule {
        name: "dead_units",
        leads_to: "The network is smaller than it looks, and these units do not come back by themselves.",
        remedy: &[
            ("lower {}", "learning_rate"),
            ("change {}", "train.seed"),
            ("in a recipe of your own, use leaky ReLU", ""),
        ],
        is_grave: false,
        find: dead_units,
    },
    Rule {
        name: "d_memorises",
        leads_to: "D knows its samples by heart, so what it teaches G holds for no others; samples get worse from here.",
        remedy: &[
            ("add data", ""),
            ("use an earlier checkpoint", ""),
            ("raise {}", "augment_target"),
            ("raise {}", "penalty_weight"),
            ("raise {}", "gamma"),
            ("raise {}", "dropout"),
        ],
        is_grave: false,
        find: d_memorises,
    },
    Rule {
        name: "learning_stalled",
        leads_to: "More training of this kind changes nothing.",
        remedy: &[
            ("stop", ""),
            ("try another {}", "train.seed"),
            ("try another {}", "loss"),
            ("try other sizes of the networks by {}", "width"),
        ],
        is_grave: false,
        find: learning_stalled,
    },
    Rule {
        name: "slow",
        leads_to: "The run takes more than twice as long as was said.",
        remedy: &[("see what else uses the processor", ""), ("set {} to the number of free cores", "train.threads")],
        is_grave: false,
        find: slow,
    },
    Rule {
        name: "disk_full_soon",
        leads_to: "The next checkpoint cannot be written, and the run ends.",
        remedy: &[("free some space", ""), ("set {} = 1", "train.keep_checkpoints")],
        is_grave: false,
        find: disk_full_soon,
    },
];

const PLAYERS: [(&str, &str); 2] = [("D", "d_gradient_norm"), ("G", "g_gradient_norm")];

fn d_too_strong(history: &History) -> Option<Finding> {
    let now = |name| history.now(name);
    let (real, fake, sure) = (now("d_accuracy_real")?, now("d_accuracy_fake")?, now("d_fake")?);
    // A loss below 0 is no cross-entropy: Wasserstein's critic should be as strong as can be.
    let holds =
        real > limits::TOO_RIGHT && fake > limits::TOO_RIGHT && sure < limits::TOO_SURE && now("d_loss")? >= 0.0;
    let evidence = [("d_accuracy_real", real), ("d_accuracy_fake", fake), ("d_fake", sure), ("g_loss", now("g_loss")?)];
    holds.then(|| {
        let sentence = format!(
            "D is right about {:.1} % of the real and {:.1} % of the fake samples, and gives a fake one a probability of {} \
             of being real.",
            100.0 * real,
            100.0 * fake,
            short(sure)
        );
        Finding::new(sentence, &evidence)
    })
}

fn mode_collapse(history: &History) -> Option<Finding> {
    let (looks, kimg) = limits::BEGINNING;
    if history.count <= looks || history.last()?.kimg < kimg {
        return None;
    }
    let now = |name| history.now(name);
    let (spread, real) = (now("sample_spread")?, now("real_spread")?);
    let mut evidence = vec![("sample_spread", spread), ("real_spread", real)];
    evidence
        .extend(["sample_rank", "real_rank", "largest_class"].into_iter().filter_map(|name| Some((name, now(name)?))));
    let class = now("largest_class").filter(|share| *share >= limits::ONE_CLASS);
    let ranks = now("sample_rank").zip(now("real_rank")).filter(|(rank, real)| *rank < limits::RANK * real);
    let near = (spread < limits::SPREAD * real).then_some(spread / real);
    let signs = [
        near.map(|share| format!("{:.0} % as far apart as real ones", 100.0 * share)),
        class.map(|share| format!("{:.0} % of one class", 100.0 * share)),
        ranks
            .map(|(rank, real)| format!("different in {rank:.0} directions, where as many real ones are in {real:.0}")),
    ];
    let signs = signs.into_iter().flatten().collect::<Vec<_>>();
    (!signs.is_empty()).then(|| Finding::new(format!("Samples are {}.", signs.join(", and ")), &evidence))
}

fn g_frozen(history: &History) -> Option<Finding> {
    let (change, real) = (history.now("sample_change")?, history.now("real_spread")?);
    if history.now("d_loss").is_some() && history.now("g_loss").is_none() {
        return None; // D learns alone: some recipes begin so
    }
    (change <= limits::FROZEN * real).then(|| {
        let sentence = "The samples are the same as at the look before.".to_owned();
        Finding::new(sentence, &[("sample_change", change)])
    })
}

fn oscillation(history: &History) -> Option<Finding> {
    let [low, high] = limits::SWING;
    let accuracy = history.newest("d_accuracy_fake", limits::SWING_LOOKS);
    let ends = accuracy.iter().filter_map(|value| (*value < low || *value > high).then_some(*value > high));
    let swings = ends.clone().zip(ends.skip(1)).filter(|(one, next)| one != next).count();
    let bounds = accuracy.iter().fold([1.0_f64, 0.0_f64], |[least, most], &v| [least.min(v), most.max(v)]);
    (swings >= limits::SWINGS).then(|| {
        let sentence = format!(
            "D's accuracy on fake samples swung {swings} times between {:.0} % and {:.0} % within {} looks.",
            100.0 * bounds[0],
            100.0 * bounds[1],
            accuracy.len()
        );
        Finding::new(sentence, &[("swings", swings as f64), ("lowest", bounds[0]), ("highest", bounds[1])])
    })
}

fn exploding_gradient(history: &History) -> Option<Finding> {
    let outgrown = |layer: &Layer| layer.dead.is_none() && layer.gradient > layer.weight;
    history.last()?.layers.values().any(outgrown).then_some(())?;
    // The looks that make the diagnosis are not what is usual.
    gradient(history, limits::LOOKS as usize, "grew", |now, usual| now / usual, limits::EXPLODED)
}

fn vanishing_gradient(history: &History) -> Option<Finding> {
    gradient(history, 0, "shrank", |now, usual| usual / now, 1.0 / limits::VANISHED)
}

/// The player whose gradient changed by a factor of `limit`, by what is usual, which the `newest` looks are not, and the layer
/// for which that factor is largest.
fn gradient(
    history: &History,
    newest: usize,
    changed: &str,
    factor: fn(f64, f64) -> f64,
    limit: f64,
) -> Option<Finding> {
    let factor = |now: f64, usual: f64| factor(now.max(f64::MIN_POSITIVE), usual.max(f64::MIN_POSITIVE));
    PLAYERS.into_iter().find_map(|(player, name)| {
        let earlier = history.earlier().skip(newest).filter_map(|look| look.values.get(name).copied());
        let earlier = earlier.collect::<Vec<_>>();
        let (count, now, usual) = (earlier.len(), history.now(name)?, median(earlier)?);
        if count < limits::USUAL || factor(now, usual) < limit {
            return None;
        }
        let of_layer = |(layer, now): (&String, &Layer)| {
            let earlier = history.earlier().filter_map(|look| Some(look.layers.get(layer)?.gradient));
            Some((layer.clone(), factor(now.gradient, median(earlier)?)))
        };
        let most = history.last()?.layers.iter().filter_map(of_layer).max_by(|a, b| a.1.total_cmp(&b.1));
        let most = most.map(|(layer, _)| format!("; that of {layer} {changed} most")).unwrap_or_default();
        let sentence =
            format!("{player}'s gradient has a norm of {}, where {} is usual{most}.", short(now), short(usual));
        Some(Finding::new(sentence, &[(name, now), ("usual", usual)]))
    })
}

fn dead_units(history: &History) -> Option<Finding> {
    let shares = history.last()?.layers.iter().filter_map(|(name, layer)| Some((name, layer.dead?)));
    let (name, share) = shares.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (share > limits::DEAD).then(|| {
        let sentence = format!("No sample of a batch goes through {:.0} % of the units of {name}.", 100.0 * share);
        Finding::new(sentence, &[("dead", share)])
    })
}

fn d_memorises(history: &History) -> Option<Finding> {
    let gap = history.now("d_gap")?;
    (gap > limits::GAP).then(|| {
        let sentence = format!(
            "D's logit is {gap:.1} standard deviations higher on the samples it learns from than on held-out ones."
        );
        Finding::new(sentence, &[("d_gap", gap)])
    })
}

fn learning_stalled(history: &History) -> Option<Finding> {
    let changes = history.newest("sample_change", limits::STALLED_LOOKS);
    let real = history.now("real_spread")?;
    let (on_real, on_fake) = (history.now("d_accuracy_real")?, history.now("d_accuracy_fake")?);
    let most = changes.iter().fold(0.0_f64, |most, change| most.max(*change)) / real;
    let still = changes.len() == limits::STALLED_LOOKS && most < limits::STILL && most > limits::FROZEN;
    (still && on_real > limits::APART && on_fake > limits::APART).then(|| {
        let sentence = format!(
            "For {} looks samples moved by less than {:.1} % of the distance between real ones, while D tells the two apart.",
            changes.len(),
            100.0 * limits::STILL
        );
        Finding::new(sentence, &[("sample_change", most * real), ("real_spread", real)])
    })
}

fn slow(history: &History) -> Option<Finding> {
    let last = history.last()?;
    let Look { images_per_sec: now, secs, .. } = *last;
    // Looks at the same work: a recipe may begin with one player alone, and each step costs more afterwards.
    let learns = |look: &Look| PLAYERS.map(|(_, gradient)| look.values.contains_key(gradient));
    let is_same = |look: &&Look| learns(look) == learns(last);
    let earlier = history.earlier().take(history.count_of_trainer.saturating_sub(1)).filter(is_same);
    let earlier = earlier.map(|look| look.images_per_sec).collect::<Vec<_>>();
    let (count, usual) = (earlier.len(), median(earlier)?);
    (count >= limits::USUAL && now < limits::SLOW * usual && secs >= limits::MEASURABLE_SECS).then(|| {
        let sentence = format!("The run sees {now:.0} images per second, where {usual:.0} were usual.");
        Finding::new(sentence, &[("images_per_sec", now), ("usual", usual)])
    })
}

fn disk_full_soon(history: &History) -> Option<Finding> {
    let (bytes, free) = history.disk?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    (free < limits::ROOM * bytes).then(|| {
        let (bytes, free) = (megabytes(bytes), megabytes(free));
        let sentence = format!("The disk has {free:.0} MB left, and a checkpoint takes {bytes:.0} MB.");
        Finding::new(sentence, &[("free_megabytes", free), ("checkpoint_megabytes", bytes)])
    })
}

/// A number to read, with three digits that count.
fn short(value: f64) -> String {
    if (0.01..1000.0).contains(&value) { format!("{value:.3}") } else { format!("{value:.1e}") }
}
