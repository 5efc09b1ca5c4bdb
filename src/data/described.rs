//! Avatars in words: captions that say exactly what a drawn head looks like, in several phrasings.

use crate::data::dicebear::Choices;
use crate::data::fetch::lot;
use crate::data::images::Said;

/// What can be said of an avatar, a part of a sentence each; empty where there is nothing to say.
struct Words {
    who: &'static str,
    hair: String,
    /// The hair with a place for its colour, that colour, and whether it is a hat's.
    cut: &'static str,
    colour: &'static str,
    is_hat: bool,
    skin: &'static str,
    clothes: String,
    /// The same without its colour, and that.
    garment: &'static str,
    dyed: &'static str,
    /// Glasses and beards.
    beside: Vec<&'static str>,
    mood: &'static str,
}

const AVATAAARS: &str = "avataaars";
const TOON: &str = "toon-head";

/// Phrasings of captions that a training may see.
const LEARNED: [fn(&Words) -> String; 6] = [
    |w| listed(&[&format!("{} with {}", with_article(w.who), w.hair), &w.beside.join(" and "), &skin(w), &wearing(w)]),
    |w| format!("{} in {} with {}", with_article(w.who), w.clothes, w.hair),
    |w| listed(&[&w.hair, &skin(w), &w.clothes, &w.beside.join(" and ")]),
    |w| format!("{} wearing {}, with {} and {}", in_a_mood(w), w.clothes, w.hair, skin(w)),
    |w| listed(&[&format!("the {} has {} and {}", w.who, w.hair, skin(w)), &wearing(w), &w.beside.join(" and ")]),
    |w| format!("{} with {} and {}", in_a_mood(w), skin(w), w.hair),
];
/// Phrasings that no training sees.
const HELD_OUT: [fn(&Words) -> String; 2] = [
    |w| format!("somebody drawn with {} and {}, dressed in {}", skin(w), w.hair, w.clothes),
    |w| format!("{}: {}, {}, and {}", in_a_mood(w), w.clothes, skin(w), w.hair),
];
/// Captions of a picture to learn from.
const EACH: u32 = 3;

/// A caption, and the number of its phrasing; those from [`FIRST_HELD_OUT`] on are of pictures held out alone.
pub type Caption = (usize, String);
/// The number of the first phrasing that no training sees.
pub const FIRST_HELD_OUT: usize = LEARNED.len();

/// The captions of a picture of this name: three to learn from, or of one that is held out, two in phrasings that are learned and one
/// in each of the others.
pub fn captions(name: &str, style: &str, choices: &Choices, is_held_out: bool) -> Vec<Caption> {
    let words = words(style, choices);
    let count = LEARNED.len() as u32;
    let first = lot(name, count);
    let steps = if is_held_out { 2 } else { EACH };
    let learned = (0..steps).map(|step| ((first + step * (count / steps)) % count) as usize);
    let others = (0..HELD_OUT.len()).filter(|_| is_held_out);
    let learned = learned.map(|phrasing| (phrasing, LEARNED[phrasing](&words)));
    learned.chain(others.map(|other| (FIRST_HELD_OUT + other, HELD_OUT[other](&words)))).collect()
}

fn words(style: &str, Choices { variants, colors }: &Choices) -> Words {
    let variant = |name: &str| variants.get(name).map_or("", String::as_str);
    let color = |name: &str| colors.get(name).map_or("", |hex| named(COLOURS, hex));
    let is_toon = style == TOON;
    let of_toon = format!("{} {}", variant("hair"), variant("rearHair"));
    let cut = named(HAIR, if is_toon { &of_toon } else { variant("top") });
    // A cap has a colour of its own.
    let is_hat = !is_toon && colors.contains_key("hat") && !colors.contains_key("hair");
    let colour = color(if is_hat { "hat" } else { "hair" });
    let hair = squeezed(&cut.replace("{}", colour));
    let (article, garment) = named(CLOTHES, variant("clothes")).split_once(' ').unwrap_or_default();
    let dyed = color("clothes");
    let clothes = squeezed(&format!("{dyed} {garment}"));
    let beside = ["accessories", "facialHair", "beard"].map(|name| named(BESIDE, variant(name)));
    Words {
        who: if is_toon { "cartoon" } else { "avatar" },
        hair: hair.strip_prefix("a ").map_or(hair.clone(), with_article),
        cut,
        colour,
        is_hat,
        skin: colors.get("skin").map_or("", |hex| named(SKINS, hex)),
        clothes: if article == "a" { with_article(&clothes) } else { clothes },
        garment,
        dyed,
        beside: beside.into_iter().filter(|word| !word.is_empty()).collect(),
        mood: named(MOODS, variant("mouth")),
    }
}

