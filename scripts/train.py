"""Run `video-uniformer train` from a checkout: `python scripts/train.py --help`."""

from video_uniformer.cli.train import main

if __name__ == "__main__":
    main()
