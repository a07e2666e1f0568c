//! The network of a variant for programs: what `plan --verbose --json` adds to a variant's row.
//!
//! In: a variant, and where it trains. Out: rows for serde, one a level.

use serde::Serialize;

use crate::plan::Variant;
use crate::sizing::{Cost, Level, Part, Place, levels};

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
}

#[derive(Serialize)]
struct Parts {
    convolution: Cost,
    attention: Cost,
    embedding: Cost,
    norm: Cost,
}

impl NetworkRow {
    pub(super) fn of(variant: &Variant, place: Place) -> NetworkRow {
        let levels = levels(&variant.config, place);
        let forward = levels.iter().map(Level::cost).sum::<Cost>().forward_flops;
        let network = levels.into_iter().map(LevelRow::of).collect();
        NetworkRow { forward_flops_per_image: forward, network }
    }
}

impl LevelRow {
    fn of(level: Level) -> LevelRow {
        LevelRow {
            head_dim: level.head_dim(),
            cost: level.cost(),
            parts: Parts {
                convolution: level.part(Part::Convolution),
                attention: level.part(Part::Attention),
                embedding: level.part(Part::Embedding),
                norm: level.part(Part::Norm),
            },
            level,
        }
    }
}
