//! Experiments: which viewers get recommendations with which settings, and what the difference is worth.

mod comparison;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::viewers::ViewerName;

pub use comparison::{Comparison, Design, Feedback, compare};

/// Most variants of an experiment.
pub const VARIANTS_MAX: usize = 10;

/// What a variant changes; what is absent stays as it is for everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct VariantSettings {
    /// Share of the batch list in the blend, 0 to 1; the rest is the real-time layer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_share: Option<f64>,
    /// Diversity of the list, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diversity: Option<f64>,
    /// Share of the places of a cold start's list that are explored, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploration: Option<f64>,
}

/// One way to recommend. The first variant of an experiment is the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Variant {
    #[cfg_attr(feature = "openapi", schema(example = "more-realtime"))]
    pub name: String,
    /// Its share of the viewers, relative to the shares of the others.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0.001, maximum = 1000, example = 1))]
    pub share: f64,
    #[serde(default)]
    pub settings: VariantSettings,
}

fn one() -> f64 {
    1.0
}

/// An experiment that cannot be run. `Display` is written for the operator who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExperiment {
    #[error("must have 2 to {VARIANTS_MAX} variants; the first is the control")]
    Variants,
    #[error("variant names must be 1 to 64 of a-z, 0-9, - and _, each once: {0}")]
    Name(String),
    #[error("variant {0}: share must be from 0.001 to 1000")]
    Share(String),
    #[error("variant {0}: {1} must be from 0 to 1")]
    Setting(String, &'static str),
    #[error("test: effect must be above 0 and at most 1, and level from 0.5 up to but not including 1")]
    Design,
}

/// Whether the text can name an experiment or a variant.
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['-', '_'])
}

/// Checks the variants and the test of an experiment.
///
/// # Errors
/// The first rule that is violated.
pub fn validate(variants: &[Variant], test: &Design) -> Result<(), InvalidExperiment> {
    if !(2..=VARIANTS_MAX).contains(&variants.len()) {
        return Err(InvalidExperiment::Variants);
    }
    for (at, variant) in variants.iter().enumerate() {
        let name = || variant.name.clone();
        if !is_name(&variant.name) || variants[..at].iter().any(|other| other.name == variant.name) {
            return Err(InvalidExperiment::Name(name()));
        }
        if !(0.001..=1_000.0).contains(&variant.share) {
            return Err(InvalidExperiment::Share(name()));
        }
        let VariantSettings { batch_share, diversity, exploration } = variant.settings;
        for (what, value) in [("batch_share", batch_share), ("diversity", diversity), ("exploration", exploration)] {
            if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
                return Err(InvalidExperiment::Setting(name(), what));
            }
        }
    }
    test.is_valid().then_some(()).ok_or(InvalidExperiment::Design)
}

/// The viewer's variant: the same at every request and in every process, independent of other experiments because each
/// has a salt of its own. `None` without variants.
pub fn assign<'a>(salt: &str, variants: &'a [Variant], viewer: &ViewerName) -> Option<&'a Variant> {
    // UUID version 5 is SHA-1 of namespace and name: evenly spread, and stable for ever.
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_OID, salt.as_bytes());
    let (hash, _) = Uuid::new_v5(&namespace, viewer.as_str().as_bytes()).as_u64_pair();
    // The four bits of the version are among the lowest sixteen; the upper 48 are the hash's own.
    let place = (hash >> 16) as f64 / (1_u64 << 48) as f64;
    let total: f64 = variants.iter().map(|variant| variant.share).sum();
    let mut upper = 0.0;
    variants
        .iter()
        .find(|variant| {
            upper += variant.share / total;
            place < upper
        })
        .or(variants.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(name: &str, share: f64) -> Variant {
        Variant { name: name.into(), share, settings: VariantSettings::default() }
    }

    fn counts(salt: &str, variants: &[Variant]) -> Vec<usize> {
        let mut counts = vec![0; variants.len()];
        for viewer in 0..20_000 {
            let name: ViewerName = format!("user_{viewer}").parse().unwrap();
            let assigned = assign(salt, variants, &name).unwrap();
            counts[variants.iter().position(|v| v == assigned).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn viewers_spread_by_shares_and_stay() {
        let variants = [variant("control", 3.0), variant("new", 1.0)];
        let first = counts("a", &variants);
        // Four standard deviations of a binomial of 20,000 at 1/4.
        assert!((first[1] as f64 - 5_000.0).abs() < 4.0 * 61.3, "{first:?}");
        assert_eq!(first, counts("a", &variants));
        let name: ViewerName = "user_123".parse().unwrap();
        assert_eq!(assign("a", &variants, &name).map(|v| v.name.as_str()), Some("control"), "stable for ever");
        assert_eq!(assign("a", &[], &name), None);
    }

    #[test]
    fn experiments_with_different_salts_are_independent() {
        let halves = [variant("control", 1.0), variant("new", 1.0)];
        let both = (0..20_000)
            .filter(|viewer| {
                let name: ViewerName = format!("{viewer}").parse().unwrap();
                ["a", "b"].iter().all(|salt| assign(salt, &halves, &name).unwrap().name == "new")
            })
            .count();
        assert!((both as f64 - 5_000.0).abs() < 4.0 * 61.3, "{both}");
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let good = [variant("control", 1.0), variant("new", 1.0)];
        let test = Design::default();
        assert_eq!(validate(&good, &test), Ok(()));
        assert_eq!(validate(&good[..1], &test), Err(InvalidExperiment::Variants));
        let twice = [variant("a", 1.0), variant("a", 1.0)];
        assert_eq!(validate(&twice, &test), Err(InvalidExperiment::Name("a".into())));
        for share in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(validate(&[variant("a", 1.0), variant("b", share)], &test).is_err(), "{share}");
        }
        let mut wrong = good.clone();
        wrong[1].settings.diversity = Some(1.5);
        assert_eq!(validate(&wrong, &test), Err(InvalidExperiment::Setting("new".into(), "diversity")));
        assert!(validate(&good, &Design { effect: 0.0, ..test }).is_err());
    }
}
