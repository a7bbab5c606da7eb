"""`python -m video_uniformer` is `video-uniformer`."""

from video_uniformer.cli.main import main

if __name__ == "__main__":
    main()
