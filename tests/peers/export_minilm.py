"""Writes all-MiniLM-L6-v2 as an ONNX file for transformers.js, from the safetensors file that
Lexigraft itself loads, and checks the result with ONNX Runtime before it takes its place.

    python3 export_minilm.py MODEL_FOLDER REFERENCE.json OUT_FOLDER

The graph has the form that torch.onnx.export gives this model at opset 17 (last hidden state,
dynamic batch and length), because ONNX Runtime's fusions look for that form: LayerNormalization,
Gelu written with Erf, and attention as Reshape, Transpose, MatMul, Div, Add of a mask, Softmax. The
check counts the fused nodes, so that the peer is not measured with a graph that it runs badly.
(ONNX Runtime 1.32 fuses the whole of attention into one node up to opset 12 only, and Add with
LayerNormalization only where the length is fixed.)

Needs numpy, onnx, onnxruntime and safetensors.
"""

import json
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET = 17
# Below the rounding of two float32 implementations that add in different orders.
TOLERANCE = 5e-6
# The reference was made with texts cut to this many tokens.
MAX_LENGTH = 256


class Graph:
    """Nodes and initialisers, named as they are added."""

    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.constants = {}

    def add(self, kind, *inputs, name=None, **attributes):
        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"/{output}", **attributes))
        return output

    def constant(self, value, dtype):
        array = numpy.asarray(value, dtype=dtype)
        name = f"const_{array.dtype}_{'x'.join(map(str, array.shape))}_{'_'.join(map(str, array.flatten()))}"
        self.constants[name] = array
        return name

    def integers(self, *values):
        return self.constant(values, numpy.int64)

    def number(self, value):
        return self.constant(value, numpy.float32)

    def weight(self, name, transpose=False):
        array = self.weights[name]
        key = f"{name}.T" if transpose else name
        self.constants[key] = numpy.ascontiguousarray(array.T) if transpose else array
        return key

    def linear(self, x, name):
        """x [batch, length, in] to [batch, length, out]."""
        product = self.add("MatMul", x, self.weight(f"{name}.weight", transpose=True))
        # The bias comes second: the attention fusion looks for it there.
        return self.add("Add", product, self.weight(f"{name}.bias"))

    def layer_norm(self, x, name, epsilon, output=None):
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", x, scale, bias, name=output, axis=-1, epsilon=epsilon)

    def gelu(self, x):
        erf = self.add("Erf", self.add("Div", x, self.number(math.sqrt(2.0))))
        product = self.add("Mul", x, self.add("Add", erf, self.number(1.0)))
        return self.add("Mul", product, self.number(0.5))


