"""What was freed goes back to the system."""

import weakref

from service.engine.memory import give_back_versions


def test_what_only_refers_to_itself_is_given_back() -> None:
    class Node:
        itself: "Node"

    node = Node()
    node.itself = node
    left = weakref.ref(node)
    del node
    give_back_versions()
    assert left() is None