/// What a row of the table of attributes says, in the words of the captions: values with one word are one. None where the row, with the
/// names of its columns, is of another table.
pub fn said(cells: &[(String, String)]) -> Option<Vec<Said>> {
    let style = cells.iter().find(|(column, _)| column == "style").map(|(_, style)| style.as_str());
    let style = style.filter(|style| [AVATAAARS, TOON].contains(style))?;
    let mut choices = Choices::default();
    for (column, value) in cells.iter().filter(|(_, value)| !value.is_empty()) {
        match column.strip_suffix("_colour") {
            Some(colour) => choices.colors.insert(colour.to_owned(), value.clone()),
            None => choices.variants.insert(column.clone(), value.clone()),
        };
    }
    let words = words(style, &choices);
    let (who, mood, skin_colour, hair_colour) = (words.who, words.mood, words.skin, words.colour);
    let beside = |names: &[&str]| {
        let variants = names.iter().filter_map(|name| choices.variants.get(*name));
        variants.map(|variant| named(BESIDE, variant)).find(|word| !word.is_empty()).unwrap_or_default()
    };
    let one = |attribute: &str, value: &str, phrase: &str, rest: String| {
        let (value, phrase) = (value.to_owned(), if value.is_empty() { String::new() } else { phrase.to_owned() });
        Said { attribute: attribute.to_owned(), value, phrase, rest }
    };
    let of_hat = |wanted: bool| if words.is_hat == wanted { hair_colour } else { "" };
    let (glasses, beard) = (beside(&["accessories"]), beside(&["facialHair", "beard"]));
    Some(vec![
        one("style", who, who, who.to_owned()), // nothing else is of the other style
        one("hair", words.cut, &words.hair, format!("{who} {hair_colour} {}", words.is_hat)),
        one("hair colour", of_hat(false), &words.hair, format!("{who} {}", words.cut)),
        one("hat colour", of_hat(true), &words.hair, format!("{who} {}", words.cut)),
        one("skin colour", skin_colour, &skin(&words), who.to_owned()),
        one("clothes", words.garment, &words.clothes, format!("{who} {}", words.dyed)),
        one("clothes colour", words.dyed, &words.clothes, format!("{who} {}", words.garment)),
        one("glasses", glasses, glasses, who.to_owned()),
        one("beard", beard, beard, who.to_owned()),
        one("mood", mood, &in_a_mood(&words), who.to_owned()),
    ])
}

fn skin(words: &Words) -> String {
    squeezed(&format!("{} skin", words.skin))
}

fn wearing(words: &Words) -> String {
    format!("wearing {}", words.clothes)
}

fn in_a_mood(words: &Words) -> String {
    with_article(&squeezed(&format!("{} {}", words.mood, words.who)))
}

/// The word for something; empty where there is none.
fn named(list: &[(&'static str, &'static str)], what: &str) -> &'static str {
    list.iter().find(|(known, _)| *known == what).map_or("", |(_, word)| word)
}

fn with_article(noun: &str) -> String {
    format!("{} {noun}", article(noun))
}

/// What stands before one of something, by its first letter.
pub fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Without two spaces in a row.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Those that say something, with commas between them.
fn listed(parts: &[&str]) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

const SKINS: &[(&str, &str)] = &[
    ("#614335", "dark brown"),
    ("#ae5d29", "brown"),
    ("#d08b5b", "tan"),
    ("#edb98a", "light"),
    ("#f8d25c", "yellow"),
    ("#fd9841", "orange"),
    ("#ffdbb4", "pale"),
    ("#5c3829", "dark brown"),
    ("#a36b4f", "brown"),
    ("#b98e6a", "tan"),
    ("#c68e7a", "rosy"),
    ("#f1c3a5", "light"),
];

