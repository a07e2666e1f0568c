"""diffusers' side of drawing images, in a process of its own. In: what is wanted, as JSON. Out: the images as a file of
numpy, and one line of JSON with the seconds.
"""

import json
import sys
import time

import numpy as np
import torch
from diffusers import DDIMPipeline, DDIMScheduler


def main():
    wanted = json.loads(sys.argv[1])
    torch.set_num_threads(wanted["threads"])
    pipeline = DDIMPipeline.from_pretrained(wanted["folder"])
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    draw = lambda steps: pipeline(
        batch_size=wanted["images"], num_inference_steps=steps, generator=torch.Generator().manual_seed(0), output_type="np",
    ).images
    # The first call chooses kernels.
    draw(1)
    began = time.perf_counter()
    images = draw(wanted["steps"])
    seconds = time.perf_counter() - began
    np.save(wanted["out"], images)
    print(json.dumps(dict(seconds=seconds)))


if __name__ == "__main__":
    main()
