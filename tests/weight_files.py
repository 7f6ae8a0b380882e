"""One thin VGG-16 (few channels, random weights), written in each format by other means than the readers'."""

import io
import pickle
import struct
import zipfile

import h5py
import numpy as np
import scipy.io

from neuraltalk.vision.weights import layout

WIDTHS = (2, 3, 4, 2, 3, 4, 5, 4, 3, 5, 6, 4, 5, 11, 12, 10)
CLASSES = tuple(f"thing {k}, object" for k in range(WIDTHS[-1]))


def thin_layers(seed=0):
    """name -> (W, b), arranged as the project does."""
    rng = np.random.default_rng(seed)
    layers = {}
    for name, shape in layout.shapes_of(WIDTHS).items():
        fan_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
        W = rng.standard_normal(shape) * np.sqrt(2 / fan_in)
        layers[name] = W.astype("f4"), rng.standard_normal(layout.outputs_of(shape)).astype("f4")
    return layers


def convolutions(layers):
    return {name: layers[name] for name in layout.CONVOLUTIONS}


def write_npz(path, layers, **more):
    np.savez(path, **{f"{name}_{key}": array for name, pair in layers.items() for key, array in zip("Wb", pair)}, **more)


def channel_last(W):
    """fc6's inputs (channel, row, column) -> (row, column, channel)."""
    return W.reshape(-1, 7, 7, W.shape[1]).transpose(1, 2, 0, 3).reshape(W.shape)


def write_tensorflow_npz(path, layers):
    turned = {name: (W.transpose(2, 3, 1, 0) if W.ndim == 4 else W, b) for name, (W, b) in layers.items()}
    if "fc6" in turned:
        turned["fc6"] = channel_last(turned["fc6"][0]), turned["fc6"][1]
    write_npz(path, turned)


# MatConvNet


def matconvnet_layers(layers, old):
    """The structs of the cell `layers`, with others between."""
    structs = []
    for name, (W, b) in layers.items():
        if W.ndim == 4:
            filters = W.transpose(2, 3, 1, 0)
        else:
            side = 7 if name == "fc6" else 1
            filters = W.reshape(-1, side, side, W.shape[1]).transpose(1, 2, 0, 3)
        bias = b.reshape(1, -1)
        arrays = {"filters": filters, "biases": bias} if old else {"weights": cell([filters, bias])}
        structs += [{"type": "conv", **arrays, "name": name, "pad": np.ones((1, 4))}]
        structs += [{"type": "relu", "name": "relu" + name[4:]}]
    return structs


def cell(items):
    array = np.empty((1, len(items)), object)
    for k, item in enumerate(items):
        array[0, k] = item
    return array


def matconvnet_meta(mean):
    return {
        "normalization": {"averageImage": mean, "imageSize": np.array([[224.0, 224, 3]])},
        "classes": {"name": cell(["n0"] * len(CLASSES)), "description": cell(list(CLASSES))},
    }


def write_matconvnet(path, layers, old=False, compressed=False, mean=None):
    mean = np.array(layout.CAFFE_INPUT[0], "f4").reshape(1, 1, 3) if mean is None else mean
    meta = matconvnet_meta(mean)
    with np.errstate(all="ignore"):
        scipy.io.savemat(
            path,
            {"layers": cell(matconvnet_layers(layers, old)), **(meta if old else {"meta": meta})},
            do_compression=compressed,
        )


def write_matlab73(path, layers):
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")

        def put(group, name, value):
            if isinstance(value, dict):
                inner = group.create_group(name)
                for field, content in value.items():
                    put(inner, field, content)
            elif isinstance(value, str):
                codes = np.array([ord(letter) for letter in value], "u2").reshape(-1, 1)
                group.create_dataset(name, data=codes).attrs["MATLAB_class"] = np.bytes_("char")
            elif value.dtype == object:
                places = []
                for item in value[0]:
                    key = f"r{len(references)}"
                    put(references, key, item)
                    places.append([references[key].ref])
                group.create_dataset(name, data=np.array(places, h5py.ref_dtype)).attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                group.create_dataset(name, data=value.T).attrs["MATLAB_class"] = np.bytes_("single")

        put(file, "layers", cell(matconvnet_layers(layers, old=False)))
        put(file, "meta", matconvnet_meta(np.array(layout.CAFFE_INPUT[0], "f4").reshape(1, 1, 3)))
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")


