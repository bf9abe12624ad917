//! The batch layer: what each artifact's job reads and stages, and what readers find in it.

mod actor_collaboration;
mod genre_analytics;
mod genre_stats;
mod predictions;
mod ratings_by_decade;
mod sentiment;
mod similar;
mod trending;
mod trends;
