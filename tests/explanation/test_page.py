"""The page of an explanation in a real browser: its numbers, keys and mouse; it makes no network request."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import poolcli
from poolcli.errors import SizeError
from poolcli.explanation.crop import parse_crop, read_picture
from poolcli.explanation.explain_picture import explain_picture
from poolcli.explanation.page import page
from poolcli.images.read import from_array

CAT = str(Path(__file__).parents[2] / "sample_images" / "cat.jpg")
VALUES = np.random.default_rng(3).integers(0, 256, (13, 11), np.uint8)
RECIPES = {
    "plain": {},
    "overlap": {"size": 3, "stride": 2},
    "padding": {"size": 3, "stride": 2, "padding": "1,1,0,1"},
    "dilation": {"size": 2, "dilation": 3, "stride": 1, "padding": "same"},
    "average": {"pool": "average", "size": 3, "padding": 1, "count_include_pad": True, "ceil": True},
    "ceil": {"pool": "average", "size": 3, "stride": 2, "ceil": True},
    "conv": {"kernel": "edge", "repeat": 2},
    "emboss": {"kernel": "emboss", "conv_stride": 2, "conv_dilation": 2, "relu": False},
    "blur": {"kernel": "blur", "pool": "blur"},
    "median": {"pool": "median", "size": "3x2"},
    "adaptive": {"pool": "average", "output_size": "5x4"},
    "global": {"pool": "lp", "global_pool": True},
    "std": {"pool": "std", "size": 3, "stride": 1},
    "mode": {"pool": "mode", "size": 4},
    "percentile": {"pool": "percentile", "q": 30, "size": 3},
    "gem": {"pool": "gem", "size": 3, "padding": 1},
    "gem of 1": {"pool": "gem", "p": 1},
    "gem of infinity": {"pool": "gem", "p": "inf", "global_pool": True},
    "lse": {"pool": "lse", "size": 3, "stride": 2, "ceil": True},
    "lse of bytes": {"pool": "lse", "r": 1, "range": "byte"},
    "soft": {"kernel": "edge", "relu": False, "pool": "soft", "output_size": "3x4"},
    "mixed": {"pool": "mixed", "alpha": 0.3, "size": 3, "padding": "same"},
    "stochastic": {"kernel": "edge", "pool": "stochastic", "seed": 2**64 - 1, "repeat": 2},
    "stochastic of negatives": {"kernel": "edge", "relu": False, "pool": "stochastic", "size": 3},
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
in_a_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium and its driver")


def explained(values=VALUES, **options):
    return explain_picture(from_array(values), poolcli.recipe(**options))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    selenium = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
        "disable-sync", "no-first-run", "window-size=1280,1000", "disable-dev-shm-usage",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def shown(browser, tmp_path):
    """Open the page of an explanation; afterwards it must have made no request and logged no error."""
    path = tmp_path / "page.html"

    def show(explanation, window=None):
        path.write_text(page(explanation, window), "utf-8")
        browser.get("about:blank")
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(path.as_uri())
        return browser

    yield show
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if url != path.as_uri() and not url.startswith("data:")] == []


def status(browser):
    return browser.find_element("id", "status").text


@in_a_browser
@pytest.mark.parametrize("name", RECIPES)
def test_every_cell_in_the_browser_is_the_cell_in_python(shown, name):
    explanation = explained(**RECIPES[name])
    browser = shown(explanation)

    for number, stage in enumerate(explanation.stages):
        found = browser.execute_script(
            "const [s, h, w] = arguments, all = [];"
            "for (let r = 0; r < h; r++) for (let c = 0; c < w; c++) all.push(poolcli.cell(s, r, c));"
            "return all;",
            number,
            *stage.shape,
        )
        for cell, there in zip(stage.cells(), found, strict=True):
            assert np.float32(there["result"]) == cell.result
            assert there["matches"] is True
            np.testing.assert_allclose(there["computed"], cell.result, rtol=1e-5, atol=1e-6)
            assert (tuple(there["rows"]), tuple(there["cols"])) == (cell.rows, cell.cols)
            np.testing.assert_array_equal(
                np.array(there["held"], np.float32), [v for row in cell.values for v in row if v is not None]
            )
            assert there["padded"] == cell.padded
            assert (there["winner"] and tuple(there["winner"])) == cell.winner
            assert there["ties"] == cell.ties
    assert re.fullmatch(
        rf"{sum(stage.windows for stage in explanation.stages)} cells computed again in this page: all match",
        browser.find_element("id", "check").text,
    )


@in_a_browser
def test_another_channel_can_be_chosen(shown):
    from selenium.webdriver.support.select import Select

    values = np.random.default_rng(5).integers(0, 256, (9, 7, 3), np.uint8)
    recipe = poolcli.recipe(channels="each", kernel="edge")
    explanation = explain_picture(from_array(values, channels="each"), recipe)
    browser = shown(explanation)
    chooser = Select(browser.find_element("id", "channel"))
    assert [option.text for option in chooser.options] == ["red", "green", "blue"]
    for one in (explanation.channels[2], explanation.channels[1], explanation.channels[0]):
        chooser.select_by_visible_text(one.channel)
        for number, stage in enumerate(one.stages, 1):
            found = browser.execute_script(f"return Array.from(poolcli.maps[{number}].values)")
            np.testing.assert_array_equal(np.array(found, np.float32), stage.after.ravel())
        assert browser.find_element("id", "check").text.endswith("all match")
    assert not shown(explained()).find_element("id", "channel").is_displayed()


@in_a_browser
def test_a_wrong_number_is_noticed(shown):
    explanation = explained()
    explanation.stages[0].raw[2, 1] ^= 1
    browser = shown(explanation, (2, 1))

    assert "differs" in browser.find_element("id", "matches").text
    assert browser.find_element("id", "check").text.endswith("1 differ")


@in_a_browser
def test_the_mouse_hovers_and_pins(shown):
    from selenium.webdriver import ActionChains

    browser = shown(explained(np.arange(16.0).reshape(4, 4), size=3, stride=1))
    first, last = browser.find_elements("tag name", "canvas")

    def move(canvas, row, col, rows):
        side = canvas.size["height"] / rows
        x, y = (col + 0.5) * side - canvas.size["width"] / 2, (row + 0.5) * side - canvas.size["height"] / 2
        return ActionChains(browser).move_to_element_with_offset(canvas, round(x), round(y))

    move(last, 1, 1, 2).perform()
    assert "max(5, 6, 7, 9, 10, 11, 13, 14, 15) = 15" in status(browser)
    move(first, 1, 1, 4).perform()
    assert "4 cells of Condense (MaxPool) read it: rows 0 to 1, columns 0 to 1" in status(browser)
    move(last, 0, 1, 2).click().perform()
    move(first, 3, 3, 4).perform()
    assert "[0,1]" in status(browser)
    assert "pinned" in status(browser)
    ActionChains(browser).send_keys("\ue00c").perform()  # Escape
    move(first, 3, 3, 4).perform()
    assert "Input [3,3] = 15" in status(browser)


@in_a_browser
def test_the_keys_move_and_pin(shown):
    from selenium.webdriver.common.keys import Keys

    browser = shown(explained(np.arange(36.0).reshape(6, 6)))
    canvas = browser.find_elements("tag name", "canvas")[-1]

    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert "[1,1]" in status(browser)
    canvas.send_keys(Keys.END, Keys.PAGE_DOWN, Keys.ENTER)
    assert "[2,2]" in status(browser)
    assert browser.execute_script("return poolcli.chosen()") == {"map": 1, "r": 2, "c": 2, "pinned": True}
    assert browser.switch_to.active_element.get_attribute("aria-label").startswith("Condense")


@in_a_browser
def test_play_moves_on_and_pause_stops(shown):
    from selenium.webdriver.support.wait import WebDriverWait

    browser = shown(explained())
    button = browser.find_element("id", "play")
    button.click()
    assert button.text == "Pause"
    WebDriverWait(browser, 30, 0.05).until(lambda one: one.execute_script("return poolcli.chosen().c") >= 1)
    button.click()
    assert button.text == "Play"
    at = browser.execute_script("return poolcli.chosen()")
    # A timer of the page itself: one that still played would come first, however slow the browser is.
    browser.execute_async_script("setTimeout(arguments[0], 700)")
    assert browser.execute_script("return poolcli.chosen()") == at


@in_a_browser
@pytest.mark.parametrize("scale", ["each", "shared", "unit"])
def test_the_scale_changes_the_colours_and_says_them(shown, scale):
    browser = shown(explained(kernel="edge"))
    browser.execute_script(
        "const s = document.getElementById('scale'); s.value = arguments[0]; s.dispatchEvent(new Event('change'));",
        scale,
    )

    lines = [one.text for one in browser.find_elements("css selector", ".map > p:nth-of-type(1)")]
    ends = [float(line.rsplit(" ", 1)[1]) for line in lines]
    stages = explained(kernel="edge").stages
    tops = [float(np.abs(stage.after).max()) for stage in stages]
    wanted = {"each": tops, "shared": [max(tops)] * 3, "unit": [1.0] * 3}[scale]
    np.testing.assert_allclose(ends[1:], wanted, atol=1e-3)


@in_a_browser
def test_a_narrow_screen_needs_no_sideways_scrolling(shown):
    browser = shown(explained(kernel="edge"))
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_page_of_96_rows_and_four_stages_is_small():
    for kernel in ("edge", "blur"):
        recipe = poolcli.recipe(kernel=kernel, repeat=2)
        picture, full = read_picture(CAT, recipe, parse_crop("100,150,96x96"))
        made = page(explain_picture(picture, recipe, None, full))
        assert len(made.encode()) <= 150_000


def test_the_page_forbids_the_network_and_refers_to_nothing():
    made = page(explained(kernel="edge"))

    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in made
    assert re.findall(r"(?:src|href)=[\"'](?!data:)|[\"'(]//|https?:|@import|\bfetch\(", made) == []
    assert made.count("aria-live") >= 1
    assert "prefers-reduced-motion" in made
    assert "<noscript><p>" in made
    assert 'src="data:image/png;base64,' in made


@in_a_browser
@pytest.mark.parametrize(
    ("preference", "delay", "after_the_last_cell"),
    [("reduce", 1000, ("Play", [1, 1])), ("no-preference", 250, ("Pause", [0, 0]))],
)
def test_playing_respects_reduced_motion(shown, preference, delay, after_the_last_cell):
    """The page steps slowly and stops after the last cell, where it would go on with the first one otherwise."""
    browser = shown(explained(np.arange(16).reshape(4, 4)))
    feature = {"name": "prefers-reduced-motion", "value": preference}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.execute_script(
        "window.delays = []; window.setInterval = (step, delay) => { delays.push(delay); window.step = step; return 1; };"
    )
    play = browser.find_element("id", "play")
    play.click()
    visited = [browser.execute_script("step(); return [poolcli.chosen().r, poolcli.chosen().c];") for _ in range(3)]
    last = browser.execute_script("step(); return [poolcli.chosen().r, poolcli.chosen().c];")
    label = play.text
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    assert browser.execute_script("return delays;") == [delay]
    assert visited == [[0, 1], [1, 0], [1, 1]]
    assert (label, last) == after_the_last_cell


def test_a_name_cannot_become_markup():
    picture = from_array(VALUES)._replace(source="</script><img src=x onerror=alert(1)>.png @DATA@")
    made = page(explain_picture(picture, poolcli.recipe()))

    assert "<img src=x" not in made
    assert made.count("</script>") == 2


def test_a_page_shows_512_rows_at_most():
    page(explained(np.zeros((512, 2), np.uint8)))
    with pytest.raises(SizeError, match="513x2: a page shows up to 512x512; --crop 0,0,512x2 takes a part"):
        page(explained(np.zeros((513, 2), np.uint8)))


def test_a_notebook_shows_the_page_and_print_the_text():
    explained = poolcli.explain(np.arange(1.0, 17).reshape(4, 4), window=(0, 1))

    assert explained._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    assert "max(3, 4, 7, 8) = 8" in str(explained)
    assert explained.to_dict()["stages"][0]["windows"] == 4
    assert poolcli.explain(CAT).explanation.shape == (128, 128)
