"""Makes the pictures of the documentation, docs/pictures/, with the commands that the pages show: `pictures.py`.

`tox -e docs` does so before it builds the site. The pictures of reports are taken by a browser, if chromium and
chromedriver are installed; otherwise the existing pictures stay.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "output"
PICTURES = ROOT / "docs" / "pictures"


def mlv(*arguments: object) -> None:
    """Run the command as a user does."""
    subprocess.run([sys.executable, "-m", "mlv_tools", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """Take a picture of a page in a browser whose window has this size in pixels."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    with tempfile.TemporaryDirectory() as profile:
        for argument in ("headless", "no-sandbox", "disable-gpu", f"window-size={width},{height}"):
            options.add_argument(f"--{argument}")
        options.add_argument(f"--user-data-dir={profile}")
        browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            browser.get(page.as_uri())
            while browser.execute_script("return document.body.dataset.ready") is None:
                time.sleep(0.05)
            browser.save_screenshot(str(picture))
        finally:
            browser.quit()


def train(folder: Path) -> Path:
    """Run the training script of README in a folder, and return the directory of its experiments."""
    [script] = re.findall(r"(?s)<!-- file: train\.py -->\n```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"))
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    return folder / "runs"


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    mlv("plot", EXAMPLE, "--metric", "epoch/batch.loss", "-o", PICTURES / "loss.svg")
    if shutil.which("chromium") and shutil.which("chromedriver"):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "report.html"
            mlv("report", EXAMPLE, "-o", page)
            photograph(page, PICTURES / "report.png", 1200, 900)
            mlv("report", train(Path(folder)), "-o", page)
            photograph(page, PICTURES / "quickstart.png", 1000, 640)


if __name__ == "__main__":
    main()
