"""The first weights of both sides, as PyTorch draws them. usage: first_weights.py FILE NAME, a network of cases.py."""

import sys

import torch
from cases import CASES
from networks import build
from safetensors.torch import save_file


def main():
    torch.manual_seed(5)
    save_file(build(CASES[sys.argv[2]]["network"])[0].state_dict(), sys.argv[1])


if __name__ == "__main__":
    main()
