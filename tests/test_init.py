import mrdib_graph


def test_dir_has_the_names_that_are_loaded_at_first_use() -> None:
    assert set(mrdib_graph.__all__) <= set(dir(mrdib_graph))
    assert "__version__" in dir(mrdib_graph) and dir(mrdib_graph) == sorted(dir(mrdib_graph))
