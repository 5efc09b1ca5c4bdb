//! `ganvas completions`: what a shell needs to complete commands and flags.

/// Print what a shell needs to complete commands and flags.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  ganvas completions bash > ~/.local/share/bash-completion/completions/ganvas
  ganvas completions zsh > ~/.zfunc/_ganvas       # with fpath+=~/.zfunc before compinit in ~/.zshrc
  ganvas completions fish > ~/.config/fish/completions/ganvas.fish")]
pub struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Of the whole command, for one shell.
pub fn run(args: Args, mut command: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ganvas", &mut script);
    super::print(&String::from_utf8(script)?)
}
