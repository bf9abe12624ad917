//! Interaction files: `user,item[,value[,timestamp]]`, MovieLens' `ratings.csv` and `ratings.dat`.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use recommender::Interactions;
use recommender::evaluation::{Rating, Ratings};
use recommender::interactions::{Builder, Preference};

/// What a row's value means.
#[derive(clap::Args)]
pub(super) struct Meaning {
    /// Rows with a value from here on are likes, others are dropped [default: every row is a like]
    #[arg(long, value_name = "VALUE")]
    like_min: Option<f32>,
    /// Rows with a value up to here are dislikes
    #[arg(long, value_name = "VALUE")]
    dislike_max: Option<f32>,
    /// Take the value as the weight of a like (a confidence, greater than 0)
    #[arg(long, conflicts_with_all = ["like_min", "dislike_max"])]
    weighted: bool,
}

/// Names and their ordinals.
#[derive(Default)]
pub(super) struct Names {
    pub(super) names: Vec<String>,
    ordinals: HashMap<String, u32>,
}

impl Names {
    pub(super) fn new(names: Vec<String>) -> Self {
        let ordinals = names.iter().cloned().zip(0..).collect();
        Self { names, ordinals }
    }

    pub(super) fn get(&self, name: &str) -> Option<u32> {
        self.ordinals.get(name).copied()
    }

    fn intern(&mut self, name: &str) -> u32 {
        self.get(name).unwrap_or_else(|| {
            let ordinal = self.names.len() as u32;
            self.names.push(name.to_owned());
            self.ordinals.insert(name.to_owned(), ordinal);
            ordinal
        })
    }

    /// Sorts the names, numbers by their value; gives the new ordinal of each old one.
    fn sort(&mut self) -> Vec<u32> {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by_key(|&old| (self.names[old].parse::<u64>().unwrap_or(u64::MAX), &self.names[old]));
        let mut ranks = vec![0; order.len()];
        order.iter().zip(0..).for_each(|(&old, rank)| ranks[old] = rank);
        *self = Self::new(order.iter().map(|&old| self.names[old].clone()).collect());
        ranks
    }
}

struct Line<'a> {
    user: &'a str,
    item: &'a str,
    value: f32,
    time: i64,
}

/// Calls `each` with every row; an error of the file or of `each` names the line.
fn read(path: &Path, mut each: impl FnMut(Line<'_>) -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let path = if path.is_dir() { in_directory(path)? } else { path.to_owned() };
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut text = String::new();
    let mut number = 0u64;
    loop {
        text.clear();
        let at = |error: Box<dyn Error>| format!("{}, line {}: {error}", path.display(), number + 1);
        if reader.read_line(&mut text).map_err(|error| at(error.into()))? == 0 {
            return Ok(());
        }
        let line = text.trim_end_matches(['\r', '\n']);
        let header = number == 0 && is_header(line);
        if !line.is_empty() && !header {
            parse(line).and_then(&mut each).map_err(at)?;
        }
        number += 1;
    }
}

fn in_directory(path: &Path) -> Result<PathBuf, String> {
    ["ratings.csv", "ratings.dat", "u.data"]
        .iter()
        .map(|name| path.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{} has none of ratings.csv, ratings.dat, u.data; name the file itself", path.display()))
}

fn is_header(line: &str) -> bool {
    let first = line.split([',', '\t', ':']).next().unwrap_or_default().to_ascii_lowercase();
    ["user", "userid", "user_id", "viewer"].contains(&first.as_str())
}

fn parse(line: &str) -> Result<Line<'_>, Box<dyn Error>> {
    let separator = if line.contains("::") {
        "::"
    } else if line.contains('\t') {
        "\t"
    } else {
        ","
    };
    let mut fields = line.split(separator).map(str::trim);
    let (Some(user), Some(item)) = (fields.next(), fields.next()) else {
        return Err("a row is user,item[,value[,timestamp]]".into());
    };
    if user.is_empty() || item.is_empty() {
        return Err("user or item is empty".into());
    }
    let value = fields
        .next()
        .filter(|field| !field.is_empty())
        .map_or(Ok(1.0), |field| field.parse::<f32>().map_err(|_| format!("value {field:?} is not a number")))?;
    if !value.is_finite() {
        return Err(format!("value {value} is not finite").into());
    }
    let time = fields.next().filter(|field| !field.is_empty()).map_or(Ok(0), |field| {
        field.parse::<i64>().map_err(|_| format!("timestamp {field:?} is not a whole number"))
    })?;
    Ok(Line { user, item, value, time })
}

/// Interactions to train on. Names get their ordinals in the order of the file.
pub(super) fn interactions(
    path: &Path,
    meaning: &Meaning,
    users: &mut Names,
    items: &mut Names,
) -> Result<Interactions, Box<dyn Error>> {
    let mut builder = Builder::new(users.names.len(), items.names.len());
    read(path, |line| {
        let (weight, preference) = if meaning.weighted {
            (line.value, Preference::Like)
        } else if meaning.dislike_max.is_some_and(|most| line.value <= most) {
            (1.0, Preference::Dislike)
        } else if meaning.like_min.is_none_or(|least| line.value >= least) {
            (1.0, Preference::Like)
        } else {
            return Ok(());
        };
        builder.push(users.intern(line.user), items.intern(line.item), weight, preference)?;
        Ok(())
    })?;
    Ok(builder.build()?)
}

/// All ratings, for an evaluation, and the items' names. Ordinals follow the numeric order of the names, since ties are broken
/// by it.
pub(super) fn ratings(path: &Path) -> Result<(Ratings, Vec<String>), Box<dyn Error>> {
    let (mut users, mut items) = (Names::default(), Names::default());
    let mut rows = Vec::new();
    read(path, |line| {
        let (viewer, item) = (users.intern(line.user), items.intern(line.item));
        rows.push(Rating { viewer, item, value: line.value, time: line.time });
        Ok(())
    })?;
    let (user_ranks, item_ranks) = (users.sort(), items.sort());
    for row in &mut rows {
        (row.viewer, row.item) = (user_ranks[row.viewer as usize], item_ranks[row.item as usize]);
    }
    Ok((Ratings { rows, viewers: users.names.len(), items: items.names.len() }, items.names))
}