const COLOURS: &[(&str, &str)] = &[
    // Of hair
    ("#2c1b18", "black"),
    ("#4a312c", "dark brown"),
    ("#724133", "brown"),
    ("#a55728", "auburn"),
    ("#b58143", "golden brown"),
    ("#d6b370", "blonde"),
    ("#ecdcbf", "platinum"),
    ("#e8e1e1", "silver"),
    ("#c93305", "red"),
    ("#f59797", "pink"),
    // Of clothes and hats
    ("#25557c", "dark blue"),
    ("#3c4f5c", "slate"),
    ("#262e33", "black"),
    ("#929598", "grey"),
    ("#ffafb9", "pink"),
    ("#ff488e", "bright pink"),
    ("#b1e2ff", "pale blue"),
    ("#5199e4", "blue"),
    ("#ff5c5c", "red"),
    ("#e6e6e6", "light grey"),
    ("#ffffb1", "pale yellow"),
    ("#65c9ff", "sky blue"),
    ("#ffffff", "white"),
    ("#a7ffc4", "mint green"),
    ("#ffdeb5", "cream"),
    ("#545454", "dark grey"),
    ("#f97316", "orange"),
    ("#0b3286", "navy blue"),
    ("#e8e9e6", "white"),
    ("#147f3c", "green"),
    ("#151613", "black"),
    ("#731ac3", "purple"),
    ("#ec4899", "bright pink"),
    ("#eab308", "yellow"),
    ("#b11f1f", "dark red"),
];

/// What grows or lies on the head, with a place for its colour.
const HAIR: &[(&str, &str)] = &[
    ("bigHair", "big {} hair"),
    ("bob", "{} hair in a bob"),
    ("bun", "{} hair in a bun"),
    ("curly", "curly {} hair"),
    ("curvy", "long wavy {} hair"),
    ("dreads", "long {} dreadlocks"),
    ("dreads01", "short {} dreadlocks"),
    ("dreads02", "fluffy {} dreadlocks"),
    ("frida", "{} hair with flowers"),
    ("frizzle", "short frizzy {} hair"),
    ("fro", "a {} afro"),
    ("froBand", "a {} afro with a band"),
    ("longButNotTooLong", "long {} hair"),
    ("miaWallace", "{} hair with a fringe"),
    ("shaggy", "shaggy {} hair"),
    ("shaggyMullet", "a shaggy {} mullet"),
    ("shavedSides", "{} hair with shaved sides"),
    ("shortCurly", "short curly {} hair"),
    ("shortFlat", "short flat {} hair"),
    ("shortRound", "short round {} hair"),
    ("shortWaved", "short wavy {} hair"),
    ("sides", "{} hair at the sides"),
    ("straight01", "long straight {} hair"),
    ("straight02", "straight {} hair"),
    ("straightAndStrand", "straight {} hair with a strand"),
    ("theCaesar", "cropped {} hair"),
    ("theCaesarAndSidePart", "cropped {} hair with a parting"),
    ("hat", "a {} hat"),
    ("hijab", "a {} hijab"),
    ("turban", "a {} turban"),
    ("winterHat1", "a {} winter cap"),
    ("winterHat02", "a {} knitted cap"),
    ("winterHat03", "a {} beanie"),
    ("winterHat04", "a {} woolly hat"),
    // In front and at the back
    ("bun ", "{} hair in a bun"),
    ("bun neckHigh", "chin-length {} hair and a bun"),
    ("bun shoulderHigh", "shoulder-length {} hair and a bun"),
    ("bun longStraight", "long straight {} hair and a bun"),
    ("bun longWavy", "long wavy {} hair and a bun"),
    ("sideComed ", "short {} hair combed to the side"),
    ("sideComed neckHigh", "chin-length {} hair combed to the side"),
    ("sideComed shoulderHigh", "shoulder-length {} hair combed to the side"),
    ("sideComed longStraight", "long straight {} hair combed to the side"),
    ("sideComed longWavy", "long wavy {} hair combed to the side"),
    ("spiky ", "short spiky {} hair"),
    ("spiky neckHigh", "chin-length spiky {} hair"),
    ("spiky shoulderHigh", "shoulder-length spiky {} hair"),
    ("spiky longStraight", "long straight spiky {} hair"),
    ("spiky longWavy", "long wavy spiky {} hair"),
    ("undercut ", "an undercut of {} hair"),
    ("undercut neckHigh", "chin-length {} hair with an undercut"),
    ("undercut shoulderHigh", "shoulder-length {} hair with an undercut"),
    ("undercut longStraight", "long straight {} hair with an undercut"),
    ("undercut longWavy", "long wavy {} hair with an undercut"),
];

