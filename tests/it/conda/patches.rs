//! Patch instructions of an operator: they change the index of the channel that they are for, and follow the file.

use std::fs;

use serde_json::{Value, json};
use tidegate::publish::channel::ChannelFolder;
use tidegate::store::RunState;

use super::scene::{Package, Scene};

/// A scene whose channel `staged` has its patches in a folder.
async fn scene() -> Scene {
    let mut scene = Scene::new(r#""q2-types", "q2cli""#).await;
    let folder = scene.channels().join("patches");
    fs::create_dir_all(folder.join("noarch")).unwrap();
    scene.patches[1] = format!("patches = \"{}\"", folder.display());
    Scene::offer(&scene.forge(), &[Package::new("pandas", "1.0")]);
    let packages = ["q2-types", "q2cli"].map(|name| Package::new(name, "1.0").depends(&["pandas"]));
    Scene::offer(&scene.tested(), &packages);
    scene
}

fn instruct(scene: &Scene, depends: &[&str]) {
    let instructions = json!({
        "patch_instructions_version": 1,
        "packages": { "q2-types-1.0-0.tar.bz2": { "depends": depends } },
    });
    let file = scene.channels().join("patches/noarch/patch_instructions.json");
    fs::write(file, instructions.to_string()).unwrap();
}

/// What readers of `staged` are told that q2-types needs.
fn depends(scene: &Scene) -> Value {
    let text = fs::read_to_string(scene.staged().join("noarch/repodata.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    index["packages"]["q2-types-1.0-0.tar.bz2"]["depends"].clone()
}

fn generation(scene: &Scene) -> u64 {
    ChannelFolder::new(scene.staged()).unwrap().current().unwrap().unwrap()
}

/// Integrates what has settled.
async fn integrate(scene: &Scene) -> RunState {
    scene.next_day("integrate").await;
    scene.next_day("integrate").await.state
}

#[tokio::test]
async fn the_index_of_a_published_channel_says_what_the_patches_say() {
    let scene = scene().await;
    instruct(&scene, &["pandas <2"]);
    integrate(&scene).await;
    assert_eq!(depends(&scene), json!(["pandas <2"]));
    assert_eq!(generation(&scene), 1);

    integrate(&scene).await;
    assert_eq!(generation(&scene), 1, "nothing has changed");

    instruct(&scene, &["pandas <3"]);
    integrate(&scene).await;
    assert_eq!(depends(&scene), json!(["pandas <3"]));
    assert_eq!(generation(&scene), 2, "the packages are the same, the index is not");

    fs::remove_file(scene.channels().join("patches/noarch/patch_instructions.json")).unwrap();
    integrate(&scene).await;
    assert_eq!(depends(&scene), json!(["pandas"]), "a channel without patches is as its archives are");
}

#[tokio::test]
async fn patches_that_cannot_be_read_stop_publications_and_name_the_file() {
    let scene = scene().await;
    fs::write(scene.channels().join("patches/noarch/patch_instructions.json"), "{}").unwrap();
    let run = scene.next_day("integrate").await;
    assert_eq!(run.state, RunState::Failed);
    let said = run.error.unwrap().replace(&scene.channels().display().to_string(), "<folder>");
    insta::assert_snapshot!(said, @"<folder>/patches/noarch/patch_instructions.json: these are no patch instructions: missing field `patch_instructions_version` at line 1 column 2");
    assert!(!scene.staged().exists());

    fs::remove_dir_all(scene.channels().join("patches")).unwrap();
    let run = scene.next_day("integrate").await;
    assert_eq!(run.state, RunState::Failed, "a folder that is gone is not one that says nothing");
}
