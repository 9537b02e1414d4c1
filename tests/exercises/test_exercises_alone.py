"""What an answer keeps from one call to the next, and what it leaves behind for others."""

import pytest
import torch

from course_utils import exercises
from course_utils.exercises import contracts
from course_utils.exercises.contracts import LEFT_BEHIND

ALL = exercises.every()
NO_TENSOR = ("8.1", "9.4")  # numbers in, a number out


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
        known = tuple(
            each.shape if isinstance(each, torch.Tensor) else repr(each)
            for each in contracts.parts_of(given)
            if isinstance(each, (torch.Tensor, int, float))
        )
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


def is_tensor(each):
    return isinstance(each, torch.Tensor) and each.numel() > 0


def may_be_written_to(each):
    return is_tensor(each) and 0 not in each.stride()  # torch itself refuses to write into what is expanded


def may_ask(each):
    return is_tensor(each) and each.is_floating_point() and each.is_leaf and not each.requires_grad


def is_network(each):
    return isinstance(each, torch.nn.Module)


@torch.no_grad()
def spoil(tensor):
    tensor.logical_not_() if tensor.dtype == torch.bool else tensor.add_(1)


def fill(network):
    for weights in network.parameters():
        weights.grad = torch.ones_like(weights)


LEFT = {  # what to say, to what it can be done, and how
    LEFT_BEHIND["in place"]: (may_be_written_to, spoil),
    LEFT_BEHIND["list in place"]: (lambda each: isinstance(each, list) and each, lambda each: each.pop()),
    LEFT_BEHIND["asks"]: (may_ask, lambda each: each.requires_grad_()),
    LEFT_BEHIND["weights"]: (is_network, lambda each: [spoil(weights) for weights in each.parameters()]),
    LEFT_BEHIND["gradients"]: (is_network, fill),
    LEFT_BEHIND["frozen"]: (is_network, lambda each: each.requires_grad_(False)),
    LEFT_BEHIND["mode"]: (is_network, lambda each: each.train(not each.training)),
}


def seen_by(exercise):
    """Whatever the exercise gives to its reference, and whether two of the results share a shape."""
    given, results = [], []

    def look(*now):
        result = exercise.reference(*now)
        given.extend(contracts.parts_of(now))
        results.extend(each for each in contracts.parts_of(result) if isinstance(each, torch.Tensor))
        return result

    exercise.examine(look)
    return given, results


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
class TestAlone:
    def test_what_is_left_in_what_was_given_is_refused(self, exercise):
        shown, _ = seen_by(exercise)
        for message, (fits, act) in LEFT.items():
            if any(map(fits, shown)) and not (exercise.trains and fits is is_network):

                def leave(*given, fits=fits, act=act):
                    return [act(each) for each in contracts.parts_of(given) if fits(each)]

                refused(exercise, after(exercise.reference, leave), message)

    def test_an_answer_may_draw_random_numbers(self, exercise):
        exercise.examine(before(exercise.reference, lambda *given: torch.rand(3)))

    @pytest.mark.parametrize("when", [before, after])
    def test_a_seed_set_inside_is_refused(self, exercise, when):
        refused(exercise, when(exercise.reference, lambda *given: torch.manual_seed(0)), LEFT_BEHIND["seed"])

    def test_a_seed_that_is_set_back_is_none(self, exercise):
        def draw(*given):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)

        exercise.examine(before(exercise.reference, draw))

    def test_gradients_stay_switched_on(self, exercise):
        refused(
            exercise, after(exercise.reference, lambda *given: torch.set_grad_enabled(False)), LEFT_BEHIND["switch"]
        )
        assert torch.is_grad_enabled()

    def test_the_default_type_stays(self, exercise):
        kind = torch.get_default_dtype()
        change = after(exercise.reference, lambda *given: torch.set_default_dtype(torch.float64))
        refused(exercise, change, LEFT_BEHIND["switch"])
        assert torch.get_default_dtype() == kind

    def test_nothing_is_known_from_shapes_alone(self, exercise):
        if int(exercise.id.split(".")[0]) >= 5 and exercise.id not in NO_TENSOR:
            refused(exercise, from_shapes(exercise.reference))

    def test_an_earlier_result_stays_as_it_is(self, exercise):
        kinds = [(each.shape, each.dtype) for each in seen_by(exercise)[1]]
        if len(set(kinds)) < len(kinds) and exercise.id != "1.3":
            refused(exercise, into_one_tensor(exercise.reference))


class TestCivil:
    def test_it_takes_names_and_nests_and_nan(self):
        nan = torch.tensor([torch.nan, 1.0])
        half = contracts.civil(lambda pair, *, by: [each / by for each in pair])
        for _ in range(2):
            assert half([nan, torch.ones(2)], by=2)[1].equal(torch.full((2,), 0.5))

    @pytest.mark.parametrize(
        ("attempt", "message"),
        [
            (lambda nest, x: x.mul_(2), LEFT_BEHIND["in place"]),
            (lambda nest, x: nest["a"][1].mul_(2), LEFT_BEHIND["in place"]),
            (lambda nest, x: nest["a"].reverse(), LEFT_BEHIND["list in place"]),
            (lambda nest, x: nest.update(b=1), LEFT_BEHIND["list in place"]),
            (lambda nest, x: nest["a"].__setitem__(0, x * 2), LEFT_BEHIND["list in place"]),
            (lambda nest, x: (x * 1).requires_grad_(), LEFT_BEHIND["graph"]),
            (lambda nest, x: [[(x * 1).requires_grad_()]], LEFT_BEHIND["graph"]),
        ],
    )
    def test_it_looks_into_names_and_nests(self, attempt, message):
        with pytest.raises(exercises.NotYet) as caught:
            contracts.civil(attempt)(
                {"a": [torch.zeros(2), torch.ones(2)]}, x=torch.full((2,), torch.nan).nan_to_num(3)
            )
        assert str(caught.value) == message

    def test_an_earlier_result_in_a_nest_stays_as_it_is(self):
        kept = torch.zeros(2)
        call = contracts.civil(lambda x: {"a": [kept.copy_(x)]})
        call(torch.ones(2))
        with pytest.raises(exercises.NotYet, match="an earlier call"):
            call(torch.zeros(2))

    def test_a_result_may_ask_where_something_given_does(self):
        x = torch.ones(2, requires_grad=True)
        assert contracts.civil(lambda nest: nest[0] * 2)([x]).requires_grad
        assert contracts.civil(lambda network, x: network(x))(torch.nn.Linear(2, 2), torch.ones(2)).requires_grad

    def test_who_trains_may_change_the_network_alone(self):
        network = torch.nn.Linear(2, 2)

        def train(network, x):
            network(x).sum().backward()
            spoil(network.weight)
            network.eval()

        contracts.civil(train, trains=True)(network, torch.ones(2))
        with pytest.raises(exercises.NotYet, match="changes the network"):
            contracts.civil(train)(network, torch.ones(2))
        with pytest.raises(exercises.NotYet, match="this changes what it was given"):
            contracts.civil(lambda network, x: spoil(x), trains=True)(network, torch.ones(2))
