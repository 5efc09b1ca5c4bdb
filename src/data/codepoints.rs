//! Emoji by their codepoints, hexadecimal with hyphens between: which are variants of one.

/// The five skin tones.
const TONES: [&str; 5] = ["1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"];
/// What joins the others, how they are drawn, and the signs of a woman and a man.
const SIGNS: [&str; 4] = ["200d", "fe0f", "2640", "2642"];
/// People, who do many things: boy, girl, man, woman, old man, old woman, child, person, old person, and their hair.
const PEOPLE: [&str; 13] = [
    "1f466", "1f467", "1f468", "1f469", "1f474", "1f475", "1f9d2", "1f9d1", "1f9d3", "1f9b0", "1f9b1", "1f9b2", "1f9b3",
];

/// Clocks at every half hour.
const CLOCKS: std::ops::RangeInclusive<&str> = "1f550"..="1f567";

/// The code in lower case and without the selector of colour, which not every set writes.
pub fn plain(code: &str) -> String {
    code.to_lowercase().split('-').filter(|part| *part != "fe0f").collect::<Vec<_>>().join("-")
}

/// Whether a skin tone is part of a plain code.
pub fn toned(code: &str) -> bool {
    code.split('-').any(|part| TONES.contains(&part))
}

/// What the variants of a plain code have in common: the first part that says what is seen, whoever it is. A woman and a
/// man who cook have one, as have a man who runs and a runner, and all the clocks.
pub fn base(code: &str) -> &str {
    let parts = || code.split('-').filter(|part| !SIGNS.contains(part));
    match parts().find(|part| !PEOPLE.contains(part)) {
        Some(part) if CLOCKS.contains(&part) => CLOCKS.start(),
        Some(part) => part,
        None if parts().next().is_some() => PEOPLE[0],
        None => code, // a sign by itself
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_an_emoji_have_one_base_and_different_emoji_have_two() {
        let cooks = ["1f468-200d-1f373", "1f469-200d-1f373", "1f9d1-200d-1f373", "1f373"];
        assert_eq!(cooks.map(base), ["1f373"; 4]);
        assert_eq!(["1f3c3", "1f3c3-200d-2640", "1f3c3-200d-2642-200d-27a1"].map(base), ["1f3c3"; 3]);
        assert_eq!(["1f468", "1f467", "1f468-200d-1f469-200d-1f466", "1f469-200d-1f9b0"].map(base), ["1f466"; 4]);
        assert_eq!(["1f408-200d-2b1b", "1f600", "2640", "e0a3"].map(base), ["1f408", "1f600", "2640", "e0a3"]);
        assert_eq!(
            ["1f550", "1f55b", "1f567", "1f54f", "1f568"].map(base),
            ["1f550", "1f550", "1f550", "1f54f", "1f568"]
        );
        assert_eq!(base(&plain("1F3CB-FE0F-200D-2642-FE0F")), "1f3cb");
    }

    #[test]
    fn a_skin_tone_is_seen_anywhere_in_a_code() {
        assert!(toned("1f468-1f3ff-200d-1f4bc") && toned("1f3fb") && !toned("1f468-200d-1f4bc"));
    }
}
