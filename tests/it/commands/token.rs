//! `token`.

use tidegate::web::token::digest;

use super::run;

#[test]
fn a_fresh_token_is_printed_with_its_digest_and_is_never_the_same() {
    let print = || run(["--json", "token", "new", "q2-types"]).json();
    let (one, other) = (print(), print());
    let token = one["token"].as_str().unwrap();
    assert!(token.starts_with("tgt_") && token.len() == 68, "nobody takes it for a digest");
    assert_eq!(one["token_sha256"], digest(token));
    assert_ne!(one["token"], other["token"]);
    assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_person_is_shown_the_token_once_and_the_line_to_copy() {
    let printed = run(["token", "new", "q2-types"]).printed();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "The token of q2-types, shown this once:");
    assert_eq!(lines[6].trim(), format!("token_sha256 = \"{}\"", digest(lines[2].trim())));
}
