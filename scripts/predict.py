"""Run `video-uniformer predict` from a checkout: `python scripts/predict.py --help`."""

from video_uniformer.cli.predict import main

if __name__ == "__main__":
    main()
