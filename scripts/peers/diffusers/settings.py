"""The networks that are compared: what each is, and our own settings of it. Needs no package, so that a machine without
diffusers can train them too.
"""

# Sizes are small, since three of these files live in the repository; together they reach every branch of the network.
CASES = {
    "modern": dict(size=8, channels=1, base=8, multipliers=[1, 2], layers=1, attention=[4], head_dim=8),
    "ddpm": dict(
        size=8, channels=3, base=8, multipliers=[1, 1], layers=2, attention=[4], heads=1,
        padding=0, freq_shift=1, flip=False, eps=1e-6,
    ),
    "deep": dict(
        size=8, channels=1, base=8, multipliers=[1, 2, 1], layers=1, attention=[8, 2], head_dim=4, mid_attention=False,
    ),
    # From here on for the long tier: sizes as they are trained.
    "mnist": dict(size=28, channels=1, base=32, multipliers=[1, 2, 4], layers=2, attention=[14, 7], head_dim=32),
    "cifar10": dict(size=32, channels=3, base=64, multipliers=[1, 2, 4], layers=2, attention=[16, 8], head_dim=64),
    "ho-cifar10": dict(
        size=32, channels=3, base=128, multipliers=[1, 2, 2, 2], layers=2, attention=[16], heads=1,
        padding=0, freq_shift=1, flip=False, eps=1e-6,
    ),
}


def norm_groups(base):
    """Largest power of two that is at most min(32, base / 4)."""
    limit = min(32, base // 4)
    return 1 << (limit.bit_length() - 1)


def settings(case):
    """Our [model] and [data] of a network."""
    model = {
        "base_channels": case["base"],
        "channel_multipliers": case["multipliers"],
        "num_res_blocks": case["layers"],
        "attention_resolutions": case["attention"],
        "dropout": 0.0,
        "time_embed_dim": 4 * case["base"] * case["multipliers"][0],
        "norm_groups": case.get("groups", norm_groups(case["base"])),
        "norm_eps": case.get("eps", 1e-5),
        "mid_attention": case.get("mid_attention", True),
        "downsample_padding": case.get("padding", 1),
        "freq_shift": float(case.get("freq_shift", 0)),
        "flip_sin_to_cos": case.get("flip", True),
    }
    if "head_dim" in case:
        model["attention_head_dim"] = case["head_dim"]
    else:
        model["num_attention_heads"] = case["heads"]
    data = {
        "dataset": "shapes",
        "image_size": case["size"],
        "in_channels": case["channels"],
        "validation_fraction": 0.05,
    }
    return {"model": model, "data": data}
