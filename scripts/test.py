"""Run `video-uniformer test` from a checkout: `python scripts/test.py --help`."""

from video_uniformer.cli.test import main

if __name__ == "__main__":
    main()
