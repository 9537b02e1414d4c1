"""What an answer keeps from one call to the next, and what it leaves behind for others, in lessons 5 to 10."""

import pytest
import torch

from course_utils import exercises

ALL = [each for each in exercises.every() if int(each.id.split(".")[0]) >= 5]
NO_TENSOR = ("8.1", "9.4")  # numbers in, a number out
NUMBERS = ("5.5", "6.3", "8.5", "8.6")  # tensors in, a number out
INTEGERS = ("5.5", "8.5")  # such tensors ask for no gradient


def refused(exercise, answer, message=""):
    with pytest.raises(exercises.NotYet) as caught:
        exercise.examine(answer)
    assert message in str(caught.value)


def before(answer, act):
    return lambda *given: (act(*given), answer(*given))[1]


def after(answer, act):
    return lambda *given: (answer(*given), act(*given))[0]


def from_shapes(answer):
    """What it once found for tensors of some shapes and equal numbers it returns again."""
    kept = {}

    def again(*given):
        known = tuple(each.shape if isinstance(each, torch.Tensor) else repr(each) for each in flat(given))
        if known not in kept:
            kept[known] = answer(*given)
        return kept[known]

    return again


def into_one_tensor(answer):
    """Every result of one shape is written into the same tensor."""
    kept = {}

    def put(each):
        if not isinstance(each, torch.Tensor):
            return each
        return kept.setdefault((each.shape, each.dtype), torch.empty_like(each.detach())).copy_(each.detach())

    def write(*given):
        result = answer(*given)
        return tuple(put(each) for each in result) if isinstance(result, tuple) else put(result)

    return write


def flat(given):
    """The arguments without functions, generators and modules, and with lists as what is in them."""
    for each in given:
        if isinstance(each, (list, tuple)):
            yield from flat(each)
        elif isinstance(each, (torch.Tensor, int, float)):
            yield each


def ask_for_gradients(*given):
    for each in flat(given):
        if isinstance(each, torch.Tensor) and each.is_leaf and each.is_floating_point():
            each.requires_grad_()


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
class TestAlone:
    def test_an_answer_may_draw_random_numbers(self, exercise):
        exercise.examine(before(exercise.reference, lambda *given: torch.rand(3)))

    @pytest.mark.parametrize("when", [before, after])
    def test_a_seed_set_inside_is_refused(self, exercise, when):
        refused(exercise, when(exercise.reference, lambda *given: torch.manual_seed(0)))

    def test_a_seed_that_is_set_back_is_none(self, exercise):
        def draw(*given):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)

        exercise.examine(before(exercise.reference, draw))

    def test_gradients_stay_switched_on(self, exercise):
        refused(exercise, after(exercise.reference, lambda *given: torch.set_grad_enabled(False)), "gradients switched")
        assert torch.is_grad_enabled()

    def test_the_default_type_stays(self, exercise):
        kind = torch.get_default_dtype()
        refused(exercise, after(exercise.reference, lambda *given: torch.set_default_dtype(torch.float64)))
        assert torch.get_default_dtype() == kind

    def test_inputs_ask_for_no_gradient_afterwards(self, exercise):
        if exercise.id not in (*NO_TENSOR, *INTEGERS, "7.1"):
            refused(exercise, after(exercise.reference, ask_for_gradients))

    def test_nothing_is_known_from_shapes_alone(self, exercise):
        if exercise.id not in NO_TENSOR:
            refused(exercise, from_shapes(exercise.reference))

    def test_an_earlier_result_stays_as_it_is(self, exercise):
        if exercise.id not in (*NO_TENSOR, *NUMBERS):
            refused(exercise, into_one_tensor(exercise.reference))
