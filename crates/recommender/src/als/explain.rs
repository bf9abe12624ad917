use super::FoldIn;
use crate::interactions::Row;
use crate::kernels;

/// What one interaction of a viewer adds to a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// The item that the viewer interacted with.
    pub item: u32,
    /// Its part of the score; negative where it speaks against the recommendation.
    pub amount: f32,
}

/// A score and its parts, which sum to it up to rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The predicted preference: about 1 for a sure like, about 0 for nothing known.
    pub score: f32,
    /// One part an interaction, largest first, equal ones by item.
    pub contributions: Vec<Contribution>,
}

impl FoldIn<'_> {
    /// Explains the score of `item` for the viewer with this history (Hu, Koren and Volinsky 2008, section 5): the score is
    /// `h'A⁻¹Σ c·t·hⱼ`, so item j of the history adds `c·t·h'A⁻¹hⱼ`.
    ///
    /// # Panics
    /// Panics when an item is not among the items.
    pub fn explain(&self, history: Row<'_>, item: u32) -> Explanation {
        let side = &self.side;
        let vector = self.influence(history, item);
        let mut contributions: Vec<Contribution> = history
            .iter()
            .map(|(other, value)| {
                let amount = value.abs()
                    * side.target(value)
                    * kernels::dot(side.arch, &vector, side.h.padded_row(other as usize));
                Contribution { item: other, amount }
            })
            .collect();
        let score = contributions.iter().map(|part| f64::from(part.amount)).sum::<f64>() as f32;
        contributions.sort_by(|a, b| b.amount.total_cmp(&a.amount).then(a.item.cmp(&b.item)));
        Explanation { score, contributions }
    }

    /// `A⁻¹h` for the viewer's matrix `A` and the item's vector `h`.
    fn influence(&self, history: Row<'_>, item: u32) -> Vec<f32> {
        let side = &self.side;
        let mut scratch = side.scratch();
        side.normal_equations(history, &mut scratch);
        let mut x = side.h.padded_row(item as usize).to_vec();
        side.apply_inverse(history, &mut x, &mut scratch);
        x
    }
}
