"""Kinds of broken bundle by name: each makes one out of a sound text classifier, and says why it must be refused.

Two ways to break: *tampered* leaves the manifest as it was, so its checksums no longer agree; *forged* writes the
checksums anew, as whoever wants to get something in would. `damage` takes the folder `<store>/<name>/<version>` of a
classifier, one of its own to spoil; `reason` is a part of what `GET /models`, the log and `python -m service check`
then say.
"""

import hashlib
import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bundle.golden import MAX_GOLDEN_BYTES, Golden
from bundle.store import MAX_FILE_BYTES


@dataclass(frozen=True)
class Kind:
    """One way to break a bundle."""

    damage: Callable[[Path], object]
    reason: str
    """A part of the reason it is refused with."""
    is_trial: bool = False
    """Whether only running it shows it: then it may take a process, memory and time."""


def _seal(folder: Path) -> None:
    """Write the checksums of the files as they are into the manifest."""
    document = _manifest(folder)
    for name in document["files"]:
        document["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    _write_manifest(folder, document)


def _manifest(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return document


def _write_manifest(folder: Path, document: Mapping[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(document))


def _edited(**changes: object) -> Callable[[Path], None]:
    return lambda folder: _write_manifest(folder, _manifest(folder) | changes)


def _naming(file: str) -> Callable[[Path], None]:
    """A manifest that names one more file."""

    def damage(folder: Path) -> None:
        document = _manifest(folder)
        document["files"][file] = "0" * 64
        _write_manifest(folder, document)

    return damage


def _absent(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def _flipped(file: str) -> Callable[[Path], None]:
    """One bit in the middle of a file."""

    def damage(folder: Path) -> None:
        content = bytearray((folder / file).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / file).write_bytes(content)

    return damage


def _cut(file: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / file, (folder / file).stat().st_size // 2)


def _replaced(file: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Something that is no file where one was."""

    def damage(folder: Path) -> None:
        (folder / file).unlink()
        make(folder / file)

    return damage


def _link_out(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _folder_is_a_link(folder: Path) -> None:
    elsewhere = folder.parent.parent / f".elsewhere-{folder.parent.name}-{folder.name}"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere, target_is_directory=True)


def _forged(file: str, content: bytes | Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A file with other content, and the checksum to go with it."""

    def damage(folder: Path) -> None:
        made = content if isinstance(content, bytes) else content((folder / file).read_bytes())
        (folder / file).write_bytes(made)
        _seal(folder)

    return damage


# --- graphs ----------------------------------------------------------------------------------------------------------


def _graph(change: Callable[[onnx.ModelProto], None]) -> Callable[[Path], None]:
    def changed(content: bytes) -> bytes:
        model = onnx.load_from_string(content)
        change(model)
        made: bytes = model.SerializeToString()
        return made

    return _forged("model.onnx", changed)


def _before_the_answer(*nodes: onnx.NodeProto) -> Callable[[Path], None]:
    """Let further nodes compute `probabilities` from what were the probabilities, now `answer`."""

    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for index, name in enumerate(node.output):
                if name == "probabilities":
                    node.output[index] = "answer"
        model.graph.node.extend(nodes)

    return _graph(change)


def _without_end() -> onnx.NodeProto:
    """`Loop` whose condition stays true."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["go_on_further"]),
            helper.make_node("Identity", ["state"], ["state_further"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on_further", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_further", TensorProto.FLOAT, None),
        ],
    )
    return helper.make_node("Loop", ["", "", "answer"], ["probabilities"], body=body)


def _constant(name: str, value: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))


def _huge_work() -> list[onnx.NodeProto]:
    """Hours of multiplication, out of a few bytes, and little memory."""
    nodes = [
        _constant("square", np.array([1024, 1024])),
        helper.make_node(
            "ConstantOfShape", ["square"], ["product_0"], value=numpy_helper.from_array(np.array([0.5], np.float32))
        ),
        # It hangs on the input, else onnxruntime would compute it when it loads.
        helper.make_node("Cast", ["ids"], ["ids_as_floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["ids_as_floats"], ["largest_id"], keepdims=0),
        helper.make_node("Add", ["product_0", "largest_id"], ["product_1"]),
    ]
    turns = 6000
    nodes += [helper.make_node("MatMul", ["product_1", f"product_{i}"], [f"product_{i + 1}"]) for i in range(1, turns)]
    nodes += [
        helper.make_node("ReduceMin", [f"product_{turns}"], ["least"], keepdims=0),
        helper.make_node("Sub", ["least", "least"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["probabilities"]),
    ]
    return nodes


def _huge_memory() -> list[onnx.NodeProto]:
    """64 GB of zeros, out of a few bytes."""
    return [
        helper.make_node("Shape", ["ids"], ["shape"]),
        _constant("first", np.array([0])),
        helper.make_node("Gather", ["shape", "first"], ["num_rows"]),
        _constant("times", np.array([2**34])),
        helper.make_node("Mul", ["num_rows", "times"], ["size"]),
        helper.make_node(
            "ConstantOfShape", ["size"], ["zeros"], value=numpy_helper.from_array(np.array([0], np.float32))
        ),
        helper.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["answer", "nothing"], ["probabilities"]),
    ]


def _nan_weights(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(np.full(list(tensor.dims), np.nan, np.float32), tensor.name))


def _function(model: onnx.ModelProto) -> None:
    model.functions.add(name="own", domain="own")


def _elsewhere(location: str) -> Callable[[Path], None]:
    """A weight whose data is said to lie in another file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "8")):
            tensor.external_data.add(key=key, value=value)

    return _graph(change)


def _weight_shaped(*sizes: int) -> Callable[[Path], None]:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(sizes)

    return _graph(change)


def _input_named(name: str) -> Callable[[Path], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].name = name
        for node in model.graph.node:
            for index, used in enumerate(node.input):
                if used == "ids":
                    node.input[index] = name

    return _graph(change)


def _one_more_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("answer", TensorProto.FLOAT, None))


def _input_of_another_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    model.graph.input[0].name = "ids_32"
    model.graph.node.insert(0, helper.make_node("Cast", ["ids_32"], ["ids"], to=TensorProto.INT64))


def _huge_input(model: onnx.ModelProto) -> None:
    for dimension in model.graph.input[0].type.tensor_type.shape.dim:
        dimension.dim_value = 2**40


def _many_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend(helper.make_node("Identity", ["ids"], [f"copy_{index}"]) for index in range(20_001))


def _future_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


# --- golden samples, tokenizer, manifest -----------------------------------------------------------------------------


def _golden(change: Callable[[Golden], Golden]) -> Callable[[Path], None]:
    return _forged("golden.npz", lambda content: change(Golden.from_bytes(content)).to_bytes())


def _wrong_answers(golden: Golden) -> Golden:
    # Less by a tenth, not reversed: samples may be alike.
    return Golden(golden.inputs, {name: value * 0.9 for name, value in golden.outputs.items()}, golden.texts)


def _huge_ids(golden: Golden) -> Golden:
    return Golden({"ids": golden.inputs["ids"] + 2**40}, golden.outputs, golden.texts)


class _Pickled:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/seqserve-was-fooled",)


def _pickled_npz(content: bytes) -> bytes:
    array = io.BytesIO()
    np.save(array, np.array([_Pickled()], dtype=object), allow_pickle=True)
    made = io.BytesIO(content)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("input.more.npy", array.getvalue())
    return made.getvalue()


def _npz(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"input.{name}.npy", content)
    return made.getvalue()


def _bomb(_: bytes) -> bytes:
    """Far more than it takes itself, once unpacked."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("input.ids.npy", "w") as member:
        num_rows = MAX_GOLDEN_BYTES // 8 + 1
        np.lib.format.write_array_header_1_0(member, {"descr": "<i8", "fortran_order": False, "shape": (num_rows,)})
        for _megabyte in range(MAX_GOLDEN_BYTES // 2**20 + 1):
            member.write(bytes(2**20))
    return made.getvalue()


def _header_bomb(_: bytes) -> bytes:
    """An array that says it has 10^15 rows, and has none."""
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "<i8", "fortran_order": False, "shape": (10**15,)})
    return _npz(ids=array.getvalue())


def _deep(folder: Path) -> None:
    depth = 100_000
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(
        text.replace('"recipe"', '"recipe": ' + '{"a":' * depth + "1" + "}" * depth + ', "recipe"', 1)
    )


def _twice(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("{", '{"name": "admin", ', 1))


def _not_utf8(folder: Path) -> None:
    content = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(content.replace(b'"architecture": "', b'"architecture": "\xff\xfe', 1))


def _half_copied(folder: Path) -> None:
    """As a copy looks that has come as far as half of the graph, the manifest being last."""
    (folder / "manifest.json").unlink()
    (folder / "golden.npz").unlink()
    _cut("model.onnx")(folder)


def _manifest_first(folder: Path) -> None:
    """As a copy looks that began with the manifest."""
    for name in _manifest(folder)["files"]:
        if name != "golden.npz":
            (folder / name).unlink()


def _huge_file(folder: Path) -> None:
    os.truncate(folder / "report.md", MAX_FILE_BYTES + 1)  # of holes, which take no room on the disk
    document = _manifest(folder)
    _write_manifest(folder, document)


def _other_labels(folder: Path) -> None:
    document = _manifest(folder)
    document["spec"]["labels"].append("other")
    _write_manifest(folder, document)


def _rewritten_json(**changes: object) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | changes).encode()


_NOT_PUBLISHED = "is not the file that was published: its checksum differs"
_NO_FILE = "is not a plain file"

# fmt: off
_KINDS: dict[str, Kind] = {
    # Tampered, or lost on the way.
    "graph cut short": Kind(_cut("model.onnx"), f"model.onnx {_NOT_PUBLISHED}"),
    "bit flipped in the graph": Kind(_flipped("model.onnx"), f"model.onnx {_NOT_PUBLISHED}"),
    "bit flipped in the tokenizer": Kind(_flipped("tokenizer.json"), f"tokenizer.json {_NOT_PUBLISHED}"),
    "bit flipped in the golden samples": Kind(_flipped("golden.npz"), f"golden.npz {_NOT_PUBLISHED}"),
    "bit flipped in the report": Kind(_flipped("report.json"), f"report.json {_NOT_PUBLISHED}"),
    "empty graph": Kind(lambda folder: os.truncate(folder / "model.onnx", 0), f"model.onnx {_NOT_PUBLISHED}"),
    "graph absent": Kind(_absent("model.onnx"), "model.onnx is absent"),
    "golden samples absent": Kind(_absent("golden.npz"), "golden.npz is absent"),
    "tokenizer absent": Kind(_absent("tokenizer.json"), "tokenizer.json is absent"),
    "report absent": Kind(_absent("report.json"), "report.json is absent"),
    "manifest absent": Kind(_absent("manifest.json"), "manifest.json is absent"),
    "half copied": Kind(_half_copied, "manifest.json is absent"),
    "half copied, manifest first": Kind(_manifest_first, "is absent"),
    "file that nobody named": Kind(lambda folder: (folder / "extra.py").write_text(""), "extra.py is not named"),
    "library that nobody named": Kind(lambda folder: (folder / "ops.so").write_bytes(b"\x7fELF"),
        "ops.so is not named"),
    "checksum of another file": Kind(
        lambda folder: _write_manifest(folder,
        _manifest(folder) | {"files": dict.fromkeys(_manifest(folder)["files"], "0" * 64)}), "its checksum differs"),
    # What is no file.
    "pipe for a graph": Kind(_replaced("model.onnx", os.mkfifo), f"model.onnx {_NO_FILE}"),
    "socket for a graph": Kind(_replaced("model.onnx", lambda path: os.mknod(path, stat.S_IFSOCK | 0o600)),
        f"model.onnx {_NO_FILE}"),
    "pipe for a manifest": Kind(_replaced("manifest.json", os.mkfifo), f"manifest.json {_NO_FILE}"),
    "folder for a tokenizer": Kind(_replaced("tokenizer.json", os.mkdir), f"tokenizer.json {_NO_FILE}"),
    "folder that nobody named": Kind(lambda folder: (folder / "more").mkdir(), "more is not a plain file"),
    "pipe that nobody named": Kind(lambda folder: os.mkfifo(folder / "pipe"), "pipe is not a plain file"),
    "link out of the bundle": Kind(_replaced("report.md", _link_out), "report.md is a symbolic link"),
    "link for a manifest": Kind(_replaced("manifest.json", _link_out), "manifest.json is a symbolic link"),
    "link that leads nowhere": Kind(_replaced("model.onnx", lambda path: path.symlink_to("nowhere")),
        "model.onnx is a symbolic link"),
    "link for the whole version": Kind(_folder_is_a_link, "the folder is a symbolic link"),
    "file over the bound": Kind(_huge_file, f"report.md is larger than {MAX_FILE_BYTES} bytes"),
    # Manifests.
    "manifest empty": Kind(lambda folder: os.truncate(folder / "manifest.json", 0), "manifest.json: Invalid JSON"),
    "manifest cut short": Kind(_cut("manifest.json"), "manifest.json: Invalid JSON"),
    "manifest not UTF-8": Kind(_not_utf8, "manifest.json: Invalid JSON"),
    "manifest a list": Kind(lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json: "),
    "manifest nested without end": Kind(_deep, "manifest.json: Invalid JSON: recursion limit exceeded"),
    "manifest with a key twice": Kind(_twice, "manifest.json: an object has the same key twice"),
    "manifest of a newer format": Kind(_edited(format=2), "bundle format 2 is not the one"),
    "manifest with an unknown key": Kind(_edited(hook="os.system"), "Extra inputs are not permitted"),
    "manifest of another name": Kind(_edited(name="other"), "manifest.json speaks of other version"),
    "manifest of another version": Kind(_edited(version=987_654), "version 987654"),
    "manifest with its format as text": Kind(_edited(format="1"), "bundle format '1' is not the one"),
    "manifest that names no graph": Kind(_edited(files={"golden.npz": "0" * 64}), "files lacks model.onnx"),
    "manifest of bad checksums": Kind(_edited(files={"model.onnx": "xyz"}), "pattern"),
    "manifest of other labels": Kind(_other_labels, "outputs must be probabilities"),
    "path upwards": Kind(_naming("../../aliases.json"), "is not a plain file name inside the bundle"),
    "absolute path": Kind(_naming("/etc/passwd"), "is not a plain file name inside the bundle"),
    "manifest that names more than there is": Kind(_naming("weights.bin"), "weights.bin is absent"),
    # Graphs that are no graph, or may not be loaded.
    "graph that is text": Kind(_forged("model.onnx", b"graph"), "it is no ONNX graph"),
    "graph that is empty, forged": Kind(_forged("model.onnx", b""), "has 0 operations"),
    "graph cut short, forged": Kind(_forged("model.onnx", lambda graph: graph[: len(graph) // 2]),
        "it is no ONNX graph"),
    "graph that is a pickle": Kind(_forged("model.onnx", pickle.dumps({"weights": _Pickled()})), "it is no ONNX graph"),
    "graph in onnxruntime's own form": Kind(_forged("model.onnx", b"\x18\x00\x00\x00ORTM" + bytes(64)),
        "it is no ONNX graph"),
    "operator of another domain": Kind(
        _before_the_answer(helper.make_node("Run", ["answer"], ["probabilities"], domain="own.ops")),
        "model.onnx uses Run of the domain own.ops"),
    "operator of onnxruntime's own": Kind(
        _before_the_answer(helper.make_node("EPContext", ["answer"], ["probabilities"], domain="com.microsoft")),
        "model.onnx uses EPContext of the domain com.microsoft"),
    "domain imported that isn't ONNX": Kind(
        _graph(lambda model: model.opset_import.append(helper.make_opsetid("own.ops", 1))), "of the domain own.ops"),
    "operator that isn't on the list": Kind(
        _before_the_answer(helper.make_node("RandomNormalLike", ["answer"], ["probabilities"])),
        "the operator RandomNormalLike, which is not on the list"),
    "loop without end": Kind(_before_the_answer(_without_end()), "the operator Loop, which is not on the list"),
    "function of its own": Kind(_graph(_function), "model.onnx defines functions of its own"),
    "weights in another file": Kind(_elsewhere("weights.bin"), "model.onnx names data outside of the file"),
    "weights in /etc/passwd": Kind(_elsewhere("../../../../../etc/passwd"),
        "model.onnx names data outside of the file"),
    "weights at an address in memory": Kind(_elsewhere("*/_ORT_MEM_ADDR_/*"),
        "model.onnx names data outside of the file"),
    "weight of a huge shape": Kind(_weight_shaped(2**31, 2**31), "a tensor of a shape beyond"),
    "weight of a negative size": Kind(_weight_shaped(-1), "a tensor of a shape beyond"),
    "weight larger than its data": Kind(_weight_shaped(1000, 1000), "whose data isn't as large as its shape"),
    "input of a huge shape": Kind(_graph(_huge_input), "a tensor of a shape beyond"),
    "too many operations": Kind(_graph(_many_nodes), "operations; 1 to 20000 may be"),
    "input of another name": Kind(_input_named("tokens"), "the inputs of model.onnx are not those of the manifest"),
    "input of another type": Kind(_graph(_input_of_another_type),
        "the inputs of model.onnx are not those of the manifest"),
    "output of another shape": Kind(
        _before_the_answer(helper.make_node("Concat", ["answer", "answer"], ["probabilities"], axis=1)),
        "the outputs of model.onnx are not those of the manifest"),
    "output that nothing computes": Kind(_graph(_one_more_output), "model.onnx can't be loaded"),
    "operators of the future": Kind(_graph(_future_opset), "model.onnx can't be loaded"),
    # Graphs that run, and shouldn't.
    "weights that are NaN": Kind(_graph(_nan_weights), "golden samples differ by inf"),
    "golden answers wrong": Kind(_golden(_wrong_answers), "golden samples differ by"),
    "ids beyond the vocabulary": Kind(_golden(_huge_ids), "the tokenizer no longer gives the ids"),
    "another tokenizer": Kind(_forged("tokenizer.json", _rewritten_json(normalizer=None)), "no longer gives the ids"),
    "no texts to test the tokenizer with": Kind(_golden(lambda golden: Golden(golden.inputs, golden.outputs)),
        "must record texts"),
    "golden samples without rows": Kind(
        _golden(lambda golden: Golden({"ids": np.array(5)}, golden.outputs, golden.texts)), "must be at least one"),
    "golden samples of another output": Kind(_golden(lambda golden: Golden(
        golden.inputs, {"other": golden.outputs["probabilities"]}, golden.texts)), "must record the manifest's out"),
    "work without end": Kind(_before_the_answer(*_huge_work()), "its self-test took more than", is_trial=True),
    "memory without end": Kind(_before_the_answer(*_huge_memory()), "memory", is_trial=True),
    # Golden samples and tokenizers that are none.
    "golden samples that are text": Kind(_forged("golden.npz", b"samples"), "golden samples can't be read"),
    "golden samples with a pickle in them": Kind(_forged("golden.npz", _pickled_npz), "holds pickled objects"),
    "golden samples that are a pickle": Kind(_forged("golden.npz", pickle.dumps(_Pickled())),
        "golden samples can't be read"),
    "golden samples that unpack to too much": Kind(_forged("golden.npz", _bomb),
        f"unpacked they take more than {MAX_GOLDEN_BYTES} bytes"),
    "golden samples of a huge shape": Kind(_forged("golden.npz", _header_bomb), "is shorter than its shape"),
    "tokenizer of another type": Kind(_forged("tokenizer.json", b"[1, 2, 3]"), "the tokenizer can't be read"),
    "tokenizer without a start token": Kind(_forged("tokenizer.json", _rewritten_json(post_processor=None)),
        "must put a start token before every text"),
    "tokenizer that is empty": Kind(_forged("tokenizer.json", b"{}"), "the tokenizer can't be read"),
    "tokenizer that fails": Kind(_forged("tokenizer.json", lambda content: content.replace(
        b'"SpecialToken": {"id": "[START]"', b'"SpecialToken": {"id": "[NOT THERE]"')), "the tokenizer can't be read"),
    "tokenizer not UTF-8": Kind(_forged("tokenizer.json", b"\xff\xfe{}"), "utf-8"),
    "report that is a list": Kind(_forged("report.json", b"[1]"), "not a JSON object"),
    "report that is not JSON": Kind(_forged("report.json", b"{"), "report.json is not JSON"),
    "report nested without end": Kind(_forged("report.json", b"[" * 100_000), "report.json is not JSON"),
    "reference of other labels": Kind(_forged("reference.json", _rewritten_json(labels={"a": 0.5, "b": 0.5})),
        "labels are not those of the manifest"),
}
# fmt: on
if os.geteuid() != 0:  # whom no permission stops
    _KINDS["file without permission"] = Kind(lambda folder: (folder / "model.onnx").chmod(0), "Permission denied")

BROKEN: Mapping[str, Kind] = MappingProxyType(_KINDS)
"""Every kind by its name."""
