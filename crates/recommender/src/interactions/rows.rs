use std::ops::Range;

/// A sparse matrix by rows. Columns ascend within a row; a value is a confidence greater than 0, negated where the
/// viewer disliked the item (so one number carries weight and direction).
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    offsets: Vec<usize>,
    columns: Vec<u32>,
    /// Absent when every value is 1: saves 4 bytes a pair.
    values: Option<Vec<f32>>,
    width: usize,
}

/// One row of [`Rows`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Ascending.
    pub columns: &'a [u32],
    pub(crate) values: Option<&'a [f32]>,
}

impl<'a> Row<'a> {
    /// The row with these columns and values.
    ///
    /// # Panics
    /// Panics when the lengths differ.
    pub fn new(columns: &'a [u32], values: Option<&'a [f32]>) -> Self {
        assert!(values.is_none_or(|values| values.len() == columns.len()), "one value a column");
        Self { columns, values }
    }

    /// Number of stored pairs.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether the row has no pairs.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The value of the `position`th pair; negative for a dislike.
    pub fn value(&self, position: usize) -> f32 {
        self.values.map_or(1.0, |values| values[position])
    }

    /// The pairs in order of their columns.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> + use<'a> {
        let row = *self;
        (0..row.len()).map(move |position| (row.columns[position], row.value(position)))
    }

    /// The pairs at `range`.
    pub(crate) fn slice(&self, range: Range<usize>) -> Row<'a> {
        Row { columns: &self.columns[range.clone()], values: self.values.map(|values| &values[range]) }
    }
}

impl Rows {
    /// From sorted parts: `offsets` has one entry more than there are rows.
    ///
    /// # Panics
    /// Panics when the parts do not fit together, columns do not ascend, or a column is not below `width`.
    pub fn from_parts(offsets: Vec<usize>, columns: Vec<u32>, values: Option<Vec<f32>>, width: usize) -> Self {
        assert!(offsets.first() == Some(&0) && offsets.last() == Some(&columns.len()), "offsets span the columns");
        assert!(values.as_ref().is_none_or(|values| values.len() == columns.len()), "one value a column");
        for bounds in offsets.windows(2) {
            let row = &columns[bounds[0]..bounds[1]];
            assert!(row.is_sorted_by(|a, b| a < b), "columns ascend");
            assert!(row.last().is_none_or(|&last| (last as usize) < width), "columns are below the width");
        }
        let values = values.filter(|values| values.iter().any(|&value| value != 1.0));
        Self { offsets, columns, values, width }
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of stored pairs.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether no pair is stored.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The row `index`.
    pub fn row(&self, index: usize) -> Row<'_> {
        let range = self.offsets[index]..self.offsets[index + 1];
        Row { columns: &self.columns[range.clone()], values: self.values.as_ref().map(|values| &values[range]) }
    }

    /// The same pairs, rows and columns exchanged. Counting sort: linear in pairs.
    pub fn transposed(&self) -> Rows {
        let mut offsets = vec![0usize; self.width + 1];
        for &column in &self.columns {
            offsets[column as usize + 1] += 1;
        }
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let mut next = offsets.clone();
        let mut columns = vec![0u32; self.len()];
        let mut values = self.values.as_ref().map(|_| vec![0f32; self.len()]);
        for row in 0..self.height() {
            for (column, value) in self.row(row).iter() {
                let place = &mut next[column as usize];
                columns[*place] = row as u32;
                if let Some(values) = &mut values {
                    values[*place] = value;
                }
                *place += 1;
            }
        }
        Rows { offsets, columns, values, width: self.height() }
    }
}
