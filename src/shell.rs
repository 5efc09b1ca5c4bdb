//! Words of commands that people paste into a shell.

use std::path::Path;

/// A word as a shell takes it: as it is where that is plain, else quoted.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./+=:,@%".contains(c) || (cfg!(windows) && c == '\\');
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false if cfg!(windows) => format!("\"{text}\""), // whose file names hold no quotes
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A path likewise; what is not UTF-8 in it is shown by a sign for that.
pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(windows))]
    fn names_with_spaces_and_signs_paste_as_one_word() {
        for (text, wanted) in [
            ("runs/0001-mnist", "runs/0001-mnist"),
            ("my runs/a&b", "'my runs/a&b'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("größe", "größe"),
            ("", "''"),
        ] {
            assert_eq!(word(text), wanted);
            let said = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", word(text))).output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), text);
        }
    }
}