/// Clothes after an article, or after - where there is none.
const CLOTHES: &[(&str, &str)] = &[
    ("blazerAndShirt", "a blazer over a shirt"),
    ("blazerAndSweater", "a blazer over a sweater"),
    ("collarAndSweater", "a sweater with a collar"),
    ("graphicShirt", "a T-shirt with a print"),
    ("hoodie", "a hoodie"),
    ("overall", "- overalls"),
    ("shirtCrewNeck", "a crew-neck shirt"),
    ("shirtScoopNeck", "a scoop-neck shirt"),
    ("shirtVNeck", "a V-neck shirt"),
    ("dress", "a dress"),
    ("openJacket", "a jacket"),
    ("shirt", "a shirt with a collar"),
    ("tShirt", "a T-shirt"),
    ("turtleNeck", "a turtleneck"),
];

const BESIDE: &[(&str, &str)] = &[
    ("eyepatch", "an eyepatch"),
    ("kurt", "large sunglasses"),
    ("prescription01", "glasses"),
    ("prescription02", "glasses"),
    ("round", "round glasses"),
    ("sunglasses", "sunglasses"),
    ("wayfarers", "sunglasses"),
    ("beardLight", "a light beard"),
    ("beardMajestic", "a long beard"),
    ("beardMedium", "a beard"),
    ("moustacheFancy", "a twirled moustache"),
    ("moustacheMagnum", "a moustache"),
    ("chin", "a chin beard"),
    ("chinMoustache", "a goatee"),
    ("fullBeard", "a full beard"),
    ("longBeard", "a long beard"),
    ("moustacheTwirl", "a twirled moustache"),
];

/// By the mouth; of one that says little, nothing.
const MOODS: &[(&str, &str)] = &[
    ("concerned", "worried"),
    ("disbelief", "doubtful"),
    ("grimace", "grimacing"),
    ("sad", "sad"),
    ("screamOpen", "screaming"),
    ("serious", "serious"),
    ("smile", "smiling"),
    ("tongue", "cheeky"),
    ("twinkle", "smiling"),
    ("agape", "surprised"),
    ("angry", "angry"),
    ("laugh", "laughing"),
];

#[cfg(test)]
pub(in crate::data) mod tests {
    use super::*;

    fn choices(variants: &[(&str, &str)], colors: &[(&str, &str)]) -> Choices {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        Choices { variants: map(variants), colors: map(colors) }
    }

    fn all_of(style: &str, choices: &Choices) -> Vec<String> {
        let words = words(style, choices);
        LEARNED.iter().chain(&HELD_OUT).map(|phrasing| phrasing(&words)).collect()
    }

    #[test]
    fn an_avatar_is_said_in_eight_ways() {
        let one = choices(
            &[("top", "bun"), ("clothes", "overall"), ("mouth", "angry"), ("accessories", "round")],
            &[("hair", "#c93305"), ("skin", "#fd9841"), ("clothes", "#25557c")],
        );
        let said = [
            "an avatar with red hair in a bun, round glasses, orange skin, wearing dark blue overalls",
            "an avatar in dark blue overalls with red hair in a bun",
            "red hair in a bun, orange skin, dark blue overalls, round glasses",
            "an angry avatar wearing dark blue overalls, with red hair in a bun and orange skin",
            "the avatar has red hair in a bun and orange skin, wearing dark blue overalls, round glasses",
            "an angry avatar with orange skin and red hair in a bun",
            "somebody drawn with orange skin and red hair in a bun, dressed in dark blue overalls",
            "an angry avatar: dark blue overalls, orange skin, and red hair in a bun",
        ];
        assert_eq!(all_of("avataaars", &one), said);
        let capped = choices(
            &[("top", "hijab"), ("clothes", "hoodie")],
            &[("hat", "#5199e4"), ("skin", "#ffdbb4"), ("clothes", "#ffafb9")],
        );
        assert_eq!(all_of("avataaars", &capped)[1], "an avatar in a pink hoodie with a blue hijab");
        let afro = choices(&[("top", "fro"), ("clothes", "hoodie")], &[("hair", "#a55728"), ("clothes", "#ff5c5c")]);
        assert_eq!(all_of("avataaars", &afro)[1], "an avatar in a red hoodie with an auburn afro");
        let toon = choices(
            &[("hair", "spiky"), ("rearHair", "longWavy"), ("clothes", "openJacket"), ("beard", "chin")],
            &[("hair", "#2c1b18"), ("skin", "#5c3829"), ("clothes", "#f97316")],
        );
        let said = "a cartoon with long wavy spiky black hair, a chin beard, dark brown skin, wearing an orange jacket";
        assert_eq!(all_of("toon-head", &toon)[0], said);
    }