def build(weights, config):
    """The encoder as an ONNX model; input_ids, attention_mask and token_type_ids are [batch, length]."""
    graph = Graph(weights)
    epsilon, heads = config["layer_norm_eps"], config["num_attention_heads"]
    hidden = config["hidden_size"]

    length = graph.add("Gather", graph.add("Shape", "input_ids"), graph.constant(1, numpy.int64), axis=0)
    end = graph.add("Unsqueeze", length, graph.integers(0))
    positions = graph.add(
        "Slice", graph.weight("embeddings.position_ids"), graph.integers(0), end, graph.integers(1), graph.integers(1)
    )
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    types = graph.add("Gather", graph.weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
    places = graph.add("Gather", graph.weight("embeddings.position_embeddings.weight"), positions)
    total = graph.add("Add", graph.add("Add", words, types), places)
    x = graph.layer_norm(total, "embeddings.LayerNorm", epsilon)

    # 0 where a token counts, the smallest float32 where it is padding: [batch, 1, 1, length].
    row = graph.add("Unsqueeze", graph.add("Unsqueeze", "attention_mask", graph.integers(1)), graph.integers(2))
    padding = graph.add("Sub", graph.number(1.0), graph.add("Cast", row, to=TensorProto.FLOAT))
    mask = graph.add("Mul", padding, graph.number(numpy.finfo(numpy.float32).min))

    layers = config["num_hidden_layers"]
    for index in range(layers):
        last = "last_hidden_state" if index == layers - 1 else None
        x = layer(graph, x, mask, f"encoder.layer.{index}", epsilon, heads, hidden, last)

    batch_by_length = ["batch", "length"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, batch_by_length)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*batch_by_length, hidden])
    initialisers = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    body = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], initialisers)
    # IR 8 is opset 17's own; the onnx package would write its newest, which runtimes may not know yet.
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def layer(graph, x, mask, name, epsilon, heads, hidden, output):
    """One block of BERT, with its normalisation after each of the two sums."""
    split = graph.integers(0, 0, heads, hidden // heads)

    def to_heads(part, order):
        whole = graph.linear(x, f"{name}.attention.self.{part}")
        return graph.add("Transpose", graph.add("Reshape", whole, split), perm=order)

    query = to_heads("query", [0, 2, 1, 3])
    key = to_heads("key", [0, 2, 3, 1])
    value = to_heads("value", [0, 2, 1, 3])
    scores = graph.add("Div", graph.add("MatMul", query, key), graph.number(math.sqrt(hidden / heads)))
    shares = graph.add("Softmax", graph.add("Add", scores, mask), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    mixed = graph.add("Reshape", mixed, graph.integers(0, 0, hidden))
    mixed = graph.linear(mixed, f"{name}.attention.output.dense")
    x = graph.layer_norm(graph.add("Add", mixed, x), f"{name}.attention.output.LayerNorm", epsilon)

    wide = graph.gelu(graph.linear(x, f"{name}.intermediate.dense"))
    narrow = graph.linear(wide, f"{name}.output.dense")
    return graph.layer_norm(graph.add("Add", narrow, x), f"{name}.output.LayerNorm", epsilon, output)


def embed(session, batch, width):
    """Mean over the tokens that count, scaled to length 1; every list of ids is padded to `width`."""
    ids = numpy.array([row + [0] * (width - len(row)) for row in batch], dtype=numpy.int64)
    mask = numpy.array([[1] * len(row) + [0] * (width - len(row)) for row in batch], dtype=numpy.int64)
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
    (states,) = session.run(["last_hidden_state"], feeds)
    sums = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return sums / numpy.linalg.norm(sums, axis=1, keepdims=True)


def check(path, reference, layers):
    """Compares every reference embedding, alone and padded in one batch; returns the largest gap."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # What every provider and the browser's build do at least; the next level is for one processor.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        fused = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    wanted = {"LayerNormalization": 2 * layers + 1, "BiasGelu": layers, "FusedMatMul": layers}
    counts = {kind: fused.count(kind) for kind in wanted}
    if counts != wanted:
        raise SystemExit(f"ONNX Runtime fused {counts}, not {wanted}: {fused}")

    cases = reference["cases"]
    texts = [case["ids"] for case in cases]
    expected = numpy.array([case["embedding"] for case in cases], dtype=numpy.float32)
    alone = numpy.concatenate([embed(session, [ids], len(ids)) for ids in texts])
    together = embed(session, texts, max(map(len, texts)))
    gap = max(float(numpy.abs(found - expected).max()) for found in (alone, together))
    if not gap <= TOLERANCE:
        raise SystemExit(f"the export differs from the reference by {gap:.2e}, more than {TOLERANCE}")
    return gap, counts


def main(source, reference, out):
    source, out = Path(source), Path(out)
    config = json.loads((source / "config.json").read_text())
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    if {key: config.get(key) for key in expected} != expected:
        raise SystemExit(f"{source} is not a BERT encoder of the expected kind")
    model = build(load_file(source / "model.safetensors"), config)

    (out / "onnx").mkdir(parents=True, exist_ok=True)
    path = out / "onnx" / "model.onnx"
    unfinished = path.with_suffix(".unfinished")
    onnx.save(model, str(unfinished))
    gap, counts = check(str(unfinished), json.loads(Path(reference).read_text()), config["num_hidden_layers"])
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(source / name, out / name)
    # transformers.js looks the special tokens up here, the one for padding above all.
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": MAX_LENGTH, **special}
    (out / "tokenizer_config.json").write_text(json.dumps(tokenizer) + "\n")
    # Last: its presence says that the export is whole.
    os.replace(unfinished, path)
    print(f"  MiniLM as ONNX: {path.stat().st_size / 2**20:.1f} MiB, within {gap:.1e} of the reference, fused {counts}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
