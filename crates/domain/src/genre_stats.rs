//! Genres: one vocabulary for every source, and the statistics of one genre.

/// TMDB's name of a source's genre. MovieLens abbreviates ("Sci-Fi", "Children"); `None` for its "(no genres listed)"
/// and "IMAX", which are not genres.
pub fn canonical(name: &str) -> Option<String> {
    let name = name.trim();
    let canonical = match name {
        "" | "(no genres listed)" | "IMAX" => return None,
        "Sci-Fi" => "Science Fiction",
        "Children" | "Children's" => "Family",
        "Musical" => "Music",
        "Movie-Noir" => "Movie Noir",
        other => other,
    };
    Some(canonical.to_owned())
}

/// Sums over the movies of one genre; means leave unknown values out (seed 1, section 3.3, `statistics`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenreStats {
    pub movie_count: i64,
    rated: Mean,
    popularity: Mean,
    budget: Mean,
    runtime: Mean,
    pub vote_count: i64,
    pub total_revenue: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// The values of one movie that the statistics use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MovieFacts {
    pub vote_average: f64,
    pub vote_count: i64,
    pub popularity: f64,
    pub revenue: Option<i64>,
    pub budget: Option<i64>,
    pub runtime: Option<i32>,
}

impl GenreStats {
    /// Adds one movie.
    pub fn add(&mut self, movie: &MovieFacts) {
        self.movie_count += 1;
        self.vote_count += movie.vote_count;
        self.popularity.add(movie.popularity);
        // A movie without votes has vote_average 0, which means "unknown", not "terrible".
        if movie.vote_count > 0 {
            self.rated.add(movie.vote_average);
        }
        self.total_revenue = self.total_revenue.saturating_add(movie.revenue.unwrap_or(0));
        if let Some(budget) = movie.budget {
            self.budget.add(budget as f64);
        }
        if let Some(runtime) = movie.runtime {
            self.runtime.add(f64::from(runtime));
        }
    }

    /// Mean vote average over movies with votes, 0 to 10; `None` without any.
    pub fn avg_rating(&self) -> Option<f64> {
        self.rated.value()
    }

    /// Mean popularity over all movies; TMDB's popularity has no unit and no upper bound.
    pub fn avg_popularity(&self) -> Option<f64> {
        self.popularity.value()
    }

    /// Mean budget in US dollars over movies whose budget is known; `None` without any.
    pub fn avg_budget(&self) -> Option<f64> {
        self.budget.value()
    }

    /// Mean runtime in minutes over movies whose runtime is known; `None` without any.
    pub fn avg_runtime(&self) -> Option<f64> {
        self.runtime.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_do_not_drag_averages_down() {
        let mut stats = GenreStats::default();
        stats.add(&MovieFacts {
            vote_average: 8.0,
            vote_count: 10,
            popularity: 4.0,
            revenue: Some(5),
            budget: Some(100),
            runtime: Some(90),
        });
        stats.add(&MovieFacts {
            vote_average: 0.0,
            vote_count: 0,
            popularity: 2.0,
            revenue: None,
            budget: None,
            runtime: None,
        });
        assert_eq!(stats.movie_count, 2);
        assert_eq!(stats.avg_rating(), Some(8.0));
        assert_eq!(stats.avg_budget(), Some(100.0));
        assert_eq!(stats.avg_runtime(), Some(90.0));
        assert_eq!(stats.avg_popularity(), Some(3.0));
        assert_eq!(stats.total_revenue, 5);
    }

    #[test]
    fn every_source_speaks_tmdbs_genre_names() {
        assert_eq!(canonical(" Sci-Fi ").as_deref(), Some("Science Fiction"));
        assert_eq!(canonical("(no genres listed)"), None);
        assert_eq!(canonical("Drama").as_deref(), Some("Drama"));
    }
}
