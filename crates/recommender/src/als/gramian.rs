use pulp::Arch;
use rayon::prelude::*;

use crate::Factors;
use crate::kernels::{Tile, add_symmetric};

/// Rows a block. Blocks are summed in their order and in `f64`, so the result does not depend on the threads.
const BLOCK: usize = 2_048;

/// `weight · H'H`, every element stored, stride as `h`.
pub(super) fn gramian(arch: Arch, h: &Factors, weight: f32) -> Vec<f32> {
    let stride = h.stride();
    let blocks: Vec<Vec<f32>> = h
        .values()
        .par_chunks(BLOCK * stride)
        .map(|block| {
            let mut sum = vec![0.0; stride * stride];
            let rows = Tile { values: block, stride };
            add_symmetric(arch, rows, block.len() / stride, 0..stride, &mut sum, stride);
            sum
        })
        .collect();
    let mut sum = vec![0f64; stride * stride];
    for block in &blocks {
        for (sum, &value) in sum.iter_mut().zip(block) {
            *sum += f64::from(value);
        }
    }
    let mut gramian = vec![0f32; stride * stride];
    for i in 0..stride {
        for j in i..stride {
            let value = (f64::from(weight) * sum[i * stride + j]) as f32;
            gramian[i * stride + j] = value;
            gramian[j * stride + i] = value;
        }
    }
    gramian
}
