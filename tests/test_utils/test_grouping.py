"""Grouping pictures by size, against the definition."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from llv.utils.grouping import group_by_size


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=12))
def test_groups_partition_the_pictures_by_size(sizes):
    groups = group_by_size([torch.empty(3, *size) for size in sizes])
    assert sorted(i for group in groups for i in group) == list(range(len(sizes)))
    for group in groups:
        assert group == sorted(group)
        assert len({sizes[i] for i in group}) == 1
    assert len(groups) == len(set(sizes))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
