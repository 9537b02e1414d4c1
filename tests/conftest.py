"""With and without a front end, for the tests of what a learner touches."""

import pytest


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "0")


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "1")
