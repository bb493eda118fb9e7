//! The reference of all commands, as Markdown: `docs/cli.md` is this text.

use clap::{Command, CommandFactory as _};

use super::Cli;

/// The width of the help texts, whatever terminal they are made on.
const WIDTH: usize = 100;

/// One section for the program and one for each command, with its help.
pub fn reference() -> String {
    let mut program = Cli::command().term_width(WIDTH);
    // Without this, nested commands do not know their full names.
    program.build();
    let mut text = String::from(
        "# Commands\n\n\
         Made from the program's own help; `TIDEGATE_UPDATE=1 cargo test` makes it anew.\n\n\
         Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, \
         2 usage or configuration is invalid, 3 held by a guard.\n",
    );
    section(&mut program, &mut text, 2);
    text
}

fn section(command: &mut Command, text: &mut String, level: usize) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(level), lines.join("\n").trim_end());
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(command) = command.find_subcommand_mut(&name) {
            section(command, text, level + 1);
        }
    }
}
