"""Configurations whose memory is measured: their settings over the built-in defaults."""

NEAR, ELSEWHERE = 0.15, 0.25

# A run whose evaluations and samples come when all else has been held once.
SHORT = [
    "training.steps=4", "training.log_every=2", "training.warmup_steps=0", "evaluation.every=2", "evaluation.images=64",
    'evaluation.metrics=["loss"]', "sampling.every=2", "sampling.num_samples=64", "sampling.steps=2", "data.limit=2000",
    "checkpoint.every=0",
]

# 16 million parameters at 32x32, with attention at two resolutions.
BASE = ["model.base_channels=64", "model.channel_multipliers=[1,2,4]", "model.attention_resolutions=[16,8]"]


def case(name, *settings, base=(), within=NEAR, run=False):
    """`run`: the whole of a short training with evaluations and grids of samples, else a step."""
    settings = [*base, *settings, *(SHORT if run else [])]
    return dict(name=name, settings=settings, within=within, kind="run" if run else "step")


CASES = [
    case("32x32, batch 16", "training.batch_size=16", base=BASE),
    case("32x32, batch 4", "training.batch_size=4", base=BASE),
    case("32x32, batch 48", "training.batch_size=48", base=BASE),
    case("32x32, batch 48 in 4", "training.batch_size=48", "training.gradient_accumulation=4", base=BASE),
    case("32x32, batch 48, recomputed", "training.batch_size=48", "training.recompute=true", base=BASE),
    case("32x32, batch 8, 3 averages", "training.batch_size=8", "ema.decay=[0.9,0.99,0.999]", base=BASE),
    case("32x32, batch 32, bf16", "training.batch_size=32", "training.precision=bf16", base=BASE),
    case(
        "32x32, Ho et al., batch 4",
        "model.base_channels=128", "model.channel_multipliers=[1,2,2,2]", "model.attention_resolutions=[16]",
        "training.batch_size=4",
    ),
    case(
        "28x28 grey, no attention, batch 64",
        "data.image_size=28", "data.in_channels=1", "model.base_channels=32", "model.attention_resolutions=[]",
        "training.batch_size=64",
    ),
    case(
        "64x64, 4 levels, batch 2",
        "data.image_size=64", "model.base_channels=64", "model.channel_multipliers=[1,2,4,8]", "training.batch_size=2",
    ),
    case(
        "64x64, no attention at all, batch 8",
        "data.image_size=64", "model.base_channels=64", "model.channel_multipliers=[1,2,2]",
        "model.attention_resolutions=[]", "model.mid_attention=false", "training.batch_size=8",
    ),
    case(
        "64x64, attention at 32, batch 4",
        "data.image_size=64", "model.base_channels=32", "model.attention_resolutions=[32,16]", "training.batch_size=4",
    ),
    case(
        "128x128, 4 levels, batch 2",
        "data.image_size=128", "model.base_channels=32", "model.channel_multipliers=[1,2,2,4]",
        "model.attention_resolutions=[16]", "training.batch_size=2",
    ),
    case(
        "16x16, wide, batch 2",
        "data.image_size=16", "model.base_channels=192", "model.channel_multipliers=[1,2]",
        "model.attention_resolutions=[8]", "training.batch_size=2",
    ),
    # Elsewhere: what none of these has.
    case("32x32, batch 32, f16", "training.batch_size=32", "training.precision=f16", base=BASE, within=ELSEWHERE),
    case("32x32, batch 32, dropout", "training.batch_size=32", "model.dropout=0.1", base=BASE, within=ELSEWHERE),
    case("32x32, batch 32, heads of 8", "training.batch_size=32", "model.attention_head_dim=8", base=BASE, within=ELSEWHERE),
    case(
        "32x32, batch 32 in 2, recomputed",
        "training.batch_size=32", "training.gradient_accumulation=2", "training.recompute=true",
        base=BASE, within=ELSEWHERE,
    ),
    case(
        "32x32, bf16, recomputed, batch 48",
        "training.batch_size=48", "training.precision=bf16", "training.recompute=true", base=BASE, within=ELSEWHERE,
    ),
    case(
        "32x32, one level, batch 16",
        "model.base_channels=64", "model.channel_multipliers=[1]", "model.attention_resolutions=[]",
        "training.batch_size=16", within=ELSEWHERE,
    ),
    case(
        "32x32, 1 block a level, batch 32",
        "model.base_channels=48", "model.channel_multipliers=[1,2,2,2]", "model.num_res_blocks=1",
        "model.norm_groups=16", "model.attention_head_dim=48", "training.batch_size=32", within=ELSEWHERE,
    ),
    case(
        "64x64, 3 blocks a level, batch 8",
        "data.image_size=64", "model.base_channels=32", "model.channel_multipliers=[1,1,2,4]", "model.num_res_blocks=3",
        "training.batch_size=8", within=ELSEWHERE,
    ),
    case(
        "64x64 grey, padding 0, batch 8",
        "data.image_size=64", "data.in_channels=1", "model.base_channels=48", "model.norm_groups=16",
        "model.attention_resolutions=[16]", "model.attention_head_dim=48",
        "model.downsample_padding=0", "training.batch_size=8", within=ELSEWHERE,
    ),
    case(
        "256x256, 6 levels, batch 1",
        "data.image_size=256", "model.base_channels=32", "model.channel_multipliers=[1,1,2,2,4,4]",
        "model.attention_resolutions=[16]", "training.batch_size=1", within=ELSEWHERE,
    ),
    case("a run at 32x32, batch 4", "training.batch_size=4", base=BASE, within=ELSEWHERE, run=True),
    case(
        "a run at 128x128, batch 1",
        "data.image_size=128", "model.base_channels=32", "model.channel_multipliers=[1,2,2,4]",
        "model.attention_resolutions=[16]", "training.batch_size=1", within=ELSEWHERE, run=True,
    ),
]
