//! Exceptions as commands show them.

use super::scene::Scene;

const EXCEPTIONS: &str = "[[exception]]\npackage = \"alpha\"\nversion = \"1.1\"\nby = \"Ada\"\nreason = \"mends a leak\"\nuntil = \"2099-12-31\"\n\
    [[exception]]\npackage = \"alpha\"\nversion = \"1.0\"\nby = \"Ada\"\nreason = \"earlier\"\nuntil = \"2099-12-31\"\n\
    [[exception]]\npackage = \"beta\"\nversion = \"1.0\"\nby = \"Bob\"\nreason = \"was urgent\"\nuntil = \"2026-05-01\"\n";

#[tokio::test]
async fn they_are_listed_with_how_they_stand() {
    let mut scene = Scene::of(&["alpha", "beta"]).await;
    scene.exceptions = EXCEPTIONS.to_owned();
    scene.release("alpha", "1.1");
    scene.settle().await;
    insta::assert_snapshot!(scene.says(&["exception", "list"]));
    let json: serde_json::Value =
        serde_json::from_str(&scene.says(&["exception", "list", "--json"])).unwrap();
    let states: Vec<&str> =
        json.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["void", "in-force", "expired"]);
}
