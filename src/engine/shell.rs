//! Texts as words of shell code.

/// Shell code that becomes this command.
pub(super) fn exec(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    format!("exec {}", words.join(" "))
}

/// A text as one word of the shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::exec;

    #[test]
    fn words_reach_a_program_as_they_are() {
        let hostile = ["printf", "%s|", "a b", "it's", "$HOME", "`id`", "\\", "new\nline", "", "*", "\"x\""];
        let words: Vec<String> = hostile.map(str::to_owned).to_vec();
        let output = std::process::Command::new("sh").arg("-c").arg(exec(&words)).output().unwrap();
        let expected: String = hostile[2..].iter().map(|word| format!("{word}|")).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}
