"""A matrix product by PyTorch, as a measure of what a device can do. usage: product.py DEVICE PRECISION SIZE; out: a line of
JSON with operations per second, the best of some rounds.
"""

import json
import sys
import time

import torch


def main():
    device, precision, size = torch.device(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    # Zeros would be faster: fewer transistors switch.
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    best = 0.0
    for _ in range(5):
        wait()
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        wait()
        best = max(best, 5 * 2 * size**3 / (time.perf_counter() - began))
    print(json.dumps(dict(flops_per_second=best)))


if __name__ == "__main__":
    main()
