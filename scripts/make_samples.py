"""Write the bundled demo photographs, ``samples/*.jpg``, from scikit-image's (both CC0).

Needs the dependency group ``test``. Their licence is stated in NOTICE.
"""

from pathlib import Path

import PIL.Image
import skimage.data

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
# At 95 the JPEG's own error is far below what the model notices; the two files are 120 kB together.
QUALITY = 95


def main() -> None:
    """Convert the two photographs."""
    SAMPLES.mkdir(exist_ok=True)
    for name in ("chelsea", "coffee"):
        picture = PIL.Image.open(Path(skimage.data.data_dir) / f"{name}.png").convert("RGB")
        path = SAMPLES / f"{name}.jpg"
        picture.save(path, quality=QUALITY, optimize=True)
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
