"""What the page draws is what the API says."""

import base64
import io
import json
import re
from collections.abc import Callable
from typing import Any

import httpx2
import matplotlib as mpl
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect
from saliserve_client.comparison import LEAST_AGREEMENT
from saliserve_client.dataset.agreement import kendalls_w
from scipy import stats

from service.imaging.encode import encode_map
from service.imaging.heat import heat_map, strongest

DEFAULT = "imagenet-efficientnet-lite0"

Wait = Callable[[Page], Page]
Drawn = Callable[..., NDArray[np.uint8]]


def call(page: Page, name: str, function: str, given: object) -> Any:
    """Call a function of JavaScript with one of the page's modules."""
    source = f"""async (given) => {{
      const main = document.querySelector("script[type=module]").src;
      const module = await import(main.replace("main.js", "{name}"));
      return ({function})(module, given);
    }}"""
    return page.evaluate(source, given)


def npy(values: NDArray[np.float32]) -> dict[str, str]:
    """A map as the API encodes it."""
    return {"encoding": "npy", "data": base64.b64encode(encode_map(values, "npy").data).decode()}


def test_a_map_is_read_bit_for_bit(page: Page) -> None:
    """numpy wrote it; the values include what decimal notation would round."""
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    values[0, 0] = np.nextafter(np.float32(1), np.float32(2))

    read = call(
        page,
        "npy.js",
        "(m, map) => { const r = m.readMap(map); return [r.rows, r.columns, [...r.values]]; }",
        npy(values),
    )

    assert read[:2] == [5, 7]
    np.testing.assert_array_equal(np.array(read[2], np.float32).reshape(5, 7), values)


@pytest.mark.parametrize("levels", [2, 1_000])
def test_rankings_are_the_clients(page: Page, levels: int) -> None:
    """The page and saliserve-client must not name different winners; the client's W is held against SciPy's."""
    scores = np.random.default_rng(levels).integers(0, levels, (4, 5)).astype(float).tolist()
    receipts = [
        {
            "protocol": {"name": "full", "version": "3"},
            "operators": [
                {"name": f"operator {place}", "counted": place < 4, "srg": srg}
                for place, srg in enumerate(one)
            ],
        }
        for one in scores
    ]

    found = call(page, "ranking.js", "(m, receipts) => m.ranking(receipts)", receipts)

    assert found["operators"] == [f"operator {place}" for place in range(4)]
    expected = [stats.rankdata([-one[place] for one in scores]).tolist() for place in range(4)]
    assert found["ranks"] == expected
    assert found["agreement"] == pytest.approx(kendalls_w(expected), abs=1e-12)

    panels = [
        {
            "view": {"letter": letter, "method": {"name": "grad_cam"}},
            "reply": {"answer": {"model": {"sha256": "5"}, "receipt": receipt}},
        }
        for letter, receipt in zip("ABCD", receipts, strict=True)
    ]
    shown = call(page, "ranking.js", "(m, panels) => m.rankingSection(panels).textContent", panels)
    assert ("names no best map" in shown) == (found["agreement"] < LEAST_AGREEMENT)
    assert "A grad cam" in shown
    panels[0]["reply"]["answer"]["model"]["sha256"] = "6"
    assert call(page, "ranking.js", "(m, panels) => m.rankingSection(panels)", panels) is None


@pytest.mark.parametrize("name", ["inferno", "viridis", "cividis"])
def test_colour_maps_are_matplotlibs(page: Page, name: str) -> None:
    """Seventeen samples of the original, straight lines between; that is off by at most 11 of 255 levels."""
    positions = np.linspace(0, 1, 101)
    got = call(
        page, "colours.js", f"(m, xs) => xs.map((x) => m.between(m.SEQUENTIAL.{name}, x))", positions.tolist()
    )

    original = 255 * mpl.colormaps[name](np.linspace(0, 1, 17))[:, :3]
    expected = [np.interp(positions, np.linspace(0, 1, 17), channel) for channel in original.T]
    np.testing.assert_allclose(np.array(got).T, expected, atol=0.5)  # rounded to whole levels
    assert np.abs(got - 255 * mpl.colormaps[name](positions)[:, :3]).max() <= 11


