"""Runs a script with packages of a folder behind those that Python has. usage: behind.py FOLDER SCRIPT ARGUMENT...

diffusers takes up what it finds beside it, of whatever version, and may fail of it; nothing here needs any of that, so it
finds none.
"""

import pathlib
import runpy
import sys

OPTIONAL = ["accelerate", "bitsandbytes", "flax", "jax", "onnxruntime", "peft", "scipy", "timm", "torchao", "transformers"]


def main():
    folder, script, *arguments = sys.argv[1:]
    sys.path[0] = str(pathlib.Path(script).parent)
    sys.path.append(folder)
    sys.modules.update({name: None for name in OPTIONAL})
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
