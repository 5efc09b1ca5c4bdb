//! Numbers that compare, side by side, and how much they differ.

use super::estimate::{Estimate, GROUPS};
use crate::error::{Error, Result};
use crate::passport::{Passport, Side};

/// How much every other row differs from the first: in each mean of a number of each sample by the differences of those, and in each
/// other number that both have without each of ten groups of samples by these. Where both answered the same questions, what chance
/// did to both falls out, so that an interval is narrower than either's. An error where they do not compare.
pub fn differences(passports: &[Passport]) -> Result<Vec<Passport>> {
    let Some(row) = passports.first().map(|first| first.generated.title()) else { return Ok(Vec::new()) };
    let (firsts, others): (Vec<_>, Vec<_>) = passports.iter().partition(|passport| passport.generated.title() == row);
    let mut found = Vec::new();
    for other in others {
        let Some(first) = firsts.iter().find(|first| first.title() == other.title()) else { continue };
        first.comparable(other)?;
        let Some(Estimate { value, low, high, extrapolated, without, each }) = difference(first, other) else {
            continue;
        };
        let name = format!("{} less {row}", other.generated.title());
        let generated = Side { name, part: None, samples: other.generated.samples, sha256: String::new(), run: None };
        let without = without.map(Vec::from);
        found.push(Passport { value, low, high, extrapolated, without, each, generated, ..other.clone() });
    }
    Ok(found)
}

/// How much the second number is more than the first, where their samples or groups of samples can be held together.
fn difference(first: &Passport, other: &Passport) -> Option<Estimate> {
    if let (Some(one), Some(two)) = (&first.each, &other.each)
        && one.len() == two.len()
        && one.len() >= 2 * GROUPS
    {
        return Some(Estimate::of_mean(&two.iter().zip(one).map(|(two, one)| two - one).collect::<Vec<_>>()));
    }
    let groups = |passport: &Passport| <[f64; GROUPS]>::try_from(passport.without.as_deref()?).ok();
    let (without_first, without) = (groups(first)?, groups(other)?);
    let without = std::array::from_fn(|group| without[group] - without_first[group]);
    Some(Estimate::jackknife(other.value - first.value, &without))
}

/// Passports, ordered: the names of what was generated, the first passport of each number, and the cells.
struct Grid<'a> {
    rows: Vec<String>,
    columns: Vec<&'a Passport>,
    cells: Vec<Vec<String>>, // [row][column]
}

impl<'a> Grid<'a> {
    /// An error when two of a column do not compare, or one thing has two numbers of the same name.
    fn of(passports: &'a [Passport]) -> Result<Self> {
        let (mut rows, mut columns) = (Vec::<String>::new(), Vec::<&Passport>::new());
        for passport in passports {
            let row = passport.generated.title();
            if !rows.contains(&row) {
                rows.push(row);
            }
            match columns.iter().find(|first| first.title() == passport.title()) {
                Some(first) => first.comparable(passport)?,
                None => columns.push(passport),
            }
        }
        let cell = |row: &String, column: &&Passport| {
            let of_row =
                |passport: &&Passport| passport.title() == column.title() && passport.generated.title() == *row;
            let mut found = passports.iter().filter(of_row);
            let cell = found.next().map(shown).unwrap_or_default();
            match found.next() {
                Some(_) => Err(Error::input(format!("{row} has two numbers {}; give each once", column.title()))),
                None => Ok(cell),
            }
        };
        let of_row = |row| columns.iter().map(|column| cell(row, column)).collect::<Result<Vec<String>>>();
        let cells = rows.iter().map(of_row).collect::<Result<_>>()?;
        Ok(Grid { rows, columns, cells })
    }
}

/// Passports as a Markdown table, a row for what was generated, a column for each number, and below it what they were
/// measured on. An error when two of a column do not compare, or one thing has two numbers of the same name.
pub fn table(passports: &[Passport]) -> Result<String> {
    let Grid { rows, columns, cells } = Grid::of(passports)?;
    let mut text = format!(
        "| |{}\n|---|{}\n",
        columns.iter().map(|first| format!(" {} |", first.title())).collect::<String>(),
        "---|".repeat(columns.len())
    );
    for (row, cells) in rows.iter().zip(&cells) {
        let cells = cells.iter().map(|cell| format!(" {cell} |")).collect::<String>();
        text.push_str(&format!("| {row} |{cells}\n"));
    }
    let mut conditions = Vec::<(String, Vec<String>)>::new();
    for column in &columns {
        let condition = format!("{} samples{}", count(&column.generated), condition(column));
        match conditions.iter_mut().find(|(known, _)| *known == condition) {
            Some((_, titles)) => titles.push(column.title()),
            None => conditions.push((condition, vec![column.title()])),
        }
    }
    text.push('\n');
    for (condition, titles) in &conditions {
        let titles = if conditions.len() == 1 { String::new() } else { format!("{}: ", titles.join(", ")) };
        text.push_str(&format!("{titles}{condition}\n"));
    }
    Ok(text)
}

/// The same turned, for many numbers of few things: a row for each number, with its samples, and a column for what was generated.
pub fn turned(passports: &[Passport]) -> Result<String> {
    let Grid { rows, columns, cells } = Grid::of(passports)?;
    let head = ["", "samples"].map(str::to_owned).into_iter().chain(rows).collect::<Vec<_>>();
    let mut lines = vec![head];
    for (at, column) in columns.iter().enumerate() {
        let cells = cells.iter().map(|row| row[at].clone());
        lines.push([column.title(), count(&column.generated)].into_iter().chain(cells).collect());
    }
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths = (0..lines[0].len()).map(width).collect::<Vec<_>>();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |")).collect::<String>();
        format!("|{cells}\n")
    };
    let rule = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect::<String>();
    let body = lines[1..].iter().map(|cells| line(cells)).collect::<String>();
    let mut known = Vec::<String>::new();
    for condition in columns.iter().map(|column| condition(column)) {
        if !known.contains(&condition) {
            known.push(condition);
        }
    }
    let conditions = known.iter().map(|said| format!("Samples{said}\n")).collect::<String>();
    Ok(format!("{}|{rule}\n{body}\n{conditions}", line(&lines[0])))
}

