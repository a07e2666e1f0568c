//! The network of a variant for programs: what `plan --verbose --json` adds to a variant's row.
//!
//! In: a variant. Out: rows for serde, one a level.

use serde::Serialize;

use super::plan_network::Drawing;
use crate::plan::Variant;
use crate::sizing::{Cost, Level, Part};

/// Added to the row of a variant.
#[derive(Serialize)]
pub(super) struct NetworkRow {
    /// Operations of a forward pass over one image.
    forward_flops_per_image: u64,
    /// From the input to the output; sums over it are the network's.
    network: Vec<LevelRow>,
}

#[derive(Serialize)]
struct LevelRow {
    #[serde(flatten)]
    level: Level,
    head_dim: Option<usize>,
    #[serde(flatten)]
    cost: Cost,
    parts: Parts,
    /// What attention keeps of one image's scores, by the fused kernel of the CPU and where they are materialised.
    fused_score_bytes: u64,
    materialised_score_bytes: u64,
}

#[derive(Serialize)]
struct Parts {
    convolution: Cost,
    attention: Cost,
    embedding: Cost,
    norm: Cost,
}

impl NetworkRow {
    pub(super) fn of(variant: &Variant) -> NetworkRow {
        let Drawing { levels, width, .. } = Drawing::of(variant);
        let forward = levels.iter().map(Level::cost).sum::<Cost>().forward_flops;
        let network = levels.into_iter().map(|level| LevelRow::of(level, width)).collect();
        NetworkRow { forward_flops_per_image: forward, network }
    }
}

impl LevelRow {
    fn of(level: Level, width: u64) -> LevelRow {
        LevelRow {
            head_dim: level.head_dim(),
            cost: level.cost(),
            parts: Parts {
                convolution: level.part(Part::Convolution),
                attention: level.part(Part::Attention),
                embedding: level.part(Part::Embedding),
                norm: level.part(Part::Norm),
            },
            fused_score_bytes: level.fused_score_bytes(),
            materialised_score_bytes: level.materialised_score_bytes(width),
            level,
        }
    }
}