@pytest.mark.parametrize("is_signed", [False, True])
def test_heat_follows_the_apis_rules(page: Page, *, is_signed: bool) -> None:
    """Colour and cover of every pixel are those of the overlay that the API paints."""
    values = np.random.default_rng(1).normal(size=(40, 30)).astype(np.float32)
    values = values if is_signed else np.abs(values)

    painted = call(
        page,
        "heat.js",
        "(m, [values, rows, columns, style]) =>"
        " { const map = { values: Float32Array.from(values), rows, columns };"
        " map.scale = m.strongest(map.values); return [...m.paint(map, style).data]; }",
        [
            values.ravel().tolist(),
            40,
            30,
            {"cover": 0.8, "alone": False, "sequential": "inferno", "diverging": "blue and vermilion"},
        ],
    )
    pixels = np.array(painted, np.float64).reshape(40, 30, 4)
    heat = heat_map(values, strongest(values))

    # Half of one of 255 levels, and of one of the 1024 shares that have a colour of their own.
    np.testing.assert_allclose(pixels[..., 3] / 255, heat.cover, atol=0.5 / 255 + 0.8 * 0.5 / 1024 + 1e-6)
    shown = heat.cover > 1 / 255  # what is not laid over anything has any colour
    np.testing.assert_allclose(pixels[shown, :3], heat.colour[shown], atol=1 if is_signed else 9)


@pytest.mark.parametrize("method", ["grad_cam", "input_x_gradient"])
def test_the_figure_is_the_apis_overlay(
    page: Page, address: str, explained: Wait, drawn: Drawn, method: str
) -> None:
    """Same region, same colours, and not a pixel beside it: two ways to enlarge a picture differ by a level or so."""
    page.get_by_label("Model", exact=True).select_option(label=f"{DEFAULT} v1")
    page.get_by_label("Method", exact=True).select_option(method)
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    photo = httpx2.get(address + "samples/coffee.jpg", timeout=60).content
    options = json.dumps({"model": DEFAULT, "method": method, "receipt": "none", "overlay": True})
    answer = httpx2.post(
        address + "v1/explain", files={"image": photo}, data={"options": options}, timeout=60
    )
    overlay = base64.b64decode(answer.json()["explanation"]["overlay"])
    expected = np.asarray(PIL.Image.open(io.BytesIO(overlay))).astype(int)

    got = drawn(page).astype(int)
    assert got.shape == expected.shape
    difference = np.abs(got - expected).mean()
    assert difference < 1.5
    assert 2 * difference < np.abs(got[:, 1:] - expected[:, :-1]).mean()
    assert 2 * difference < np.abs(got[1:] - expected[:-1]).mean()


def test_opacity_colours_and_layers_can_be_chosen(page: Page, explained: Wait, drawn: Drawn) -> None:
    """Each choice is drawn at once; without opacity nothing but the greyed picture is left."""
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)
    inferno = drawn(page)

    page.get_by_label("colours", exact=True).select_option("viridis")
    viridis = drawn(page)
    page.get_by_label("opacity").fill("0")
    bare = drawn(page)
    page.get_by_role("radio", name="picture").check()
    picture = drawn(page)
    page.get_by_role("radio", name="map").check()
    alone = drawn(page)

    assert (viridis != inferno).any()
    assert np.ptp(picture.astype(int), axis=2).mean() > 2 * np.ptp(bare.astype(int), axis=2).mean()
    assert distance_to_viridis(alone) < 12 < distance_to_viridis(picture)
    expect(page.get_by_label("opacity")).to_be_disabled()


def test_the_value_under_the_pointer_is_told(page: Page, explained: Wait) -> None:
    """A colour is a rank; an instrument also gives the number."""
    page.get_by_role("radio", name="none").check()
    page.get_by_role("button", name="Coffee").click()
    explained(page)

    page.locator(".plate canvas").hover(position={"x": 5, "y": 5})

    expect(page.locator(".readout")).to_have_text(re.compile(r"^−?[\d.e−]+ at 0, 0$"))


def distance_to_viridis(pixels: NDArray[np.uint8]) -> float:
    """How far the pixel that is farthest from all colours of viridis is from the next one, in levels."""
    colours = 255 * mpl.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]
    some = pixels[::16, ::16].reshape(-1, 1, 3).astype(float)
    return float(np.abs(some - colours).max(axis=2).min(axis=1).max())
