"""Triton, as PyTriton's package bundles it: C++ answers HTTP and makes batches, a Python process a core computes.

Documented: the Python backend with an instance a core and `dynamic_batching`, which takes what has come. PyTriton's own
`Triton.bind` isn't used: it computes in threads of one Python process.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

package = importlib.util.find_spec("pytriton")
assert package is not None
assert package.submodule_search_locations is not None
bundled = Path(package.submodule_search_locations[0]) / "tritonserver"
site_packages = bundled.parents[1]

folder = Path(sys.prefix) / "serving"
shutil.rmtree(folder, ignore_errors=True)
model = folder / "models" / os.environ["BENCH_MODEL"]
own = Path(__file__).parent
(model / "1").mkdir(parents=True)
shutil.copy(own / "model.py", model / "1")
instances = f"instance_group [ {{ kind: KIND_CPU count: {os.environ['BENCH_WORKERS']} }} ]\n"
(model / "config.pbtxt").write_text((own / "config.pbtxt").read_text("utf-8") + instances, "utf-8")
# The backend looks for the program that embeds Python, one a version, beside itself.
stub = f"{sys.version_info.major}.{sys.version_info.minor}/triton_python_backend_stub"
shutil.copytree(bundled / "backends", folder / "backends")
shutil.copy(bundled / "python_backend_stubs" / stub, folder / "backends" / "python")

arguments = [
    f"--model-repository={folder / 'models'}",
    f"--backend-directory={folder / 'backends'}",
    "--http-address=127.0.0.1",
    f"--http-port={os.environ['BENCH_PORT']}",
    "--allow-grpc=false",
    "--allow-metrics=false",
]
variables = {
    "BENCH_PATH": os.pathsep.join([os.environ["PYTHONPATH"], str(site_packages)]),
    "LD_LIBRARY_PATH": os.pathsep.join([str(site_packages / "nvidia_pytriton.libs"), f"{sys.base_prefix}/lib"]),
}
os.execve(bundled / "bin" / "tritonserver", ["tritonserver", *arguments], os.environ | variables)
