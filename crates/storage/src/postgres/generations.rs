//! Cache generations: a number per family that is part of every cache key.

use domain::artifacts::CacheFamily;
use sqlx::postgres::PgListener;
use sqlx::{PgConnection, PgPool};

use crate::StorageError;

/// Makes everything cached of these families unreachable, as soon as the caller's transaction commits.
pub async fn bump(conn: &mut PgConnection, families: &[CacheFamily]) -> Result<(), StorageError> {
    // Sorted, so that two transactions bumping several families cannot deadlock.
    let mut names: Vec<String> = families.iter().map(|f| f.as_str().to_owned()).collect();
    names.sort_unstable();
    for name in names {
        sqlx::query!("UPDATE cache_generations SET generation = generation + 1 WHERE family = $1", name)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Every family's generation.
pub async fn all(pool: &PgPool) -> Result<Vec<(CacheFamily, i64)>, StorageError> {
    let rows = sqlx::query!("SELECT family, generation FROM cache_generations").fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((CacheFamily::ALL.into_iter().find(|f| f.as_str() == row.family)?, row.generation)))
        .collect())
}

/// A listener that hears of every bump as `family:generation`.
pub async fn listen(pool: &PgPool) -> Result<PgListener, StorageError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("cache_generation").await?;
    Ok(listener)
}

/// Reads one message of [`listen`].
pub fn parse(message: &str) -> Option<(CacheFamily, i64)> {
    let (family, generation) = message.split_once(':')?;
    Some((CacheFamily::ALL.into_iter().find(|f| f.as_str() == family)?, generation.parse().ok()?))
}