    #[test]
    fn pictures_to_learn_from_have_three_learned_phrasings_and_held_out_ones_the_others_too() {
        let any = choices(&[("top", "fro"), ("clothes", "hoodie")], &[]);
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..50 {
            let name = format!("train/{i}.png");
            let phrasings = |held_out| {
                captions(&name, "avataaars", &any, held_out).into_iter().map(|(phrasing, _)| phrasing).collect()
            };
            let [mut learned, held]: [Vec<usize>; 2] = [phrasings(false), phrasings(true)];
            assert_eq!((learned.len(), held.len(), &held[2..]), (3, 4, [6, 7].as_slice()));
            learned.sort_unstable();
            learned.dedup();
            assert!(learned.len() == 3 && learned[2] < FIRST_HELD_OUT && held[0] != held[1]);
            seen.extend(learned);
        }
        assert_eq!(seen.len(), FIRST_HELD_OUT);
    }

    #[test]
    fn a_row_says_what_the_captions_say_and_another_value_takes_its_place() {
        let row = [
            ("style", "avataaars"),
            ("top", "bun"),
            ("clothes", "overall"),
            ("mouth", "angry"),
            ("hair_colour", "#c93305"),
            ("accessories", "prescription02"),
            ("skin_colour", "#fd9841"),
            ("clothes_colour", "#25557c"),
            ("beard", ""),
        ];
        let cells = |row: &[(&str, &str)]| row.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
        let found = said(&cells(&row)).unwrap_or_default();
        let shown = found.iter().map(|one| format!("{}: {} ({})", one.attribute, one.value, one.phrase));
        let wanted = [
            "style: avatar (avatar)",
            "hair: {} hair in a bun (red hair in a bun)",
            "hair colour: red (red hair in a bun)",
            "hat colour:  ()",
            "skin colour: orange (orange skin)",
            "clothes: overalls (dark blue overalls)",
            "clothes colour: dark blue (dark blue overalls)",
            "glasses: glasses (glasses)",
            "beard:  ()",
            "mood: angry (an angry avatar)",
        ];
        assert_eq!(shown.collect::<Vec<_>>(), wanted);
        let other = Said { phrase: "auburn hair in a bun".into(), ..found[2].clone() };
        let caption = "an avatar in dark blue overalls with red hair in a bun";
        let changed = "an avatar in dark blue overalls with auburn hair in a bun";
        assert_eq!(found[2].exchanged(&other, caption).as_deref(), Some(changed));
        let toon = [("style", "toon-head"), ("hair", "spiky"), ("rearHair", "longWavy"), ("hat_colour", "#ffffff")];
        let found = said(&cells(&toon)).unwrap_or_default();
        assert_eq!([&found[0].value, &found[1].value], ["cartoon", "long wavy spiky {} hair"]);
        assert_eq!(said(&cells(&[("style", "rococo"), ("hair", "spiky")])), None, "another table");
    }

    /// Whether there are words for the hair, the skin and the clothes of these choices.
    pub(in crate::data) fn are_said(style: &str, choices: &Choices) -> bool {
        let Words { hair, skin, clothes, .. } = words(style, choices);
        !hair.is_empty() && !hair.contains("{}") && !skin.is_empty() && clothes.contains(' ')
    }
}
