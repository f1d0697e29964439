"""A CLIP vision model of random weights and what Hugging Face's Flax implementation makes of it.

pip install "transformers==4.46.3" "jax[cpu]==0.4.35" "flax==0.10.2" safetensors
python make.py     # writes model.safetensors, config.json and reference.json beside it
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save_file
from transformers import CLIPVisionConfig, FlaxCLIPVisionModel

PROJECTION = 24
config = CLIPVisionConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=2,
    image_size=32,
    patch_size=8,
    hidden_act="quick_gelu",
    layer_norm_eps=1e-5,
)
model = FlaxCLIPVisionModel(config, seed=0)
draw = np.random.default_rng(7)
flat = flatten_dict(jax.device_get(model.params))
for name, value in sorted(flat.items()):
    # Wider than the initialisation, so that attention and activations leave their linear parts.
    spread = 0.2 if value.ndim > 1 else 0.5
    centre = 1.0 if name[-1] == "scale" else 0.0
    noise = draw.standard_normal(value.shape)
    flat[name] = (centre + spread * noise).astype(np.float32)
model.params = unflatten_dict(flat)
projection = (0.2 * draw.standard_normal((PROJECTION, config.hidden_size))).astype(np.float32)

# The names and orders of the checkpoints that PyTorch writes.
tensors = {"visual_projection.weight": projection}
for name, value in flat.items():
    value = np.asarray(value)
    if name[-1] == "kernel":
        value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
    leaf = {"kernel": "weight", "scale": "weight", "embedding": "weight"}.get(name[-1], name[-1])
    tensors[".".join([*name[:-1], leaf])] = np.ascontiguousarray(value)


def pixels(side):
    """x[c, i, j] = sin(0.05 i + 0.03 j + c), as in the other references."""
    c, i, j = np.meshgrid(np.arange(3), np.arange(side), np.arange(side), indexing="ij")
    return np.sin(0.05 * i + 0.03 * j + c).astype(np.float32)


with jax.default_matmul_precision("float32"):
    # Pictures of pixels that differ from patch to patch.
    picture = np.stack([pixels(32), 2 * np.sin(7 * pixels(32))])
    out = model(pixel_values=jnp.asarray(picture), output_hidden_states=True)
pooled = np.asarray(out.pooler_output, dtype=np.float64)
reference = {
    "last_hidden_state": np.asarray(out.last_hidden_state, dtype=np.float64).round(5).tolist(),
    "pooled": pooled.round(5).tolist(),
    "embedding": (pooled @ projection.T.astype(np.float64)).round(5).tolist(),
}

folder = Path(__file__).parent
save_file(tensors, folder / "model.safetensors")
(folder / "config.json").write_text(
    json.dumps({"model_type": "clip", "vision_config": config.to_diff_dict()}, indent=1) + "\n"
)
(folder / "reference.json").write_text(json.dumps(reference) + "\n")
for name, value in sorted(tensors.items()):
    print(name, value.shape)
