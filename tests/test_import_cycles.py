"""No module imports itself by way of others."""

from graphlib import TopologicalSorter

import grimp


def test_no_import_cycles() -> None:
    graph = grimp.build_graph("service", "bundle", "training", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules
