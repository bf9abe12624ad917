//! A trained model as a directory: `model.json`, `items.npy`, `viewers.npy` and the names, one a line.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

use recommender::als::{Model, Parameters};
use recommender::{Factors, npy};

use super::data::Names;

pub(super) struct Stored {
    pub(super) parameters: Parameters,
    pub(super) items: Factors,
    pub(super) item_names: Names,
}

pub(super) fn write(directory: &Path, model: &Model, users: &Names, items: &Names) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    npy::write(&model.items, BufWriter::new(File::create(directory.join("items.npy"))?))?;
    npy::write(&model.viewers, BufWriter::new(File::create(directory.join("viewers.npy"))?))?;
    fs::write(directory.join("items.txt"), users_lines(items))?;
    fs::write(directory.join("viewers.txt"), users_lines(users))?;
    fs::write(directory.join("model.json"), serde_json::to_vec_pretty(&model.parameters)?)?;
    Ok(())
}

fn users_lines(names: &Names) -> String {
    names.names.iter().map(|name| format!("{name}\n")).collect()
}

/// Reads what a fold-in needs; viewers' vectors are computed anew from their interactions.
pub(super) fn read(directory: &Path) -> Result<Stored, Box<dyn Error>> {
    let text = fs::read(directory.join("model.json")).map_err(|error| {
        format!("{}: {error}; `recommender train` writes models", directory.join("model.json").display())
    })?;
    let parameters: Parameters = serde_json::from_slice(&text)?;
    parameters.check()?;
    let (items, item_names) = table(directory, "items")?;
    if items.factors() != parameters.factors {
        return Err(format!("items.npy has {} factors, model.json says {}", items.factors(), parameters.factors).into());
    }
    Ok(Stored { parameters, items, item_names })
}

/// The vectors `items` or `viewers` and their names.
pub(super) fn table(directory: &Path, name: &str) -> Result<(Factors, Names), Box<dyn Error>> {
    let path = directory.join(name).with_extension("npy");
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let factors = npy::read(BufReader::new(file)).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = fs::read_to_string(path.with_extension("txt"))?;
    let names = Names::new(lines.lines().map(str::to_owned).collect());
    if names.names.len() != factors.rows() {
        return Err(format!("{} has {} vectors for {} names", path.display(), factors.rows(), names.names.len()).into());
    }
    Ok((factors, names))
}