# Caffe


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    """A protocol buffer's field: an int, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def caffe_blob(array, old):
    if old:
        shape = (1,) * (4 - array.ndim) + array.shape
        return b"".join(field(k, n) for k, n in enumerate(shape, 1)) + field(5, array.astype("<f4").tobytes())
    shape = field(7, field(1, b"".join(map(varint, array.shape))))
    return shape + field(5, array.astype("<f4").tobytes())


def write_caffe(path, layers, old=True):
    message = field(1, b"VGG_ILSVRC_16_layers")
    for name, (W, b) in layers.items():
        W = W[:, ::-1] if name == "conv1_1" else W
        blobs = [caffe_blob(array, old) for array in (W if W.ndim == 4 else W.T, b)]
        if old:
            layer = field(2, b"below") + field(3, name.encode()) + field(4, name.encode()) + field(5, 4)
            message += field(2, layer + field(6, blobs[0]) + field(6, blobs[1]) + varint(7 << 3 | 5) + b"\0\0\x80\x3f")
            message += field(2, field(4, b"relu") + field(5, 18))
        else:
            layer = field(1, name.encode()) + field(2, b"Convolution") + field(7, blobs[0]) + field(7, blobs[1])
            message += field(100, layer)
    path.write_bytes(message)


# Keras


def write_keras(path, layers, published=True):
    from neuraltalk.vision.weights.keras_file import NAMES

    with h5py.File(path, "w") as file:
        for name, (W, b) in layers.items():
            W = W[:, ::-1] if name == "conv1_1" else W
            W = channel_last(W) if name == "fc6" else W
            W = W.transpose(2, 3, 1, 0) if W.ndim == 4 else W
            keys = ("{0}_W_1:0", "{0}_b_1:0") if published else ("{0}/kernel:0", "{0}/bias:0")
            for key, array in zip(keys, (W, b)):
                file.create_group(NAMES[name]) if NAMES[name] not in file else None
                file[NAMES[name]].create_dataset(key.format(NAMES[name]), data=array)
        file.create_group("block1_pool")


# torchvision: pickles written instruction by instruction, since they name functions of PyTorch


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value):
    return b"J" + struct.pack("<i", value)


def group(*items):
    return b"(" + b"".join(items) + b"t"


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def torch_tensor(array, key, streamed, parameter=False):
    reference = [text("storage"), named("torch", "FloatStorage"), text(key), text("cpu"), integer(array.size)]
    storage = group(*reference, *([b"N"] if streamed else [])) + b"Q"
    strides = [stride // 4 for stride in np.empty(array.shape, "f4").strides]
    view = storage, integer(0), group(*map(integer, array.shape)), group(*map(integer, strides))
    if not parameter:
        hooks = named("collections", "OrderedDict") + b")R"
        return named("torch._utils", "_rebuild_tensor_v2") + group(*view, b"\x89", hooks) + b"R"
    plain = named("torch._utils", "_rebuild_tensor") + group(*view) + b"R"
    made = {"REDUCE": b"R", "NEWOBJ": b"\x81"}[parameter]
    return named("torch.nn.parameter", "Parameter") + plain + b"\x85" + made + group(b"\x88", b"\x89", b"N") + b"b"


def torch_arrays(layers):
    from neuraltalk.vision.weights.torch_file import PLACES

    for name, (W, b) in layers.items():
        yield f"{PLACES[name]}.weight", W if W.ndim == 4 else W.T
        yield f"{PLACES[name]}.bias", b


def torch_pickle(arrays, streamed, parameter=False):
    items = [text(name) + torch_tensor(array, str(k), streamed, parameter) for k, (name, array) in enumerate(arrays)]
    metadata = b"}" + text("_metadata") + named("collections", "OrderedDict") + b")R" + b"sb"
    return b"\x80\x02" + named("collections", "OrderedDict") + b")R(" + b"".join(items) + b"u" + metadata + b"."


def write_torch_zip(path, layers):
    arrays = list(torch_arrays(layers))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vgg16/data.pkl", torch_pickle(arrays, streamed=False))
        archive.writestr("vgg16/byteorder", "little")
        for k, (_, array) in enumerate(arrays):
            archive.writestr(f"vgg16/data/{k}", array.astype("<f4").tobytes())
        archive.writestr("vgg16/version", "3\n")


def write_torch_stream(path, layers, parameter=False):
    arrays = list(torch_arrays(layers))
    file = io.BytesIO()
    properties = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for value in (0x1950A86A20F9469CFC6C, 1001, properties):
        file.write(pickle.dumps(value, 2))
    file.write(torch_pickle(arrays, streamed=True, parameter=parameter))
    file.write(pickle.dumps([str(k) for k in range(len(arrays))], 2))
    for _, array in arrays:
        file.write(struct.pack("<q", array.size) + array.astype("<f4").tobytes())
    path.write_bytes(file.getvalue())


def write_lpips(path, layers):
    arrays = {
        f"Conv_{k}": {"kernel": layers[name][0].transpose(2, 3, 1, 0), "bias": layers[name][1]}
        for k, name in enumerate(layout.CONVOLUTIONS)
    }
    path.write_bytes(pickle.dumps({"VGG16_0": arrays, "NetLinLayer_0": {}}, 3))
