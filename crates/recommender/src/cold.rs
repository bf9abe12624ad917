//! Vectors for items that nobody has interacted with, from their content.

use crate::kernels::{inverse, padded};
use crate::{Factors, Rows};

/// Most features: the matrix to invert has 4 bytes a cell, so 400 MB.
pub const FEATURES_MAX: usize = 10_000;

/// Why no map from content to vectors was fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The matrix would be too large.
    #[error("{0} content features; the limit is {FEATURES_MAX}: drop the rarest")]
    TooManyFeatures(usize),
    /// Not a positive number.
    #[error("the ridge is {0}; it must be greater than 0 and finite")]
    Ridge(f32),
    /// `f32` could not invert the matrix.
    #[error("the features' matrix is not positive definite in f32; raise the ridge")]
    Singular,
}

/// A linear map from content features to item vectors, fitted by ridge regression on the items that have viewers.
///
/// `W = (X'X + λI)⁻¹X'H` with centred features and vectors, so the intercept is not shrunk; a cold item gets
/// `intercept + x'W`. In the spirit of Gantner et al. 2010, "Learning attribute-to-feature mappings for cold-start recommendations".
#[derive(Debug, Clone, PartialEq)]
pub struct ContentMap {
    intercept: Vec<f32>,
    weights: Factors,
}

impl ContentMap {
    /// Fits on the items with at least `viewers_min` interactions in `interactions` (one row an item). `content` has one
    /// row of features an item.
    ///
    /// # Errors
    /// [`Error`].
    ///
    /// # Panics
    /// Panics when the three do not have the same number of items.
    pub fn fit(
        content: &Rows,
        items: &Factors,
        interactions: &Rows,
        viewers_min: usize,
        ridge: f32,
    ) -> Result<Self, Error> {
        assert!(content.height() == items.rows() && interactions.height() == items.rows(), "one row an item");
        if content.width() > FEATURES_MAX {
            return Err(Error::TooManyFeatures(content.width()));
        }
        if !(ridge > 0.0 && ridge.is_finite()) {
            return Err(Error::Ridge(ridge));
        }
        let warm: Vec<usize> =
            (0..items.rows()).filter(|&item| interactions.row(item).len() >= viewers_min.max(1)).collect();
        let mut mean = vec![0f32; items.factors()];
        let share = 1.0 / warm.len().max(1) as f32;
        warm.iter().for_each(|&item| add(&mut mean, share, items.row(item)));
        let mut usual = vec![0f32; content.width()];
        for &item in &warm {
            content.row(item).iter().for_each(|(feature, value)| usual[feature as usize] += share * value);
        }
        let stride = padded(content.width());
        let mut matrix = vec![0f32; stride * stride];
        (0..stride).for_each(|k| matrix[k * stride + k] = ridge);
        let mut right = Factors::zeros(content.width(), items.factors());
        for &item in &warm {
            for (feature, value) in content.row(item).iter() {
                for (other, weight) in content.row(item).iter() {
                    matrix[feature as usize * stride + other as usize] += value * weight;
                }
                let row = right.row_mut(feature as usize);
                add(row, value, items.row(item));
                add(row, -value, &mean);
            }
        }
        for (row, &a) in matrix.chunks_exact_mut(stride).zip(&usual) {
            row.iter_mut().zip(&usual).for_each(|(cell, &b)| *cell -= warm.len() as f32 * a * b);
        }
        if !inverse(&mut matrix, stride) {
            return Err(Error::Singular);
        }
        let mut weights = Factors::zeros(content.width(), items.factors());
        for feature in 0..content.width() {
            for other in 0..content.width() {
                add(weights.row_mut(feature), matrix[feature * stride + other], right.row(other));
            }
        }
        usual.iter().enumerate().for_each(|(feature, &value)| add(&mut mean, -value, weights.row(feature)));
        Ok(Self { intercept: mean, weights })
    }

    /// The vector of an item with these features; features unknown to the map are ignored.
    pub fn vector(&self, features: impl Iterator<Item = (u32, f32)>) -> Vec<f32> {
        let mut vector = self.intercept.clone();
        for (feature, value) in features.filter(|&(feature, _)| (feature as usize) < self.weights.rows()) {
            add(&mut vector, value, self.weights.row(feature as usize));
        }
        vector
    }
}

fn add(sum: &mut [f32], factor: f32, row: &[f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::Interactions;
    use crate::random::Random;

    /// 200 items whose vectors are sums of their genres' vectors; the last 20 have no viewers and zero vectors.
    fn world() -> (Rows, Factors, Rows, Factors) {
        let mut random = Random::new(3);
        let mut genres = Factors::zeros(12, 6);
        (0..12).for_each(|genre| genres.row_mut(genre).iter_mut().for_each(|v| *v = random.normal() as f32));
        let pairs: Vec<(u32, u32)> = (0..200)
            .flat_map(|item| (0..3).map(move |k| (item, k)))
            .map(|(item, _)| (item, (random.next() % 12) as u32))
            .collect();
        let content = Interactions::likes(pairs, 200, 12).viewers().clone();
        let mut truth = Factors::zeros(200, 6);
        for item in 0..200 {
            content
                .row(item)
                .columns
                .iter()
                .for_each(|&genre| add(truth.row_mut(item), 1.0, genres.row(genre as usize)));
        }
        let mut trained = truth.clone();
        (180..200).for_each(|item| trained.row_mut(item).fill(0.0));
        let viewers = Interactions::likes((0..180).map(|item| (item, 0)), 200, 1).viewers().clone();
        (content, trained, viewers, truth)
    }

    #[test]
    fn a_cold_item_gets_the_vector_that_its_content_implies() {
        let (content, trained, viewers, truth) = world();
        let map = ContentMap::fit(&content, &trained, &viewers, 1, 1e-3).unwrap();
        for item in 180..200 {
            let vector = map.vector(content.row(item).iter());
            let error: f32 = vector.iter().zip(truth.row(item)).map(|(a, b)| (a - b).powi(2)).sum();
            let size: f32 = truth.row(item).iter().map(|b| b * b).sum();
            assert!(error < 1e-3 * size.max(1.0), "item {item}: {error} of {size}");
        }
        assert_eq!(map.vector([(99, 1.0)].into_iter()), map.intercept, "an unknown feature says nothing");
    }

    #[test]
    fn a_bad_ridge_and_too_many_features_are_refused() {
        let (content, trained, viewers, _) = world();
        assert_eq!(ContentMap::fit(&content, &trained, &viewers, 1, -1.0).unwrap_err(), Error::Ridge(-1.0));
        let wide = Rows::from_parts(vec![0; 201], vec![], None, FEATURES_MAX + 1);
        assert_eq!(
            ContentMap::fit(&wide, &trained, &viewers, 1, 1.0).unwrap_err(),
            Error::TooManyFeatures(FEATURES_MAX + 1)
        );
    }
}
