"""Keep what libraries say of themselves out of a user's way.

Each line is one message that no user of these commands can act on, with its source. Lightning's own
notes (which devices there are, what it recommends) are kept out by `conf/hydra/default.yaml`, which
sets the level of its logger.
"""

import warnings

MESSAGES = (
    # lightning 2.6 asks torch's pytree the old way.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # Short epochs are no mistake, and the progress bar shows every step.
    r"The number of training batches .* is smaller than the logging interval",
    # One worker per processor is all there is; the progress bar shows the share of time waited.
    r"The '\w+' does not have many workers",
    # Every process logs the same value, computed over all videos.
    r"It is recommended to use `self.log\(.*sync_dist=True\)`",
    # DDP, of kernels of one pixel, which have two names for one layout; their gradients are small.
    r"Grad strides do not match bucket view strides",
    # A run that ends inside an epoch writes `last` and has nothing to compare for `best`.
    r"`ModelCheckpoint\(monitor=.*could not find the monitored key",
    # Whoever leaves a callback out when resuming wants it so.
    r"Be aware that when using `ckpt_path`",
    # Our sampler resumes, where Lightning asks the loader.
    r"You're resuming from a checkpoint that ended before the epoch ended",
    # The log of a training that resumes is kept, and written again at once.
    r"Experiment logs directory .* exists and is not empty",
    # Training resumes into the folder of its checkpoints.
    r"Checkpoint directory .* exists and is not empty",
    # Or into another folder, whose `best` is then the best since resuming.
    r"The dirpath has changed from",
)


def silence_libraries() -> None:
    """Ignore the warnings of `MESSAGES` for the rest of the process."""
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message)
