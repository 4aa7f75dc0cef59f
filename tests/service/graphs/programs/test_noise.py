"""The noise program against a numpy twin of the published code, and against the normal distribution."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.graphs.programs import parse
from service.graphs.programs.noise import NOISE, noise_key
from service.runtime.device import choose_device
from service.runtime.program import Program
from tests.devices import DEVICES

SHAPE = (3, 5, 7)  # an odd number of values: the last pair is half used


@pytest.fixture(scope="module", params=DEVICES)
def noise(request: pytest.FixtureRequest) -> Program:
    return Program(parse(NOISE).SerializeToString(), choose_device(request.param))


def draw(
    noise: Program, seed: int, samples: list[int], shape: tuple[int, ...] = SHAPE
) -> NDArray[np.float32]:
    inputs: dict[str, Any] = {
        "image": np.zeros((1, *shape), np.float32),
        "deviation": np.array(1, np.float32),
        "sample": np.array(samples),
        "key": np.array(noise_key(seed)),
    }
    return np.asarray(noise(inputs)["images"].numpy())


def squares_rounds(counter: int, key: int) -> tuple[int, int]:
    """Widynski's squares64, literally; returns its ``t`` and the last ``x * x + y``."""
    word = 2**64 - 1

    def rotate(x: int) -> int:
        return (x >> 32 | x << 32) & word

    y = x = counter * key & word
    z = y + key & word
    x = rotate(x * x + y & word)
    x = rotate(x * x + z & word)
    x = rotate(x * x + y & word)
    t = x = x * x + z & word
    x = rotate(x)
    return t, x * x + y & word


def test_each_value_is_that_of_the_literal_twin(noise: Program):
    got = draw(noise, seed=3, samples=[0, 41])
    key, size = int(noise_key(3)), math.prod(SHAPE)
    pairs = (size + 1) // 2
    for row, sample in enumerate((0, 41)):
        expected = np.empty(2 * pairs)
        for pair in range(pairs):
            t, last = squares_rounds((sample << 32) + pair, key)
            radius = math.sqrt(-2 * math.log(((t >> 41) + 0.5) * 2.0**-23))
            angle = 2 * math.pi * (last >> 41) * 2.0**-23
            expected[pair], expected[pairs + pair] = radius * math.cos(angle), radius * math.sin(angle)
        # radius < 6; the angle is rounded at up to 2 pi, and cos and sin pass its error on.
        tolerance = 6 * 4 * 2 * math.pi * float(np.finfo(np.float32).eps)
        np.testing.assert_allclose(got[row].ravel(), expected[:size], rtol=0, atol=tolerance)


def test_a_sample_does_not_depend_on_the_others_of_its_micro_batch(noise: Program):
    together = draw(noise, seed=1, samples=[5, 6, 7])
    alone = np.concatenate([draw(noise, seed=1, samples=[sample]) for sample in (5, 6, 7)])
    np.testing.assert_array_equal(together, alone)


def test_noise_is_added_to_the_image_in_the_size_asked_for(noise: Program):
    image = np.random.default_rng(0).random((1, *SHAPE), dtype=np.float32)
    inputs: dict[str, Any] = {"sample": np.array([9]), "key": np.array(noise_key(2))}
    got = noise({"image": image, "deviation": np.array(0.25, np.float32), **inputs})["images"].numpy()
    unit = draw(noise, seed=2, samples=[9])
    np.testing.assert_allclose(got, image + 0.25 * unit, rtol=0, atol=2 * np.finfo(np.float32).eps)


def test_moments_and_neighbours_are_those_of_independent_normal_numbers(noise: Program):
    """A million values: every statistic within five of its own standard deviations."""
    values = draw(noise, seed=0, samples=[0, 1, 2, 3], shape=(1, 500, 500)).astype(float)
    count = values.size
    flat = values.ravel()
    assert abs(flat.mean()) < 5 / math.sqrt(count)
    assert abs(flat.var() - 1) < 5 * math.sqrt(2 / count)
    assert abs((flat**4).mean() - 3) < 5 * math.sqrt(96 / count)
    halves = values.reshape(4, 2, -1)  # the two numbers of a pair
    pairs = {
        "cosine and sine": (halves[:, 0], halves[:, 1]),
        "their squares": (halves[:, 0] ** 2 - 1, halves[:, 1] ** 2 - 1),
        "neighbours": (flat[:-1], flat[1:]),
        "samples": (values[0], values[1]),
    }
    for name, (one, other) in pairs.items():
        correlation = np.mean(one * other) / math.sqrt(np.mean(one**2) * np.mean(other**2))
        assert abs(correlation) < 5 / math.sqrt(np.size(one)), name


def test_neighbouring_seeds_are_unrelated(noise: Program):
    one, other = (draw(noise, seed, [0], (1, 300, 300)).ravel().astype(float) for seed in (0, 1))
    assert abs(np.mean(one * other)) < 5 / math.sqrt(one.size)
