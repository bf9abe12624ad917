//! Popularity and votes in lists: the numbers that each movie's page shows at the same moment.

use domain::rounding::four_decimals;
use domain::trending::active::Numbers;
use sqlx::PgPool;
use storage::StorageError;
use storage::postgres::layers;

/// An item of a list that shows a movie's public numbers.
pub(crate) trait Numbered {
    fn movie_id(&self) -> i64;
    fn set(&mut self, numbers: Numbers);
}

/// Sets the numbers of all items; an item whose movie is gone keeps what it has.
///
/// # Errors
/// PostgreSQL failed.
pub(crate) async fn refresh<T: Numbered>(pool: &PgPool, items: &mut [T]) -> Result<(), StorageError> {
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = items.iter().map(Numbered::movie_id).collect();
    let numbers = layers::numbers(pool, &ids).await?;
    for item in items {
        if let Some(numbers) = numbers.get(&item.movie_id()) {
            item.set(Numbers { vote_average: four_decimals(numbers.vote_average), ..*numbers });
        }
    }
    Ok(())
}
