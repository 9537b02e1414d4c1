"""Controls, live and static, without a browser."""

import nbclient
import nbformat
import pytest
import torch

from course_utils import figures
from course_utils.widgets import controls

PRESETS = [dict(side=4, invert=False), dict(side=16, invert=True)]
SLIDERS = dict(side=(0, 32), invert=[False, True])


def square(side, invert):
    if side == 31:
        raise ValueError("31 is <prime>")
    image = torch.zeros(1, 1, 32, 32)
    image[..., :side, :side] = 1
    return figures.images(1 - image if invert else image, alt=f"A square of side {side}{', inverted' * invert}.")


def test_the_static_twin_shows_each_preset(static):
    picture = controls(square, PRESETS, **SLIDERS)
    assert isinstance(picture, figures.Picture)
    assert picture.alt == (
        "side = 4, invert = False: A square of side 4. side = 16, invert = True: A square of side 16, inverted."
    )


def test_the_first_preset_is_drawn_and_a_slider_redraws(live):
    side, invert, _, picture, *_ = controls(square, PRESETS, **SLIDERS).children
    assert (side.value, invert.value) == (4, False)
    assert 'alt="A square of side 4."' in picture.value
    side.value = 9
    assert 'alt="A square of side 9."' in picture.value
    invert.value = True
    assert 'alt="A square of side 9, inverted."' in picture.value


def test_a_preset_button_sets_all_sliders_and_draws_once(live):
    drawn = []

    def count(**values):
        drawn.append(values)
        return square(**values)

    side, invert, buttons, picture, *_ = controls(count, PRESETS, **SLIDERS).children
    buttons.children[1].click()
    assert (side.value, invert.value) == (16, True)
    assert 'alt="A square of side 16, inverted."' in picture.value
    assert len(drawn) == 2


def test_a_preset_button_leaves_out_what_all_presets_share(live):
    presets = [dict(side=4, invert=False), dict(side=9, invert=False)]
    row = controls(square, presets, **SLIDERS).children[2]
    assert [button.description for button in row.children] == ["side = 4", "side = 9"]


def test_an_error_is_shown_and_the_picture_stays(live):
    side, _, _, picture, trouble, _ = controls(square, PRESETS, **SLIDERS).children
    side.value = 31
    assert "ValueError: 31 is &lt;prime&gt;" in trouble.value
    assert "in square" in trouble.value
    assert 'alt="A square of side 4."' in picture.value
    side.value = 30
    assert trouble.value == ""
    assert 'alt="A square of side 30."' in picture.value


@pytest.mark.parametrize("setting", ["0", "1"])
def test_an_error_in_the_first_picture_is_raised(monkeypatch, setting):
    monkeypatch.setenv("COURSE_STATIC", setting)
    with pytest.raises(ValueError, match="31 is <prime>"):
        controls(square, [dict(side=31, invert=False)], **SLIDERS)


def test_each_form_gets_its_slider(live):
    def draw(**values):
        return square(4, False)

    forms = dict(whole=(0, 9), real=(0, 0.3), steps=(1, 9, 2), choice=["a", "b"])
    start = dict(whole=1, real=0.1, steps=3, choice="b")
    inputs = controls(draw, [start], **forms).children[:4]
    kinds = ["IntSlider", "FloatSlider", "IntSlider", "Dropdown"]
    assert [type(one).__name__ for one in inputs] == kinds
    assert [one.value for one in inputs] == list(start.values())
    assert inputs[1].step == pytest.approx(0.003)


@pytest.mark.parametrize("form", [(1,), (1, 0), (0, 1, 0), (0, 1, 2, 3), ("a", "b"), [], "ab", 3])
def test_other_forms_are_refused(form):
    with pytest.raises(ValueError, match="is no slider: give"):
        controls(square, [dict(side=1)], side=form)


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        ([], "no presets"),
        ([dict(side=4)], "one value for each slider: side, invert"),
        ([dict(side=4, invert=False, color="red")], "one value for each slider"),
        ([dict(side=40, invert=False)], r"side=40 is not on the slider side=\(0, 32\)"),
        ([dict(side=4, invert="no")], "invert='no' is not on the slider"),
    ],
)
def test_presets_that_do_not_fit_are_refused(presets, message):
    with pytest.raises(ValueError, match=message):
        controls(square, presets, **SLIDERS)


def test_a_notebook_that_no_page_runs_keeps_pictures_and_text_only(tmp_path, monkeypatch):
    """Though it inherits the sign of a front end."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_STATIC", "")
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    setup = """
        import torch
        from course_utils import figures, models
        from course_utils.widgets import controls, guess, sketchpad
        def white(side):
            return figures.images(torch.ones(1, 1, side, side), alt=f"White, {side} high.")
    """
    cells = [
        "\n".join(line.strip() if "return" not in line else "    " + line.strip() for line in setup.splitlines()),
        "controls(white, [dict(side=4), dict(side=8)], side=(1, 9))",
        "sketchpad(models.LeNet5())",
        "how_many = guess('How many?', unit='digits')",
        "how_many.reveal(83)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert "widgets" not in notebook.metadata
    outputs = [[output for output in cell.outputs] for cell in notebook.cells]
    for output in outputs[1] + outputs[2]:
        assert set(output.data) == {"image/png", "text/plain"}
        assert output.metadata["image/png"]["alt"]
    assert outputs[3][0].text == "Predict: How many? (digits)\n"
    assert outputs[4][0].text == "Measured: 83 digits.\n"
    assert [len(output) for output in outputs] == [0, 1, 1, 1, 1]
    assert list(tmp_path.iterdir()) == []
