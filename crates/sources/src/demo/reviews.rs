//! Short reviews whose tone follows the stars, so that sentiment has something true to find.

use domain::movies::Review;

use super::dice::{About, Dice};
use super::viewers::{Opinion, Viewers};
use super::words;

/// One rating in so many comes with a review.
const REVIEW_ONE_IN: u64 = 20;

/// The reviews behind the ratings, in the same order. The id names viewer and movie, so a review read again is the same.
pub(super) fn reviews(viewers: Viewers) -> impl Iterator<Item = Review> + Send {
    let writers = viewers.clone();
    viewers.opinions().filter_map(move |opinion| review(&writers, opinion))
}

fn review(viewers: &Viewers, Opinion { index, rating }: Opinion) -> Option<Review> {
    let user = rating.user_id as u64;
    let mut dice = Dice::new(viewers.seed(), About::Review, &[user, index]);
    if dice.below(REVIEW_ONE_IN) != 0 {
        return None;
    }
    Some(Review {
        review_id: format!("demo-{user}-{}", rating.movie_id),
        movie_id: rating.movie_id,
        author: Some(words::name(user)),
        rating: Some(rating.rating),
        content: words::review(rating.rating, &viewers.movies.title(index), &mut dice),
        written_at: rating.rated_at,
    })
}
