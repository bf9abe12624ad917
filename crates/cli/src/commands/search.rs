//! `moviemetric search evaluate`: how often the movie that was meant comes first.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use domain::search::{Engine, SearchQuery, SortBy};
use serde_json::Value;
use settings::{MeiliSettings, load_or_exit};
use sqlx::PgPool;
use storage::postgres::catalogue;
use storage::search_index::SearchIndex;
use url::Url;

use super::CommandResult;
use crate::settings_for;

/// The searches of this repository.
const JUDGED: &str = include_str!("../../../../data/judged_searches.tsv");

/// Hits that are read: a movie behind them counts as not found.
const DEPTH: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Measure the engines with judged searches: the share with the right movie first, and the mean reciprocal rank
    Evaluate {
        /// Tab-separated: text, kind, ids of the right movies separated by commas [default: the built-in set]
        file: Option<PathBuf>,
        /// Ask a running API too, on both of its paths
        #[arg(long, env = "API_URL")]
        api_url: Option<Url>,
        /// List the searches that did not have the right movie first
        #[arg(long)]
        misses: bool,
    },
}

/// A search with the movies of which one should come first.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    text: String,
    kind: String,
    expected: HashSet<i64>,
}

/// Who is asked.
enum Asked {
    Engine(Engine, SearchIndex),
    Path(reqwest::Client, Url, &'static str),
}

/// Sums over searches.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Score {
    searches: usize,
    first: usize,
    reciprocal_ranks: f64,
}

impl Score {
    /// Adds a search with the place of the first right movie, from 0.
    fn add(&mut self, place: Option<usize>) {
        self.searches += 1;
        self.first += usize::from(place == Some(0));
        self.reciprocal_ranks += place.map_or(0.0, |place| 1.0 / (place + 1) as f64);
    }

    fn hit_at_1(&self) -> f64 {
        self.first as f64 / self.searches.max(1) as f64
    }

    fn mrr(&self) -> f64 {
        self.reciprocal_ranks / self.searches.max(1) as f64
    }
}

pub(crate) async fn run(args: Args) -> CommandResult {
    let Command::Evaluate { file, api_url, misses } = args.command;
    let text = match &file {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
        None => JUDGED.to_owned(),
    };
    let mut out = io::stdout();
    let pool = settings_for::database().await?;
    let judged = answerable(&pool, parse(&text)?).await?;
    writeln!(out, "{} judged searches whose movies are in the catalogue", judged.len())?;
    for asked in &asked(&pool, api_url).await? {
        let (mut total, mut kinds) = (Score::default(), BTreeMap::<&str, Score>::new());
        for search in &judged {
            let hits = asked.hits(&search.text).await?;
            let place = hits.iter().position(|(id, _)| search.expected.contains(id));
            total.add(place);
            kinds.entry(&search.kind).or_default().add(place);
            if misses && place != Some(0) {
                let first = hits.first().map_or("nothing", |(_, title)| title);
                writeln!(out, "  {:?} ({}): {first} first, right at {place:?}", search.text, search.kind)?;
            }
        }
        writeln!(out, "{}: hit@1 {:.3}, MRR {:.3}", asked.name(), total.hit_at_1(), total.mrr())?;
        for (kind, score) in kinds {
            writeln!(out, "  {kind:<12} {:>3}  {:.3}  {:.3}", score.searches, score.hit_at_1(), score.mrr())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the set. Lines that begin with `#` and the heading are skipped.
fn parse(text: &str) -> Result<Vec<Judged>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.starts_with("query\t"));
    lines
        .map(|(at, line)| {
            let wrong = || format!("line {}: must be a text, a kind and movie ids, separated by tabs", at + 1);
            let [text, kind, ids] = line.split('\t').collect::<Vec<_>>()[..] else { return Err(wrong()) };
            let expected = ids.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
            Ok(Judged { text: text.to_owned(), kind: kind.to_owned(), expected })
        })
        .collect()
}

/// Leaves out searches of whose movies the catalogue has none.
async fn answerable(pool: &PgPool, judged: Vec<Judged>) -> Result<Vec<Judged>, storage::StorageError> {
    let ids: Vec<i64> = judged.iter().flat_map(|search| search.expected.iter().copied()).collect();
    let mut conn = pool.acquire().await?;
    let known = catalogue::known(&mut conn, &ids).await?;
    Ok(judged.into_iter().filter(|search| !search.expected.is_disjoint(&known)).collect())
}

async fn asked(pool: &PgPool, api_url: Option<Url>) -> Result<Vec<Asked>, Box<dyn std::error::Error>> {
    let mut asked = vec![Asked::Engine(Engine::Postgres, SearchIndex::new(pool.clone(), None)?)];
    if let Some(meili) = load_or_exit(MeiliSettings::load) {
        let server = (meili.url.as_str(), meili.key.as_ref(), meili.index.as_str());
        asked.push(Asked::Engine(Engine::Meilisearch, SearchIndex::new(pool.clone(), Some(server))?));
    }
    if let Some(url) = api_url {
        let client = reqwest::Client::new();
        asked.extend(["search", "search/movies"].map(|path| Asked::Path(client.clone(), url.clone(), path)));
    }
    Ok(asked)
}

impl Asked {
    fn name(&self) -> String {
        match self {
            Self::Engine(engine, _) => format!("{engine:?}"),
            Self::Path(_, _, path) => format!("/api/v1/{path}"),
        }
    }

    /// The first hits in the default order: id and title.
    async fn hits(&self, text: &str) -> Result<Vec<(i64, String)>, Box<dyn std::error::Error>> {
        match self {
            Self::Engine(engine, index) => {
                let query =
                    SearchQuery { text: text.to_owned(), sort_by: SortBy::default_for(text), ..SearchQuery::default() };
                let results = index.search(&query).await?;
                if results.engine != *engine {
                    return Err(format!("{engine:?} did not answer; is it running, and is its index built?").into());
                }
                let hits = results.hits.into_iter().take(DEPTH);
                Ok(hits.map(|hit| (hit.movie_id.get(), hit.title)).collect())
            }
            Self::Path(client, api, path) => {
                let url = api.join(&format!("/api/v1/{path}"))?;
                let answer = client.get(url).query(&[("q", text)]).send().await?.error_for_status()?;
                let body: Value = answer.json().await?;
                let items = body.get("items").or_else(|| body.get("results")).and_then(Value::as_array);
                let hits = items.into_iter().flatten().take(DEPTH);
                Ok(hits
                    .filter_map(|hit| Some((hit["movie_id"].as_i64()?, hit["title"].as_str()?.to_owned())))
                    .collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_set_is_readable_and_asks_no_text_twice() {
        let judged = parse(JUDGED).unwrap();
        assert!(judged.len() >= 200, "{}", judged.len());
        let texts: HashSet<_> = judged.iter().map(|search| &search.text).collect();
        assert_eq!(texts.len(), judged.len());
        assert!(parse("alien\ttitle\tno id").is_err());
        assert!(parse("alien\t348").unwrap_err().starts_with("line 1"));
    }

    #[test]
    fn the_score_counts_first_places_and_reciprocal_ranks() {
        let mut score = Score::default();
        for place in [Some(0), Some(3), None, Some(0)] {
            score.add(place);
        }
        assert_eq!((score.searches, score.hit_at_1(), score.mrr()), (4, 0.5, 0.5625));
    }
}
