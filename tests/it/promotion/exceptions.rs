//! Exceptions as commands show them.

use super::scene::Scene;

const EXCEPTIONS: &str = "[[exception]]\npackage = \"a\"\nversion = \"1.1\"\nby = \"Ada\"\nreason = \"mends a leak\"\nuntil = \"2026-06-30\"\n\
    [[exception]]\npackage = \"a\"\nversion = \"1.0\"\nby = \"Ada\"\nreason = \"earlier\"\nuntil = \"2026-06-30\"\n\
    [[exception]]\npackage = \"b\"\nversion = \"1.0\"\nby = \"Bob\"\nreason = \"was urgent\"\nuntil = \"2026-05-01\"\n";

#[tokio::test]
async fn they_are_listed_with_how_they_stand() {
    let mut scene = Scene::of(&["a", "b"]).await;
    scene.exceptions = EXCEPTIONS.to_owned();
    scene.release("a", "1.1");
    scene.settle().await;
    insta::assert_snapshot!(scene.says(&["exception", "list"]));
    let json: serde_json::Value =
        serde_json::from_str(&scene.says(&["exception", "list", "--json"])).unwrap();
    let states: Vec<&str> =
        json.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["void", "in-force", "expired"]);
}