/// A number with its interval, to as many places as the interval is sure of.
fn shown(passport: &Passport) -> String {
    let Passport { value, low, high, .. } = passport;
    let half = ((high - low) / 2.0).abs();
    let least = if half > 0.0 { half } else { value.abs() / 100.0 };
    let places = if least > 0.0 { (1.0 - least.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
    format!("{value:.places$} [{low:.places$}, {high:.places$}]")
}

/// How many samples there are: of a mean and a covariance it is not known.
fn count(side: &Side) -> String {
    if side.samples == 0 { "unknown many".to_owned() } else { side.samples.to_string() }
}

/// What a passport's number was measured on, as the end of a sentence that begins with its samples.
fn condition(passport: &Passport) -> String {
    let Passport { by, like, real, version, .. } = passport;
    let short = |sha256: &str| sha256.chars().take(8).collect::<String>();
    let weights = by.sha256.as_deref().map(|sha256| format!(" {}", short(sha256))).unwrap_or_default();
    let resize = by.resize.as_deref().map(|resize| format!(", resize {resize}")).unwrap_or_default();
    let like = like.map(|like| format!(", like {}", like.name())).unwrap_or_default();
    let against =
        real.as_ref().map(|real| format!(" against {} of {} ({})", count(real), real.title(), short(&real.sha256)));
    format!("{}, features {}{weights}{resize}{like}, Ganvas {version}.", against.unwrap_or_default(), by.features)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passport::tests::passport;

    #[test]
    fn a_difference_is_surer_than_the_numbers_where_chance_did_the_same_to_both() {
        // Both are a mean of ten groups that is 1 higher or lower in every other; the second is 0.5 more, give or take 0.1.
        let with = |name: &str, value: f64, own: f64| {
            let without =
                (0..10).map(|group| value + if group % 2 == 0 { 1.0 } else { -1.0 } + own * f64::from(group / 5));
            Passport { without: Some(without.collect()), ..passport(name, value) }
        };
        let (first, second) = (with("one", 2.0, 0.0), with("two", 2.5, 0.1));
        let found = differences(&[first.clone(), second.clone(), passport("three", 9.0)]).unwrap();
        assert_eq!(found.len(), 1, "where nothing is known of groups there is no difference: {found:?}");
        assert_eq!((found[0].value, found[0].generated.title().as_str()), (0.5, "two less one"));
        // (g - 1)/g times ten squares of 0.05, under the root, times t.
        let half = 2.2621571628540993 * (0.9_f64 * 10.0 * 0.0025).sqrt();
        assert!((found[0].high - 0.5 - half).abs() < 1e-12, "{:?}", found[0]);
        // Where each sample is known, the interval is that of the mean of their differences: 0.4, 0.6, ..
        let each = |passport: &Passport, own: f64| Passport {
            each: Some((0..100).map(|i| f64::from(i) + if i % 2 == 0 { own } else { 1.5 * own }).collect()),
            ..passport.clone()
        };
        let found = differences(&[each(&first, 0.0), each(&second, 0.4)]).unwrap();
        let half = 1.959963984540054 * 0.1 / 99.0_f64.sqrt();
        assert!((found[0].value - 0.5).abs() < 1e-12 && (found[0].high - 0.5 - half).abs() < 1e-12, "{:?}", found[0]);
        let few =
            |passport: &Passport| Passport { each: Some(vec![passport.value; 19]), without: None, ..passport.clone() };
        assert!(differences(&[few(&first), few(&second)]).unwrap().is_empty(), "19 samples tell nothing surely");
        let other = Passport { real: None, ..second };
        assert!(differences(&[first, other]).unwrap_err().to_string().contains("do not compare"));
    }

    #[test]
    fn a_table_has_a_row_for_each_run_and_says_what_was_measured() {
        let other = Passport { metric: "kid".into(), ..passport("b", 0.25) };
        let found = table(&[passport("a", 12.34), passport("b", 7.0), other]).unwrap();
        let wanted = "| | digits-fd distance | digits-kid distance |\n|---|---|---|\n\
            | a | 12.34 [11.82, 12.86] |  |\n| b | 7.00 [6.48, 7.52] | 0.25 [-0.27, 0.77] |\n\n\
            100 samples against 100 of mnist:test (mnist), features digits, Ganvas 0.1.0.\n";
        assert_eq!(found, wanted);
        let found = turned(&[passport("a", 12.34), passport("b", 7.0), passport("c", 8.0)]).unwrap();
        let wanted = "|                    | samples | a                    | b                 | c                 |\n\
            |--------------------|---------|----------------------|-------------------|-------------------|\n\
            | digits-fd distance | 100     | 12.34 [11.82, 12.86] | 7.00 [6.48, 7.52] | 8.00 [7.48, 8.52] |\n\n\
            Samples against 100 of mnist:test (mnist), features digits, Ganvas 0.1.0.\n";
        assert_eq!(found, wanted);
        let twice = table(&[passport("a", 1.0), passport("a", 2.0)]).unwrap_err().to_string();
        assert!(twice.contains("a has two numbers digits-fd distance"), "{twice}");
    }
}
