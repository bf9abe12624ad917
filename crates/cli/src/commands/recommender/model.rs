//! A trained model as a directory: `model.json`, `items.npy`, `viewers.npy` and the names, one a line.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

use recommender::als::{Model, Parameters, Solver};
use recommender::{Factors, npy};
use serde::{Deserialize, Serialize};

use super::data::Names;

/// What `model.json` holds: the parameters that a fold-in needs, and the run's for the record.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) factors: usize,
    pub(super) iterations: usize,
    pub(super) unobserved_weight: f32,
    pub(super) regularisation: f32,
    pub(super) frequency_exponent: f32,
    pub(super) dislike_target: f32,
    pub(super) seed: u64,
}

pub(super) struct Stored {
    pub(super) parameters: Parameters,
    pub(super) items: Factors,
    pub(super) item_names: Names,
}

pub(super) fn write(directory: &Path, model: &Model, users: &Names, items: &Names) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let p = &model.parameters;
    let description = Description {
        factors: p.factors,
        iterations: p.iterations,
        unobserved_weight: p.unobserved_weight,
        regularisation: p.regularisation,
        frequency_exponent: p.frequency_exponent,
        dislike_target: p.dislike_target,
        seed: p.seed,
    };
    npy::write(&model.items, BufWriter::new(File::create(directory.join("items.npy"))?))?;
    npy::write(&model.viewers, BufWriter::new(File::create(directory.join("viewers.npy"))?))?;
    fs::write(directory.join("items.txt"), users_lines(items))?;
    fs::write(directory.join("viewers.txt"), users_lines(users))?;
    fs::write(directory.join("model.json"), serde_json::to_vec_pretty(&description)?)?;
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
    let d: Description = serde_json::from_slice(&text)?;
    let parameters = Parameters {
        factors: d.factors,
        iterations: d.iterations,
        unobserved_weight: d.unobserved_weight,
        regularisation: d.regularisation,
        frequency_exponent: d.frequency_exponent,
        dislike_target: d.dislike_target,
        solver: Solver::Cholesky,
        seed: d.seed,
    };
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
