//! What fills a list that the layers leave empty or short: popular movies, and a few less known ones.

use std::collections::HashMap;

use domain::MovieId;
use domain::recommendations::{explored_places, scaled};
use storage::postgres::recommendations::candidates::{self, Filter, MovieRow};
use uuid::Uuid;

use super::list::{Chosen, Preferences};
use super::{RecommendedMovie, Wishes};
use crate::{QueryError, Reader};

/// Genres of a viewer that count for popular movies.
const GENRES_MAX: usize = 3;

/// Places by popularity that exploration draws from, behind the popular ones that everybody sees.
const EXPLORED_FROM: i64 = 100;
const EXPLORED_COUNT: i64 = 200;

/// Fills the list up to `limit` movies as long as the catalogue has movies that fit. A list that is empty before shows
/// popular movies of the viewer's genres first, and explores a share of its places, drawn by the list's id; a short one
/// gets only the missing movies.
pub(super) async fn fill(
    reader: &Reader,
    chosen: &mut Vec<Chosen>,
    wishes: &Wishes,
    filter: &Filter,
    history: &Preferences,
    exploration: (Uuid, f32),
) -> Result<(), QueryError> {
    let missing = wishes.count().saturating_sub(chosen.len());
    if missing == 0 {
        return Ok(());
    }
    let is_new = chosen.is_empty();
    let mut filter = filter.clone();
    filter.excluded.extend(chosen.iter().map(|chosen| chosen.movie.movie_id));
    let genres = if is_new { genres_of(reader, history).await? } else { Vec::new() };
    let mut rows = candidates::popular(&reader.pool, &genres, &filter, 0, missing as i64).await?;
    if rows.len() < missing && !genres.is_empty() {
        let mut rest = filter.clone();
        rest.excluded.extend(rows.iter().map(|row| row.movie_id));
        rows.extend(candidates::popular(&reader.pool, &[], &rest, 0, (missing - rows.len()) as i64).await?);
    }
    // Behind what the layers chose: the least of their scores is the greatest of these.
    let best = chosen.last().map_or(1.0, |last| last.movie.score);
    chosen.extend(ranked(rows, best));
    if is_new {
        explore(reader, chosen, &filter, exploration).await?;
    }
    Ok(())
}

fn ranked(rows: Vec<MovieRow>, best: f32) -> Vec<Chosen> {
    let id = |row: &MovieRow| MovieId::new(row.movie_id).ok();
    let scores: Vec<_> = rows.iter().filter_map(|row| Some((id(row)?, (row.popularity as f32).ln_1p()))).collect();
    let scores: HashMap<MovieId, f32> = scaled(&scores).into_iter().collect();
    let score = |row: &MovieRow| id(row).and_then(|id| scores.get(&id)).copied().unwrap_or_default() * best;
    rows.into_iter()
        .map(|row| {
            let score = score(&row);
            Chosen { movie: RecommendedMovie::new(row, score), blended: None }
        })
        .collect()
}

/// The genres that the viewer's liked movies have most often, by weight.
async fn genres_of(reader: &Reader, history: &Preferences) -> Result<Vec<String>, QueryError> {
    let liked: HashMap<i64, f32> = history.iter().filter(|p| p.1.liked).map(|p| (p.0.get(), p.1.weight)).collect();
    if liked.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = liked.keys().copied().collect();
    let mut weights: HashMap<String, f32> = HashMap::new();
    for row in candidates::fitting(&reader.pool, &ids, &Filter::default()).await? {
        let weight = liked.get(&row.movie_id).copied().unwrap_or_default();
        for genre in row.genres {
            *weights.entry(genre).or_default() += weight;
        }
    }
    let mut genres: Vec<(String, f32)> = weights.into_iter().collect();
    genres.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(genres.into_iter().take(GENRES_MAX).map(|genre| genre.0).collect())
}

/// Replaces a few places by less known movies, drawn by the list's id.
async fn explore(
    reader: &Reader,
    chosen: &mut [Chosen],
    filter: &Filter,
    (list_id, share): (Uuid, f32),
) -> Result<(), QueryError> {
    let places = explored_places(chosen.len(), share);
    if places.is_empty() {
        return Ok(());
    }
    let mut filter = filter.clone();
    filter.excluded.extend(chosen.iter().map(|chosen| chosen.movie.movie_id));
    let mut pool = candidates::popular(&reader.pool, &[], &filter, EXPLORED_FROM, EXPLORED_COUNT).await?;
    let mut random = list_id.as_u128() as u64;
    for place in places {
        if pool.is_empty() {
            break;
        }
        // Knuth's multiplicative generator; its high bits are good enough to draw from 200 movies.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let row = pool.swap_remove((random >> 33) as usize % pool.len());
        let item = &mut chosen[place];
        item.movie = RecommendedMovie { explored: true, ..RecommendedMovie::new(row, item.movie.score) };
    }
    Ok(())
}
