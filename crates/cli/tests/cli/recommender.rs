//! `moviemetric recommender` on files that the tests write.

use std::fs;
use std::path::Path;

use crate::{run, text};

/// Two tastes: viewers a to d share items 1 to 4, viewers e to h items 5 to 8; each has left one out.
fn world(directory: &Path) -> String {
    let mut lines = String::from("userId,movieId,rating,timestamp\n");
    for (row, viewer) in "abcdefgh".chars().enumerate() {
        let first = if row < 4 { 1 } else { 5 };
        for item in (first..first + 4).filter(|item| item % 4 != row % 4) {
            lines.push_str(&format!("{viewer},{item},4.5,{row}\n"));
        }
    }
    let path = directory.join("ratings.csv");
    fs::write(&path, lines).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_is_trained_asked_and_exported() {
    let directory = tempfile::tempdir().unwrap();
    let data = world(directory.path());
    let model = directory.path().join("model").to_str().unwrap().to_owned();
    let train = ["recommender", "train", "--data", &data, "--out", &model, "--factors", "4"];
    let trained = run(None, &[], &train).await;
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    assert!(text(&trained.stdout).starts_with("interactions      24\nviewers           8\nitems             8\n"));

    let ask = ["recommender", "recommend", "--model", &model, "--data", &data, "--viewer", "b", "-n", "1", "--explain"];
    let asked = run(None, &[], &ask).await;
    let lines = text(&asked.stdout);
    let answer = lines.lines().nth(1).unwrap_or_default();
    assert!(
        answer.starts_with("b,1,1,0."),
        "the item of b's taste that b has not seen: {lines} {}",
        text(&asked.stderr)
    );
    assert_eq!(answer.split(';').count(), 3, "three reasons: {answer}");

    let vectors = directory.path().join("items.npy").to_str().unwrap().to_owned();
    let exported = run(None, &[], &["recommender", "export", "--model", &model, "--out", &vectors]).await;
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    assert_eq!(fs::metadata(&vectors).unwrap().len(), 128 + 8 * 4 * 4);
}

#[tokio::test]
async fn a_row_that_cannot_be_a_weight_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.csv");
    for (bad, reason) in
        [("u,2,NaN", "value NaN is not finite"), ("u,2,-1", "is not a positive finite number"), ("u", "a row is")]
    {
        fs::write(&path, format!("u,1,1\n{bad}\n")).unwrap();
        let data = path.to_str().unwrap();
        let out = directory.path().join("model");
        let args = ["recommender", "train", "--data", data, "--out", out.to_str().unwrap(), "--weighted"];
        let refused = run(None, &[], &args).await;
        let error = text(&refused.stderr);
        assert!(!refused.status.success() && error.contains("line 2") && error.contains(reason), "{bad}: {error}");
        assert!(!out.exists(), "nothing is written");
    }
}

/// 40 viewers of two tastes, 12 of 15 items each, as an evaluation needs them.
fn larger_world(directory: &Path) -> String {
    let mut lines = String::from("userId,movieId,rating,timestamp\n");
    for viewer in 0..40 {
        let first = if viewer % 2 == 0 { 100 } else { 200 };
        for item in (0..15).filter(|item| (item + viewer) % 5 != 0) {
            lines.push_str(&format!("{viewer},{},4.5,{}\n", first + item, (item * 7 + viewer) % 15));
        }
    }
    let path = directory.join("ratings.csv");
    fs::write(&path, lines).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn tuning_prints_a_command_that_trains() {
    let directory = tempfile::tempdir().unwrap();
    let data = larger_world(directory.path());
    let tuned = run(
        None,
        &[],
        &[
            "recommender",
            "tune",
            "--data",
            &data,
            "--factors",
            "2,4",
            "--unobserved-weight",
            "0.1",
            "--iterations",
            "3",
        ],
    )
    .await;
    let table = text(&tuned.stdout);
    assert!(tuned.status.success(), "{}", text(&tuned.stderr));
    assert!(table.contains("4 validation splits, 8 settings") && table.contains("first round only"), "{table}");
    let command = table.lines().last().unwrap_or_default();
    let out = directory.path().join("model").to_str().unwrap().to_owned();
    let command: Vec<&str> =
        command.split(' ').skip(1).map(|word| if word == "model" { out.as_str() } else { word }).collect();
    assert_eq!(command[..2], ["recommender", "train"]);
    let trained = run(None, &[], &command).await;
    assert!(trained.status.success(), "{}", text(&trained.stderr));

    let refused = run(None, &[], &["recommender", "tune", "--data", &data, "--regularisation", "0"]).await;
    assert!(text(&refused.stderr).contains("regularisation is 0"), "{}", text(&refused.stderr));
}

#[tokio::test]
async fn an_evaluation_compares_models_and_says_when_there_is_too_little() {
    let directory = tempfile::tempdir().unwrap();
    let data = larger_world(directory.path());
    let evaluate = ["recommender", "evaluate", "--data", &data, "--starts", "1", "--iterations", "1", "--sampled"];
    let evaluated = run(None, &[], &[&evaluate[..], &["--protocol", "a,dislikes"]].concat()).await;
    let table = text(&evaluated.stdout);
    assert!(evaluated.status.success(), "{}", text(&evaluated.stderr));
    for row in [
        "popularity  ",
        "kNN BM25  ",
        "EASE  ",
        "iALS 64  ",
        "iALS 128  ",
        "blend  ",
        "first on validation: ",
        "without  ",
    ] {
        assert!(table.contains(row), "{row}: {table}");
    }

    let path = directory.path().join("one.csv");
    fs::write(&path, "userId,movieId,rating,timestamp\n1,1,5,1\n1,2,4,2\n").unwrap();
    let refused = run(None, &[], &["recommender", "evaluate", "--data", path.to_str().unwrap()]).await;
    assert!(!refused.status.success() && text(&refused.stderr).contains("too few ratings"));
}

#[tokio::test]
async fn a_reader_who_leaves_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let data = world(directory.path());
    let model = directory.path().join("model").to_str().unwrap().to_owned();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let trained = std::process::Command::new(env!("CARGO_BIN_EXE_moviemetric"))
        .args(["recommender", "train", "--data", &data, "--out", &model, "--factors", "4"])
        .stdout(writer)
        .output()
        .unwrap();
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    assert_eq!(text(&trained.stderr), "");
}
