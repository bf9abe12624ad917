//! Names of evaluation protocols, and what they measure.

use std::str::FromStr;

use recommender::evaluation::{FOLDS, Metric, Part, Protocol, Ratings, Split, VALIDATIONS};

/// Splits that make one table: more than one where folds are pooled.
#[derive(Clone)]
pub(super) struct Protocols {
    pub(super) title: String,
    pub(super) each: Vec<Protocol>,
}

impl FromStr for Protocols {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let strong = |fold| Protocol::StrongGeneralisation { like_min: 4.0, fold };
        let each = match name.to_ascii_lowercase().as_str() {
            "a" => vec![Protocol::LeaveLastOut { like_min: 0.0, held_min: 0.0 }],
            "a4" => vec![Protocol::LeaveLastOut { like_min: 4.0, held_min: 4.0 }],
            "b" => {
                let title = format!("strong generalisation, likes from 4, all {FOLDS} folds");
                return Ok(Self { title, each: (0..FOLDS).map(strong).collect() });
            }
            other => match other.strip_prefix('b').and_then(|fold| fold.parse().ok()) {
                Some(fold @ 0..FOLDS) => vec![strong(fold)],
                _ => return Err(format!("{name} is none of a, a4, b, b0, b1, b2, b3, b4")),
            },
        };
        Ok(Self { title: each[0].to_string(), each })
    }
}

/// What a protocol reports.
pub(super) fn metrics(protocol: Protocol) -> [Metric; 4] {
    match protocol {
        Protocol::LeaveLastOut { .. } => {
            [Metric::HitRate(10), Metric::Ndcg(10), Metric::HitRate(100), Metric::AveragePrecision(10)]
        }
        Protocol::StrongGeneralisation { .. } => {
            [Metric::Recall(20), Metric::Recall(50), Metric::Ndcg(100), Metric::AveragePrecision(100)]
        }
    }
}

/// By what settings are chosen.
pub(super) fn chosen_by(protocol: Protocol) -> Metric {
    match protocol {
        Protocol::LeaveLastOut { .. } => Metric::Ndcg(10),
        Protocol::StrongGeneralisation { .. } => Metric::Ndcg(100),
    }
}

/// The splits on which settings are chosen.
///
/// # Errors
/// The data leave nobody to judge by.
pub(super) fn validations(ratings: &Ratings, protocol: Protocol) -> Result<Vec<Split>, String> {
    let splits: Vec<Split> = (1..=VALIDATIONS).map(|step| ratings.split(protocol, Part::Validation(step))).collect();
    if splits.iter().any(|split| split.held.is_empty() || split.train.is_empty()) {
        return Err(format!(
            "{protocol}: too few ratings to hold some out for validation; bring more, or another protocol"
        ));
    }
    Ok(splits)
}
